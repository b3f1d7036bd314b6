//! Access logs → wire.

use ripstop_model::AccessLog;
use ripstop_model::access_log::{AccessLogFormat, AccessLogSink};

use super::common::{any, inline_string};
use crate::pb;

pub(super) fn access_log(log: &AccessLog) -> pb::AccessLog {
    let format = format(&log.format);
    let (name, config) = match &log.sink {
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
    pb::AccessLog {
        name: name.to_owned(),
        config_type: Some(pb::access_log::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}

fn format(format: &AccessLogFormat) -> Option<pb::SubstitutionFormatString> {
    match format {
        AccessLogFormat::Default => None,
        AccessLogFormat::Text(text) => Some(pb::SubstitutionFormatString {
            format: Some(pb::substitution_format_string::Format::TextFormatSource(inline_string(text))),
            ..Default::default()
        }),
    }
}
