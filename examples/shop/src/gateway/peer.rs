//! Calls to another service over plain HTTP. One attempt each: trying again is not this service's business.

use std::{error::Error, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header::HeaderMap},
};
use serde_json::{Value, json};

use crate::log;

/// How long a call may take from its start to the last byte of the answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer taken. A full store fits.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Headers that tie the calls of one request together for tracing; they are sent on as they came.
const TRACE_HEADERS: [&str; 4] = ["x-request-id", "traceparent", "tracestate", "b3"];
/// Headers of an answer that are passed on.
const ANSWER_HEADERS: [&str; 2] = ["content-type", "x-version"];

/// A service to call.
#[derive(Debug)]
pub struct Peer {
    service: &'static str,
    base_url: String,
    client: reqwest::Client,
}

/// What a service answered, when it was not an error of the service.
#[derive(Debug)]
pub struct PeerAnswer {
    status: StatusCode,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
}

/// Why there is no answer to give.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{service} {problem}")]
pub struct PeerError {
    service: &'static str,
    problem: PeerProblem,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum PeerProblem {
    #[error("cannot be reached")]
    Away,
    #[error("did not answer within {} s", CALL_TIMEOUT.as_secs())]
    TooSlow,
    #[error("answered with status {0}")]
    Failing(u16),
    #[error("answered with more than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    #[error("gave an answer that is not understood")]
    Garbled,
}

/// The client for all peers. It goes straight to the address it is given, whatever proxies the environment names.
///
/// # Errors
/// When the system does not let it be made.
pub(super) fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .timeout(CALL_TIMEOUT)
        .build()
}

impl Peer {
    pub(super) fn new(service: &'static str, base_url: &str, client: reqwest::Client) -> Self {
        Self { service, base_url: base_url.to_owned(), client }
    }

    /// Reads `path`, which begins with a slash, on behalf of a request with these headers.
    ///
    /// # Errors
    /// When the service is away, too slow, or answers with a server error or too much.
    pub async fn get(&self, path: &str, incoming: &HeaderMap) -> Result<PeerAnswer, PeerError> {
        let mut request = self.client.get(format!("{}{path}", self.base_url));
        for name in TRACE_HEADERS {
            for value in incoming.get_all(name) {
                request = request.header(name, value.as_bytes());
            }
        }
        let mut response = request.send().await.map_err(|error| self.failed_call(path, &error))?;
        let status = response.status().as_u16();
        if status >= 500 {
            return Err(self.error(PeerProblem::Failing(status)));
        }
        let status = StatusCode::from_u16(status).map_err(|_| self.error(PeerProblem::Garbled))?;
        let headers = ANSWER_HEADERS
            .into_iter()
            .filter_map(|name| Some((name, response.headers().get(name)?.as_bytes().to_vec())))
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed_call(path, &error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(self.error(PeerProblem::TooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(PeerAnswer { status, headers, body })
    }

    /// Reads `path` where only a JSON document with status 200 will do.
    ///
    /// # Errors
    /// As [`Peer::get`], and when the answer is anything else.
    pub async fn get_json(&self, path: &str, incoming: &HeaderMap) -> Result<Value, PeerError> {
        let answer = self.get(path, incoming).await?;
        if answer.status != StatusCode::OK {
            return Err(self.error(PeerProblem::Garbled));
        }
        serde_json::from_slice(&answer.body).map_err(|_| self.error(PeerProblem::Garbled))
    }

    fn error(&self, problem: PeerProblem) -> PeerError {
        PeerError { service: self.service, problem }
    }

    /// The client of this service is told what is wrong; the cause, which may name addresses, is only logged.
    fn failed_call(&self, path: &str, error: &reqwest::Error) -> PeerError {
        let mut causes = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push_str(": ");
            causes.push_str(&cause.to_string());
            source = cause.source();
        }
        log::line("gateway-service", format_args!("call to {} {path} failed: {causes}", self.service));
        self.error(if error.is_timeout() && !error.is_connect() {
            PeerProblem::TooSlow
        } else {
            PeerProblem::Away
        })
    }
}

impl PeerAnswer {
    /// The answer as this service's own.
    #[must_use]
    pub fn pass_on(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in self.headers {
            response.insert_header((name, value));
        }
        response.body(self.body)
    }
}

impl ResponseError for PeerError {
    fn status_code(&self) -> StatusCode {
        match self.problem {
            PeerProblem::Away | PeerProblem::TooSlow | PeerProblem::Failing(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            PeerProblem::TooLarge | PeerProblem::Garbled => StatusCode::BAD_GATEWAY,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code())
            .json(json!({ "error": self.to_string(), "service": self.service }))
    }
}
