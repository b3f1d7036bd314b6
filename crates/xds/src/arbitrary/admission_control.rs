//! The admission control filter, at random.

use fastrand::Rng;
use ripstop_model::Percent;
use ripstop_model::admission_control::AdmissionControl;
use ripstop_model::runtime::{RuntimeFeature, RuntimePercent, RuntimeUint};

use super::{list, name, percent, positive};

/// The filter.
pub(super) fn admission_control(rng: &mut Rng) -> AdmissionControl {
    let share =
        |rng: &mut Rng| RuntimePercent { key: name(rng), default: percent(rng).max(Percent::whole(1)) };
    AdmissionControl {
        enabled: RuntimeFeature { key: name(rng), default: rng.bool() },
        http_success: list(rng, 2, |rng| {
            let from = rng.u16(100..=600);
            (from, rng.u16(from..=600))
        }),
        grpc_success: list(rng, 3, |rng| rng.u32(0..=16)),
        window: positive(rng).max(std::time::Duration::from_secs(1)),
        aggression_milli: rng.u32(1000..100_000),
        success_threshold: share(rng),
        rps_threshold: RuntimeUint { key: name(rng), default: rng.u32(..) },
        max_rejection: share(rng),
    }
}
