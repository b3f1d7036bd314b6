//! Answers that we give ourselves.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use ripstop_model::adaptive_concurrency::AdaptiveConcurrency;
use ripstop_policy::cors::CorsRules;
use ripstop_policy::fault::Abort;
use ripstop_policy::flags::ResponseFlag;
use ripstop_policy::grpc;
use ripstop_policy::http1::head::Refusal;

use super::headers::{X_ENVOY_ATTEMPT_COUNT, X_ENVOY_OVERLOADED};
use super::local_reply::Reply;
use super::response_body::ResponseBody;
use super::sanitise;
use super::stream::ActiveStream;
use crate::error::ProxyError;
use crate::generation::listener::ActiveManager;

/// A header of one answer alone.
type Extra = Option<(HeaderName, HeaderValue)>;

/// The answer to a request that failed.
pub fn error(mut stream: ActiveStream, manager: &ActiveManager, error: ProxyError) -> Response<ResponseBody> {
    stream.fail(error);
    let is_overflow = matches!(error, ProxyError::Overflow | ProxyError::BreakerOpen);
    if error == ProxyError::BreakerOpen {
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
    let overloaded = is_overflow.then_some((X_ENVOY_OVERLOADED, HeaderValue::from_static("true")));
    let closes = error.is_of_what_was_said() && !manager.config.keeps_connection_of_invalid;
    let gone = stream.session().filter(|_| error == ProxyError::SessionHostGone);
    let gone = gone.and_then(|session| StatusCode::from_u16(session.rules.gone_status).ok());
    let reply = Reply { status: gone.unwrap_or(consequence.status), body };
    answer(stream, manager, reply, Besides { extra: overloaded, grpc: error.grpc_status(), closes })
}

/// The answer to a request that is not allowed; nothing has failed.
pub fn refuse(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    details: &'static str,
) -> Response<ResponseBody> {
    stream.facts.details = details;
    answer(stream, manager, Reply { status, body: Bytes::new() }, Besides::default())
}

/// The answer to a request that is refused because many fail.
pub fn admission_denied(mut stream: ActiveStream, manager: &ActiveManager) -> Response<ResponseBody> {
    stream.facts.details = "denied_by_admission_control";
    let reply = Reply { status: StatusCode::SERVICE_UNAVAILABLE, body: Bytes::new() };
    answer(stream, manager, reply, Besides::default())
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
    let reply = Reply { status, body: Bytes::from_static(b"reached concurrency limit") };
    answer(stream, manager, reply, Besides::default())
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
    let mut response = answer(stream, manager, Reply { status, body }, Besides::default());
    if let Some(content_type) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

/// The answer to what could not be read as a request, or not as one that means anything.
pub fn unreadable(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    body: &'static str,
    refusal: Refusal,
) -> Response<ResponseBody> {
    stream.facts.details = refusal.details();
    let besides = Besides { closes: true, ..Besides::default() };
    match refusal.flag() {
        // Envoy knows of a broken protocol after it has answered.
        Some(ResponseFlag::DownstreamProtocolError) => {
            stream.flag_at_end(ResponseFlag::DownstreamProtocolError);
        }
        flag => stream.facts.flags.extend(flag),
    }
    answer(stream, manager, Reply { status, body: Bytes::from_static(body.as_bytes()) }, besides)
}

/// The answer that a route holds.
pub fn direct(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    body: Bytes,
) -> Response<ResponseBody> {
    stream.facts.details = "direct_response";
    answer(stream, manager, Reply { status, body }, Besides::default())
}

/// The answer to a request that ought to have another path.
pub fn redirect(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    path: HeaderValue,
) -> Response<ResponseBody> {
    stream.facts.details = "path_normalization_failed";
    let reply = Reply { status: StatusCode::TEMPORARY_REDIRECT, body: Bytes::new() };
    let extra = Some((header::LOCATION, path));
    answer(stream, manager, reply, Besides { extra, ..Besides::default() })
}

/// An answer that sends the client elsewhere.
pub fn send_elsewhere(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    location: &str,
) -> Response<ResponseBody> {
    stream.facts.details = "direct_response";
    // Made of what came in headers and of configuration, where no other bytes can be.
    let extra = HeaderValue::from_str(location).ok().map(|location| (header::LOCATION, location));
    answer(stream, manager, Reply { status, body: Bytes::new() }, Besides { extra, ..Besides::default() })
}

/// The answer to a request whose cluster is not there.
pub fn no_cluster(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
) -> Response<ResponseBody> {
    stream.fail(ProxyError::NoCluster);
    answer(stream, manager, Reply { status, body: Bytes::new() }, Besides::default())
}

/// The answer to a request for which a fault was made up.
pub fn aborted(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    abort: Abort,
    body: Bytes,
) -> Response<ResponseBody> {
    stream.facts.details = "fault_filter_abort";
    let status = StatusCode::from_u16(abort.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer(stream, manager, Reply { status, body }, Besides { grpc: abort.grpc, ..Besides::default() })
}

/// The answer to a page that asks what it may do. It is whole: neither its route nor the connection manager changes it as they
/// change other answers of ours.
pub fn preflight(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    mut headers: HeaderMap,
) -> Response<ResponseBody> {
    stream.facts.details = "cors_response";
    if stream.is_unread_http1() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    send(stream, manager, CorsRules::PREFLIGHT_STATUS, headers, Bytes::new())
}

/// What an answer has besides its status and body.
#[derive(Default)]
struct Besides {
    extra: Extra,
    /// What a caller of gRPC learns, if that is not what the status says.
    grpc: Option<u32>,
    /// Nothing follows on a connection of HTTP/1.
    closes: bool,
}

fn answer(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    mut reply: Reply,
    besides: Besides,
) -> Response<ResponseBody> {
    let late = reply.status == StatusCode::REQUEST_TIMEOUT;
    // Nobody will read the rest of such a request.
    let unread = stream.is_unread_http1() && (stream.is_unsent() || late);
    let mut headers = HeaderMap::with_capacity(4);
    stream.change_response(&mut headers);
    if let Some((name, value)) = besides.extra {
        headers.entry(name).or_insert(value);
    }
    if stream.answers_attempts && stream.facts.attempts > 0 {
        headers.insert(X_ENVOY_ATTEMPT_COUNT, HeaderValue::from(stream.facts.attempts));
    }
    match &manager.local_replies {
        Some(replies) => replies.rewrite(&mut stream, &mut headers, &mut reply),
        None if !reply.body.is_empty() => {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain"));
        }
        None => {}
    }
    if matches!(reply.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        // Whatever it was given, there is no place for it.
        reply.body = Bytes::new();
    }
    if stream.is_grpc {
        become_call_failure(&mut stream, &mut headers, &mut reply, besides.grpc);
    } else if reply.body.is_empty() {
        headers.remove(header::CONTENT_TYPE);
    } else if stream.is_head() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    }
    if unread || besides.closes && stream.is_http1() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let body = if stream.is_head() { Bytes::new() } else { reply.body };
    send(stream, manager, reply.status, headers, body)
}

/// Gives an answer whose headers are all there but those that every answer gets.
fn send(
    mut stream: ActiveStream,
    manager: &ActiveManager,
    status: StatusCode,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response<ResponseBody> {
    let status = sanitise::answer::response(&mut headers, status, manager, &stream);
    stream.keep_response(status.as_u16(), &headers);
    let mut response = Response::new(ResponseBody::local(body, stream));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Makes it the answer to a call of gRPC: always 200, without a body, and with the status where its trailers would be.
fn become_call_failure(
    stream: &mut ActiveStream,
    headers: &mut HeaderMap,
    reply: &mut Reply,
    status: Option<u32>,
) {
    let code = status.unwrap_or_else(|| grpc::status_of_http(reply.status.as_u16()));
    stream.facts.grpc_status = Some(code);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.entry(grpc::GRPC_STATUS).or_insert(HeaderValue::from(code));
    let body = std::mem::take(&mut reply.body);
    // JSON ends with a line end.
    let text = body.strip_suffix(b"\n").unwrap_or(&body);
    if let Some(message) = Some(text).filter(|text| !text.is_empty()).and_then(grpc::message) {
        headers.insert(grpc::GRPC_MESSAGE, message);
    }
    reply.status = StatusCode::OK;
}
