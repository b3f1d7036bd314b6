//! What the certificate of a peer is judged by. Judging is `ripstop-identity`'s.

use super::PeerCheck;
use super::certificate::DataSource;
use super::secret::SecretRef;
use crate::Name;
use crate::matcher::StringMatch;

/// What the other side has to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerValidation {
    /// An identity of the mesh.
    Mesh(PeerCheck),
    /// What is written in place.
    Inline(Box<CertificateValidation>),
    /// What a secret says.
    Secret(SecretRef),
    /// Both together: lists are joined, and where both say something else the secret counts.
    Combined {
        /// What is written in place.
        default: Box<CertificateValidation>,
        /// The secret.
        secret: SecretRef,
    },
}

/// Envoy's `CertificateValidationContext`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateValidation {
    /// PEM with the certificates that a chain must lead to; `None`: chains are not followed.
    pub trusted_ca: Option<DataSource>,
    /// A directory in which the roots are replaced; `None`: the file is looked at itself.
    pub watched_directory: Option<Name>,
    /// PEM with revocation lists.
    pub crl: Option<DataSource>,
    /// Whether only the certificate of the peer itself is looked up in revocation lists.
    pub only_verify_leaf_crl: bool,
    /// SHA-256 of public keys (SubjectPublicKeyInfo) that are accepted; with [`Self::certificate_hashes`], either will do.
    pub spki_hashes: Vec<[u8; 32]>,
    /// SHA-256 of certificates that are accepted.
    pub certificate_hashes: Vec<[u8; 32]>,
    /// Alternative names of which the certificate must have one; empty: any will do.
    pub subject_alt_names: Vec<SanMatch>,
    /// Whether a certificate may have expired.
    pub allow_expired: bool,
    /// Whether a peer that fails is let in all the same.
    pub accept_untrusted: bool,
    /// Longest chain between the certificate and a root, which counts; `None`: 100.
    pub max_verify_depth: Option<u32>,
    /// Whether clients are not told which roots are trusted.
    pub suppress_client_ca_list: bool,
}

impl CertificateValidation {
    /// Trusts what leads to these roots.
    pub fn trusting(trusted_ca: DataSource) -> CertificateValidation {
        CertificateValidation { trusted_ca: Some(trusted_ca), ..CertificateValidation::default() }
    }

    /// Whether anything of a certificate is judged.
    pub fn judges(&self) -> bool {
        self.trusted_ca.is_some()
            || !self.spki_hashes.is_empty()
            || !self.certificate_hashes.is_empty()
            || !self.subject_alt_names.is_empty()
    }

    /// The two together, as protobuf merges `other` into this one: lists are joined, and what `other` says counts.
    #[must_use]
    pub fn merged(&self, other: &CertificateValidation) -> CertificateValidation {
        fn join<T: Clone>(a: &[T], b: &[T]) -> Vec<T> {
            a.iter().chain(b).cloned().collect()
        }
        let either = |a: bool, b: bool| a || b;
        CertificateValidation {
            trusted_ca: other.trusted_ca.clone().or_else(|| self.trusted_ca.clone()),
            watched_directory: other.watched_directory.clone().or_else(|| self.watched_directory.clone()),
            crl: other.crl.clone().or_else(|| self.crl.clone()),
            only_verify_leaf_crl: either(self.only_verify_leaf_crl, other.only_verify_leaf_crl),
            spki_hashes: join(&self.spki_hashes, &other.spki_hashes),
            certificate_hashes: join(&self.certificate_hashes, &other.certificate_hashes),
            subject_alt_names: join(&self.subject_alt_names, &other.subject_alt_names),
            allow_expired: either(self.allow_expired, other.allow_expired),
            accept_untrusted: either(self.accept_untrusted, other.accept_untrusted),
            max_verify_depth: other.max_verify_depth.or(self.max_verify_depth),
            suppress_client_ca_list: either(self.suppress_client_ca_list, other.suppress_client_ca_list),
        }
    }
}

/// Envoy's `SubjectAltNameMatcher`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SanMatch {
    /// The kind of name; `None`: any (the deprecated `match_subject_alt_names`).
    pub kind: Option<SanKind>,
    /// What it must be. An exact DNS name matches a certificate's wildcard.
    pub matcher: StringMatch,
}

/// A kind of subject alternative name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SanKind {
    /// Mail address.
    Email,
    /// DNS name.
    Dns,
    /// URI, for instance a SPIFFE ID.
    Uri,
    /// IP address.
    Ip,
}
