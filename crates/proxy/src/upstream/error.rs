//! Why an endpoint could not be reached or did not answer.

use std::io::ErrorKind;
use std::sync::Arc;

use hyper::Error as HyperError;
use ripstop_model::Name;
use ripstop_policy::limits::Overflow;
use ripstop_policy::retry::AttemptOutcome;

use crate::error::ProxyError;
use crate::http::request_body::{RequestBody, RequestBodyError};

/// No connection to be had. Cheap to clone: everybody who waited for the connection gets one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// A limit is reached.
    #[error("{0}")]
    Overflow(Overflow),
    /// It took too long.
    #[error("no connection within the connect timeout")]
    Timeout,
    /// The kernel says no.
    #[error("connect: {0}")]
    Tcp(Arc<std::io::Error>),
    /// The TLS handshake failed, most likely because the peer is not who it should be.
    #[error("TLS handshake: {0}")]
    Tls(Arc<std::io::Error>),
    /// A certificate that is needed is not there yet.
    #[error("TLS: a secret is not there yet")]
    SecretsNotReady,
    /// The HTTP/2 handshake failed.
    #[error("HTTP handshake: {0}")]
    Http(Arc<HyperError>),
}

impl ConnectError {
    /// What becomes of the request if nothing better turns up.
    pub fn proxy_error(&self) -> ProxyError {
        match self {
            ConnectError::Overflow(_) => ProxyError::Overflow,
            ConnectError::Timeout => ProxyError::ConnectTimeout,
            ConnectError::Tls(_) | ConnectError::SecretsNotReady => ProxyError::TlsFailure,
            ConnectError::Tcp(error) if error.kind() == ErrorKind::ConnectionRefused => {
                ProxyError::ConnectionRefused
            }
            ConnectError::Tcp(_) | ConnectError::Http(_) => ProxyError::ConnectFailure,
        }
    }
}

impl ConnectError {
    /// What logs show as the reason of the transport, if it is its.
    pub fn reason(&self) -> Option<Name> {
        match self {
            ConnectError::Tcp(error) => {
                let text = error.to_string();
                let text = text.split_once(" (os error").map_or(&*text, |(text, _)| text);
                Some(format!("delayed connect error: {text}").into())
            }
            ConnectError::Tls(error) => Some(format!("TLS error: {error}").into()),
            _ => None,
        }
    }
}

/// A request that got no answer.
pub struct SendError {
    /// How the try ended.
    pub outcome: AttemptOutcome,
    /// What becomes of the request if nothing better turns up.
    pub proxy_error: ProxyError,
    /// A part of the request may have reached the upstream.
    pub request_sent: bool,
    /// The body, where it was not touched.
    pub body: Option<RequestBody>,
    /// For the debug log.
    pub cause: HyperError,
}

impl SendError {
    /// Reads it off hyper's error; `unsent` is the request where hyper gave it back.
    pub fn new(cause: HyperError, unsent: Option<http::Request<RequestBody>>) -> SendError {
        let http2 = reason(&cause);
        let refused = http2.is_some_and(|error| error.refused);
        let (outcome, proxy_error) = if let Some(error) = clients_fault(&cause) {
            (AttemptOutcome::Reset, error)
        } else if refused {
            (AttemptOutcome::RefusedStream, ProxyError::UpstreamRefused)
        } else if http2.is_some_and(|error| error.stream_reset) {
            (AttemptOutcome::Reset, ProxyError::UpstreamReset)
        } else if cause.is_parse() {
            (AttemptOutcome::Reset, ProxyError::UpstreamProtocol)
        } else {
            (AttemptOutcome::Reset, ProxyError::UpstreamClosed)
        };
        let request_sent = unsent.is_none() && !refused;
        SendError { outcome, proxy_error, request_sent, body: unsent.map(http::Request::into_body), cause }
    }
}

/// What it was that ended an answer in its middle.
pub fn broken_off(cause: &HyperError) -> ProxyError {
    match reason(cause) {
        Some(error) if error.stream_reset => ProxyError::UpstreamReset,
        None if is_malformed(cause) => ProxyError::UpstreamProtocol,
        _ => ProxyError::UpstreamClosed,
    }
}

/// Whether a body is shorter than announced, or its chunks are none.
fn is_malformed(cause: &HyperError) -> bool {
    let kinds = causes(cause).filter_map(|cause| cause.downcast_ref().map(std::io::Error::kind));
    let broken = [ErrorKind::UnexpectedEof, ErrorKind::InvalidInput, ErrorKind::InvalidData];
    cause.is_incomplete_message() || cause.is_parse() || kinds.into_iter().any(|kind| broken.contains(&kind))
}

#[derive(Clone, Copy)]
struct Http2Error {
    /// The upstream has certainly not processed the stream.
    refused: bool,
    stream_reset: bool,
}

/// What HTTP/2 says about the end of the stream. A stream that GOAWAY ends is one beyond the last that the peer looked
/// at (RFC 9113 §6.8).
fn reason(error: &HyperError) -> Option<Http2Error> {
    let http2 = causes(error).find_map(|cause| cause.downcast_ref::<h2::Error>())?;
    let refused = http2.reason() == Some(h2::Reason::REFUSED_STREAM);
    let went_away = http2.is_go_away() && http2.is_remote();
    Some(Http2Error { refused: http2.is_remote() && refused || went_away, stream_reset: http2.is_reset() })
}

/// What the client did to its request body, if it is that.
fn clients_fault(error: &HyperError) -> Option<ProxyError> {
    let client = causes(error).find_map(|cause| match cause.downcast_ref() {
        Some(RequestBodyError::Client(client)) => Some(client),
        _ => None,
    })?;
    let broken = causes(client).any(|cause| {
        let kind = cause.downcast_ref().map(std::io::Error::kind);
        matches!(kind, Some(ErrorKind::InvalidInput | ErrorKind::InvalidData))
    });
    Some(if broken { ProxyError::BadBody } else { ProxyError::ClientGone })
}

fn causes(error: &HyperError) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
}
