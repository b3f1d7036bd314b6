//! The trust bundle: the root certificates that a trust domain's identities must chain to. Immutable; a change is a new
//! bundle put into the [`crate::svid::IdentityHandle`].

use std::fmt;

use ripstop_model::spiffe::TrustDomain;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::certificate::{self, CertificateFacts};

/// Most roots in one bundle.
pub const MAX_ROOTS: usize = 64;

/// Why a trust bundle is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Not PEM.
    #[error("trust bundle of {trust_domain} is not PEM: {reason}")]
    Pem {
        /// Whose bundle.
        trust_domain: TrustDomain,
        /// What the decoder said.
        reason: String,
    },
    /// No certificate in it.
    #[error("trust bundle of {0} has no certificate")]
    Empty(TrustDomain),
    /// More than [`MAX_ROOTS`].
    #[error("trust bundle of {0} has more than {MAX_ROOTS} certificates")]
    TooMany(TrustDomain),
    /// One certificate cannot be a root.
    #[error("certificate {index} in the trust bundle of {trust_domain} cannot be a root: {reason}")]
    NotARoot {
        /// Whose bundle.
        trust_domain: TrustDomain,
        /// Position, from 1.
        index: usize,
        /// Why.
        reason: String,
    },
}

/// The roots of one trust domain.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustBundle {
    trust_domain: TrustDomain,
    roots: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
}

impl TrustBundle {
    /// Takes root certificates.
    ///
    /// # Errors
    /// If there is none, there are too many, or one is not a CA certificate.
    pub fn new(trust_domain: TrustDomain, roots: Vec<CertificateDer<'static>>) -> Result<Self, BundleError> {
        if roots.is_empty() {
            return Err(BundleError::Empty(trust_domain));
        }
        if roots.len() > MAX_ROOTS {
            return Err(BundleError::TooMany(trust_domain));
        }
        let mut anchors = Vec::with_capacity(roots.len());
        for (at, root) in roots.iter().enumerate() {
            let unfit =
                |reason| BundleError::NotARoot { trust_domain: trust_domain.clone(), index: at + 1, reason };
            let facts = CertificateFacts::read(root).map_err(|e| unfit(e.to_string()))?;
            if !facts.is_ca {
                return Err(unfit("it is not a CA certificate".to_owned()));
            }
            anchors
                .push(webpki::anchor_from_trusted_cert(root).map_err(|e| unfit(e.to_string()))?.to_owned());
        }
        Ok(Self { trust_domain, roots, anchors })
    }

    /// Takes the certificates of a PEM text; other blocks are ignored.
    ///
    /// # Errors
    /// As [`TrustBundle::new`], and if the text is not PEM.
    pub fn from_pem(trust_domain: TrustDomain, text: &str) -> Result<Self, BundleError> {
        let roots = CertificateDer::pem_slice_iter(text.as_bytes())
            .take(MAX_ROOTS + 1)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| BundleError::Pem { trust_domain: trust_domain.clone(), reason: e.to_string() })?;
        Self::new(trust_domain, roots)
    }

    /// All roots as PEM text, one after the other.
    pub fn to_pem(&self) -> String {
        self.roots.iter().map(certificate::to_pem).collect()
    }

    /// The trust domain these roots vouch for.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The root certificates.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    pub(crate) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }
}

impl fmt::Debug for TrustBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustBundle")
            .field("trust_domain", &self.trust_domain)
            .field("roots", &self.roots.len())
            .finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_ca_certificates_are_roots() {
        let domain = TrustDomain::new("td").unwrap();
        assert!(matches!(TrustBundle::from_pem(domain.clone(), ""), Err(BundleError::Empty(_))));
        let leaf = rcgen::generate_simple_self_signed(Vec::new()).unwrap();
        let error = TrustBundle::from_pem(domain, &leaf.cert.pem()).unwrap_err();
        assert!(matches!(error, BundleError::NotARoot { index: 1, .. }), "{error}");
    }
}
