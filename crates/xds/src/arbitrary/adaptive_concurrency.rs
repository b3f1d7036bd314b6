//! The adaptive concurrency filter, at random.

use fastrand::Rng;
use ripstop_model::adaptive_concurrency::{AdaptiveConcurrency, MinRtt};
use ripstop_model::runtime::RuntimeFeature;

use super::{name, percent, positive};

/// The filter.
pub(super) fn adaptive_concurrency(rng: &mut Rng) -> AdaptiveConcurrency {
    // Statuses that Envoy knows.
    let statuses = [400, 429, 500, 503, 504];
    // Envoy takes no shorter interval.
    let interval = |rng: &mut Rng| positive(rng).max(std::time::Duration::from_millis(1));
    AdaptiveConcurrency {
        enabled: RuntimeFeature { key: name(rng), default: rng.bool() },
        percentile: percent(rng),
        max_limit: rng.u32(1..),
        min_limit: rng.u32(1..),
        update_interval: interval(rng),
        min_rtt: match rng.bool() {
            true => MinRtt::Fixed(positive(rng)),
            false => {
                MinRtt::Measured { interval: interval(rng), requests: rng.u32(1..), jitter: percent(rng) }
            }
        },
        min_concurrency: rng.u32(1..),
        buffer_percent: rng.u32(0..=100),
        exceeded_status: statuses[rng.usize(0..statuses.len())],
    }
}
