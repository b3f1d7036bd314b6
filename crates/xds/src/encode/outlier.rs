//! Passive health of a cluster's endpoints → wire.

use ripstop_model::Percent;
use ripstop_model::outlier::{OneEndpoint, OutlierDetection, Streak};

use super::common::{bool_value, duration, u32_value};
use crate::decode::outlier::NEVER;
use crate::pb;

/// Every detector is switched on or off by name, because Envoy has some on by default: one that looks at nothing wants zero
/// failures in a row or more endpoints than there can be. Shares are whole percent, as Envoy has them.
pub(super) fn outlier_detection(outlier: &OutlierDetection) -> pb::OutlierDetection {
    let share = |share: Percent| Some(u32_value(share.as_per_million() / 10_000));
    let count = |streak: Option<Streak>| Some(u32_value(streak.map_or(0, |streak| streak.count.get())));
    let enforcing = |streak: Option<Streak>| share(streak.map_or(Percent::ZERO, |streak| streak.enforcing));
    let rate = outlier.success_rate;
    let percentage = outlier.failure_percentage;
    pb::OutlierDetection {
        consecutive_5xx: count(outlier.consecutive_5xx),
        enforcing_consecutive_5xx: enforcing(outlier.consecutive_5xx),
        consecutive_gateway_failure: count(outlier.consecutive_gateway_failure),
        enforcing_consecutive_gateway_failure: enforcing(outlier.consecutive_gateway_failure),
        split_external_local_origin_errors: outlier.split_local_origin,
        consecutive_local_origin_failure: count(outlier.consecutive_local_origin_failure),
        enforcing_consecutive_local_origin_failure: enforcing(outlier.consecutive_local_origin_failure),
        success_rate_minimum_hosts: Some(u32_value(rate.map_or(NEVER, |rate| rate.minimum_hosts))),
        success_rate_request_volume: rate.map(|rate| u32_value(rate.request_volume)),
        success_rate_stdev_factor: rate.map(|rate| u32_value(rate.stdev_factor_milli)),
        enforcing_success_rate: share(rate.map_or(Percent::ZERO, |rate| rate.enforcing)),
        enforcing_local_origin_success_rate: share(outlier.enforcing_local_origin_success_rate),
        failure_percentage_threshold: percentage.and_then(|most| share(most.threshold)),
        failure_percentage_minimum_hosts: Some(u32_value(
            percentage.map_or(NEVER, |most| most.minimum_hosts),
        )),
        failure_percentage_request_volume: percentage.map(|most| u32_value(most.request_volume)),
        enforcing_failure_percentage: share(percentage.map_or(Percent::ZERO, |most| most.enforcing)),
        enforcing_failure_percentage_local_origin: share(outlier.enforcing_local_origin_failure_percentage),
        interval: Some(duration(outlier.interval)),
        base_ejection_time: Some(duration(outlier.base_ejection_time)),
        max_ejection_time: Some(duration(outlier.max_ejection_time)),
        max_ejection_time_jitter: Some(duration(outlier.max_ejection_time_jitter)),
        max_ejection_percent: share(outlier.max_ejection_percent),
        always_eject_one_host: match outlier.one_endpoint {
            OneEndpoint::OfSeveral => None,
            OneEndpoint::ByShare => Some(bool_value(false)),
            OneEndpoint::Always => Some(bool_value(true)),
        },
        // On unless told.
        successful_active_health_check_uneject_host: (!outlier.return_on_healthy_check)
            .then(|| bool_value(false)),
        ..Default::default()
    }
}
