//! Answers to what is no request: bytes that the parser never sees, because [`super::guard`] refuses them.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use ripstop_model::format::time::TimeFormat;
use ripstop_model::http1::HeaderNames;
use ripstop_policy::http1::head::{Refusal, described};

use super::reply;
use super::stream::ActiveStream;
use crate::format::civil;
use crate::generation::listener::ActiveManager;
use crate::listener::connection::ConnectionInfo;

/// As `date` has it (RFC 9110 §5.6.7).
static DATE: LazyLock<TimeFormat> = LazyLock::new(|| TimeFormat::parse("%a, %d %b %Y %H:%M:%S GMT"));

/// Most bytes of a refused head that are kept for its log line.
pub const KEPT_HEAD_BYTES: usize = 8 * 1024;

/// The whole answer, as bytes of HTTP/1.1, behind which the connection is closed unless `keep` says otherwise. Its request
/// is counted and logged as far as it could be read.
pub fn answer(
    worker: usize,
    manager: &Arc<ActiveManager>,
    connection: &Rc<ConnectionInfo>,
    refusal: Refusal,
    head: &[u8],
) -> Bytes {
    let mut stream = ActiveStream::begin(manager, worker, connection, None, Version::HTTP_11);
    if refusal.is_readable() {
        let [method, target, host] = described(head);
        stream.facts.method = method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        stream.facts.path = target.map(Into::into);
        stream.facts.authority = host.filter(|_| refusal != Refusal::NoHost).map(Into::into);
    }
    let (status, body) = refusal.answer();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let answer = reply::unreadable(stream, manager, status, body, refusal);
    let (parts, body) = answer.into_parts();
    serialise(parts.status, parts.headers, &body.into_local(), manager.config.http1.names)
}

fn serialise(status: StatusCode, mut headers: HeaderMap, body: &[u8], names: HeaderNames) -> Bytes {
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut date = Vec::with_capacity(32);
    civil::write(SystemTime::now(), &DATE, &mut date);
    if let Ok(date) = HeaderValue::from_bytes(&date) {
        headers.insert(header::DATE, date);
    }
    let mut out = BytesMut::with_capacity(256 + body.len());
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in &headers {
        write_name(name, names, &mut out);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out.freeze()
}

fn write_name(name: &HeaderName, names: HeaderNames, out: &mut BytesMut) {
    let mut begins = names == HeaderNames::ProperCase;
    for byte in name.as_str().bytes() {
        out.extend_from_slice(&[if begins { byte.to_ascii_uppercase() } else { byte }]);
        begins = names == HeaderNames::ProperCase && byte == b'-';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_written_as_http() {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
        let check = |names, expected: &str| {
            let bytes = serialise(StatusCode::BAD_REQUEST, headers.clone(), b"no", names);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(text.starts_with(expected) && text.ends_with("\r\n\r\nno"), "{text}");
        };
        check(
            HeaderNames::Lower,
            "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n",
        );
        check(
            HeaderNames::ProperCase,
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n",
        );
    }
}
