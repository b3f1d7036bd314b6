//! Certificates with their keys, and where they come from. Bytes held in place are never shown.

use std::fmt;
use std::sync::Arc;

use super::params::TlsParams;
use super::secret::SecretRef;
use crate::Name;

/// Where the certificates of a TLS context come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// The proxy's own workload identity (SDS secret `default`), renewed by itself.
    WorkloadIdentity,
    /// These; never empty. A client shows the first that fits.
    Given(Vec<CertificateRef>),
}

impl CertificateSource {
    /// The SDS secret name under which Istio's and our proxies know their own certificate.
    pub const WORKLOAD_SECRET: &'static str = "default";
    /// The SDS secret name of the trust bundle that goes with it.
    pub const TRUST_BUNDLE_SECRET: &'static str = "ROOTCA";
}

/// One certificate of a TLS context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateRef {
    /// Written in place.
    Inline(Box<TlsCertificate>),
    /// A secret by its name.
    Secret(SecretRef),
}

/// Envoy's `TlsCertificate`: a chain of certificates and the key of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsCertificate {
    /// PEM, leaf first.
    pub chain: DataSource,
    /// PEM, not encrypted.
    pub key: DataSource,
    /// A directory in which both are replaced together; `None`: the files are looked at themselves.
    pub watched_directory: Option<Name>,
    /// What holds for this certificate in place of what the context says; `None`: nothing.
    pub params: Option<TlsParams>,
}

impl TlsCertificate {
    /// A certificate with its key.
    pub fn new(chain: DataSource, key: DataSource) -> TlsCertificate {
        TlsCertificate { chain, key, watched_directory: None, params: None }
    }
}

/// Envoy's `DataSource`. `Debug` shows no content.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DataSource {
    /// The content of a file.
    File(Name),
    /// These bytes.
    Inline(Arc<[u8]>),
    /// The value of an environment variable of the proxy.
    Environment(Name),
}

impl DataSource {
    /// Bytes held in place.
    pub fn inline(bytes: impl AsRef<[u8]>) -> DataSource {
        DataSource::Inline(bytes.as_ref().into())
    }
}

impl fmt::Debug for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataSource::File(path) => f.debug_tuple("File").field(path).finish(),
            DataSource::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            DataSource::Environment(name) => f.debug_tuple("Environment").field(name).finish(),
        }
    }
}

/// Says where it comes from, for messages.
impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataSource::File(path) => f.write_str(path),
            DataSource::Inline(_) => f.write_str("the text in place"),
            DataSource::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_in_place_is_not_shown() {
        let certificate = TlsCertificate::new(DataSource::inline("chain"), DataSource::inline("very secret"));
        let shown = format!("{certificate:?} {}", certificate.key);
        assert!(shown.contains("Inline(11 bytes)") && !shown.contains("secret"), "{shown}");
    }
}
