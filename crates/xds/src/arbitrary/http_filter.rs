//! HTTP filters, and what routes say to them, at random.

use fastrand::Rng;
use ripstop_model::cors::CorsPolicy;
use ripstop_model::fault::{
    FaultAbort, FaultDelay, FaultKeys, FaultParts, FaultRate, FaultShare, FaultStatus, HttpFault,
};
use ripstop_model::http_filter::{FilterOverride, FilterOverrides, HttpFilter, HttpFilterKind};
use ripstop_model::runtime::RuntimeFraction;
use ripstop_model::session::{SessionCarrier, StatefulSession};

use super::route::{hash_cookie, header_match, lower_case, string_match};
use super::{list, name, option, percent, positive};

/// Filters of a connection manager.
pub(super) fn filters(rng: &mut Rng) -> Vec<HttpFilter> {
    list(rng, 3, |rng| HttpFilter {
        name: name(rng),
        disabled: rng.bool(),
        kind: match rng.u8(0..3) {
            0 => HttpFilterKind::Cors,
            1 => HttpFilterKind::Session(Box::new(session(rng))),
            _ => HttpFilterKind::Fault(Box::new(fault(rng))),
        },
    })
}

/// What is said to at most so many filters.
pub(super) fn overrides(rng: &mut Rng, most: usize) -> FilterOverrides {
    let said = list(rng, most, |rng| {
        let said = match rng.u8(0..4) {
            0 => FilterOverride::Disabled,
            2 => FilterOverride::Session(Box::new(session(rng))),
            1 => FilterOverride::Cors(Box::new(cors(rng))),
            _ => FilterOverride::Fault(Box::new(fault(rng))),
        };
        (name(rng), said)
    });
    said.into_iter().collect()
}

fn session(rng: &mut Rng) -> StatefulSession {
    let carrier = |rng: &mut Rng| match rng.bool() {
        true => SessionCarrier::Cookie(hash_cookie(rng)),
        false => SessionCarrier::Header(lower_case(rng)),
    };
    StatefulSession { carrier: option(rng, carrier), strict: rng.bool(), gone_status: rng.u16(200..600) }
}

pub(super) fn cors(rng: &mut Rng) -> CorsPolicy {
    let share = |rng: &mut Rng| RuntimeFraction { key: name(rng), default: percent(rng) };
    CorsPolicy {
        allow_origins: list(rng, 2, string_match),
        allow_methods: option(rng, name),
        allow_headers: option(rng, name),
        expose_headers: option(rng, name),
        max_age: option(rng, name),
        allow_credentials: option(rng, Rng::bool),
        allow_private_network: option(rng, Rng::bool),
        forward_unmatched_preflights: option(rng, Rng::bool),
        enabled: option(rng, share),
        shadow: option(rng, share),
    }
}

fn share(rng: &mut Rng) -> FaultShare {
    let of = [FaultParts::Hundred, FaultParts::TenThousand, FaultParts::Million][rng.usize(0..3)];
    FaultShare { parts: rng.u32(0..=1_000_000 / of.millionths()), of }
}

fn fault(rng: &mut Rng) -> HttpFault {
    HttpFault {
        delay: option(rng, |rng| FaultDelay { share: share(rng), fixed: option(rng, positive) }),
        abort: option(rng, |rng| FaultAbort {
            share: share(rng),
            status: match rng.u8(0..3) {
                0 => FaultStatus::Http(rng.u16(200..600)),
                1 => FaultStatus::Grpc(rng.u32(..)),
                _ => FaultStatus::Header,
            },
            body: option(rng, name),
        }),
        rate: option(rng, |rng| FaultRate { share: share(rng), fixed_kib: option(rng, |rng| rng.u64(1..)) }),
        upstream_cluster: option(rng, name),
        headers: list(rng, 2, header_match),
        downstream_nodes: list(rng, 2, name),
        max_active: option(rng, |rng| rng.u32(..)),
        hides_callers: rng.bool(),
        keys: FaultKeys {
            delay_share: option(rng, name),
            delay_ms: option(rng, name),
            abort_share: option(rng, name),
            abort_http_status: option(rng, name),
            abort_grpc_status: option(rng, name),
            rate_share: option(rng, name),
            max_active: option(rng, name),
        },
    }
}
