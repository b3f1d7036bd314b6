//! Which requests get a line in an access log → wire.

use ripstop_model::access_log::LogFilter;
use ripstop_model::access_log::filter::{Comparison, ComparisonOp};

use crate::encode::{matcher, runtime};
use crate::pb;
use crate::pb::access_log_filter::FilterSpecifier;

pub(in super::super) fn log_filter(filter: &LogFilter) -> pb::AccessLogFilter {
    let specifier = match filter {
        LogFilter::Status(by) => {
            FilterSpecifier::StatusCodeFilter(pb::StatusCodeFilter { comparison: Some(comparison(by)) })
        }
        LogFilter::DurationMs(by) => {
            FilterSpecifier::DurationFilter(pb::DurationFilter { comparison: Some(comparison(by)) })
        }
        LogFilter::NotHealthCheck => FilterSpecifier::NotHealthCheckFilter(pb::NotHealthCheckFilter {}),
        LogFilter::Header(header) => {
            FilterSpecifier::HeaderFilter(pb::HeaderFilter { header: Some(matcher::header(header)) })
        }
        LogFilter::Flags(flags) => FilterSpecifier::ResponseFlagFilter(pb::ResponseFlagFilter {
            flags: flags.iter().map(ToString::to_string).collect(),
        }),
        LogFilter::Runtime { share, independent } => FilterSpecifier::RuntimeFilter(pb::RuntimeFilter {
            runtime_key: share.key.to_string(),
            percent_sampled: Some(runtime::fractional_percent(share.default)),
            use_independent_randomness: *independent,
        }),
        LogFilter::GrpcStatus { statuses, exclude } => {
            let statuses = statuses.iter().filter_map(|status| i32::try_from(*status).ok()).collect();
            FilterSpecifier::GrpcStatusFilter(pb::GrpcStatusFilter { statuses, exclude: *exclude })
        }
        LogFilter::LogType { types, exclude } => {
            let number = |name| pb::AccessLogType::from_str_name(name).map(i32::from);
            let types = types.iter().filter_map(|name| number(name)).collect();
            FilterSpecifier::LogTypeFilter(pb::LogTypeFilter { types, exclude: *exclude })
        }
        LogFilter::And(filters) => FilterSpecifier::AndFilter(pb::AndFilter { filters: several(filters) }),
        LogFilter::Or(filters) => FilterSpecifier::OrFilter(pb::OrFilter { filters: several(filters) }),
    };
    pb::AccessLogFilter { filter_specifier: Some(specifier) }
}

fn several(filters: &[LogFilter]) -> Vec<pb::AccessLogFilter> {
    filters.iter().map(log_filter).collect()
}

fn comparison(by: &Comparison) -> pb::ComparisonFilter {
    use pb::comparison_filter::Op;
    let op = match by.op {
        ComparisonOp::Equal => Op::Eq,
        ComparisonOp::AtLeast => Op::Ge,
        ComparisonOp::AtMost => Op::Le,
        ComparisonOp::NotEqual => Op::Ne,
    };
    pb::ComparisonFilter { op: op.into(), value: Some(runtime::runtime_uint(&by.value)) }
}
