//! Retry policies ← wire.

use std::collections::BTreeMap;

use ripstop_model::Name;
use ripstop_model::route::{
    Backoff, Growth, HedgePolicy, Jitter, RateLimitedBackoff, ResetFormat, ResetHeader, RetryOn, RetryPolicy,
};

use super::common::{
    Context, duration, is, metadata_mark, metadata_value, positive_duration, type_name, unpack,
};
use super::matcher;
use crate::metadata::{ANY_METHOD, RETRY, RIPSTOP};
use crate::pb;

/// What Envoy has no fields for.
#[derive(Clone, Copy, Default)]
pub(super) struct Extras {
    any_method: bool,
    growth: Growth,
    jitter: Jitter,
}

/// Reads it from the metadata of a route or virtual host.
pub(super) fn extras(cx: &mut Context, metadata: Option<&pb::Metadata>) -> Extras {
    let mut extras = Extras { any_method: metadata_mark(cx, metadata, ANY_METHOD), ..Extras::default() };
    let words = match metadata_value(metadata, RIPSTOP, RETRY) {
        None => return extras,
        Some(pb::value::Kind::StringValue(words)) => words.split_ascii_whitespace(),
        Some(_) => {
            cx.at("metadata", |cx| cx.reject("filter_metadata[\"ripstop\"].retry must be a text"));
            return extras;
        }
    };
    for word in words {
        let jitter = word.strip_suffix("_jitter").and_then(|word| match word {
            "no" => Some(Jitter::None),
            word => Jitter::from_word(word).filter(|jitter| *jitter != Jitter::None),
        });
        match (word, Growth::from_word(word), jitter) {
            (ANY_METHOD, ..) => extras.any_method = true,
            (_, Some(growth), _) => extras.growth = growth,
            (_, None, Some(jitter)) => extras.jitter = jitter,
            (_, None, None) => cx.at("metadata", |cx| {
                cx.reject(format!("filter_metadata[\"ripstop\"].retry: '{word}' is not known"));
            }),
        }
    }
    extras
}

pub(super) fn retry_policy(cx: &mut Context, wire: &pb::RetryPolicy, extras: Extras) -> Option<RetryPolicy> {
    let backoff = match &wire.retry_back_off {
        Some(backoff) => cx.at("retry_back_off", |cx| back_off(cx, backoff))?,
        None => Backoff::default(),
    };
    let backoff = Backoff { growth: extras.growth, jitter: extras.jitter, ..backoff };
    // Zero is how the field looks when it is not there.
    let attempts = wire.host_selection_retry_max_attempts;
    let host_selection_attempts = match u32::try_from(attempts) {
        Ok(0) => 1,
        Ok(attempts) => attempts,
        Err(_) => {
            return cx.at("host_selection_retry_max_attempts", |cx| {
                cx.refuse(format!("{attempts} is out of range"))
            });
        }
    };
    let retriable_statuses =
        cx.items("retriable_status_codes", &wire.retriable_status_codes, |cx, status| {
            match u16::try_from(*status) {
                Ok(status @ 100..600) => Some(status),
                _ => cx.refuse(format!("{status} is not an HTTP status")),
            }
        });
    let rate_limited = wire.rate_limited_retry_back_off.as_ref();
    let rate_limited = rate_limited
        .and_then(|limited| cx.at("rate_limited_retry_back_off", |cx| rate_limited_back_off(cx, limited)));
    let hosts = host_predicates(cx, &wire.retry_host_predicate);
    if let Some(options) = wire.retry_options_predicates.first() {
        cx.at("retry_options_predicates", |cx| cx.warn(format!("'{}' is not supported", options.name)));
    }
    Some(RetryPolicy {
        on: retry_on(cx, &wire.retry_on),
        num_retries: wire.num_retries.as_ref().map_or(1, |retries| retries.value),
        per_try_timeout: duration(cx, "per_try_timeout", wire.per_try_timeout.as_ref()),
        per_try_idle_timeout: positive_duration(
            cx,
            "per_try_idle_timeout",
            wire.per_try_idle_timeout.as_ref(),
        ),
        backoff,
        rate_limited,
        avoid_previous_hosts: hosts.avoid_previous,
        omit_canary_hosts: hosts.omit_canary,
        omit_host_labels: hosts.omit_labels,
        avoid_previous_priorities: wire
            .retry_priority
            .as_ref()
            .and_then(|priority| cx.at("retry_priority", |cx| previous_priorities(cx, priority))),
        host_selection_attempts,
        any_method: extras.any_method,
        retriable_statuses,
        retriable_headers: cx.items("retriable_headers", &wire.retriable_headers, matcher::header),
        retriable_request_headers: cx.items(
            "retriable_request_headers",
            &wire.retriable_request_headers,
            matcher::header,
        ),
    })
}

/// A condition that we do not know is left out and reported: fewer retries do no harm.
fn retry_on(cx: &mut Context, words: &str) -> RetryOn {
    let mut on = RetryOn::default();
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match RetryOn::from_word(word) {
            Some(condition) => on = on.and(condition),
            None => {
                cx.at("retry_on", |cx| cx.warn(format!("'{word}' is not supported and never retried on")))
            }
        }
    }
    on
}

fn back_off(cx: &mut Context, wire: &pb::retry_policy::RetryBackOff) -> Option<Backoff> {
    let base = positive_duration(cx, "base_interval", wire.base_interval.as_ref())?;
    let max = match &wire.max_interval {
        Some(_) => positive_duration(cx, "max_interval", wire.max_interval.as_ref())?,
        None => base.saturating_mul(10),
    };
    if max < base {
        return cx.at("max_interval", |cx| cx.refuse("must not be shorter than base_interval"));
    }
    Some(Backoff::exponential(base, max))
}

