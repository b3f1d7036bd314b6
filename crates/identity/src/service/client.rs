//! The client side: one call, one chain.

use std::error::Error;
use std::time::Duration;

use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::CREATE_CERTIFICATE;
use super::messages::{IstioCertificateRequest, IstioCertificateResponse};
use crate::token::JoinToken;

/// How long to wait for an answer, connecting included.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Why the authority gave no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The authority could not be reached, or TLS failed.
    #[error("cannot reach the certificate authority: {0}")]
    Unreachable(String),
    /// The authority knows no proof of who we are.
    #[error("the certificate authority does not accept our proof of identity: {0}")]
    NotAccepted(String),
    /// The authority refused for another reason.
    #[error("the certificate authority refused ({code:?}): {message}")]
    Refused {
        /// gRPC status code.
        code: tonic::Code,
        /// What it said.
        message: String,
    },
    /// It took longer than 15 s.
    #[error("the certificate authority did not answer within {} s", CALL_TIMEOUT.as_secs())]
    Timeout,
}

/// Asks for a certificate over `channel`: PEM request, wished lifetime (zero for the authority's default), and a join
/// token unless the channel's client certificate is the proof. Returns PEM certificates: leaf, issuer, last the root.
///
/// # Errors
/// Why there is none.
pub async fn request_certificate(
    channel: Channel,
    csr_pem: &str,
    lifetime: Duration,
    token: Option<&JoinToken>,
) -> Result<Vec<String>, RequestError> {
    let mut request = Request::new(IstioCertificateRequest {
        csr: csr_pem.to_owned(),
        validity_duration: i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX),
    });
    if let Some(token) = token {
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.expose()).parse().map_err(|_| {
            RequestError::NotAccepted("the join token has characters outside ASCII".to_owned())
        })?;
        value.set_sensitive(true);
        request.metadata_mut().insert("authorization", value);
    }
    tokio::time::timeout(CALL_TIMEOUT, call(channel, request)).await.map_err(|_| RequestError::Timeout)?
}

async fn call(
    channel: Channel,
    request: Request<IstioCertificateRequest>,
) -> Result<Vec<String>, RequestError> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|e| RequestError::Unreachable(with_sources(&e.to_string(), e.source())))?;
    let codec = ProstCodec::<IstioCertificateRequest, IstioCertificateResponse>::default();
    match grpc.unary(request, PathAndQuery::from_static(CREATE_CERTIFICATE), codec).await {
        Ok(response) => Ok(response.into_inner().cert_chain),
        Err(status) => Err(explain(&status)),
    }
}

pub(super) fn explain(status: &Status) -> RequestError {
    match status.code() {
        // Made on our side when there is no connection.
        tonic::Code::Unavailable | tonic::Code::Unknown => {
            RequestError::Unreachable(with_sources(status.message(), status.source()))
        }
        tonic::Code::Unauthenticated => RequestError::NotAccepted(status.message().to_owned()),
        code => RequestError::Refused { code, message: status.message().to_owned() },
    }
}

/// A message with its causes, for the useful one is usually the last.
pub(super) fn with_sources(message: &str, mut source: Option<&(dyn Error + 'static)>) -> String {
    let mut text = message.to_owned();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
