//! The server side: takes the evidence out of a call, asks the [`Issuance`], and turns its answer into gRPC.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::messages::{IstioCertificateRequest, IstioCertificateResponse};
use super::{CREATE_CERTIFICATE, SERVICE_NAME};
use crate::clock::Clock;
use crate::csr::MAX_CSR_BYTES;
use crate::issuance::{Evidence, Issuance, Refusal, RefusalReason};
use crate::peer::{ConnectedPeer, PeerIdentity};

/// Room for a request and Istio's metadata.
const MAX_MESSAGE_BYTES: usize = 4 * MAX_CSR_BYTES;

/// The gRPC service, to be added to a tonic server. The peer is taken from a request extension: [`ConnectedPeer`], which
/// connections of [`crate::accept`] bring along, or else a bare [`PeerIdentity`].
#[derive(Debug, Clone)]
pub struct CertificateServer {
    issuance: Arc<Issuance>,
    clock: Clock,
}

impl CertificateServer {
    /// Serves `issuance` by the time of `clock`.
    pub fn new(issuance: Arc<Issuance>, clock: Clock) -> Self {
        Self { issuance, clock }
    }

    fn create(&self, request: &Request<IstioCertificateRequest>) -> Result<IstioCertificateResponse, Status> {
        let evidence = evidence(request)?;
        let message = request.get_ref();
        let chain = self
            .issuance
            .issue(&message.csr, message.validity_duration, &evidence, self.clock.now(), Instant::now())
            .map_err(|refusal| status(&refusal))?;
        let mut cert_chain = chain.to_pem();
        cert_chain.push(self.issuance.authority().trust_bundle().to_pem());
        Ok(IstioCertificateResponse { cert_chain })
    }
}

impl NamedService for CertificateServer {
    const NAME: &'static str = SERVICE_NAME;
}

impl<B> Service<http::Request<B>> for CertificateServer
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != CREATE_CERTIFICATE {
                let unknown = Status::unimplemented(format!("{SERVICE_NAME} has CreateCertificate only"));
                return Ok(unknown.into_http());
            }
            let codec = ProstCodec::default();
            let mut grpc = Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE_BYTES);
            Ok(grpc.unary(CreateCertificate(service), request).await)
        })
    }
}

struct CreateCertificate(CertificateServer);

impl UnaryService<IstioCertificateRequest> for CreateCertificate {
    type Response = IstioCertificateResponse;
    type Future = Ready<Result<Response<IstioCertificateResponse>, Status>>;

    /// Signing takes a fraction of a millisecond, so it is done where the call arrives.
    fn call(&mut self, request: Request<IstioCertificateRequest>) -> Self::Future {
        ready(self.0.create(&request).map(Response::new))
    }
}

fn evidence<T>(request: &Request<T>) -> Result<Evidence, Status> {
    let token = match request.metadata().get("authorization") {
        None => None,
        Some(value) => {
            let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            // The value is a secret and is not repeated.
            let token =
                token.ok_or_else(|| Status::unauthenticated("authorization must be `Bearer TOKEN`"))?;
            Some(token.to_owned())
        }
    };
    let extensions = request.extensions();
    let connected = extensions.get::<ConnectedPeer>();
    let peer = match connected {
        Some(connected) => connected.identity.clone(),
        None => extensions.get::<PeerIdentity>().cloned(),
    };
    Ok(Evidence {
        token,
        peer,
        address: connected.map(|connected| connected.address.ip()),
        unix_user: connected.and_then(|connected| connected.unix_user),
    })
}

fn status(refusal: &Refusal) -> Status {
    let code = match RefusalReason::of(refusal) {
        RefusalReason::RateLimited => Code::ResourceExhausted,
        RefusalReason::NoEvidence
        | RefusalReason::BadToken
        | RefusalReason::ExpiredToken
        | RefusalReason::ExpiredCertificate => Code::Unauthenticated,
        RefusalReason::BadRequest | RefusalReason::ForgedRequest | RefusalReason::WeakKey => {
            Code::InvalidArgument
        }
        RefusalReason::OtherIdentity => Code::PermissionDenied,
        // The details name files of the authority: they are for its log only.
        RefusalReason::Internal => return Status::internal("the authority failed; see its log"),
    };
    Status::new(code, refusal.to_string())
}
