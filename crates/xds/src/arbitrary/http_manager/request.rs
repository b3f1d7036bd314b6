//! What a connection manager does to requests before they are routed, at random.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use fastrand::Rng;
use ripstop_model::cidr::CidrRange;
use ripstop_model::http_manager::client_cert::ClientCertDetails;
use ripstop_model::http_manager::origin::{HttpScheme, InternalAddresses, Origin, RequestIds, SchemeRules};
use ripstop_model::http_manager::paths::{EscapedSlashes, HostRules, PathRules, StripPort, Underscores};
use ripstop_model::http_manager::server::{ServerHeader, ServerTransformation};
use ripstop_model::http_manager::times::Times;
use ripstop_model::http1::{HeaderNames, Http1Options};

use super::super::{duration, list, name, option};

fn one_of<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(0..choices.len())]
}

pub(super) fn times(rng: &mut Rng) -> Times {
    Times {
        request_timeout: option(rng, duration),
        max_stream_duration: option(rng, duration),
        max_connection_duration: option(rng, duration),
        drain_timeout: option(rng, duration),
        http1_safe_max_connection_duration: rng.bool(),
        max_requests_per_connection: option(rng, |rng| NonZeroU32::MIN.saturating_add(rng.u32(..9))),
    }
}

pub(super) fn server(rng: &mut Rng) -> ServerHeader {
    let transformations = [
        ServerTransformation::Overwrite,
        ServerTransformation::AppendIfAbsent,
        ServerTransformation::PassThrough,
    ];
    ServerHeader { name: option(rng, name), transformation: one_of(rng, &transformations) }
}

pub(super) fn http1(rng: &mut Rng) -> Http1Options {
    Http1Options {
        accept_http_10: rng.bool(),
        default_host_for_http_10: option(rng, name),
        allow_absolute_url: rng.bool(),
        allow_chunked_length: rng.bool(),
        names: one_of(rng, &[HeaderNames::Lower, HeaderNames::ProperCase, HeaderNames::Preserve]),
    }
}

pub(super) fn paths(rng: &mut Rng) -> PathRules {
    let actions = [
        EscapedSlashes::Default,
        EscapedSlashes::Keep,
        EscapedSlashes::Reject,
        EscapedSlashes::Redirect,
        EscapedSlashes::Forward,
    ];
    PathRules {
        normalize: option(rng, Rng::bool),
        merge_slashes: rng.bool(),
        escaped_slashes: one_of(rng, &actions),
    }
}

pub(super) fn hosts(rng: &mut Rng) -> HostRules {
    let strip_port = one_of(rng, &[StripPort::Keep, StripPort::Matching, StripPort::Any]);
    HostRules { strip_port, strip_trailing_dot: rng.bool() }
}

pub(super) fn underscores(rng: &mut Rng) -> Underscores {
    one_of(rng, &[Underscores::Allow, Underscores::Reject, Underscores::Drop])
}

pub(super) fn origin(rng: &mut Rng) -> Origin {
    let schemes = [HttpScheme::Http, HttpScheme::Https];
    Origin {
        xff_num_trusted_hops: rng.u32(..4),
        skip_xff_append: rng.bool(),
        append_x_forwarded_port: rng.bool(),
        internal: InternalAddresses { unix_sockets: rng.bool(), ranges: list(rng, 2, range) },
        scheme: SchemeRules {
            overwrite: option(rng, |rng| one_of(rng, &schemes)),
            match_upstream: rng.bool(),
        },
        via: option(rng, name),
    }
}

fn range(rng: &mut Rng) -> CidrRange {
    let (address, bits) = match rng.bool() {
        true => (IpAddr::V4(Ipv4Addr::from_bits(rng.u32(..))), 32),
        false => (IpAddr::V6(Ipv6Addr::from_bits(rng.u128(..))), 128),
    };
    CidrRange::new(address, rng.u32(0..=bits))
}

pub(super) fn client_cert_details(rng: &mut Rng) -> ClientCertDetails {
    ClientCertDetails {
        subject: rng.bool(),
        cert: rng.bool(),
        chain: rng.bool(),
        dns: rng.bool(),
        uri: rng.bool(),
    }
}

pub(super) fn request_ids(rng: &mut Rng) -> RequestIds {
    RequestIds {
        preserve_external: rng.bool(),
        always_in_response: rng.bool(),
        pack_trace_reason: rng.bool(),
    }
}
