//! Route configurations, at random.

use fastrand::Rng;
use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch, QueryMatch, StringMatch, StringPattern};
use ripstop_model::mirror::{MirrorTarget, RequestMirror};
use ripstop_model::route::{
    Backoff, ClusterChoice, DirectResponse, Forward, PathMatch, PathRewrite, RetryOn, RetryPolicy,
    RouteAction, RouteMatch, WeightedCluster,
};
use ripstop_model::route_times::{MaxStreamDuration, RouteTimes};
use ripstop_model::runtime::RuntimeFraction;
use ripstop_model::{Name, Route, RouteConfiguration, VirtualHost};

use super::{duration, list, name, option, percent, positive, upgrade};

pub(super) fn string_match(rng: &mut Rng) -> StringMatch {
    let text = name(rng);
    let pattern = match rng.u8(0..5) {
        0 => StringPattern::Exact(text),
        1 => StringPattern::Prefix(text),
        2 => StringPattern::Suffix(text),
        3 => StringPattern::Contains(text),
        _ => StringPattern::Regex(text),
    };
    let ignore_case = rng.bool() && !matches!(pattern, StringPattern::Regex(_));
    StringMatch { pattern, ignore_case }
}

pub(super) fn header_match(rng: &mut Rng) -> HeaderMatch {
    let value = match rng.u8(0..3) {
        0 => HeaderValueMatch::Present(rng.bool()),
        1 => HeaderValueMatch::String(string_match(rng)),
        _ => HeaderValueMatch::Range { start: rng.i64(..), end: rng.i64(..) },
    };
    HeaderMatch {
        name: name(rng).to_ascii_lowercase().into(),
        value,
        invert: rng.bool(),
        treat_missing_as_empty: rng.bool(),
    }
}

pub(super) fn route_match(rng: &mut Rng) -> RouteMatch {
    let path = Name::from(format!("/{}", name(rng)));
    let path = match rng.u8(0..4) {
        0 => PathMatch::Prefix(path),
        1 => PathMatch::Exact(path),
        2 => PathMatch::Regex(path),
        _ => PathMatch::PathSeparatedPrefix(path),
    };
    RouteMatch {
        path,
        case_sensitive: rng.bool(),
        headers: list(rng, 2, header_match),
        query: list(rng, 2, |rng| QueryMatch { name: name(rng), value: option(rng, string_match) }),
    }
}

pub(super) fn retry_policy(rng: &mut Rng) -> RetryPolicy {
    let words: Vec<&str> = RetryOn::all_words().collect();
    let on = list(rng, 4, |rng| words[rng.usize(0..words.len())]);
    let base = positive(rng);
    RetryPolicy {
        on: on.into_iter().filter_map(RetryOn::from_word).fold(RetryOn::default(), RetryOn::and),
        num_retries: rng.u32(..),
        per_try_timeout: option(rng, duration),
        per_try_idle_timeout: option(rng, positive),
        backoff: Backoff { base, max: base + duration(rng) },
        avoid_previous_hosts: rng.bool(),
        host_selection_attempts: rng.u32(1..),
        any_method: rng.bool(),
        retriable_statuses: list(rng, 3, |rng| rng.u16(100..600)),
    }
}

fn mirror(rng: &mut Rng) -> RequestMirror {
    let target = match rng.bool() {
        true => MirrorTarget::Cluster(name(rng)),
        false => MirrorTarget::Header(name(rng).to_ascii_lowercase().into()),
    };
    let share = |rng: &mut Rng| RuntimeFraction {
        key: if rng.bool() { name(rng) } else { "".into() },
        default: percent(rng),
    };
    RequestMirror { target, share: option(rng, share), shadow_suffix: rng.bool(), host: option(rng, name) }
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

pub(super) fn forward(rng: &mut Rng) -> Forward {
    let cluster = match rng.bool() {
        true => ClusterChoice::Single(name(rng)),
        false => {
            let share = |weight, rng: &mut Rng| WeightedCluster { name: name(rng), weight };
            ClusterChoice::Weighted(vec![share(rng.u32(1..1000), rng), share(rng.u32(0..1000), rng)])
        }
    };
    Forward {
        cluster,
        rewrite: option(rng, |rng| PathRewrite::Prefix(format!("/{}", name(rng)).into())),
        host_rewrite: option(rng, name),
        timeout: option(rng, duration),
        retry: option(rng, retry_policy),
        times: route_times(rng),
        upgrades: upgrade::of_route(rng),
        mirrors: list(rng, 2, mirror),
    }
}

pub(super) fn route(rng: &mut Rng) -> Route {
    let action = match rng.u8(0..4) {
        0 => {
            let body = if rng.bool() { name(rng) } else { "".into() };
            RouteAction::DirectResponse(DirectResponse { status: rng.u16(200..600), body })
        }
        _ => RouteAction::Forward(Box::new(forward(rng))),
    };
    Route { name: if rng.bool() { name(rng) } else { "".into() }, matches: route_match(rng), action }
}

/// A route configuration.
pub(crate) fn route_configuration(rng: &mut Rng) -> RouteConfiguration {
    let virtual_hosts = list(rng, 3, |rng| VirtualHost {
        name: name(rng),
        domains: vec![name(rng), format!("*.{}", name(rng)).into()],
        routes: list(rng, 4, route),
        mirrors: list(rng, 1, mirror),
    });
    RouteConfiguration { name: name(rng), virtual_hosts, mirrors: list(rng, 1, mirror) }
}
