//! Retry policies → wire.

use ripstop_model::route::RetryPolicy;

use super::common::{any, duration, u32_value};
use crate::pb;

pub(super) fn retry_policy(retry: &RetryPolicy) -> pb::RetryPolicy {
    let predicate = || pb::retry_policy::RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(pb::retry_policy::retry_host_predicate::ConfigType::TypedConfig(any(
            &pb::PreviousHostsPredicate {},
        ))),
    };
    pb::RetryPolicy {
        retry_on: retry.on.words().collect::<Vec<_>>().join(","),
        num_retries: Some(u32_value(retry.num_retries)),
        per_try_timeout: retry.per_try_timeout.map(duration),
        per_try_idle_timeout: retry.per_try_idle_timeout.map(duration),
        retry_host_predicate: retry.avoid_previous_hosts.then(predicate).into_iter().collect(),
        host_selection_retry_max_attempts: retry.host_selection_attempts.into(),
        retriable_status_codes: retry.retriable_statuses.iter().map(|status| u32::from(*status)).collect(),
        retry_back_off: Some(pb::retry_policy::RetryBackOff {
            base_interval: Some(duration(retry.backoff.base)),
            max_interval: Some(duration(retry.backoff.max)),
        }),
        ..Default::default()
    }
}
