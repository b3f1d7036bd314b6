//! Access logs, at random.

use fastrand::Rng;
use ripstop_model::access_log::filter::{Comparison, ComparisonOp};
use ripstop_model::access_log::{AccessLogFormat, AccessLogSink, LogFilter};
use ripstop_model::format::json::{JsonFormat, JsonNumber};
use ripstop_model::runtime::{RuntimeFraction, RuntimeUint};
use ripstop_model::{AccessLog, Format, Percent};

use super::route::header_match;
use super::{list, name, option};

pub(super) fn access_log(rng: &mut Rng) -> AccessLog {
    let sink = match rng.u8(0..3) {
        0 => AccessLogSink::Stdout,
        1 => AccessLogSink::Stderr,
        _ => AccessLogSink::File(format!("/var/log/{}", name(rng)).into()),
    };
    let format = if rng.bool() { AccessLogFormat::Default } else { written_format(rng) };
    AccessLog { sink, format, filter: option(rng, |rng| log_filter(rng, 2)) }
}

/// A format that is not the default.
pub(super) fn written_format(rng: &mut Rng) -> AccessLogFormat {
    let omit_empty = rng.bool();
    match rng.bool() {
        true => AccessLogFormat::Text { format: format(rng), omit_empty },
        false => AccessLogFormat::Json { format: object(rng, 2), omit_empty },
    }
}

/// A text with operators.
pub(super) fn format(rng: &mut Rng) -> Format {
    let text = format!("{} %REQ({})% %% %START_TIME%", name(rng), name(rng));
    Format::parse(&text).unwrap_or_else(|_| Format::literal(&text))
}

/// Names are sorted, as the decoder gives them.
fn object(rng: &mut Rng, depth: u8) -> JsonFormat {
    let mut fields = list(rng, 3, |rng| (name(rng), json(rng, depth)));
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    fields.dedup_by(|(a, _), (b, _)| a == b);
    JsonFormat::Object(fields)
}

fn json(rng: &mut Rng, depth: u8) -> JsonFormat {
    match rng.u8(0..if depth > 0 { 6 } else { 4 }) {
        0 => JsonFormat::Null,
        1 => JsonFormat::Bool(rng.bool()),
        2 => JsonNumber::new(rng.f64()).map_or(JsonFormat::Null, JsonFormat::Number),
        3 => JsonFormat::Text(format(rng)),
        4 => JsonFormat::List(list(rng, 3, |rng| json(rng, depth - 1))),
        _ => object(rng, depth - 1),
    }
}

pub(super) fn log_filter(rng: &mut Rng, depth: u8) -> LogFilter {
    match rng.u8(0..if depth > 0 { 10 } else { 8 }) {
        0 => LogFilter::Status(comparison(rng)),
        1 => LogFilter::DurationMs(comparison(rng)),
        2 => LogFilter::NotHealthCheck,
        3 => LogFilter::Header(header_match(rng)),
        4 => LogFilter::Flags(vec!["UF".into(), "NR".into()]),
        5 => {
            let default = Percent::per_million(rng.u32(0..=1_000_000));
            let share = RuntimeFraction { key: format!("k.{}", name(rng)).into(), default };
            LogFilter::Runtime { share, independent: rng.bool() }
        }
        6 => LogFilter::GrpcStatus { statuses: list(rng, 3, |rng| rng.u32(0..17)), exclude: rng.bool() },
        7 => LogFilter::LogType { types: vec!["DownstreamEnd".into()], exclude: rng.bool() },
        8 => LogFilter::And(vec![log_filter(rng, depth - 1), log_filter(rng, depth - 1)]),
        _ => LogFilter::Or(vec![log_filter(rng, depth - 1), log_filter(rng, depth - 1)]),
    }
}

fn comparison(rng: &mut Rng) -> Comparison {
    let op = match rng.u8(0..4) {
        0 => ComparisonOp::Equal,
        1 => ComparisonOp::AtLeast,
        2 => ComparisonOp::AtMost,
        _ => ComparisonOp::NotEqual,
    };
    Comparison { op, value: RuntimeUint { key: format!("k.{}", name(rng)).into(), default: rng.u32(..) } }
}
