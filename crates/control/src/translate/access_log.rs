//! The access log that every listener writes, unless a `Telemetry` says otherwise.

use ripstop_model::access_log::{AccessLogFormat, AccessLogSink};
use ripstop_model::{AccessLog, Format};

use crate::world::Scope;

const FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %DURATION% %BYTES_SENT% %BYTES_RECEIVED% \"%UPSTREAM_CLUSTER%\"\n";

/// The logs of what comes in (`server`) or goes out.
pub(super) fn of(scope: &Scope<'_>, server: bool) -> Vec<AccessLog> {
    if scope.logs(server) { to_stdout() } else { Vec::new() }
}

/// One line for each request, to standard output.
fn to_stdout() -> Vec<AccessLog> {
    // A format that is none is told by the test below.
    let format = Format::parse(FORMAT).unwrap_or_else(|_| Format::literal(FORMAT));
    vec![AccessLog::new(AccessLogSink::Stdout, AccessLogFormat::text(format))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_the_one_that_people_know() {
        let line = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %DURATION% %BYTES_SENT% %BYTES_RECEIVED% \"%UPSTREAM_CLUSTER%\"\n";
        assert_eq!(FORMAT, line);
        assert!(Format::parse(FORMAT).is_ok());
    }
}
