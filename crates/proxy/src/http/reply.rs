//! Answers that we give ourselves.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::response_body::ResponseBody;
use super::stream::ActiveStream;
use crate::error::ProxyError;
use crate::generation::listener::ActiveManager;

/// The answer to a request that failed.
pub fn error(mut stream: ActiveStream, manager: &ActiveManager, error: ProxyError) -> Response<ResponseBody> {
    stream.fail(error);
    let consequence = error.consequence();
    answer(stream, manager, consequence.status, Bytes::from_static(consequence.body.as_bytes()))
}

/// The answer to a request that is not allowed; nothing has failed.
pub fn refuse(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    details: &'static str,
) -> Response<ResponseBody> {
    stream.facts.details = details;
    answer(stream, manager, status, Bytes::new())
}

/// The answer that a route holds.
pub fn direct(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    body: Bytes,
) -> Response<ResponseBody> {
    stream.facts.details = "direct_response";
    answer(stream, manager, status, body)
}

fn answer(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    body: Bytes,
) -> Response<ResponseBody> {
    stream.facts.status = status.as_u16();
    let has_body = !body.is_empty();
    let body = if stream.is_head() { Bytes::new() } else { body };
    let mut response = Response::new(ResponseBody::local(body, stream));
    *response.status_mut() = status;
    let headers: &mut HeaderMap = response.headers_mut();
    if has_body {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    headers.insert(header::SERVER, manager.server.clone());
    response
}
