//! Access logs ← wire. Which requests get a line is read by [`filter`].

mod filter;

use ripstop_model::access_log::{AccessLogFormat, AccessLogSink};
use ripstop_model::{AccessLog, Format};

pub(super) use self::filter::log_filter;
use super::common::{Context, data_source, is, type_name, unpack};
use super::format;
use crate::pb;

/// Longest format that is read from a file or variable.
const MAX_FORMAT_BYTES: u32 = 64 * 1024;

/// A log of a kind that is not known is left out and reported: requests are served all the same.
pub(super) fn access_log(cx: &mut Context, wire: &pb::AccessLog) -> Option<AccessLog> {
    let filter = match &wire.filter {
        Some(filter) => Some(cx.at("filter", |cx| log_filter(cx, filter))?),
        None => None,
    };
    let Some(pb::access_log::ConfigType::TypedConfig(any)) = &wire.config_type else {
        return cx.refuse(format!("access log '{}' needs a typed_config", wire.name));
    };
    let (sink, format) = cx.at("typed_config", |cx| destination(cx, any))?;
    Some(AccessLog { sink, format, filter })
}

fn destination(cx: &mut Context, any: &pb::Any) -> Option<(AccessLogSink, AccessLogFormat)> {
    if is::<pb::FileAccessLog>(any) {
        let wire: pb::FileAccessLog = unpack(cx, any)?;
        let path = wire.path.as_str().into();
        return Some((AccessLogSink::File(path), file_format(cx, &wire)?));
    }
    let (sink, format) = if is::<pb::StdoutAccessLog>(any) {
        let wire: pb::StdoutAccessLog = unpack(cx, any)?;
        let format = wire.access_log_format;
        (
            AccessLogSink::Stdout,
            format.map(|pb::stdout_access_log::AccessLogFormat::LogFormat(format)| format),
        )
    } else if is::<pb::StderrAccessLog>(any) {
        let wire: pb::StderrAccessLog = unpack(cx, any)?;
        let format = wire.access_log_format;
        (
            AccessLogSink::Stderr,
            format.map(|pb::stderr_access_log::AccessLogFormat::LogFormat(format)| format),
        )
    } else {
        cx.warn(format!("access log {} is not supported and not written", type_name(any)));
        return None;
    };
    Some((sink, log_format(cx, format.as_ref())?))
}

#[allow(deprecated, reason = "Envoy still accepts the old ways to write a format")]
fn file_format(cx: &mut Context, wire: &pb::FileAccessLog) -> Option<AccessLogFormat> {
    use pb::file_access_log::AccessLogFormat as Wire;
    match &wire.access_log_format {
        None => Some(AccessLogFormat::Default),
        Some(Wire::LogFormat(format)) => log_format(cx, Some(format)),
        Some(Wire::Format(text)) if text.is_empty() => Some(AccessLogFormat::Default),
        Some(Wire::Format(text)) => cx.at("format", |cx| format::text(cx, text)).map(AccessLogFormat::text),
        Some(Wire::JsonFormat(json)) => {
            cx.at("json_format", |cx| format::json(cx, json)).map(|format| json_lines(format, false))
        }
        Some(Wire::TypedJsonFormat(json)) => {
            cx.at("typed_json_format", |cx| format::json(cx, json)).map(|format| json_lines(format, false))
        }
    }
}

fn log_format(cx: &mut Context, wire: Option<&pb::SubstitutionFormatString>) -> Option<AccessLogFormat> {
    let Some(wire) = wire else { return Some(AccessLogFormat::Default) };
    cx.at("log_format", |cx| substitution_format(cx, wire))
}

fn json_lines(format: ripstop_model::format::json::JsonFormat, omit_empty: bool) -> AccessLogFormat {
    AccessLogFormat::Json { format, omit_empty }
}

#[allow(deprecated, reason = "Envoy still accepts the old way to write a text")]
pub(super) fn substitution_format(
    cx: &mut Context,
    wire: &pb::SubstitutionFormatString,
) -> Option<AccessLogFormat> {
    use pb::substitution_format_string::Format as Wire;
    let omit_empty = wire.omit_empty_values;
    let text = |format: Format| AccessLogFormat::Text { format, omit_empty };
    match &wire.format {
        None => cx.refuse("needs one of text_format_source, json_format and text_format"),
        Some(Wire::TextFormat(plain)) => cx.at("text_format", |cx| format::text(cx, plain)).map(text),
        Some(Wire::TextFormatSource(source)) => cx.at("text_format_source", |cx| {
            let plain = data_source(cx, source, MAX_FORMAT_BYTES)?;
            match std::str::from_utf8(&plain) {
                Ok(plain) => format::text(cx, plain).map(text),
                Err(_) => cx.refuse("must be UTF-8 text"),
            }
        }),
        Some(Wire::JsonFormat(json)) => {
            cx.at("json_format", |cx| format::json(cx, json)).map(|format| json_lines(format, omit_empty))
        }
    }
}
