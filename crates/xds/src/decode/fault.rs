//! Faults that are made up ← wire.

use std::time::Duration;

use ripstop_model::Name;
use ripstop_model::fault::{
    FaultAbort, FaultDelay, FaultKeys, FaultParts, FaultRate, FaultShare, FaultStatus, HttpFault,
};

use super::common::{Context, duration, unpack};
use super::matcher;
use crate::pb;

pub(super) fn fault(cx: &mut Context, any: &pb::Any) -> Option<HttpFault> {
    let wire: pb::HttpFault = unpack(cx, any)?;
    if wire.filter_metadata.is_some() {
        cx.at("filter_metadata", |cx| cx.warn("is not supported and has no effect"));
    }
    let delay = match &wire.delay {
        Some(wire) => Some(cx.at("delay", |cx| delay(cx, wire))?),
        None => None,
    };
    let abort = match &wire.abort {
        Some(wire) => Some(cx.at("abort", |cx| abort(cx, wire))?),
        None => None,
    };
    let rate = match &wire.response_rate_limit {
        Some(wire) => Some(cx.at("response_rate_limit", |cx| rate(cx, wire))?),
        None => None,
    };
    Some(HttpFault {
        delay,
        abort,
        rate,
        upstream_cluster: name(&wire.upstream_cluster),
        headers: cx.items("headers", &wire.headers, matcher::header),
        downstream_nodes: wire.downstream_nodes.iter().map(|node| node.as_str().into()).collect(),
        max_active: wire.max_active_faults.as_ref().map(|max| max.value),
        hides_callers: wire.disable_downstream_cluster_stats,
        keys: FaultKeys {
            delay_share: name(&wire.delay_percent_runtime),
            delay_ms: name(&wire.delay_duration_runtime),
            abort_share: name(&wire.abort_percent_runtime),
            abort_http_status: name(&wire.abort_http_status_runtime),
            abort_grpc_status: name(&wire.abort_grpc_status_runtime),
            rate_share: name(&wire.response_rate_limit_percent_runtime),
            max_active: name(&wire.max_active_faults_runtime),
        },
    })
}

fn delay(cx: &mut Context, wire: &pb::FaultDelay) -> Option<FaultDelay> {
    use pb::fault_delay::FaultDelaySecifier;
    let share = share(cx, wire.percentage.as_ref());
    let fixed: Option<Duration> = match &wire.fault_delay_secifier {
        Some(FaultDelaySecifier::FixedDelay(fixed)) => Some(duration(cx, "fixed_delay", Some(fixed))?),
        Some(FaultDelaySecifier::HeaderDelay(_)) => None,
        None => return cx.refuse("needs one of fixed_delay and header_delay"),
    };
    Some(FaultDelay { share: share?, fixed })
}

fn abort(cx: &mut Context, wire: &pb::FaultAbort) -> Option<FaultAbort> {
    use pb::fault_abort::ErrorType;
    let share = share(cx, wire.percentage.as_ref());
    let status = match wire.error_type {
        Some(ErrorType::HttpStatus(status)) => match u16::try_from(status) {
            Ok(status @ 200..600) => FaultStatus::Http(status),
            _ => {
                return cx.at("http_status", |cx| cx.refuse("must be an HTTP status between 200 and 599"));
            }
        },
        Some(ErrorType::GrpcStatus(status)) => FaultStatus::Grpc(status),
        Some(ErrorType::HeaderAbort(_)) => FaultStatus::Header,
        None => return cx.refuse("needs one of http_status, grpc_status and header_abort"),
    };
    Some(FaultAbort { share: share?, status, body: name(&wire.response_body) })
}

fn rate(cx: &mut Context, wire: &pb::FaultRateLimit) -> Option<FaultRate> {
    use pb::fault_rate_limit::LimitType;
    let share = share(cx, wire.percentage.as_ref());
    let fixed_kib = match &wire.limit_type {
        Some(LimitType::FixedLimit(fixed)) if fixed.limit_kbps == 0 => {
            return cx.at("fixed_limit.limit_kbps", |cx| cx.refuse("must not be zero"));
        }
        Some(LimitType::FixedLimit(fixed)) => Some(fixed.limit_kbps),
        Some(LimitType::HeaderLimit(_)) => None,
        None => return cx.refuse("needs one of fixed_limit and header_limit"),
    };
    Some(FaultRate { share: share?, fixed_kib })
}

/// As in Envoy, no share is none.
fn share(cx: &mut Context, wire: Option<&pb::FractionalPercent>) -> Option<FaultShare> {
    use pb::fractional_percent::DenominatorType;
    let Some(wire) = wire else { return Some(FaultShare::default()) };
    let of = match DenominatorType::try_from(wire.denominator) {
        Ok(DenominatorType::Hundred) => FaultParts::Hundred,
        Ok(DenominatorType::TenThousand) => FaultParts::TenThousand,
        Ok(DenominatorType::Million) => FaultParts::Million,
        Err(_) => {
            return cx
                .at("percentage.denominator", |cx| cx.refuse("is not HUNDRED, TEN_THOUSAND or MILLION"));
        }
    };
    let whole = 1_000_000 / of.millionths();
    Some(FaultShare { parts: wire.numerator.min(whole), of })
}

fn name(text: &str) -> Option<Name> {
    (!text.is_empty()).then(|| text.into())
}
