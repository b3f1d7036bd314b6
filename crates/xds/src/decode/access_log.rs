//! Access logs ← wire.

use ripstop_model::AccessLog;
use ripstop_model::access_log::{AccessLogFormat, AccessLogSink};

use super::common::{Context, inline_text, is, type_name, unpack};
use crate::pb;

/// A log that cannot be written is left out and reported: requests are served all the same.
pub(super) fn access_log(cx: &mut Context, wire: &pb::AccessLog) -> Option<AccessLog> {
    let Some(pb::access_log::ConfigType::TypedConfig(any)) = &wire.config_type else {
        return cx.refuse(format!("access log '{}' needs a typed_config", wire.name));
    };
    cx.at("typed_config", |cx| {
        if is::<pb::FileAccessLog>(any) {
            let wire: pb::FileAccessLog = unpack(cx, any)?;
            Some(file(cx, &wire))
        } else if is::<pb::StdoutAccessLog>(any) {
            let wire: pb::StdoutAccessLog = unpack(cx, any)?;
            let format = wire.access_log_format.as_ref();
            let format = format.map(|pb::stdout_access_log::AccessLogFormat::LogFormat(format)| format);
            Some(AccessLog { sink: AccessLogSink::Stdout, format: log_format(cx, format) })
        } else if is::<pb::StderrAccessLog>(any) {
            let wire: pb::StderrAccessLog = unpack(cx, any)?;
            let format = wire.access_log_format.as_ref();
            let format = format.map(|pb::stderr_access_log::AccessLogFormat::LogFormat(format)| format);
            Some(AccessLog { sink: AccessLogSink::Stderr, format: log_format(cx, format) })
        } else {
            cx.warn(format!("access log {} is not supported and not written", type_name(any)));
            None
        }
    })
}

#[allow(deprecated, reason = "Envoy still accepts the old way to write a format")]
fn file(cx: &mut Context, wire: &pb::FileAccessLog) -> AccessLog {
    use pb::file_access_log::AccessLogFormat as Wire;
    let format = match &wire.access_log_format {
        Some(Wire::LogFormat(format)) => log_format(cx, Some(format)),
        Some(Wire::Format(text)) if !text.is_empty() => AccessLogFormat::Text(text.as_str().into()),
        Some(Wire::Format(_)) | None => AccessLogFormat::Default,
        Some(Wire::JsonFormat(_) | Wire::TypedJsonFormat(_)) => json(cx),
    };
    AccessLog { sink: AccessLogSink::File(wire.path.as_str().into()), format }
}

#[allow(deprecated, reason = "Envoy still accepts the old way to write a format")]
fn log_format(cx: &mut Context, wire: Option<&pb::SubstitutionFormatString>) -> AccessLogFormat {
    use pb::substitution_format_string::Format;
    let Some(wire) = wire else { return AccessLogFormat::Default };
    cx.at("log_format", |cx| match &wire.format {
        None => AccessLogFormat::Default,
        Some(Format::TextFormat(text)) => AccessLogFormat::Text(text.as_str().into()),
        Some(Format::TextFormatSource(source)) => {
            match cx.at("text_format_source", |cx| inline_text(cx, source)) {
                Some(text) => AccessLogFormat::Text(text.into()),
                None => AccessLogFormat::Default,
            }
        }
        Some(Format::JsonFormat(_)) => json(cx),
    })
}

fn json(cx: &mut Context) -> AccessLogFormat {
    cx.warn("JSON is not supported as a format; lines are written in Envoy's default text format");
    AccessLogFormat::Default
}
