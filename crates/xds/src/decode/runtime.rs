//! Values that may be set by name ← wire.
#![allow(dead_code, reason = "each is used as soon as a field of its type is read")]

use ripstop_model::Percent;
use ripstop_model::runtime::{RuntimeFeature, RuntimeFraction, RuntimePercent, RuntimeUint};

use super::common::Context;
use crate::pb;

/// A share of requests.
pub(super) fn runtime_fraction(
    cx: &mut Context,
    wire: &pb::RuntimeFractionalPercent,
) -> Option<RuntimeFraction> {
    let default = match &wire.default_value {
        Some(default) => cx.at("default_value", |cx| fractional_percent(cx, default)),
        None => cx.at("default_value", |cx| cx.refuse("a default is needed")),
    };
    Some(RuntimeFraction { key: wire.runtime_key.as_str().into(), default: default? })
}

/// A share that cannot be set by name.
pub(super) fn fractional_percent(cx: &mut Context, wire: &pb::FractionalPercent) -> Option<Percent> {
    let parts = match pb::fractional_percent::DenominatorType::try_from(wire.denominator) {
        Ok(pb::fractional_percent::DenominatorType::Hundred) => 10_000,
        Ok(pb::fractional_percent::DenominatorType::TenThousand) => 100,
        Ok(pb::fractional_percent::DenominatorType::Million) => 1,
        Err(_) => return cx.at("denominator", |cx| cx.refuse("is not HUNDRED, TEN_THOUSAND or MILLION")),
    };
    Some(Percent::per_million(wire.numerator.saturating_mul(parts)))
}

/// A percentage.
pub(super) fn runtime_percent(cx: &mut Context, wire: &pb::RuntimePercent) -> Option<RuntimePercent> {
    let default = super::common::percent(cx, "default_value", wire.default_value.as_ref());
    Some(RuntimePercent {
        key: wire.runtime_key.as_str().into(),
        default: default.or_else(|| cx.at("default_value", |cx| cx.refuse("a default is needed")))?,
    })
}

/// A switch.
pub(super) fn runtime_feature(cx: &mut Context, wire: &pb::RuntimeFeatureFlag) -> Option<RuntimeFeature> {
    match &wire.default_value {
        Some(default) => {
            Some(RuntimeFeature { key: wire.runtime_key.as_str().into(), default: default.value })
        }
        None => cx.at("default_value", |cx| cx.refuse("a default is needed")),
    }
}

/// A number.
pub(super) fn runtime_uint(wire: &pb::RuntimeUInt32) -> RuntimeUint {
    RuntimeUint { key: wire.runtime_key.as_str().into(), default: wire.default_value }
}
