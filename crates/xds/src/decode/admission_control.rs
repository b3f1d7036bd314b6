//! The admission control filter ← wire.

use ripstop_model::Percent;
use ripstop_model::admission_control::AdmissionControl;
use ripstop_model::runtime::{RuntimeFeature, RuntimePercent, RuntimeUint};

use super::balancing::milli;
use super::common::{Context, positive_duration, unpack};
use super::runtime::{runtime_feature, runtime_percent, runtime_uint};
use crate::pb;
use crate::pb::admission_control::{EvaluationCriteria, SuccessCriteria};

/// What counts as a success: ranges of statuses, and statuses of gRPC.
type Successes = (Vec<(u16, u16)>, Vec<u32>);

pub(super) fn admission_control(cx: &mut Context, any: &pb::Any) -> Option<AdmissionControl> {
    let wire: pb::AdmissionControl = unpack(cx, any)?;
    let enabled = match &wire.enabled {
        Some(enabled) => cx.at("enabled", |cx| runtime_feature(cx, enabled))?,
        None => RuntimeFeature { key: "".into(), default: true },
    };
    let percent = |cx: &mut Context, field: &str, wire: Option<&pb::RuntimePercent>, default: u32| match wire
    {
        Some(wire) => cx.at(field, |cx| runtime_percent(cx, wire)),
        None => Some(RuntimePercent { key: "".into(), default: Percent::whole(default) }),
    };
    let window = positive_duration(cx, "sampling_window", wire.sampling_window.as_ref());
    let aggression = milli(cx, "aggression", wire.aggression.as_ref());
    let (http_success, grpc_success) = match &wire.evaluation_criteria {
        Some(EvaluationCriteria::SuccessCriteria(criteria)) => {
            cx.at("success_criteria", |cx| success(cx, criteria))?
        }
        None => return cx.refuse("success_criteria are needed"),
    };
    let threshold =
        percent(cx, "sr_threshold", wire.sr_threshold.as_ref(), AdmissionControl::DEFAULT_SUCCESS_PERCENT)?;
    let max_rejection = percent(
        cx,
        "max_rejection_probability",
        wire.max_rejection_probability.as_ref(),
        AdmissionControl::DEFAULT_MAX_REJECTION_PERCENT,
    )?;
    if threshold.default < Percent::whole(1) {
        return cx.at("sr_threshold", |cx| cx.refuse("must be 1 % at least"));
    }
    Some(AdmissionControl {
        enabled,
        http_success,
        grpc_success,
        window: window.unwrap_or(AdmissionControl::DEFAULT_WINDOW),
        aggression_milli: aggression.unwrap_or(1000).max(1000),
        success_threshold: threshold,
        rps_threshold: wire
            .rps_threshold
            .as_ref()
            .map_or(RuntimeUint { key: "".into(), default: 0 }, runtime_uint),
        max_rejection,
    })
}

fn success(cx: &mut Context, wire: &SuccessCriteria) -> Option<Successes> {
    let ranges = wire.http_criteria.as_ref().map_or(&[][..], |http| &http.http_success_status);
    let http = cx.items("http_criteria.http_success_status", ranges, |cx, range| {
        match (u16::try_from(range.start), u16::try_from(range.end)) {
            (Ok(from @ 100..=600), Ok(to @ 100..=600)) if from <= to => Some((from, to)),
            _ => cx.refuse("must be a range of HTTP statuses between 100 and 600"),
        }
    });
    let codes = wire.grpc_criteria.as_ref().map_or(&[][..], |grpc| &grpc.grpc_success_status);
    let grpc = cx.items("grpc_criteria.grpc_success_status", codes, |cx, code| match code {
        0..=16 => Some(*code),
        _ => cx.refuse(format!("{code} is not a status of gRPC")),
    });
    Some((http, grpc))
}
