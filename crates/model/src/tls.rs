//! What TLS connections prove and ask for. Keys and certificates are named here (a file, a secret, the workload's own) or
//! held as inert bytes; what rustls makes of them is `ripstop-identity`'s.

pub mod certificate;
pub mod params;
pub mod secret;
pub mod validation;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Name, SpiffeId};

pub use certificate::{CertificateRef, CertificateSource, DataSource, TlsCertificate};
pub use params::TlsParams;
pub use secret::{Secret, SecretKind, SecretRef, SecretSource};
pub use validation::{CertificateValidation, PeerValidation};

/// Envoy's `DownstreamTlsContext`: how a listener proves itself and whom it lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsServer {
    /// Where the certificates come from.
    pub certificates: CertificateSource,
    /// What a client's certificate is judged by; `None`: by nothing.
    pub peer: Option<PeerValidation>,
    /// Whether a client must present a certificate.
    pub require_client_certificate: bool,
    /// Whether a client must name the server it wants (SNI).
    pub require_sni: bool,
    /// Protocol versions, cipher suites and curves.
    pub params: TlsParams,
    /// Protocols offered by ALPN, in order of preference.
    pub alpn: Vec<Name>,
    /// Which handshakes may be cut short.
    pub resumption: ServerResumption,
    /// Whether another certificate that fits the client is looked for when none is for the name it asks for.
    pub full_scan_on_sni_mismatch: bool,
    /// Whether the client's order of cipher suites counts instead of ours.
    pub prefer_client_ciphers: bool,
}

impl TlsServer {
    /// A server with Envoy's defaults that asks nothing of its clients.
    pub fn new(certificates: CertificateSource) -> TlsServer {
        TlsServer {
            certificates,
            peer: None,
            require_client_certificate: false,
            require_sni: false,
            params: TlsParams::default(),
            alpn: Vec::new(),
            resumption: ServerResumption::default(),
            full_scan_on_sni_mismatch: false,
            prefer_client_ciphers: false,
        }
    }

    /// A workload of the mesh that lets in these identities; without any, every identity of the trust domain.
    pub fn mesh(allowed: Vec<SpiffeId>) -> TlsServer {
        TlsServer {
            peer: Some(PeerValidation::Mesh(PeerCheck { allowed })),
            require_client_certificate: true,
            ..TlsServer::new(CertificateSource::WorkloadIdentity)
        }
    }
}

/// The secrets that certificates and a validation name.
fn named_secrets<'a>(
    certificates: Option<&'a CertificateSource>,
    peer: Option<&'a PeerValidation>,
) -> impl Iterator<Item = &'a SecretRef> {
    let given = match certificates {
        Some(CertificateSource::Given(given)) => given.as_slice(),
        Some(CertificateSource::WorkloadIdentity) | None => &[],
    };
    let certificates = given.iter().filter_map(|certificate| match certificate {
        CertificateRef::Secret(secret) => Some(secret),
        CertificateRef::Inline(_) => None,
    });
    let peer = match peer {
        Some(PeerValidation::Secret(secret) | PeerValidation::Combined { secret, .. }) => Some(secret),
        Some(PeerValidation::Mesh(_) | PeerValidation::Inline(_)) | None => None,
    };
    certificates.chain(peer)
}

impl TlsServer {
    /// The secrets that it names.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        named_secrets(Some(&self.certificates), self.peer.as_ref())
    }
}

impl TlsClient {
    /// The secrets that it names.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        named_secrets(self.certificate.as_ref(), self.peer.as_ref())
    }
}

/// Which handshakes of a server may be cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerResumption {
    /// By tickets that the client keeps.
    pub stateless: bool,
    /// By sessions that the server keeps (TLS 1.2 alone).
    pub stateful: bool,
    /// How long a session can be resumed; `None`: [`ServerResumption::DEFAULT_TIMEOUT`].
    pub timeout: Option<Duration>,
}

impl ServerResumption {
    /// BoringSSL's default for [`ServerResumption::timeout`].
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(7200);
}

impl Default for ServerResumption {
    fn default() -> ServerResumption {
        ServerResumption { stateless: true, stateful: true, timeout: None }
    }
}

/// Envoy's `UpstreamTlsContext`: how a cluster proves itself and whom it expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsClient {
    /// Where the certificate comes from; `None`: none is shown.
    pub certificate: Option<CertificateSource>,
    /// What the server's certificate is judged by; `None`: by nothing, any server will do.
    pub peer: Option<PeerValidation>,
    /// Server name sent in the ClientHello; empty: none.
    pub sni: Name,
    /// Whether the host name of the endpoint is sent as the server name where it has one.
    pub auto_host_sni: bool,
    /// Whether the certificate must be for the server name that was sent.
    pub auto_sni_san_validation: bool,
    /// Protocol versions, cipher suites and curves.
    pub params: TlsParams,
    /// Protocols offered by ALPN, in order of preference; empty: what the cluster speaks.
    pub alpn: Vec<Name>,
    /// Sessions kept for resumption; `None`: one.
    pub max_session_keys: Option<u32>,
}

impl TlsClient {
    /// A client with Envoy's defaults that judges servers by `peer`.
    pub fn new(peer: Option<PeerValidation>) -> TlsClient {
        TlsClient {
            certificate: None,
            peer,
            sni: "".into(),
            auto_host_sni: false,
            auto_sni_san_validation: false,
            params: TlsParams::default(),
            alpn: Vec::new(),
            max_session_keys: None,
        }
    }

    /// A workload of the mesh that expects one of these identities; without any, one of its trust domain.
    pub fn mesh(allowed: Vec<SpiffeId>, sni: Name) -> TlsClient {
        TlsClient {
            certificate: Some(CertificateSource::WorkloadIdentity),
            sni,
            ..TlsClient::new(Some(PeerValidation::Mesh(PeerCheck { allowed })))
        }
    }
}

/// Envoy's `Cluster.TransportSocketMatch`: how the endpoints with certain labels are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportSocketMatch {
    /// For people and metrics.
    pub name: Name,
    /// What the labels of an endpoint must hold
    /// ([`EndpointExtra::transport_labels`](crate::endpoint::EndpointExtra::transport_labels)); none: every endpoint.
    pub labels: BTreeMap<Name, Name>,
    /// How they are reached.
    pub socket: TransportSocket,
}

/// What lies between TCP and the protocol that is spoken to an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportSocket {
    /// `None`: plaintext.
    pub tls: Option<Box<TlsClient>>,
    /// The version of the PROXY protocol by which endpoints are told who the client is; `None`: they are not told.
    pub proxy_protocol: Option<ProxyVersion>,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// Text.
    V1,
    /// Binary.
    V2,
}

impl TransportSocket {
    /// TLS over TCP.
    pub fn tls(tls: TlsClient) -> TransportSocket {
        TransportSocket { tls: Some(Box::new(tls)), proxy_protocol: None }
    }
}

/// What a peer of the mesh has to prove. The trust bundle is always the mesh's own (SDS `ROOTCA`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCheck {
    /// Which identities are accepted; empty: every identity of the trust domain.
    pub allowed: Vec<SpiffeId>,
}
