//! The authority over gRPC. Certificates are issued in the wire form of Istio, `istio.v1.auth.IstioCertificateService`, so that
//! other agents can have them; what is to be trusted is announced by a service of our own, `ripstop.identity.v1.TrustService`.
//! Messages and services are written by hand, since they are few. Decisions are made in [`crate::issuance`] and
//! [`crate::succession`].

mod client;
mod messages;
mod server;
mod trust_client;
mod trust_messages;
mod trust_server;

pub use client::{RequestError, request_certificate};
pub use server::CertificateServer;
pub(crate) use trust_client::TrustStream;
pub use trust_server::TrustServer;

const SERVICE_NAME: &str = "istio.v1.auth.IstioCertificateService";
const CREATE_CERTIFICATE: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";
const TRUST_SERVICE_NAME: &str = "ripstop.identity.v1.TrustService";
const FOLLOW_TRUST: &str = "/ripstop.identity.v1.TrustService/FollowTrust";
