//! A check by `grpc.health.v1`.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use ripstop_model::health_check::GrpcProbe;
use ripstop_policy::grpc::{self, GRPC_TIMEOUT};
use ripstop_policy::health::FailureKind;
use ripstop_xds::grpc_health;

use super::ask::{AskError, Asked, Question};
use super::cluster::{USER_AGENT, authority};
use super::connection::Kept;
use super::headers;
use super::http::{absolute, send};

/// Largest answer; the message that is expected has two bytes.
pub const MAX_ANSWER_BYTES: usize = 4096;

/// Asks with `kept`, or a new connection.
pub async fn ask(question: &Question<'_>, probe: &GrpcProbe, kept: Option<Kept>) -> Result<Asked, AskError> {
    let (response, kept) = send(question, true, kept, || request(question, probe)).await?;
    let serving = is_serving(response).await?;
    let mut asked = if serving { Asked::success(false) } else { Asked::failure(FailureKind::Active, false) };
    asked.kept = Some(kept).filter(|_| question.check.reuse_connection);
    Ok(asked)
}

fn request(question: &Question<'_>, probe: &GrpcProbe) -> Option<Request<Full<Bytes>>> {
    let authority = authority(&question.active.config, &probe.authority, question.entry);
    let mut request = Request::new(Full::new(Bytes::from(grpc_health::request(&probe.service))));
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = absolute(question, &authority, grpc_health::CHECK_PATH)?;
    let headers = request.headers_mut();
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers::change(headers, &question.compiled.headers);
    if let Some(timeout) = grpc::timeout_value(question.check.timeout) {
        headers.insert(GRPC_TIMEOUT, timeout);
    }
    Some(request)
}

/// Whether the call ended well, with a message that says so.
async fn is_serving(response: Response<Incoming>) -> Result<bool, AskError> {
    let (head, mut body) = response.into_parts();
    // An answer without body has its end in its head, and with it no message.
    if head.status != StatusCode::OK || !grpc::is_grpc(&head.headers) || grpc::status(&head.headers).is_some()
    {
        return Ok(false);
    }
    let (mut message, mut status) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| AskError::Network)?.into_data() {
            Ok(data) if message.len() + data.len() > MAX_ANSWER_BYTES => return Ok(false),
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => status = frame.trailers_ref().and_then(grpc::status),
        }
    }
    Ok(status == Some(0) && grpc_health::is_serving(&message))
}
