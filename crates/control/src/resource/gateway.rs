//! What listens at the edge of the mesh: Istio's `Gateway`.

use std::net::IpAddr;

use ripstop_model::Name;
use ripstop_model::tls::TlsParams;

use super::{CertificateFiles, Labels, Metadata, Origin};

/// `Gateway` of `networking.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// Name and place.
    pub meta: Metadata,
    /// Labels of the gateway workloads that serve it; empty: all of them.
    pub selector: Labels,
    /// What listens.
    pub servers: Vec<GatewayServer>,
}

/// One port, for some hosts. Servers that are not in force are reported when they are read and are not here.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayServer {
    /// Name of the server; may be empty.
    pub name: Name,
    /// Port on the address of the gateway workload.
    pub port: u16,
    /// Name of the port.
    pub port_name: Name,
    /// What is spoken.
    pub protocol: ServerProtocol,
    /// Address that is listened on; `None`: that of the gateway workload.
    pub bind: Option<IpAddr>,
    /// Hosts that are served. At least one.
    pub hosts: Vec<GatewayHost>,
    /// Requests in plaintext are sent to `https`.
    pub https_redirect: bool,
    /// `None`: plaintext. With [`ServerProtocol::Https`] and [`ServerProtocol::Tls`] it is there.
    pub tls: Option<ServerTls>,
    /// Where it was written.
    pub origin: Origin,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerProtocol {
    /// HTTP/1.1 and HTTP/2 in plaintext.
    Http,
    /// The same over TLS.
    Https,
    /// TLS with anything in it.
    Tls,
    /// Anything.
    Tcp,
}

/// A host that a server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayHost {
    /// Namespace of the VirtualServices that may route it; `None`: any.
    pub namespace: Option<Name>,
    /// Full name, `*.suffix` or `*`.
    pub host: Name,
}

/// Istio's `ServerTLSSettings`. Files are on the machine of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Who ends it, and what is asked of clients.
    pub mode: ServerTlsMode,
    /// Certificates as files.
    pub certificates: Vec<CertificateFiles>,
    /// Names of `Credential` documents that certificates are taken from.
    pub credentials: Vec<Name>,
    /// File with the roots that chains of clients must lead to.
    pub ca: Option<Name>,
    /// Name of a `Credential` document that these roots are taken from, whatever others have.
    pub ca_credential: Option<Name>,
    /// File with revocation lists.
    pub crl: Option<Name>,
    /// Names of which a client's certificate must have one.
    pub subject_alt_names: Vec<Name>,
    /// SHA-256 of public keys of clients that are accepted.
    pub spki_hashes: Vec<[u8; 32]>,
    /// SHA-256 of certificates of clients that are accepted.
    pub certificate_hashes: Vec<[u8; 32]>,
    /// Versions and cipher suites.
    pub params: TlsParams,
}

/// Istio's `ServerTLSSettings.TLSmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerTlsMode {
    /// TLS ends here.
    Simple,
    /// TLS ends here, and clients show a certificate.
    Mutual,
    /// TLS ends here, and clients may show a certificate, which then has to be good.
    OptionalMutual,
    /// Mutual TLS with the identity of the mesh ends here.
    IstioMutual,
    /// TLS goes on to where its server name says.
    Passthrough,
}

impl ServerTlsMode {
    /// Whether TLS ends at the gateway.
    pub fn terminates(self) -> bool {
        self != ServerTlsMode::Passthrough
    }
}
