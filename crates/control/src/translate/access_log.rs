//! The access log that every listener writes.

use ripstop_model::AccessLog;
use ripstop_model::access_log::{AccessLogFormat, AccessLogSink};

const FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %DURATION% %BYTES_SENT% %BYTES_RECEIVED% \"%UPSTREAM_CLUSTER%\"\n";

/// One line for each request, to standard output.
pub(super) fn to_stdout() -> Vec<AccessLog> {
    vec![AccessLog { sink: AccessLogSink::Stdout, format: AccessLogFormat::Text(FORMAT.into()) }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_the_one_that_people_know() {
        let line = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %DURATION% %BYTES_SENT% %BYTES_RECEIVED% \"%UPSTREAM_CLUSTER%\"\n";
        assert_eq!(FORMAT, line);
    }
}
