//! Access logs → wire.

pub(super) mod filter;

use prost::Message;
use ripstop_model::AccessLog;
use ripstop_model::access_log::{AccessLogFormat, AccessLogSink};
use ripstop_model::format::json::JsonFormat;

use super::common::{any, inline_string};
use super::format::{json, put};
use crate::pb;

/// `FileAccessLog.log_format`, `StdoutAccessLog.log_format` and `SubstitutionFormatString.json_format`.
const FILE_LOG_FORMAT: u32 = 5;
const STREAM_LOG_FORMAT: u32 = 1;
const JSON_FORMAT: u32 = 2;

pub(super) fn access_log(log: &AccessLog) -> pb::AccessLog {
    let format = format(&log.format);
    let (name, mut config) = match &log.sink {
        AccessLogSink::Stdout => {
            let format = format.map(pb::stdout_access_log::AccessLogFormat::LogFormat);
            ("envoy.access_loggers.stdout", any(&pb::StdoutAccessLog { access_log_format: format }))
        }
        AccessLogSink::Stderr => {
            let format = format.map(pb::stderr_access_log::AccessLogFormat::LogFormat);
            ("envoy.access_loggers.stderr", any(&pb::StderrAccessLog { access_log_format: format }))
        }
        AccessLogSink::File(path) => {
            let format = format.map(pb::file_access_log::AccessLogFormat::LogFormat);
            let config = pb::FileAccessLog { path: path.to_string(), access_log_format: format };
            ("envoy.access_loggers.file", any(&config))
        }
    };
    if let AccessLogFormat::Json { format, .. } = &log.format {
        let field =
            if matches!(log.sink, AccessLogSink::File(_)) { FILE_LOG_FORMAT } else { STREAM_LOG_FORMAT };
        with_json(format, field, &mut config.value);
    }
    pb::AccessLog {
        name: name.to_owned(),
        filter: log.filter.as_ref().map(filter::log_filter),
        config_type: Some(pb::access_log::ConfigType::TypedConfig(config)),
    }
}

fn format(format: &AccessLogFormat) -> Option<pb::SubstitutionFormatString> {
    use pb::substitution_format_string::Format;
    let (format, omit_empty_values) = match format {
        AccessLogFormat::Default => return None,
        AccessLogFormat::Text { format, omit_empty } => {
            (Format::TextFormatSource(inline_string(format.source())), *omit_empty)
        }
        // The object is added by `with_json`.
        AccessLogFormat::Json { omit_empty, .. } => (Format::JsonFormat(pb::Struct::default()), *omit_empty),
    };
    Some(pb::SubstitutionFormatString { format: Some(format), omit_empty_values, ..Default::default() })
}

/// The bytes of a `SubstitutionFormatString`; of the default none.
pub(super) fn format_bytes(of: &AccessLogFormat) -> Vec<u8> {
    let mut out = format(of).map(|wire| wire.encode_to_vec()).unwrap_or_default();
    if let AccessLogFormat::Json { format, .. } = of {
        put(JSON_FORMAT, &json(format), &mut out);
    }
    out
}

/// Adds the object to a message whose `log_format` has an empty one: messages that stand twice are merged.
fn with_json(format: &JsonFormat, log_format: u32, message: &mut Vec<u8>) {
    let mut substitution = Vec::new();
    put(JSON_FORMAT, &json(format), &mut substitution);
    put(log_format, &substitution, message);
}
