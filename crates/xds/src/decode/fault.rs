//! Failures on purpose ← wire.

use ripstop_model::Percent;
use ripstop_model::fault::{AbortWith, DelayTime, Fault, FaultAbort, FaultDelay};

use super::common::{Context, positive_duration};
use super::matcher;
use super::runtime::fractional_percent;
use crate::pb;

pub(super) fn fault(cx: &mut Context, wire: &pb::HttpFault) -> Option<Fault> {
    if !wire.downstream_nodes.is_empty() {
        // Leaving it out would hit requests that are to be spared.
        return cx.at("downstream_nodes", |cx| cx.refuse("is not supported"));
    }
    let delay = match &wire.delay {
        Some(delay) => Some(cx.at("delay", |cx| fault_delay(cx, delay))?),
        None => None,
    };
    let abort = match &wire.abort {
        Some(abort) => Some(cx.at("abort", |cx| fault_abort(cx, abort))?),
        None => None,
    };
    Some(Fault {
        delay,
        abort,
        upstream_cluster: wire.upstream_cluster.as_str().into(),
        headers: cx.items("headers", &wire.headers, matcher::header),
        max_active: wire.max_active_faults.as_ref().map(|most| most.value),
    })
}

fn fault_delay(cx: &mut Context, wire: &pb::FaultDelay) -> Option<FaultDelay> {
    use pb::fault_delay::FaultDelaySecifier;
    let time = match &wire.fault_delay_secifier {
        Some(FaultDelaySecifier::FixedDelay(delay)) => {
            DelayTime::Fixed(positive_duration(cx, "fixed_delay", Some(delay))?)
        }
        Some(FaultDelaySecifier::HeaderDelay(_)) => DelayTime::Header,
        None => return cx.refuse("needs one of fixed_delay and header_delay"),
    };
    Some(FaultDelay { time, share: share(cx, wire.percentage.as_ref())? })
}

fn fault_abort(cx: &mut Context, wire: &pb::FaultAbort) -> Option<FaultAbort> {
    use pb::fault_abort::ErrorType;
    let with = match &wire.error_type {
        Some(ErrorType::HttpStatus(status)) => match u16::try_from(*status) {
            Ok(status @ 200..600) => AbortWith::Http(status),
            _ => return cx.at("http_status", |cx| cx.refuse("must be between 200 and 599")),
        },
        Some(ErrorType::GrpcStatus(status)) => AbortWith::Grpc(*status),
        Some(ErrorType::HeaderAbort(_)) => AbortWith::Header,
        None => return cx.refuse("needs one of http_status, grpc_status and header_abort"),
    };
    Some(FaultAbort { with, share: share(cx, wire.percentage.as_ref())? })
}

/// Nothing written is nothing, as in Envoy.
fn share(cx: &mut Context, wire: Option<&pb::FractionalPercent>) -> Option<Percent> {
    match wire {
        Some(wire) => cx.at("percentage", |cx| fractional_percent(cx, wire)),
        None => Some(Percent::ZERO),
    }
}
