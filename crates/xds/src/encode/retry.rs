//! Retry policies → wire.

use std::collections::BTreeMap;

use prost::{Message, Name as WireName};
use ripstop_model::Name;
use ripstop_model::route::{
    Backoff, Growth, HedgePolicy, Jitter, RateLimitedBackoff, ResetFormat, RetryPolicy,
};

use super::common::{OrderedMetadata, any, duration, mark, mark_text, metadata, texts, u32_value};
use crate::metadata::{ANY_METHOD, ENVOY_LB, RETRY, RIPSTOP};
use crate::pb;

/// `envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig` with its maps in order.
#[derive(Clone, PartialEq, Message)]
struct OrderedOmitHostMetadata {
    #[prost(message, optional, tag = "1")]
    metadata_match: Option<OrderedMetadata>,
}

pub(super) fn retry_policy(retry: &RetryPolicy) -> pb::RetryPolicy {
    pb::RetryPolicy {
        retry_on: retry.on.words().collect::<Vec<_>>().join(","),
        num_retries: Some(u32_value(retry.num_retries)),
        per_try_timeout: retry.per_try_timeout.map(duration),
        per_try_idle_timeout: retry.per_try_idle_timeout.map(duration),
        retry_host_predicate: host_predicates(retry),
        retry_priority: retry.avoid_previous_priorities.map(previous_priorities),
        host_selection_retry_max_attempts: retry.host_selection_attempts.into(),
        retriable_status_codes: retry.retriable_statuses.iter().map(|status| u32::from(*status)).collect(),
        retry_back_off: Some(pb::retry_policy::RetryBackOff {
            base_interval: Some(duration(retry.backoff.base)),
            max_interval: Some(duration(retry.backoff.max)),
        }),
        rate_limited_retry_back_off: retry.rate_limited.as_ref().map(rate_limited),
        retriable_headers: retry.retriable_headers.iter().map(super::matcher::header).collect(),
        retriable_request_headers: retry
            .retriable_request_headers
            .iter()
            .map(super::matcher::header)
            .collect(),
        ..Default::default()
    }
}

/// What Envoy has no fields for. One entry at most, because there is no order among several.
pub(super) fn extras(retry: Option<&RetryPolicy>) -> Option<pb::Metadata> {
    let retry = retry?;
    let Backoff { growth, jitter, .. } = retry.backoff;
    if (growth, jitter) == (Growth::default(), Jitter::default()) {
        return retry.any_method.then(|| mark(RIPSTOP, ANY_METHOD));
    }
    let mut words = growth.word().to_owned();
    words.push_str(match jitter {
        Jitter::Full => "",
        Jitter::Half => " half_jitter",
        Jitter::None => " no_jitter",
    });
    if retry.any_method {
        words.push(' ');
        words.push_str(ANY_METHOD);
    }
    Some(mark_text(RIPSTOP, RETRY, words))
}

pub(super) fn hedge_policy(hedge: HedgePolicy) -> pb::HedgePolicy {
    pb::HedgePolicy { hedge_on_per_try_timeout: hedge.on_per_try_timeout, ..Default::default() }
}

fn rate_limited(limited: &RateLimitedBackoff) -> pb::retry_policy::RateLimitedRetryBackOff {
    use pb::retry_policy::{ResetHeader, ResetHeaderFormat};
    let header = |header: &ripstop_model::route::ResetHeader| ResetHeader {
        name: header.name.to_string(),
        format: match header.format {
            ResetFormat::Seconds => ResetHeaderFormat::Seconds,
            ResetFormat::UnixTimestamp => ResetHeaderFormat::UnixTimestamp,
        }
        .into(),
    };
    pb::retry_policy::RateLimitedRetryBackOff {
        reset_headers: limited.headers.iter().map(header).collect(),
        max_interval: Some(duration(limited.max)),
    }
}

fn host_predicates(retry: &RetryPolicy) -> Vec<pb::retry_policy::RetryHostPredicate> {
    let mut predicates = Vec::new();
    if retry.avoid_previous_hosts {
        predicates.push(predicate("previous_hosts", any(&pb::PreviousHostsPredicate {})));
    }
    if retry.omit_canary_hosts {
        predicates.push(predicate("omit_canary_hosts", any(&pb::OmitCanaryHostsPredicate {})));
    }
    predicates
        .extend(retry.omit_host_labels.iter().map(|labels| predicate("omit_host_metadata", omitted(labels))));
    predicates
}

fn predicate(kind: &str, config: pb::Any) -> pb::retry_policy::RetryHostPredicate {
    pb::retry_policy::RetryHostPredicate {
        name: format!("envoy.retry_host_predicates.{kind}"),
        config_type: Some(pb::retry_policy::retry_host_predicate::ConfigType::TypedConfig(config)),
    }
}

fn omitted(labels: &BTreeMap<Name, Name>) -> pb::Any {
    let config = OrderedOmitHostMetadata { metadata_match: metadata(ENVOY_LB, texts(labels)) };
    pb::Any { type_url: pb::OmitHostMetadataConfig::type_url(), value: config.encode_to_vec() }
}

fn previous_priorities(frequency: u32) -> pb::retry_policy::RetryPriority {
    // Envoy takes no more, and nobody has that many priorities.
    let update_frequency = i32::try_from(frequency).unwrap_or(i32::MAX);
    pb::retry_policy::RetryPriority {
        name: "envoy.retry_priorities.previous_priorities".to_owned(),
        config_type: Some(pb::retry_policy::retry_priority::ConfigType::TypedConfig(any(
            &pb::PreviousPrioritiesConfig { update_frequency },
        ))),
    }
}
