//! A check by HTTP: one request, and what its answer says.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use ripstop_model::health_check::{HttpProbe, StatusRange};
use ripstop_policy::health::FailureKind;
use ripstop_policy::health::payload;

use super::ask::{AskError, Asked, Question};
use super::cluster::{DEGRADED, UPSTREAM_CLUSTER, USER_AGENT, authority};
use super::connection::{Kept, open_http};
use super::{failing, headers};

/// Asks with `kept`, or a new connection.
pub async fn ask(question: &Question<'_>, probe: &HttpProbe, kept: Option<Kept>) -> Result<Asked, AskError> {
    let (response, kept) = send(question, probe.http2, kept, || request(question, probe)).await?;
    let (head, body) = response.into_parts();
    let body = read(body, probe).await?;
    let mut asked = judge(question, probe, head.status.as_u16(), &head.headers, &body);
    asked.kept = Some(kept).filter(|_| question.check.reuse_connection);
    Ok(asked)
}

/// Sends a request. Where the connection of the check before turns out to be closed, a new one takes its place: that
/// the other side let go of it in between says nothing about its health.
pub async fn send(
    question: &Question<'_>,
    http2: bool,
    kept: Option<Kept>,
    request: impl Fn() -> Option<Request<Full<Bytes>>>,
) -> Result<(Response<Incoming>, Kept), AskError> {
    if let Some(mut kept) = kept.filter(|kept| !kept.is_closed()) {
        match exchange(&mut kept, request()).await {
            Ok(response) => return Ok((response, kept)),
            Err(Some(error)) if error.is_closed() || error.is_canceled() || error.is_incomplete_message() => {
            }
            Err(_) => return Err(AskError::Network),
        }
    }
    let mut kept = open_http(&question.to, http2).await?;
    let response = exchange(&mut kept, request()).await.map_err(|_| AskError::Network)?;
    Ok((response, kept))
}

async fn exchange(
    kept: &mut Kept,
    request: Option<Request<Full<Bytes>>>,
) -> Result<Response<Incoming>, Option<hyper::Error>> {
    let request = request.ok_or(None)?;
    match kept {
        Kept::Http1(sender) => {
            sender.ready().await?;
            sender.send_request(request).await.map_err(Some)
        }
        Kept::Http2(sender) => {
            sender.ready().await?;
            sender.send_request(request).await.map_err(Some)
        }
        Kept::Tcp(_) => Err(None),
    }
}

fn request(question: &Question<'_>, probe: &HttpProbe) -> Option<Request<Full<Bytes>>> {
    let authority = authority(&question.active.config, &probe.host, question.entry);
    let mut request = Request::new(Full::new(Bytes::from(probe.send.clone().unwrap_or_default())));
    *request.method_mut() = Method::from_bytes(probe.method.as_str().as_bytes()).ok()?;
    let headers = request.headers_mut();
    if !probe.http2 {
        headers.insert(header::HOST, HeaderValue::from_str(&authority).ok()?);
    }
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers::change(headers, &question.compiled.headers);
    if let Some(body) = probe.send.as_ref().filter(|body| !body.is_empty()) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    *request.uri_mut() = match probe.http2 {
        true => absolute(question, &authority, &probe.path)?,
        false => probe.path.parse().ok()?,
    };
    *request.version_mut() = if probe.http2 { Version::HTTP_2 } else { Version::HTTP_11 };
    Some(request)
}

/// The whole address, of which HTTP/2 makes its pseudo-headers.
pub fn absolute(question: &Question<'_>, authority: &str, path: &str) -> Option<Uri> {
    let scheme = if question.to.tls.is_some() { "https" } else { "http" };
    Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().ok()
}

/// Reads the body to its end and keeps as much as is looked at.
async fn read(mut body: Incoming, probe: &HttpProbe) -> Result<Vec<u8>, AskError> {
    let most = match probe.response_buffer_bytes {
        _ if probe.receive.is_empty() => 0,
        0 => usize::MAX,
        bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
    };
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| AskError::Network)?;
        if let Some(data) = frame.data_ref() {
            let room = most.min(MAX_BODY_BYTES) - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(kept)
}

/// So much of an answer is looked at, whatever is configured.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

fn judge(question: &Question<'_>, probe: &HttpProbe, status: u16, headers: &HeaderMap, body: &[u8]) -> Asked {
    let within = |ranges: &[StatusRange]| ranges.iter().any(|range| range.contains(status));
    let failed = |retriable| Asked {
        status,
        excluded: failing::says_so(headers),
        ..Asked::failure(FailureKind::Active, retriable)
    };
    if !payload::matches(&probe.receive, body) {
        return failed(within(&probe.retriable));
    }
    if !within(&probe.expected) {
        return failed(within(&probe.retriable));
    }
    let success = Asked::success(headers.contains_key(DEGRADED));
    let Some(wanted) = &question.compiled.service_name else { return success };
    let named = headers.get(UPSTREAM_CLUSTER).map_or(&b""[..], HeaderValue::as_bytes);
    let named = if wanted.matches(named) { success } else { Asked { excluded: false, ..failed(false) } };
    Asked { verified: true, ..named }
}
