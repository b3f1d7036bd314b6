//! X.509 identities of the mesh after SPIFFE: who issues them, how a workload gets and renews one, how a peer is verified.
//!
//! The life of a certificate: a proxy makes a key and a request ([`csr`]), proves who it is with a join token or with
//! the certificate it has ([`token`], [`issuance`]), is answered over gRPC ([`service`]) by the [`authority`], keeps the
//! result in an [`svid::IdentityHandle`], from which every TLS configuration ([`tls`]) takes it at each handshake, and is
//! renewed in time by an [`agent::Agent`] that follows a [`rotation::Rotation`]. Peers are judged by [`verify`] against
//! the trust bundle of the moment and described by [`peer::PeerIdentity`].
//!
//! It knows neither Envoy's protobufs nor Kubernetes, and decides nothing about requests: authorization is policy.
//! Wherever something is decided, the time is an argument. There is one TLS stack (rustls) with one provider
//! (aws-lc-rs), always passed explicitly, so nothing depends on a process-wide default.

pub mod accept;
pub mod agent;
pub mod attest;
pub mod authority;
pub mod bearer;
pub mod bundle;
pub mod certificate;
pub mod channel;
pub mod clock;
pub mod context;
pub mod csr;
pub mod federation;
pub mod files;
pub mod followers;
pub mod forwarded;
pub mod handshake;
pub mod issuance;
pub mod key;
mod limit;
pub mod peer;
pub mod revocation;
pub mod rotation;
pub mod secrets;
pub mod service;
mod socket;
pub mod succession;
pub mod svid;
#[cfg(test)]
mod testdir;
pub mod tls;
pub mod token;
pub mod trust;
pub mod verify;

use ripstop_model::spiffe::{SpiffeId, SpiffeIdError, TrustDomain};

/// Namespace of the mesh's own components.
pub const SYSTEM_NAMESPACE: &str = "ripstop";

/// The DNS names of the control plane's own certificate, for clients that know servers by name: its own, and those by which
/// Istio's agents know theirs.
pub const CONTROL_DNS_NAMES: [&str; 3] = ["localhost", "control.ripstop.svc", "istiod.istio-system.svc"];

/// The identity of the control plane in a trust domain: `spiffe://TRUST_DOMAIN/ns/ripstop/sa/control`.
///
/// # Errors
/// Only if the trust domain is so long that the ID would exceed 2048 bytes, which a valid one never is.
pub fn control_identity(trust_domain: &TrustDomain) -> Result<SpiffeId, SpiffeIdError> {
    SpiffeId::workload(trust_domain, SYSTEM_NAMESPACE, "control")
}
