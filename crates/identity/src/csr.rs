//! Certificate signing requests: making one ([`PendingKey`], the client's side) and checking one ([`VerifiedCsr`], the
//! authority's side). Which identity a request is answered with is decided in [`crate::issuance`].

mod verified;

use std::fmt;

use rcgen::{CertificateParams, DistinguishedName, KeyPair, SanType};
use ripstop_model::spiffe::SpiffeId;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::key::KeyKind;
use crate::svid::{Svid, SvidError};

pub use verified::{CsrError, MAX_CSR_BYTES, VerifiedCsr};

/// A key or request could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a key and certificate request: {0}")]
pub struct KeyError(#[from] rcgen::Error);

/// A new private key that waits for its certificate. The key stays in this process.
pub struct PendingKey {
    key: KeyPair,
    csr_pem: String,
}

impl PendingKey {
    /// Makes a P-256 key and a request that names `id`, so that an authority which would answer with another identity
    /// can refuse early.
    ///
    /// # Errors
    /// If the random source fails.
    pub fn generate(id: &SpiffeId) -> Result<Self, KeyError> {
        Self::generate_of(KeyKind::P256, id)
    }

    /// The same with a key of another kind.
    ///
    /// # Errors
    /// As [`PendingKey::generate`].
    pub fn generate_of(kind: KeyKind, id: &SpiffeId) -> Result<Self, KeyError> {
        let key = kind.generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(id.as_str().try_into()?)];
        let csr_pem = params.serialize_request(&key)?.pem()?;
        Ok(Self { key, csr_pem })
    }

    /// The request as PEM, ready to be sent.
    pub fn csr_pem(&self) -> &str {
        &self.csr_pem
    }

    /// Joins the key with the chain (leaf first) that was issued for it.
    ///
    /// # Errors
    /// If the chain is malformed, has no SPIFFE ID, or belongs to another key.
    pub fn into_svid(self, chain: Vec<CertificateDer<'static>>) -> Result<Svid, SvidError> {
        Svid::new(chain, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der())))
    }
}

impl fmt::Debug for PendingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingKey")
    }
}
