//! How a destination is reached by TLS: Istio's `ClientTLSSettings`. Files are on the machine of the proxy.

use ripstop_model::Name;

use super::Origin;

/// How a destination is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// Whether and how.
    pub mode: ClientTlsMode,
    /// What is shown, with `MUTUAL`: files, or a credential by its name.
    pub certificate: Option<CertificateFiles>,
    /// File with the roots that the other side's chain must lead to; `None`: those of the system.
    pub ca: Option<Name>,
    /// File with revocation lists.
    pub crl: Option<Name>,
    /// Name of a `Credential` that certificate and roots are taken from.
    pub credential: Option<Name>,
    /// Names of which the other side's certificate must have one.
    pub subject_alt_names: Vec<Name>,
    /// Name that is asked for; `None`: the host.
    pub sni: Option<Name>,
    /// The other side's certificate is not judged.
    pub skip_verify: bool,
    /// Where it was written.
    pub origin: Origin,
}

impl ClientTls {
    /// Where Debian and those like it keep the roots that everybody trusts.
    pub const SYSTEM_ROOTS: &'static str = "/etc/ssl/certs/ca-certificates.crt";
}

/// Istio's `ClientTLSSettings.TLSmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientTlsMode {
    /// Plaintext.
    Disable,
    /// TLS.
    Simple,
    /// TLS with a certificate of one's own.
    Mutual,
    /// Mutual TLS with the identity of the mesh.
    IstioMutual,
}

/// A chain of certificates and the key of the first, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, leaf first.
    pub chain: Name,
    /// PEM.
    pub key: Name,
}
