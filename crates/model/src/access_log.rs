//! Where a line about each request or connection goes, what it holds and when it is written. Formatting is the proxy's.

pub mod filter;

use crate::format::json::JsonFormat;
use crate::{Format, Name};
pub use filter::LogFilter;

/// One access log of a listener or connection manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where the lines go.
    pub sink: AccessLogSink,
    /// What a line holds.
    pub format: AccessLogFormat,
    /// Which requests get a line; `None`: all.
    pub filter: Option<LogFilter>,
}

impl AccessLog {
    /// A line for every request.
    pub fn new(sink: AccessLogSink, format: AccessLogFormat) -> AccessLog {
        AccessLog { sink, format, filter: None }
    }
}

/// Where access log lines go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccessLogSink {
    /// Standard output of the proxy.
    Stdout,
    /// Standard error of the proxy.
    Stderr,
    /// A file that lines are appended to.
    File(Name),
}

/// What a line holds, in Envoy's command operators.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccessLogFormat {
    /// Envoy's default text format.
    Default,
    /// A text format; it holds its own line end.
    Text {
        /// The text.
        format: Format,
        /// What is not known is left out instead of being shown as a dash.
        omit_empty: bool,
    },
    /// JSON, an object on one line.
    Json {
        /// The object.
        format: JsonFormat,
        /// What is not known is left out instead of being `null` or a dash.
        omit_empty: bool,
    },
}

impl AccessLogFormat {
    /// A text in which a dash stands for what is not known.
    pub fn text(format: Format) -> AccessLogFormat {
        AccessLogFormat::Text { format, omit_empty: false }
    }
}
