//! Where a line about each request or connection goes and what it holds. Formatting is the proxy's.

use crate::Name;

/// One access log of a listener or connection manager.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccessLog {
    /// Where the lines go.
    pub sink: AccessLogSink,
    /// What a line holds.
    pub format: AccessLogFormat,
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
    Text(Name),
}
