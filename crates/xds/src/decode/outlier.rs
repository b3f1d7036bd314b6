//! Passive health of a cluster's endpoints ← wire.

use std::num::NonZeroU32;

use ripstop_model::Percent;
use ripstop_model::outlier::{FailurePercentage, OneEndpoint, OutlierDetection, Streak, SuccessRate};

use super::common::{Context, duration, metadata_value, positive_duration};
use crate::metadata::{MAX_EJECTION_PER_MILLION, RIPSTOP};
use crate::pb;

/// So many endpoints no cluster has: a detector that wants them looks at nothing.
pub(crate) const NEVER: u32 = u32::MAX;

/// The exact share, where the cluster's metadata holds one.
pub(super) fn max_ejection(cx: &mut Context, metadata: Option<&pb::Metadata>) -> Option<Percent> {
    match metadata_value(metadata, RIPSTOP, MAX_EJECTION_PER_MILLION)? {
        // In range by the pattern, so the cast cannot truncate.
        pb::value::Kind::NumberValue(parts) if (0.0..=1_000_000.0).contains(parts) => {
            Some(Percent::per_million(parts.round() as u32))
        }
        _ => cx.at("metadata", |cx| {
            cx.refuse(format!(
                "filter_metadata[\"ripstop\"].{MAX_EJECTION_PER_MILLION} must be between 0 and 1000000"
            ))
        }),
    }
}

/// `exact` is the share of ejected endpoints where it is not a whole percent.
pub(super) fn outlier_detection(
    cx: &mut Context,
    wire: &pb::OutlierDetection,
    exact: Option<Percent>,
) -> OutlierDetection {
    let default = OutlierDetection::default();
    let or = |wire: Option<&pb::UInt32Value>, default| wire.map_or(default, |value| value.value);
    let enforcing = |wire: Option<&pb::UInt32Value>, default| Percent::whole(or(wire, default));
    let streak = |count: Option<&pb::UInt32Value>, enforcing: Percent| {
        Some(Streak { count: NonZeroU32::new(or(count, 5))?, enforcing })
    };
    let success_rate = SuccessRate {
        minimum_hosts: or(wire.success_rate_minimum_hosts.as_ref(), 5),
        request_volume: or(wire.success_rate_request_volume.as_ref(), 100),
        stdev_factor_milli: or(wire.success_rate_stdev_factor.as_ref(), 1900),
        enforcing: enforcing(wire.enforcing_success_rate.as_ref(), 100),
    };
    let failure_percentage = FailurePercentage {
        threshold: Percent::whole(or(wire.failure_percentage_threshold.as_ref(), 85)),
        minimum_hosts: or(wire.failure_percentage_minimum_hosts.as_ref(), 5),
        request_volume: or(wire.failure_percentage_request_volume.as_ref(), 50),
        enforcing: enforcing(wire.enforcing_failure_percentage.as_ref(), 0),
    };
    let local_rate = enforcing(wire.enforcing_local_origin_success_rate.as_ref(), 100);
    let local_percentage = enforcing(wire.enforcing_failure_percentage_local_origin.as_ref(), 0);
    let split = wire.split_external_local_origin_errors;
    let interval = positive_duration(cx, "interval", wire.interval.as_ref());
    let base = positive_duration(cx, "base_ejection_time", wire.base_ejection_time.as_ref());
    let base = base.unwrap_or(default.base_ejection_time);
    let max = positive_duration(cx, "max_ejection_time", wire.max_ejection_time.as_ref());
    let jitter = duration(cx, "max_ejection_time_jitter", wire.max_ejection_time_jitter.as_ref());
    let share = wire.max_ejection_percent.as_ref().map(|percent| Percent::whole(percent.value));
    OutlierDetection {
        consecutive_5xx: streak(
            wire.consecutive_5xx.as_ref(),
            enforcing(wire.enforcing_consecutive_5xx.as_ref(), 100),
        ),
        consecutive_gateway_failure: streak(
            wire.consecutive_gateway_failure.as_ref(),
            enforcing(wire.enforcing_consecutive_gateway_failure.as_ref(), 0),
        ),
        split_local_origin: split,
        consecutive_local_origin_failure: streak(
            wire.consecutive_local_origin_failure.as_ref(),
            enforcing(wire.enforcing_consecutive_local_origin_failure.as_ref(), 100),
        ),
        success_rate: (success_rate.minimum_hosts < NEVER).then_some(success_rate),
        enforcing_local_origin_success_rate: local_rate,
        failure_percentage: (failure_percentage.minimum_hosts < NEVER).then_some(failure_percentage),
        enforcing_local_origin_failure_percentage: local_percentage,
        interval: interval.unwrap_or(default.interval),
        base_ejection_time: base,
        max_ejection_time: max.unwrap_or(default.max_ejection_time.max(base)),
        max_ejection_time_jitter: jitter.unwrap_or_default(),
        return_on_healthy_check: wire
            .successful_active_health_check_uneject_host
            .as_ref()
            .is_none_or(|returns| returns.value),
        max_ejection_percent: exact.or(share).unwrap_or(default.max_ejection_percent),
        one_endpoint: match wire.always_eject_one_host.as_ref().map(|always| always.value) {
            None => OneEndpoint::OfSeveral,
            Some(false) => OneEndpoint::ByShare,
            Some(true) => OneEndpoint::Always,
        },
    }
}
