//! The authority's view of a signing request: proof that the sender holds the key, and a key that is strong enough.
//! Everything else in a request is a wish.

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
    OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA, OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

/// The largest request that is looked at, in bytes (an RSA-4096 request is about 2 KiB).
pub const MAX_CSR_BYTES: usize = 16 * 1024;

const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 4096;

/// Why a signing request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrError {
    /// Longer than [`MAX_CSR_BYTES`].
    #[error("certificate request is {0} bytes long, at most {MAX_CSR_BYTES} are allowed")]
    TooLarge(usize),
    /// Not one well-formed PKCS#10 request.
    #[error("malformed certificate request: {0}")]
    Malformed(String),
    /// The signature does not match the key in the request.
    #[error("the certificate request is not signed with its own key")]
    Forged,
    /// The key is too weak or of a kind that is not accepted.
    #[error("{0} keys are not accepted; use P-256, P-384, Ed25519 or RSA with 2048 to 4096 bits")]
    WeakKey(String),
    /// The request asks for a certificate that may sign others.
    #[error("the certificate request asks for a CA certificate, only workload certificates are issued")]
    AsksForCa,
    /// The request names a wildcard.
    #[error("the certificate request names the wildcard `{0}`; an identity is one name")]
    Wildcard(String),
}

/// A request whose signature was checked and whose key is acceptable.
#[derive(Debug, Clone)]
pub struct VerifiedCsr {
    public_key: SubjectPublicKeyInfo,
    uri_names: Vec<String>,
}

impl VerifiedCsr {
    /// Checks a PEM request.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn from_pem(text: &str) -> Result<Self, CsrError> {
        if text.len() > MAX_CSR_BYTES {
            return Err(CsrError::TooLarge(text.len()));
        }
        let der = CertificateSigningRequestDer::from_pem_slice(text.as_bytes())
            .map_err(|e| CsrError::Malformed(e.to_string()))?;
        Self::from_der(der.as_ref())
    }

    /// Checks a DER request.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn from_der(der: &[u8]) -> Result<Self, CsrError> {
        if der.len() > MAX_CSR_BYTES {
            return Err(CsrError::TooLarge(der.len()));
        }
        let (rest, request) =
            X509CertificationRequest::from_der(der).map_err(|e| CsrError::Malformed(e.to_string()))?;
        if !rest.is_empty() {
            return Err(CsrError::Malformed(format!("{} bytes follow the request", rest.len())));
        }
        check_key(&request)?;
        request.verify_signature().map_err(|_| CsrError::Forged)?;
        let public_key = SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw)
            .map_err(|e| CsrError::WeakKey(e.to_string()))?;
        Ok(Self { public_key, uri_names: requested_uris(&request)? })
    }

    /// The URI names the sender would like to have.
    pub fn uri_names(&self) -> &[String] {
        &self.uri_names
    }

    pub(crate) fn public_key(&self) -> &SubjectPublicKeyInfo {
        &self.public_key
    }
}

fn check_key(request: &X509CertificationRequest<'_>) -> Result<(), CsrError> {
    let signature = &request.signature_algorithm.algorithm;
    if *signature == OID_SHA1_WITH_RSA || *signature == OID_PKCS1_SHA1WITHRSA {
        return Err(CsrError::WeakKey("SHA-1 signed".to_owned()));
    }
    let key = &request.certification_request_info.subject_pki;
    let kind = &key.algorithm.algorithm;
    if *kind == OID_SIG_ED25519 {
        return Ok(());
    }
    if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        return match curve {
            Some(curve) if curve == OID_EC_P256 || curve == OID_NIST_EC_P384 => Ok(()),
            Some(curve) => Err(CsrError::WeakKey(format!("EC {curve}"))),
            None => Err(CsrError::WeakKey("EC (without a named curve)".to_owned())),
        };
    }
    if *kind != OID_PKCS1_RSAENCRYPTION {
        return Err(CsrError::WeakKey(kind.to_id_string()));
    }
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => match modulus_bits(rsa.modulus) {
            MIN_RSA_BITS..=MAX_RSA_BITS => Ok(()),
            bits => Err(CsrError::WeakKey(format!("RSA-{bits}"))),
        },
        _ => Err(CsrError::Malformed("unreadable RSA key".to_owned())),
    }
}

