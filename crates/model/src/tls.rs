//! What a TLS connection must prove. Not certificates or keys: those never travel through the model.

use crate::{Name, SpiffeId};

/// Envoy's `DownstreamTlsContext`: how a listener proves itself and whom it lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsServer {
    /// Where the certificate comes from.
    pub certificate: CertificateSource,
    /// What a client has to prove; `None`: no client certificate is asked for.
    pub peer: Option<PeerCheck>,
    /// Protocols offered by ALPN, in order of preference.
    pub alpn: Vec<Name>,
}

/// Envoy's `UpstreamTlsContext`: how a cluster proves itself and whom it expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsClient {
    /// Where the certificate comes from; `None`: none is shown.
    pub certificate: Option<CertificateSource>,
    /// What the server has to prove.
    pub peer: PeerCheck,
    /// Server name sent in the ClientHello; empty: none.
    pub sni: Name,
    /// Protocols offered by ALPN, in order of preference.
    pub alpn: Vec<Name>,
}

/// Where a certificate and its key come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// The proxy's own workload identity (SDS secret `default`), renewed by itself.
    WorkloadIdentity,
}

impl CertificateSource {
    /// The SDS secret name under which Istio's and our proxies know their own certificate.
    pub const WORKLOAD_SECRET: &'static str = "default";
    /// The SDS secret name of the trust bundle that goes with it.
    pub const TRUST_BUNDLE_SECRET: &'static str = "ROOTCA";
}

/// What the other side has to prove. The trust bundle is always the mesh's own (SDS `ROOTCA`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCheck {
    /// Which identities are accepted; empty: every identity of the trust domain.
    pub allowed: Vec<SpiffeId>,
}
