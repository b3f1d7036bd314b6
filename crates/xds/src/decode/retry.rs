//! Retry policies ← wire.

use ripstop_model::route::{Backoff, RetryOn, RetryPolicy};

use super::common::{Context, duration, is, positive_duration};
use crate::pb;

pub(super) fn retry_policy(
    cx: &mut Context,
    wire: &pb::RetryPolicy,
    any_method: bool,
) -> Option<RetryPolicy> {
    let backoff = match &wire.retry_back_off {
        Some(backoff) => cx.at("retry_back_off", |cx| back_off(cx, backoff))?,
        None => Backoff::default(),
    };
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
        avoid_previous_hosts: avoid_previous_hosts(cx, &wire.retry_host_predicate),
        host_selection_attempts,
        any_method,
        retriable_statuses,
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
    Some(Backoff { base, max })
}

fn avoid_previous_hosts(cx: &mut Context, predicates: &[pb::retry_policy::RetryHostPredicate]) -> bool {
    use pb::retry_policy::retry_host_predicate::ConfigType;
    let mut avoid = false;
    for (index, predicate) in predicates.iter().enumerate() {
        match &predicate.config_type {
            Some(ConfigType::TypedConfig(any)) if is::<pb::PreviousHostsPredicate>(any) => avoid = true,
            None if predicate.name == "envoy.retry_host_predicates.previous_hosts" => avoid = true,
            _ => cx.item("retry_host_predicate", index, |cx| {
                cx.warn(format!("'{}' is not supported", predicate.name));
            }),
        }
    }
    avoid
}
