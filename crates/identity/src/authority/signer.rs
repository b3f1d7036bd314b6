//! Who puts the signature on a workload's certificate. What is in the certificate is decided here too, so that it is the same
//! whoever signs; who may have one is decided in [`crate::issuance`].

use std::fmt;
use std::time::SystemTime;

use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, SerialNumber,
};
use ripstop_model::spiffe::SpiffeId;
use rustls_pki_types::CertificateDer;

use super::own::set_validity;
use crate::certificate::{CertificateError, CertificateFacts};
use crate::csr::VerifiedCsr;
use crate::token::hex;

/// What is to be certified.
#[derive(Debug, Clone, Copy)]
pub struct LeafRequest<'a> {
    /// The key.
    pub csr: &'a VerifiedCsr,
    /// Whose it is.
    pub id: &'a SpiffeId,
    /// DNS names beside the identity, for clients that know servers by name; workloads have none.
    pub dns_names: &'a [&'a str],
    /// First second of validity.
    pub not_before: SystemTime,
    /// Last second of validity.
    pub not_after: SystemTime,
    /// Serial number.
    pub serial: [u8; 16],
}

/// The signer failed.
#[derive(Debug, thiserror::Error)]
#[error("signing failed: {0}")]
pub struct SignError(pub String);

impl From<rcgen::Error> for SignError {
    fn from(error: rcgen::Error) -> Self {
        Self(error.to_string())
    }
}

/// Signs workload certificates for the authority. A signer is one generation of a CA: with another key or other roots it is
/// another signer.
pub trait Signer: Send + Sync + fmt::Debug {
    /// Certifies a key.
    ///
    /// # Errors
    /// If the signer cannot.
    fn sign(&self, leaf: &LeafRequest<'_>) -> Result<CertificateDer<'static>, SignError>;

    /// The certificates between a leaf and the root: the issuer's own first, the root not included.
    fn chain(&self) -> &[CertificateDer<'static>];

    /// The roots that peers have to trust; not empty.
    fn roots(&self) -> &[CertificateDer<'static>];

    /// Identifier of the signing key in lower-case hexadecimal, as leaves name it.
    fn key_id(&self) -> &str;

    /// First second at which the issuer's certificate is valid.
    fn not_before(&self) -> SystemTime;

    /// Last second at which every certificate of the chain is valid.
    fn not_after(&self) -> SystemTime;
}

/// A signer that has the key in memory.
pub struct KeySigner {
    issuer: Issuer<'static, KeyPair>,
    chain: Vec<CertificateDer<'static>>,
    roots: Vec<CertificateDer<'static>>,
    key_id: String,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl KeySigner {
    /// Signs with `key`, whose certificate is the first of `chain`. That they fit, and that the chain leads to one of
    /// `roots`, is for the caller to check. A root that signs workloads itself has no place in the chain.
    pub(super) fn new(
        key: KeyPair,
        issuer: &CertificateDer<'static>,
        chain: Vec<CertificateDer<'static>>,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Self, SignerMaterialError> {
        let facts = CertificateFacts::read(issuer)?;
        let mut not_after = facts.not_after;
        for certificate in &chain {
            not_after = not_after.min(CertificateFacts::read(certificate)?.not_after);
        }
        let key_id = key_id(&facts, &key);
        let issuer = Issuer::from_ca_cert_der(issuer, key).map_err(SignError::from)?;
        Ok(Self { issuer, chain, roots, key_id, not_before: facts.not_before, not_after })
    }
}

/// The certificates or the key of a signer are of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignerMaterialError {
    /// A certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The cryptographic library.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// What leaves name their issuer by: what its certificate says, or else what rcgen derives (RFC 7093 method 1).
fn key_id(facts: &CertificateFacts, key: &KeyPair) -> String {
    let derived = || hex(&CertificateParams::default().key_identifier(key));
    facts.subject_key_id.clone().unwrap_or_else(derived)
}

impl Signer for KeySigner {
    fn sign(&self, leaf: &LeafRequest<'_>) -> Result<CertificateDer<'static>, SignError> {
        let mut params = CertificateParams::default();
        // An empty subject makes the SPIFFE ID a critical extension: it is the only name there is.
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(leaf.id.as_str().try_into()?)];
        for name in leaf.dns_names {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, leaf.not_before, leaf.not_after);
        params.serial_number = Some(SerialNumber::from_slice(&leaf.serial));
        Ok(params.signed_by(leaf.csr.public_key(), &self.issuer)?.der().clone())
    }

    fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    fn key_id(&self) -> &str {
        &self.key_id
    }

    fn not_before(&self) -> SystemTime {
        self.not_before
    }

    fn not_after(&self) -> SystemTime {
        self.not_after
    }
}

impl fmt::Debug for KeySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySigner").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}
