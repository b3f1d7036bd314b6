//! Route configurations, at random.

mod forward;
mod matches;
mod mutation;
mod redirect;

use fastrand::Rng;
use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch, StringMatch, StringPattern};
use ripstop_model::mirror::{MirrorTarget, RequestMirror};
use ripstop_model::route::{
    Backoff, DirectResponse, Growth, HedgePolicy, Jitter, PathMatch, RateLimitedBackoff, RequireTls,
    ResetFormat, ResetHeader, RetryOn, RetryPolicy, RouteAction,
};
use ripstop_model::runtime::RuntimeFraction;
use ripstop_model::{Route, RouteConfiguration, VirtualHost};

pub(super) use self::forward::{hash_cookie, lower_case};
pub(super) use self::mutation::addition as header_addition;
use super::http_filter::{cors, overrides};
use super::metadata::metadata;
use super::{duration, list, name, option, percent, positive};

pub(super) use mutation::addition;

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

pub(super) fn retry_policy(rng: &mut Rng) -> RetryPolicy {
    let words: Vec<&str> = RetryOn::all_words().collect();
    let on = list(rng, 4, |rng| words[rng.usize(0..words.len())]);
    let base = positive(rng);
    RetryPolicy {
        on: on.into_iter().filter_map(RetryOn::from_word).fold(RetryOn::default(), RetryOn::and),
        num_retries: rng.u32(..),
        per_try_timeout: option(rng, duration),
        per_try_idle_timeout: option(rng, positive),
        backoff: Backoff {
            base,
            max: base + duration(rng),
            growth: [Growth::Exponential, Growth::Linear, Growth::Constant, Growth::Fibonacci]
                [rng.usize(0..4)],
            jitter: [Jitter::Full, Jitter::Half, Jitter::None][rng.usize(0..3)],
        },
        rate_limited: option(rng, rate_limited),
        avoid_previous_hosts: rng.bool(),
        omit_canary_hosts: rng.bool(),
        omit_host_labels: list(rng, 2, |rng| [(name(rng), name(rng)), (name(rng), name(rng))].into()),
        avoid_previous_priorities: option(rng, |rng| rng.u32(1..1000)),
        host_selection_attempts: rng.u32(1..),
        any_method: rng.bool(),
        retriable_statuses: list(rng, 3, |rng| rng.u16(100..600)),
        retriable_headers: list(rng, 2, header_match),
        retriable_request_headers: list(rng, 2, header_match),
    }
}

fn rate_limited(rng: &mut Rng) -> RateLimitedBackoff {
    let header = |rng: &mut Rng| ResetHeader {
        name: name(rng).to_ascii_lowercase().into(),
        format: if rng.bool() { ResetFormat::Seconds } else { ResetFormat::UnixTimestamp },
    };
    RateLimitedBackoff { headers: vec![header(rng), header(rng)], max: positive(rng) }
}

pub(super) fn hedge(rng: &mut Rng) -> HedgePolicy {
    HedgePolicy { on_per_try_timeout: rng.bool() }
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

fn direct_response(rng: &mut Rng) -> DirectResponse {
    let body = match rng.u8(0..3) {
        0 => Vec::new(),
        1 => name(rng).as_bytes().to_vec(),
        _ => vec![0xff, rng.u8(..), rng.u8(..)],
    };
    DirectResponse { status: rng.u16(200..600), body }
}

fn route(rng: &mut Rng) -> Route {
    let matches = matches::route_match(rng);
    let action = match rng.u8(0..8) {
        0 => RouteAction::DirectResponse(direct_response(rng)),
        1 => RouteAction::Redirect(Box::new(redirect::redirect(rng))),
        2 => RouteAction::NonForwarding,
        _ => {
            let template = match &matches.path {
                PathMatch::Template(template) => Some(template),
                _ => None,
            };
            RouteAction::Forward(Box::new(forward::forward(rng, template)))
        }
    };
    Route {
        name: if rng.bool() { name(rng) } else { "".into() },
        matches,
        action,
        headers: mutation::mutations(rng),
        metadata: metadata(rng),
        filters: overrides(rng, 2),
    }
}

fn virtual_host(rng: &mut Rng) -> VirtualHost {
    VirtualHost {
        name: name(rng),
        domains: vec![name(rng), format!("*.{}", name(rng)).into()],
        routes: list(rng, 4, route),
        require_tls: match rng.u8(0..4) {
            0 => RequireTls::All,
            1 => RequireTls::ExternalOnly,
            _ => RequireTls::None,
        },
        retry: option(rng, retry_policy),
        hedge: option(rng, hedge),
        body_buffer_bytes: option(rng, |rng| rng.u64(..)),
        request_attempt_count: rng.bool(),
        response_attempt_count: rng.bool(),
        mirrors: list(rng, 1, mirror),
        headers: mutation::mutations(rng),
        metadata: metadata(rng),
        filters: overrides(rng, 2),
        cors: option(rng, |rng| Box::new(cors(rng))),
    }
}

/// A route configuration.
pub(crate) fn route_configuration(rng: &mut Rng) -> RouteConfiguration {
    RouteConfiguration {
        name: name(rng),
        virtual_hosts: list(rng, 3, virtual_host),
        ignore_port_in_host_matching: rng.bool(),
        vhost_header: option(rng, |rng| name(rng).to_ascii_lowercase().into()),
        ignore_path_parameters: rng.bool(),
        validate_clusters: option(rng, Rng::bool),
        max_direct_response_bytes: option(rng, |rng| rng.u32(16..)),
        mirrors: list(rng, 1, mirror),
        headers: mutation::mutations(rng),
        most_specific_header_mutations_wins: rng.bool(),
        filters: overrides(rng, 2),
    }
}
