//! Certificate issuance over gRPC, in the wire form of Istio: `istio.v1.auth.IstioCertificateService`. The messages and
//! the service are written by hand, since they are two and one. Decisions are made in [`crate::issuance`].

mod client;
mod messages;
mod server;

pub use client::{RequestError, request_certificate};
pub use server::CertificateServer;

const SERVICE_NAME: &str = "istio.v1.auth.IstioCertificateService";
const CREATE_CERTIFICATE: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";
