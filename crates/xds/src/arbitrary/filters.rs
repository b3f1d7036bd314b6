//! Faults and CORS policies.

use fastrand::Rng;
use ripstop_model::cors::{CorsPolicy, RouteFilters};
use ripstop_model::fault::{AbortWith, DelayTime, Fault, FaultAbort, FaultDelay};

use super::route::{header_match, runtime_fraction, string_match};
use super::{list, name, option, percent, positive};

pub(super) fn route_filters(rng: &mut Rng) -> RouteFilters {
    RouteFilters {
        fault: option(rng, |rng| Box::new(fault(rng))),
        cors: option(rng, |rng| Box::new(cors(rng))),
    }
}

pub(super) fn fault(rng: &mut Rng) -> Fault {
    Fault {
        delay: option(rng, |rng| FaultDelay {
            time: if rng.bool() { DelayTime::Header } else { DelayTime::Fixed(positive(rng)) },
            share: percent(rng),
        }),
        abort: option(rng, |rng| FaultAbort {
            with: match rng.u8(0..3) {
                0 => AbortWith::Header,
                1 => AbortWith::Http(rng.u16(200..600)),
                _ => AbortWith::Grpc(rng.u32(..)),
            },
            share: percent(rng),
        }),
        upstream_cluster: if rng.bool() { "".into() } else { name(rng) },
        headers: list(rng, 2, header_match),
        max_active: option(rng, |rng| rng.u32(..)),
    }
}

fn cors(rng: &mut Rng) -> CorsPolicy {
    CorsPolicy {
        allow_origins: list(rng, 2, string_match),
        allow_methods: name(rng),
        allow_headers: name(rng),
        expose_headers: name(rng),
        max_age: name(rng),
        allow_credentials: rng.bool(),
        allow_private_network: rng.bool(),
        forward_not_matching: option(rng, |rng| rng.bool()),
        enabled: option(rng, runtime_fraction),
    }
}
