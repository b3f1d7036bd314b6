//! One line for each request: compiled formats, and files that are written off the request path.

pub mod civil;
pub mod format;
pub mod record;
pub mod writer;

use std::sync::Arc;

use format::Format;
use record::Record;
use writer::Sink;

/// The access logs of one connection manager , shared by all workers.
#[derive(Clone, Default)]
pub struct AccessLogs {
    logs: Arc<[(Format, Sink)]>,
    response_headers: bool,
}

impl AccessLogs {
    /// Lines in each format go to the sink beside it.
    pub fn new(logs: Vec<(Format, Sink)>) -> AccessLogs {
        let response_headers = logs.iter().any(|(format, _)| format.shows_response_headers());
        AccessLogs { logs: logs.into(), response_headers }
    }

    /// Nobody wants a line.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// The request headers that some format shows. They have to be kept until the line is written.
    pub fn wanted_request_headers(&self) -> impl Iterator<Item = &http::HeaderName> {
        self.logs.iter().flat_map(|(format, _)| format.request_headers())
    }

    /// Whether some format shows response headers. Only then they have to be kept.
    pub fn want_response_headers(&self) -> bool {
        self.response_headers
    }

    /// Writes the line of one request to every log.
    pub fn write(&self, record: &Record) {
        for (format, sink) in self.logs.iter() {
            let mut line = Vec::with_capacity(256);
            format.write(record, &mut line);
            sink.write(line);
        }
    }
}
