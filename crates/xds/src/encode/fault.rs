//! Failures on purpose → wire.

use ripstop_model::fault::{AbortWith, DelayTime, Fault, FaultAbort, FaultDelay};

use super::common::{duration, u32_value};
use super::matcher;
use super::runtime::fractional_percent;
use crate::pb;

pub(super) fn fault(fault: &Fault) -> pb::HttpFault {
    pb::HttpFault {
        delay: fault.delay.as_ref().map(fault_delay),
        abort: fault.abort.as_ref().map(fault_abort),
        upstream_cluster: fault.upstream_cluster.to_string(),
        headers: fault.headers.iter().map(matcher::header).collect(),
        max_active_faults: fault.max_active.map(u32_value),
        ..Default::default()
    }
}

fn fault_delay(delay: &FaultDelay) -> pb::FaultDelay {
    use pb::fault_delay::{FaultDelaySecifier, HeaderDelay};
    let time = match delay.time {
        DelayTime::Fixed(time) => FaultDelaySecifier::FixedDelay(duration(time)),
        DelayTime::Header => FaultDelaySecifier::HeaderDelay(HeaderDelay {}),
    };
    pb::FaultDelay {
        percentage: Some(fractional_percent(delay.share)),
        fault_delay_secifier: Some(time),
        ..Default::default()
    }
}

fn fault_abort(abort: &FaultAbort) -> pb::FaultAbort {
    use pb::fault_abort::{ErrorType, HeaderAbort};
    let with = match abort.with {
        AbortWith::Http(status) => ErrorType::HttpStatus(u32::from(status)),
        AbortWith::Grpc(status) => ErrorType::GrpcStatus(status),
        AbortWith::Header => ErrorType::HeaderAbort(HeaderAbort {}),
    };
    pb::FaultAbort { percentage: Some(fractional_percent(abort.share)), error_type: Some(with) }
}
