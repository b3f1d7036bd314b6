//! Faults that are made up → wire.

use ripstop_model::Name;
use ripstop_model::fault::{
    FaultAbort, FaultDelay, FaultParts, FaultRate, FaultShare, FaultStatus, HttpFault,
};

use super::common::{duration, u32_value};
use super::matcher;
use crate::pb;

pub(super) fn fault(fault: &HttpFault) -> pb::HttpFault {
    let keys = &fault.keys;
    pb::HttpFault {
        delay: fault.delay.as_ref().map(delay),
        abort: fault.abort.as_ref().map(abort),
        response_rate_limit: fault.rate.as_ref().map(rate),
        upstream_cluster: text(fault.upstream_cluster.as_ref()),
        headers: fault.headers.iter().map(matcher::header).collect(),
        downstream_nodes: fault.downstream_nodes.iter().map(ToString::to_string).collect(),
        max_active_faults: fault.max_active.map(u32_value),
        disable_downstream_cluster_stats: fault.hides_callers,
        delay_percent_runtime: text(keys.delay_share.as_ref()),
        delay_duration_runtime: text(keys.delay_ms.as_ref()),
        abort_percent_runtime: text(keys.abort_share.as_ref()),
        abort_http_status_runtime: text(keys.abort_http_status.as_ref()),
        abort_grpc_status_runtime: text(keys.abort_grpc_status.as_ref()),
        response_rate_limit_percent_runtime: text(keys.rate_share.as_ref()),
        max_active_faults_runtime: text(keys.max_active.as_ref()),
        filter_metadata: None,
    }
}

fn delay(delay: &FaultDelay) -> pb::FaultDelay {
    use pb::fault_delay::{FaultDelaySecifier, HeaderDelay};
    pb::FaultDelay {
        percentage: Some(share(delay.share)),
        fault_delay_secifier: Some(match delay.fixed {
            Some(fixed) => FaultDelaySecifier::FixedDelay(duration(fixed)),
            None => FaultDelaySecifier::HeaderDelay(HeaderDelay {}),
        }),
    }
}

fn abort(abort: &FaultAbort) -> pb::FaultAbort {
    use pb::fault_abort::{ErrorType, HeaderAbort};
    pb::FaultAbort {
        percentage: Some(share(abort.share)),
        response_body: text(abort.body.as_ref()),
        error_type: Some(match abort.status {
            FaultStatus::Http(status) => ErrorType::HttpStatus(status.into()),
            FaultStatus::Grpc(status) => ErrorType::GrpcStatus(status),
            FaultStatus::Header => ErrorType::HeaderAbort(HeaderAbort {}),
        }),
    }
}

fn rate(rate: &FaultRate) -> pb::FaultRateLimit {
    use pb::fault_rate_limit::{FixedLimit, HeaderLimit, LimitType};
    pb::FaultRateLimit {
        percentage: Some(share(rate.share)),
        limit_type: Some(match rate.fixed_kib {
            Some(limit_kbps) => LimitType::FixedLimit(FixedLimit { limit_kbps }),
            None => LimitType::HeaderLimit(HeaderLimit {}),
        }),
    }
}

fn share(share: FaultShare) -> pb::FractionalPercent {
    use pb::fractional_percent::DenominatorType;
    let denominator = match share.of {
        FaultParts::Hundred => DenominatorType::Hundred,
        FaultParts::TenThousand => DenominatorType::TenThousand,
        FaultParts::Million => DenominatorType::Million,
    };
    pb::FractionalPercent { numerator: share.parts, denominator: denominator.into() }
}

fn text(text: Option<&Name>) -> String {
    text.map_or_else(String::new, ToString::to_string)
}
