//! One line for each request: compiled formats, and files that are written off the request path.

pub mod reopen;
pub mod writer;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use ripstop_model::Format;
use ripstop_model::access_log::{AccessLog, AccessLogFormat};
use ripstop_policy::access_log::{CompiledFilter, LogFacts};
use ripstop_policy::route::RequestHead;
use ripstop_policy::route::text::RegexError;
use ripstop_policy::runtime::Runtime;

use crate::format::context::Context;
use crate::format::json::CompiledJson;
use crate::format::value::{any_grpc_status, want_grpc_status};
use crate::format::{CompiledFormat, Wanted};
use crate::http::headers::X_REQUEST_ID;
use writer::Sink;

thread_local! {
    /// Where lines are written before they are handed in.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Room for a line that a thread keeps for the next one.
const MAX_KEPT_BYTES: usize = 4096;

/// The access logs of one connection manager, shared by all workers.
#[derive(Clone, Default)]
pub struct AccessLogs {
    logs: Arc<[Log]>,
    wanted: Arc<Wanted>,
}

/// One access log.
struct Log {
    line: Line,
    sink: Sink,
    filter: Option<CompiledFilter>,
}

/// What a line holds.
pub enum Line {
    /// A text.
    Text {
        /// The text.
        format: CompiledFormat,
        /// Stands for what is not known.
        missing: &'static str,
    },
    /// JSON on one line.
    Json(CompiledJson),
}

impl AccessLogs {
    /// Compiles formats and filters; lines go to the sink beside each.
    ///
    /// # Errors
    /// A regular expression in a filter cannot be compiled.
    pub fn compile<'a>(
        logs: impl IntoIterator<Item = (&'a AccessLog, Sink)>,
        runtime: &Runtime,
    ) -> Result<AccessLogs, RegexError> {
        let mut wanted = Wanted::default();
        let mut compiled = Vec::new();
        for (log, sink) in logs {
            let line = Line::compile(&log.format);
            line.wants(&mut wanted);
            let filter =
                log.filter.as_ref().map(|filter| CompiledFilter::compile(filter, runtime)).transpose()?;
            if let Some(filter) = &filter {
                filter_wants(filter, &mut wanted);
            }
            compiled.push(Log { line, sink, filter });
        }
        Ok(AccessLogs { logs: compiled.into(), wanted: Arc::new(wanted) })
    }

    /// Nobody wants a line.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// What has to be kept until the line is written.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Writes the line of one request to every log.
    pub fn write(&self, context: &Context<'_>) {
        for log in self.logs.iter() {
            if log.filter.as_ref().is_some_and(|filter| !admits(filter, context)) {
                continue;
            }
            LINE.with_borrow_mut(|line| {
                line.clear();
                log.line.write(context, line);
                log.sink.write(line);
                line.shrink_to(MAX_KEPT_BYTES);
            });
        }
    }
}

/// What a filter looks at.
pub fn filter_wants(filter: &CompiledFilter, wanted: &mut Wanted) {
    let mut headers = vec![X_REQUEST_ID];
    filter.headers(&mut headers);
    for name in &headers {
        Wanted::add(&mut wanted.request, name);
    }
    want_grpc_status(wanted);
}

/// Whether a filter admits a request.
pub fn admits(filter: &CompiledFilter, context: &Context<'_>) -> bool {
    let stream = context.stream;
    let Some(headers) = context.request else { return true };
    let whole = stream.path.as_deref().unwrap_or_default();
    let (path, query) = whole.split_once('?').map_or((whole, None), |(path, query)| (path, Some(query)));
    let until = context.ended.unwrap_or_else(Instant::now);
    let duration = until.saturating_duration_since(stream.times.begun);
    let tls = context.connection.secured.as_ref();
    let facts = LogFacts {
        head: RequestHead {
            authority: stream.authority.as_deref().unwrap_or_default(),
            path,
            query,
            method: stream.method.as_ref().map(|method| method.as_str()).unwrap_or_default(),
            scheme: stream.scheme.unwrap_or_default(),
            headers,
            client_cert_presented: tls.is_some_and(|tls| tls.has_peer_certificate()),
            client_cert_validated: tls.is_some_and(|tls| tls.peer_validated),
            random: 0,
        },
        request_id: headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()),
        status: stream.status,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        flags: stream.flags,
        grpc_status: any_grpc_status(context),
        log_type: context.log_type,
    };
    filter.admits(&facts, &mut || fastrand::u32(..))
}

impl Line {
    /// Makes a format ready.
    pub fn compile(format: &AccessLogFormat) -> Line {
        match format {
            AccessLogFormat::Default => {
                // That it is a format is tested where it is written down.
                let format =
                    Format::parse(Format::DEFAULT_ACCESS_LOG).unwrap_or_else(|_| Format::literal("\n"));
                Line::Text { format: CompiledFormat::compile(&format), missing: "-" }
            }
            AccessLogFormat::Text { format, omit_empty } => Line::Text {
                format: CompiledFormat::compile(format),
                missing: if *omit_empty { "" } else { "-" },
            },
            AccessLogFormat::Json { format, omit_empty } => {
                Line::Json(CompiledJson::compile(format, *omit_empty))
            }
        }
    }

    /// What of a request has to be kept until the line is made.
    pub fn wants(&self, wanted: &mut Wanted) {
        match self {
            Line::Text { format, .. } => format.wants(wanted),
            Line::Json(json) => json.wants(wanted),
        }
    }

    /// Appends the line; JSON gets a line end.
    pub fn write(&self, context: &Context<'_>, line: &mut Vec<u8>) {
        match self {
            Line::Text { format, missing } => format.write(context, missing, line),
            Line::Json(json) => {
                json.write(context, line);
                line.push(b'\n');
            }
        }
    }
}
