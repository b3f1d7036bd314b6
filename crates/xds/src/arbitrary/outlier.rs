//! Passive health, at random.

use fastrand::Rng;
use ripstop_model::Percent;
use ripstop_model::outlier::{FailurePercentage, OneEndpoint, OutlierDetection, Streak, SuccessRate};

use super::{count, duration, option, percent, positive};

pub(super) fn outlier(rng: &mut Rng) -> OutlierDetection {
    let base = positive(rng);
    let split_local_origin = rng.bool();
    OutlierDetection {
        consecutive_5xx: option(rng, streak),
        consecutive_gateway_failure: option(rng, streak),
        split_local_origin,
        consecutive_local_origin_failure: option(rng, streak),
        success_rate: option(rng, |rng| SuccessRate {
            minimum_hosts: rng.u32(..u32::MAX),
            request_volume: rng.u32(..),
            stdev_factor_milli: rng.u32(..),
            enforcing: enforced(rng),
        }),
        enforcing_local_origin_success_rate: Percent::ZERO,
        failure_percentage: option(rng, |rng| FailurePercentage {
            threshold: Percent::whole(rng.u32(0..=100)),
            minimum_hosts: rng.u32(..u32::MAX),
            request_volume: rng.u32(..),
            enforcing: enforced(rng),
        }),
        enforcing_local_origin_failure_percentage: Percent::ZERO,
        interval: positive(rng),
        base_ejection_time: base,
        max_ejection_time: base + duration(rng),
        max_ejection_time_jitter: duration(rng),
        max_ejection_percent: percent(rng),
        one_endpoint: [OneEndpoint::OfSeveral, OneEndpoint::ByShare, OneEndpoint::Always][rng.usize(0..3)],
        return_on_healthy_check: rng.bool(),
    }
}

fn streak(rng: &mut Rng) -> Streak {
    Streak { count: count(rng), enforcing: enforced(rng) }
}

fn enforced(rng: &mut Rng) -> Percent {
    Percent::whole(rng.u32(0..=100))
}
