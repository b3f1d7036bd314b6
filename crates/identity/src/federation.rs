//! Trust bundles as they travel between trust domains: SPIFFE's bundle JSON (SPIFFE Trust Domain and Bundle, section 4: a JWK
//! set whose keys of use `x509-svid` bear a root in `x5c`), or plain PEM. How one is fetched is for the caller to see to.

use std::time::Duration;

use ripstop_model::spiffe::TrustDomain;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use x509_parser::public_key::PublicKey;

use crate::bundle::{BundleError, MAX_ROOTS, TrustBundle};
use crate::certificate::parse;

/// The largest bundle that is read, in bytes.
pub const MAX_BUNDLE_BYTES: usize = 1024 * 1024;

/// How often a bundle is asked for again if it does not say.
pub const DEFAULT_REFRESH: Duration = Duration::from_secs(300);

/// A bundle with what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignBundle {
    /// The roots.
    pub bundle: TrustBundle,
    /// Grows with every change, if it is said.
    pub sequence: Option<u64>,
    /// How often it should be asked for again.
    pub refresh: Duration,
}

/// Why a text is no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignBundleError {
    /// Longer than [`MAX_BUNDLE_BYTES`].
    #[error("it is {0} bytes long, at most {MAX_BUNDLE_BYTES} are read")]
    TooLarge(usize),
    /// Neither JSON nor PEM.
    #[error("it is neither SPIFFE bundle JSON nor PEM: {0}")]
    Syntax(String),
    /// A key is not what it should be.
    #[error("keys[{index}]: {reason}")]
    Key {
        /// Which, from 0.
        index: usize,
        /// Why.
        reason: &'static str,
    },
    /// The roots are of no use.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// Reads the bundle of `domain`.
///
/// # Errors
/// Says what is wrong with it.
pub fn read(domain: &TrustDomain, text: &str) -> Result<ForeignBundle, ForeignBundleError> {
    if text.len() > MAX_BUNDLE_BYTES {
        return Err(ForeignBundleError::TooLarge(text.len()));
    }
    if text.trim_start().starts_with("-----BEGIN") {
        let bundle = TrustBundle::from_pem(domain.clone(), text)?;
        return Ok(ForeignBundle { bundle, sequence: None, refresh: DEFAULT_REFRESH });
    }
    let document: Value =
        serde_json::from_str(text).map_err(|error| ForeignBundleError::Syntax(error.to_string()))?;
    let keys = document["keys"].as_array();
    let keys = keys.ok_or_else(|| ForeignBundleError::Syntax("`keys` is missing".to_owned()))?;
    let mut roots = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        // Keys of other uses (JWT-SVID) are for others.
        if key["use"] != "x509-svid" {
            continue;
        }
        if roots.len() > MAX_ROOTS {
            return Err(BundleError::TooMany(domain.clone()).into());
        }
        roots.push(root(key).map_err(|reason| ForeignBundleError::Key { index, reason })?);
    }
    let seconds = document["spiffe_refresh_hint"].as_u64().filter(|seconds| *seconds > 0);
    Ok(ForeignBundle {
        bundle: TrustBundle::new(domain.clone(), roots)?,
        sequence: document["spiffe_sequence"].as_u64(),
        refresh: seconds.map_or(DEFAULT_REFRESH, Duration::from_secs),
    })
}

fn root(key: &Value) -> Result<CertificateDer<'static>, &'static str> {
    let chain = key["x5c"].as_array().ok_or("`x5c` is missing")?;
    let [one] = chain.as_slice() else { return Err("`x5c` must hold one certificate") };
    let text = one.as_str().ok_or("`x5c` must hold text")?;
    let der = unbase64(text).ok_or("`x5c` is not base64")?;
    Ok(CertificateDer::from(der))
}

/// Writes a bundle. `sequence` has to grow with every change of it.
pub fn write(bundle: &TrustBundle, sequence: u64, refresh: Duration) -> String {
    let keys: Vec<Value> = bundle.roots().iter().filter_map(key).collect();
    let document = json!({
        "keys": keys,
        "spiffe_sequence": sequence,
        "spiffe_refresh_hint": refresh.as_secs(),
    });
    format!("{document:#}\n")
}

