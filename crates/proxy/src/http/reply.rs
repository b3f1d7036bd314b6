//! Answers that we give ourselves.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use ripstop_model::adaptive_concurrency::AdaptiveConcurrency;
use ripstop_policy::grpc;

use super::headers::X_ENVOY_OVERLOADED;
use super::response_body::ResponseBody;
use super::sanitise;
use super::stream::ActiveStream;
use crate::error::ProxyError;
use crate::generation::listener::ActiveManager;

/// The answer to a request that failed.
pub fn error(mut stream: ActiveStream, manager: &ActiveManager, error: ProxyError) -> Response<ResponseBody> {
    stream.fail(error);
    let is_overflow = matches!(error, ProxyError::Overflow | ProxyError::BreakerOpen);
    if is_overflow {
        // No endpoint was asked.
        stream.facts.host = None;
    }
    let consequence = error.consequence();
    let body = match consequence.body.split_once(" reset reason: ") {
        Some((before, reason)) if stream.facts.attempts > 1 => {
            Bytes::from(format!("{before} retried and the latest reset reason: {reason}"))
        }
        _ => Bytes::from_static(consequence.body.as_bytes()),
    };
    let mut response = match stream.is_grpc {
        true => call_failed(stream, manager, consequence.status, error.grpc_status(), &body),
        false => answer(stream, manager, consequence.status, body),
    };
    if is_overflow {
        response.headers_mut().insert(X_ENVOY_OVERLOADED, HeaderValue::from_static("true"));
    }
    response
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

/// The answer to a request that is refused because many fail.
pub fn admission_denied(mut stream: ActiveStream, manager: &ActiveManager) -> Response<ResponseBody> {
    stream.facts.details = "denied_by_admission_control";
    answer(stream, manager, StatusCode::SERVICE_UNAVAILABLE, Bytes::new())
}

/// The answer to a request for which there is no room at the moment.
pub fn concurrency_exceeded(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    config: &AdaptiveConcurrency,
) -> Response<ResponseBody> {
    stream.facts.details = "reached_concurrency_limit";
    // Decoding takes nothing else.
    let status = StatusCode::from_u16(config.exceeded_status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    answer(stream, manager, status, Bytes::from_static(b"reached concurrency limit"))
}

/// The answer that takes the place of one of an upstream that is left alone.
pub fn fallback(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Bytes,
) -> Response<ResponseBody> {
    stream.fail(ProxyError::BreakerOpen);
    stream.facts.details = "circuit_breaker_fallback";
    stream.facts.host = None;
    let mut response = answer(stream, manager, status, body);
    if let Some(content_type) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
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

/// The answer to a call of gRPC: always 200, without a body, and with the status where its trailers would be.
fn call_failed(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    grpc_status: Option<u32>,
    body: &[u8],
) -> Response<ResponseBody> {
    let code = grpc_status.unwrap_or_else(|| grpc::status_of_http(status.as_u16()));
    stream.facts.grpc_status = Some(code);
    let mut headers = HeaderMap::with_capacity(4);
    stream.change_response(&mut headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(grpc::GRPC_STATUS, HeaderValue::from(code));
    let message = Some(body).filter(|body| !body.is_empty()).and_then(grpc::message);
    if let Some(message) = message {
        headers.insert(grpc::GRPC_MESSAGE, message);
    }
    sanitise::answer::response(&mut headers, manager, &stream);
    stream.keep_response(StatusCode::OK.as_u16(), &headers);
    let mut response = Response::new(ResponseBody::local(Bytes::new(), stream));
    *response.headers_mut() = headers;
    response
}

/// The answer to a request that ought to have another path.
pub fn redirect(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    path: HeaderValue,
) -> Response<ResponseBody> {
    stream.facts.details = "path_normalization_failed";
    let mut response = answer(stream, manager, StatusCode::TEMPORARY_REDIRECT, Bytes::new());
    response.headers_mut().insert(header::LOCATION, path);
    response
}

/// An answer that sends the client elsewhere.
pub fn send_elsewhere(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    location: &str,
) -> Response<ResponseBody> {
    stream.facts.details = "direct_response";
    let mut response = answer(stream, manager, status, Bytes::new());
    // Made of what came in headers and of configuration, where no other bytes can be.
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().entry(header::LOCATION).or_insert(location);
    }
    response
}

/// The answer to a request whose cluster is not there.
pub fn no_cluster(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
) -> Response<ResponseBody> {
    stream.fail(ProxyError::NoCluster);
    answer(stream, manager, status, Bytes::new())
}

fn answer(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    body: Bytes,
) -> Response<ResponseBody> {
    if stream.is_grpc {
        return call_failed(stream, manager, status, None, &body);
    }
    let length = body.len();
    let late = status == StatusCode::REQUEST_TIMEOUT;
    let unread = stream.is_unread_http1() && (stream.is_unsent() || late);
    let is_head = stream.is_head();
    let body = if is_head { Bytes::new() } else { body };
    let mut headers = HeaderMap::with_capacity(4);
    stream.change_response(&mut headers);
    if length > 0 {
        let text = HeaderValue::from_static("text/plain");
        headers.entry(header::CONTENT_TYPE).or_insert(text);
        if is_head {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
    if unread {
        // Nobody will read the rest of the request.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    sanitise::answer::response(&mut headers, manager, &stream);
    stream.keep_response(status.as_u16(), &headers);
    let mut response = Response::new(ResponseBody::local(body, stream));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
