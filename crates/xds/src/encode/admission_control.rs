//! The admission control filter → wire.

use ripstop_model::admission_control::AdmissionControl;

use super::common::duration;
use super::runtime::{runtime_feature, runtime_percent, runtime_uint};
use crate::pb;
use crate::pb::admission_control::success_criteria::{GrpcCriteria, HttpCriteria};
use crate::pb::admission_control::{EvaluationCriteria, SuccessCriteria};

pub(super) fn admission_control(admission: &AdmissionControl) -> pb::AdmissionControl {
    let range = |(from, to): &(u16, u16)| pb::Int32Range { start: (*from).into(), end: (*to).into() };
    let http = || HttpCriteria { http_success_status: admission.http_success.iter().map(range).collect() };
    let grpc = || GrpcCriteria { grpc_success_status: admission.grpc_success.clone() };
    let criteria = SuccessCriteria {
        http_criteria: (!admission.http_success.is_empty()).then(http),
        grpc_criteria: (!admission.grpc_success.is_empty()).then(grpc),
    };
    pb::AdmissionControl {
        enabled: Some(runtime_feature(&admission.enabled)),
        sampling_window: Some(duration(admission.window)),
        aggression: Some(pb::RuntimeDouble {
            default_value: f64::from(admission.aggression_milli) / 1000.0,
            runtime_key: crate::metadata::UNSET.to_owned(),
        }),
        sr_threshold: Some(runtime_percent(&admission.success_threshold)),
        rps_threshold: Some(runtime_uint(&admission.rps_threshold)),
        max_rejection_probability: Some(runtime_percent(&admission.max_rejection)),
        evaluation_criteria: Some(EvaluationCriteria::SuccessCriteria(criteria)),
    }
}
