//! Forwarding, at random.

use fastrand::Rng;
use ripstop_model::Name;
use ripstop_model::load_balancing::Labels;
use ripstop_model::route::{
    ClusterChoice, ClusterNotFound, ClusterSplit, Forward, HashCookie, HashPolicy, HashSource, HostRewrite,
    PathRewrite, PathTemplate, RegexSubstitution, RewriteTemplate, RoutePriority, SplitBy, WeightedCluster,
};

use ripstop_model::route_times::{MaxStreamDuration, RouteTimes};

use super::{mirror, retry_policy};
use crate::arbitrary::http_filter::{cors, overrides};
use crate::arbitrary::{duration, list, name, option, upgrade};

pub(in crate::arbitrary) fn lower_case(rng: &mut Rng) -> Name {
    name(rng).to_ascii_lowercase().into()
}

pub(super) fn substitution(rng: &mut Rng) -> RegexSubstitution {
    RegexSubstitution { pattern: name(rng), substitution: format!("{}\\1", name(rng)).into() }
}

fn weighted(rng: &mut Rng, weight: u32) -> WeightedCluster {
    WeightedCluster {
        name: name(rng),
        weight,
        host_rewrite: option(rng, name),
        headers: super::mutation::mutations(rng),
        subset: subset(rng),
        // At most one: of several the wire has no order.
        filters: overrides(rng, 1),
    }
}

fn split(rng: &mut Rng) -> ClusterSplit {
    let (one, other) = (rng.u32(1..1000), rng.u32(0..1000));
    let by = match rng.u8(0..4) {
        0 => SplitBy::Header(lower_case(rng)),
        1 => SplitBy::Hash,
        _ => SplitBy::Dice,
    };
    ClusterSplit { shares: vec![weighted(rng, one), weighted(rng, other)], by }
}

/// At most one: of several the wire has no order.
fn subset(rng: &mut Rng) -> Labels {
    list(rng, 1, |rng| (name(rng), name(rng))).into_iter().collect()
}

pub(in crate::arbitrary) fn hash_cookie(rng: &mut Rng) -> HashCookie {
    HashCookie {
        name: name(rng),
        ttl: option(rng, duration),
        path: if rng.bool() { name(rng) } else { "".into() },
        attributes: list(rng, 2, |rng| (name(rng), if rng.bool() { name(rng) } else { "".into() })),
    }
}

fn hash_policy(rng: &mut Rng) -> HashPolicy {
    let source = match rng.u8(0..4) {
        0 => HashSource::Header { name: lower_case(rng), rewrite: option(rng, substitution) },
        1 => HashSource::Cookie(hash_cookie(rng)),
        2 => HashSource::SourceIp,
        _ => HashSource::QueryParameter(name(rng)),
    };
    HashPolicy { source, terminal: rng.bool() }
}

fn route_times(rng: &mut Rng) -> RouteTimes {
    RouteTimes {
        idle_timeout: option(rng, duration),
        max_stream: option(rng, |rng| MaxStreamDuration {
            max: option(rng, duration),
            grpc_header_max: option(rng, duration),
            grpc_header_offset: option(rng, duration),
        }),
        max_grpc_timeout: option(rng, duration),
        grpc_timeout_offset: option(rng, duration),
    }
}

/// `template` is what the route matches, where that is a pattern.
pub(super) fn forward(rng: &mut Rng, template: Option<&PathTemplate>) -> Forward {
    let template = template.and_then(|matched| RewriteTemplate::parse("/n/{b}-{a}/", matched).ok());
    let rewrite = match template {
        Some(template) if rng.bool() => Some(PathRewrite::Template(template)),
        _ => option(rng, |rng| match rng.bool() {
            true => PathRewrite::Prefix(format!("/{}", name(rng)).into()),
            false => PathRewrite::Regex(substitution(rng)),
        }),
    };
    Forward {
        cluster: match rng.u8(0..3) {
            0 => ClusterChoice::Single(name(rng)),
            1 => ClusterChoice::Header(lower_case(rng)),
            _ => ClusterChoice::Weighted(split(rng)),
        },
        cluster_not_found: match rng.u8(0..3) {
            0 => ClusterNotFound::ServiceUnavailable,
            1 => ClusterNotFound::NotFound,
            _ => ClusterNotFound::InternalServerError,
        },
        rewrite,
        host_rewrite: option(rng, |rng| match rng.u8(0..4) {
            0 => HostRewrite::Literal(name(rng)),
            1 => HostRewrite::Endpoint,
            2 => HostRewrite::Header(lower_case(rng)),
            _ => HostRewrite::PathRegex(substitution(rng)),
        }),
        append_x_forwarded_host: rng.bool(),
        hash: list(rng, 2, hash_policy),
        timeout: option(rng, duration),
        retry: option(rng, retry_policy),
        hedge: option(rng, super::hedge),
        body_buffer_bytes: option(rng, |rng| rng.u64(..)),
        priority: if rng.bool() { RoutePriority::High } else { RoutePriority::Default },
        times: route_times(rng),
        upgrades: upgrade::of_route(rng),
        subset: subset(rng),
        mirrors: list(rng, 2, mirror),
        cors: option(rng, |rng| Box::new(cors(rng))),
    }
}