/// Bits of a big-endian number that may begin with zero bytes.
fn modulus_bits(modulus: &[u8]) -> usize {
    let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
    let first = modulus.iter().find(|byte| **byte != 0).copied().unwrap_or(0);
    (significant * 8).saturating_sub(first.leading_zeros() as usize)
}

fn requested_uris(request: &X509CertificationRequest<'_>) -> Result<Vec<String>, CsrError> {
    let mut uris = Vec::new();
    for extension in request.requested_extensions().into_iter().flatten() {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(name) | GeneralName::URI(name) if name.contains('*') => {
                            return Err(CsrError::Wildcard(name.chars().take(128).collect()));
                        }
                        GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                        _ => {}
                    }
                }
            }
            ParsedExtension::KeyUsage(usage) if usage.key_cert_sign() || usage.crl_sign() => {
                return Err(CsrError::AsksForCa);
            }
            ParsedExtension::BasicConstraints(constraints) if constraints.ca => {
                return Err(CsrError::AsksForCa);
            }
            _ => {}
        }
    }
    Ok(uris)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
        PKCS_ED25519, PKCS_RSA_SHA256, SanType,
    };

    fn request(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        change(&mut params);
        params.serialize_request(key).unwrap().der().to_vec()
    }

    #[test]
    fn strong_keys_are_accepted() {
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            VerifiedCsr::from_der(&request(&key, |_| {})).unwrap_or_else(|e| panic!("{algorithm:?}: {e}"));
        }
    }

    #[test]
    fn a_forged_signature_is_refused() {
        let mut der = request(&KeyPair::generate().unwrap(), |params| {
            params.subject_alt_names = vec![SanType::URI("spiffe://td/ns/a/sa/b".try_into().unwrap())];
        });
        let at = der.windows(8).position(|window| window == b"ns/a/sa/").unwrap() + 3;
        der[at] = b'z';
        assert_eq!(VerifiedCsr::from_der(&der).unwrap_err(), CsrError::Forged);
    }

    #[test]
    fn ca_requests_and_damaged_ones_are_refused() {
        let key = KeyPair::generate().unwrap();
        let ca = request(&key, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        assert_eq!(VerifiedCsr::from_der(&ca).unwrap_err(), CsrError::AsksForCa);
        let good = request(&key, |_| {});
        for length in 0..good.len() {
            assert!(VerifiedCsr::from_der(&good[..length]).is_err());
        }
        assert!(VerifiedCsr::from_der(&[good, vec![0]].concat()).is_err());
        assert!(matches!(VerifiedCsr::from_pem(&"x".repeat(20_000)), Err(CsrError::TooLarge(20_000))));
        assert!(matches!(VerifiedCsr::from_pem("hello"), Err(CsrError::Malformed(_))));
    }

    #[test]
    fn weak_keys_are_refused() {
        // Made with `openssl req -new -subj / -newkey rsa:1024 -sha256` and with `-newkey ec:secp256k1`.
        for pem in [include_str!("testdata/rsa1024.pem"), include_str!("testdata/secp256k1.pem")] {
            let error = VerifiedCsr::from_pem(pem).unwrap_err();
            assert!(matches!(error, CsrError::WeakKey(_)), "{error}");
        }
    }

    #[test]
    fn modulus_bits_ignore_leading_zeros() {
        assert_eq!((modulus_bits(&[0, 0x80, 0]), modulus_bits(&[1, 0]), modulus_bits(&[0])), (16, 9, 0));
    }
}