fn rate_limited_back_off(
    cx: &mut Context,
    wire: &pb::retry_policy::RateLimitedRetryBackOff,
) -> Option<RateLimitedBackoff> {
    use pb::retry_policy::ResetHeaderFormat;
    let max = positive_duration(cx, "max_interval", wire.max_interval.as_ref());
    let headers = cx.items("reset_headers", &wire.reset_headers, |_, header| {
        let format = match header.format() {
            ResetHeaderFormat::Seconds => ResetFormat::Seconds,
            ResetHeaderFormat::UnixTimestamp => ResetFormat::UnixTimestamp,
        };
        Some(ResetHeader { name: header.name.to_ascii_lowercase().into(), format })
    });
    // Envoy's own rules ask for one at least.
    (!headers.is_empty())
        .then(|| RateLimitedBackoff { headers, max: max.unwrap_or(RateLimitedBackoff::DEFAULT_MAX) })
}

/// Which hosts a retry does not go to.
#[derive(Default)]
struct HostPredicates {
    avoid_previous: bool,
    omit_canary: bool,
    omit_labels: Vec<BTreeMap<Name, Name>>,
}

fn host_predicates(cx: &mut Context, predicates: &[pb::retry_policy::RetryHostPredicate]) -> HostPredicates {
    use pb::retry_policy::retry_host_predicate::ConfigType;
    let mut hosts = HostPredicates::default();
    for (index, predicate) in predicates.iter().enumerate() {
        let any = predicate.config_type.as_ref().map(|ConfigType::TypedConfig(any)| any);
        cx.item("retry_host_predicate", index, |cx| match any {
            Some(any) if is::<pb::PreviousHostsPredicate>(any) => hosts.avoid_previous = true,
            Some(any) if is::<pb::OmitCanaryHostsPredicate>(any) => hosts.omit_canary = true,
            Some(any) if is::<pb::OmitHostMetadataConfig>(any) => {
                let labels = cx.at("typed_config", |cx| omitted_labels(cx, any));
                hosts.omit_labels.extend(labels);
            }
            None if predicate.name == "envoy.retry_host_predicates.previous_hosts" => {
                hosts.avoid_previous = true;
            }
            None if predicate.name == "envoy.retry_host_predicates.omit_canary_hosts" => {
                hosts.omit_canary = true
            }
            _ => cx.warn(format!("'{}' is not supported", any.map_or(&*predicate.name, type_name))),
        });
    }
    hosts
}

/// The labels of hosts that retries do not go to; like those of endpoints, texts of the load balancer.
fn omitted_labels(cx: &mut Context, any: &pb::Any) -> Option<BTreeMap<Name, Name>> {
    let config: pb::OmitHostMetadataConfig = unpack(cx, any)?;
    let metadata = config.metadata_match.unwrap_or_default();
    let mut labels = BTreeMap::new();
    for (namespace, wanted) in &metadata.filter_metadata {
        for (key, value) in &wanted.fields {
            match &value.kind {
                Some(pb::value::Kind::StringValue(text)) if namespace == crate::metadata::ENVOY_LB => {
                    labels.insert(Name::from(key.as_str()), Name::from(text.as_str()));
                }
                _ => cx.at("metadata_match", |cx| {
                    cx.reject(format!("{namespace}.{key}: only texts of envoy.lb are known of endpoints"));
                }),
            }
        }
    }
    if labels.is_empty() {
        cx.at("metadata_match", |cx| cx.warn("names no label, so that no host has it"));
        return None;
    }
    Some(labels)
}

fn previous_priorities(cx: &mut Context, wire: &pb::retry_policy::RetryPriority) -> Option<u32> {
    use pb::retry_policy::retry_priority::ConfigType;
    let any = wire.config_type.as_ref().map(|ConfigType::TypedConfig(any)| any);
    let Some(any) = any.filter(|any| is::<pb::PreviousPrioritiesConfig>(any)) else {
        cx.warn(format!("'{}' is not supported", wire.name));
        return None;
    };
    let config: pb::PreviousPrioritiesConfig = cx.at("typed_config", |cx| unpack(cx, any))?;
    match u32::try_from(config.update_frequency) {
        Ok(frequency @ 1..) => Some(frequency),
        _ => cx.at("typed_config.update_frequency", |cx| cx.refuse("must be greater than zero")),
    }
}

/// Reads whether slow tries are raced. What Envoy has fields for and does not heed has no effect here either.
pub(super) fn hedge_policy(cx: &mut Context, wire: &pb::HedgePolicy) -> HedgePolicy {
    if wire.initial_requests.as_ref().is_some_and(|requests| requests.value > 1) {
        cx.at("initial_requests", |cx| cx.warn("has no effect, in Envoy either"));
    }
    if wire.additional_request_chance.as_ref().is_some_and(|chance| chance.numerator > 0) {
        cx.at("additional_request_chance", |cx| cx.warn("has no effect, in Envoy either"));
    }
    HedgePolicy { on_per_try_timeout: wire.hedge_on_per_try_timeout }
}

/// How much of a body is kept for retries, of the two fields that say so: the newer one counts.
pub(super) fn body_buffer(newer: Option<&pb::UInt64Value>, older: Option<&pb::UInt32Value>) -> Option<u64> {
    newer.map(|limit| limit.value).or(older.map(|limit| limit.value.into()))
}