/// A root as a JWK; `None`: its key is of a kind that JWK has no word for.
fn key(root: &CertificateDer<'_>) -> Option<Value> {
    let parsed = parse(root).ok()?;
    let mut jwk = match parsed.public_key().parsed().ok()? {
        PublicKey::EC(point) => {
            let bytes = point.data();
            let (size, curve) = match bytes.len() {
                65 => (32, "P-256"),
                97 => (48, "P-384"),
                _ => return None,
            };
            let (x, y) = bytes.get(1..)?.split_at(size);
            json!({"kty": "EC", "crv": curve, "x": base64_url(x), "y": base64_url(y)})
        }
        PublicKey::RSA(rsa) => {
            let significant =
                |number: &[u8]| base64_url(&number[number.iter().take_while(|byte| **byte == 0).count()..]);
            json!({"kty": "RSA", "n": significant(rsa.modulus), "e": significant(rsa.exponent)})
        }
        // RFC 8037.
        _ => {
            json!({"kty": "OKP", "crv": "Ed25519", "x": base64_url(&parsed.public_key().subject_public_key.data)})
        }
    };
    jwk["use"] = json!("x509-svid");
    jwk["x5c"] = json!([base64(root)]);
    Some(jwk)
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        let number = number << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = (number >> (18 - 6 * at)) & 63;
            out.push(if at <= chunk.len() { char::from(STANDARD[digit as usize]) } else { '=' });
        }
    }
    out
}

/// RFC 4648 section 5, without padding, as JWK has it.
fn base64_url(bytes: &[u8]) -> String {
    base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        if chunk.len() == 1 {
            return None;
        }
        let mut number = 0_u32;
        for digit in chunk {
            let value = STANDARD.iter().position(|known| known == digit)?;
            number = (number << 6) | u32::try_from(value).ok()?;
        }
        number <<= 6 * (4 - chunk.len());
        out.extend_from_slice(&number.to_be_bytes()[1..chunk.len()]);
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::KeyKind;

    fn bundle(kinds: &[KeyKind]) -> TrustBundle {
        let root = |kind: &KeyKind| {
            let mut params = rcgen::CertificateParams::default();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.self_signed(&kind.generate().unwrap()).unwrap().der().clone()
        };
        TrustBundle::new(TrustDomain::new("td").unwrap(), kinds.iter().map(root).collect()).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let bundle = bundle(&[KeyKind::P256, KeyKind::P384, KeyKind::Ed25519, KeyKind::Rsa2048]);
        let text = write(&bundle, 7, Duration::from_secs(60));
        let read = read(bundle.trust_domain(), &text).unwrap();
        assert_eq!((read.sequence, read.refresh), (Some(7), Duration::from_secs(60)));
        assert_eq!(read.bundle, bundle);
        let document: Value = serde_json::from_str(&text).unwrap();
        let of = |at: usize, name: &str| document["keys"][at][name].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (of(0, "crv"), of(1, "crv"), of(2, "kty")),
            ("P-256".into(), "P-384".into(), "OKP".into())
        );
        assert_eq!((of(3, "kty"), of(3, "e"), of(0, "x").len()), ("RSA".into(), "AQAB".into(), 43));
    }

    #[test]
    fn pem_is_a_bundle_too_and_nonsense_is_none() {
        let good = bundle(&[KeyKind::P256]);
        let domain = good.trust_domain();
        assert_eq!(read(domain, &good.to_pem()).unwrap().bundle, good);
        for (text, expected) in [
            ("", "neither"),
            ("{}", "`keys` is missing"),
            (r#"{"keys": []}"#, "no certificate"),
            (r#"{"keys": [{"use": "jwt-svid"}]}"#, "no certificate"),
            (r#"{"keys": [{"use": "x509-svid"}]}"#, "keys[0]: `x5c` is missing"),
            (r#"{"keys": [{"use": "x509-svid", "x5c": ["?"]}]}"#, "keys[0]: `x5c` is not base64"),
            (r#"{"keys": [{"use": "x509-svid", "x5c": ["aGk="]}]}"#, "cannot be a root"),
        ] {
            let error = read(domain, text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(matches!(
            read(domain, &" ".repeat(MAX_BUNDLE_BYTES + 1)),
            Err(ForeignBundleError::TooLarge(_))
        ));
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
            assert_eq!(unbase64(encoded).unwrap(), plain.as_bytes());
        }
        assert_eq!(unbase64("A"), None);
    }
}
