//! Values that may be set by name → wire.
#![allow(dead_code, reason = "each is used as soon as a field of its type is written")]

use ripstop_model::Percent;
use ripstop_model::runtime::{RuntimeFeature, RuntimeFraction, RuntimePercent, RuntimeUint};

use crate::pb;

pub(super) fn runtime_fraction(fraction: &RuntimeFraction) -> pb::RuntimeFractionalPercent {
    pb::RuntimeFractionalPercent {
        default_value: Some(fractional_percent(fraction.default)),
        runtime_key: fraction.key.to_string(),
    }
}

/// In whole percent where that is exact.
pub(super) fn fractional_percent(percent: Percent) -> pb::FractionalPercent {
    use pb::fractional_percent::DenominatorType;
    let parts = percent.as_per_million();
    match parts % 10_000 {
        0 => {
            pb::FractionalPercent { numerator: parts / 10_000, denominator: DenominatorType::Hundred.into() }
        }
        _ => pb::FractionalPercent { numerator: parts, denominator: DenominatorType::Million.into() },
    }
}

pub(super) fn runtime_percent(percent: &RuntimePercent) -> pb::RuntimePercent {
    pb::RuntimePercent {
        default_value: Some(super::common::percent(percent.default)),
        runtime_key: percent.key.to_string(),
    }
}

pub(super) fn runtime_feature(feature: &RuntimeFeature) -> pb::RuntimeFeatureFlag {
    pb::RuntimeFeatureFlag {
        default_value: Some(pb::BoolValue { value: feature.default }),
        runtime_key: feature.key.to_string(),
    }
}

pub(super) fn runtime_uint(number: &RuntimeUint) -> pb::RuntimeUInt32 {
    pb::RuntimeUInt32 { default_value: number.default, runtime_key: number.key.to_string() }
}
