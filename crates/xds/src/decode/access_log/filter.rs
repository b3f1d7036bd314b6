//! Which requests get a line in an access log ← wire.

use ripstop_model::Name;
use ripstop_model::access_log::LogFilter;
use ripstop_model::access_log::filter::{Comparison, ComparisonOp};
use ripstop_model::runtime::RuntimeFraction;

use crate::decode::common::Context;
use crate::decode::{matcher, runtime};
use crate::pb;
use crate::pb::access_log_filter::FilterSpecifier;

/// Most filters inside one another.
const MAX_DEPTH: usize = 16;

/// Reads a filter.
pub(in crate::decode) fn log_filter(cx: &mut Context, wire: &pb::AccessLogFilter) -> Option<LogFilter> {
    nested(cx, wire, 0)
}

fn nested(cx: &mut Context, wire: &pb::AccessLogFilter, depth: usize) -> Option<LogFilter> {
    if depth > MAX_DEPTH {
        return cx.refuse(format!("more than {MAX_DEPTH} filters are inside one another"));
    }
    match wire.filter_specifier.as_ref() {
        None => cx.refuse("needs one kind of filter"),
        Some(FilterSpecifier::StatusCodeFilter(wire)) => {
            cx.at("status_code_filter", |cx| comparison(cx, wire.comparison.as_ref())).map(LogFilter::Status)
        }
        Some(FilterSpecifier::DurationFilter(wire)) => {
            cx.at("duration_filter", |cx| comparison(cx, wire.comparison.as_ref())).map(LogFilter::DurationMs)
        }
        Some(FilterSpecifier::NotHealthCheckFilter(_)) => Some(LogFilter::NotHealthCheck),
        Some(FilterSpecifier::RuntimeFilter(wire)) => cx.at("runtime_filter", |cx| share(cx, wire)),
        Some(FilterSpecifier::AndFilter(wire)) => {
            cx.at("and_filter", |cx| several(cx, &wire.filters, depth)).map(LogFilter::And)
        }
        Some(FilterSpecifier::OrFilter(wire)) => {
            cx.at("or_filter", |cx| several(cx, &wire.filters, depth)).map(LogFilter::Or)
        }
        Some(FilterSpecifier::HeaderFilter(wire)) => cx.at("header_filter", |cx| match &wire.header {
            Some(header) => cx.at("header", |cx| matcher::header(cx, header)).map(LogFilter::Header),
            None => cx.refuse("needs a header"),
        }),
        Some(FilterSpecifier::ResponseFlagFilter(wire)) => {
            Some(LogFilter::Flags(wire.flags.iter().map(|flag| Name::from(flag.as_str())).collect()))
        }
        Some(FilterSpecifier::GrpcStatusFilter(wire)) => {
            let statuses = wire.statuses.iter().filter_map(|status| u32::try_from(*status).ok()).collect();
            Some(LogFilter::GrpcStatus { statuses, exclude: wire.exclude })
        }
        Some(FilterSpecifier::LogTypeFilter(wire)) => {
            let types = wire.types().map(|kind| Name::from(kind.as_str_name())).collect();
            Some(LogFilter::LogType { types, exclude: wire.exclude })
        }
        Some(FilterSpecifier::TraceableFilter(_)) => cx.at("traceable_filter", |cx| {
            cx.refuse("nothing is traced here, so there is nothing to tell requests apart by")
        }),
        Some(FilterSpecifier::MetadataFilter(_)) => {
            cx.at("metadata_filter", |cx| cx.refuse("metadata is not supported in filters"))
        }
        Some(FilterSpecifier::ExtensionFilter(_)) => {
            cx.at("extension_filter", |cx| cx.refuse("extensions are not supported in filters"))
        }
    }
}

fn several(cx: &mut Context, wires: &[pb::AccessLogFilter], depth: usize) -> Option<Vec<LogFilter>> {
    if wires.len() < 2 {
        return cx.at("filters", |cx| cx.refuse("needs at least two filters"));
    }
    let filters = cx.items("filters", wires, |cx, wire| nested(cx, wire, depth + 1));
    // What could not be read was reported; without it the others would mean something else.
    (filters.len() == wires.len()).then_some(filters)
}

fn comparison(cx: &mut Context, wire: Option<&pb::ComparisonFilter>) -> Option<Comparison> {
    use pb::comparison_filter::Op;
    let Some(wire) = wire else { return cx.at("comparison", |cx| cx.refuse("is needed")) };
    cx.at("comparison", |cx| {
        let op = match Op::try_from(wire.op) {
            Ok(Op::Eq) => ComparisonOp::Equal,
            Ok(Op::Ge) => ComparisonOp::AtLeast,
            Ok(Op::Le) => ComparisonOp::AtMost,
            Ok(Op::Ne) => ComparisonOp::NotEqual,
            Err(_) => return cx.at("op", |cx| cx.refuse("is not EQ, GE, LE or NE")),
        };
        match &wire.value {
            Some(value) => Some(Comparison { op, value: runtime::runtime_uint(value) }),
            None => cx.at("value", |cx| cx.refuse("is needed")),
        }
    })
}

fn share(cx: &mut Context, wire: &pb::RuntimeFilter) -> Option<LogFilter> {
    let default = match &wire.percent_sampled {
        Some(percent) => cx.at("percent_sampled", |cx| runtime::fractional_percent(cx, percent))?,
        None => ripstop_model::Percent::ZERO,
    };
    let share = RuntimeFraction { key: wire.runtime_key.as_str().into(), default };
    Some(LogFilter::Runtime { share, independent: wire.use_independent_randomness })
}
