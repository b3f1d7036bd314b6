//! Secrets: certificates and validation contexts that have a name, so that several contexts can share them and that they
//! can change on their own.

use super::certificate::TlsCertificate;
use super::validation::CertificateValidation;
use crate::Name;

/// Envoy's `Secret`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Unique among the secrets of its source.
    pub name: Name,
    /// What it holds.
    pub kind: SecretKind,
}

/// What a secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// A certificate with its key.
    Certificate(Box<TlsCertificate>),
    /// What peers are judged by.
    Validation(Box<CertificateValidation>),
}

/// Envoy's `SdsSecretConfig`: a secret by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretRef {
    /// Which.
    pub name: Name,
    /// Where it is found.
    pub source: SecretSource,
}

impl SecretRef {
    /// One of the file that the proxy was started with.
    pub fn fixed(name: impl Into<Name>) -> SecretRef {
        SecretRef { name: name.into(), source: SecretSource::Static }
    }

    /// One that ADS brings.
    pub fn ads(name: impl Into<Name>) -> SecretRef {
        SecretRef { name: name.into(), source: SecretSource::Ads }
    }
}

/// Where a secret is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretSource {
    /// Among the secrets of the file that the proxy was started with.
    Static,
    /// The stream that brought what refers to it.
    Ads,
    /// A stream of its own to a server of secrets.
    Server {
        /// The cluster that the server is.
        cluster: Name,
    },
    /// A file that holds a `DiscoveryResponse`, looked at again when it changes.
    File {
        /// Its path.
        path: Name,
        /// A directory whose changes say that the file may be another; `None`: the file is looked at itself.
        watched_directory: Option<Name>,
    },
}
