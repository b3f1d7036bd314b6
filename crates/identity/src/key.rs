//! The kinds of private keys that the mesh makes. Which keys of others are accepted is decided where requests are checked
//! ([`crate::csr`]); keys are never shown, logged or sent.

use std::fmt;
use std::str::FromStr;

use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize,
};

/// A kind of key. P-256 unless somebody asks for another: it is small, fast, and accepted by every peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// ECDSA with NIST P-256 and SHA-256.
    #[default]
    P256,
    /// ECDSA with NIST P-384 and SHA-384.
    P384,
    /// Ed25519 (RFC 8410). Some peers do not take it, Envoy among them.
    Ed25519,
    /// RSA with 2048 bits, PKCS #1 v1.5 with SHA-256 in certificates. Making one takes up to a second.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits. Making one takes seconds.
    Rsa4096,
}

/// A name that is not the name of a kind of key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of key; use p256, p384, ed25519, rsa2048, rsa3072 or rsa4096")]
pub struct UnknownKeyKind(String);

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::P256, Self::P384, Self::Ed25519, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// Its name in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa2048",
            Self::Rsa3072 => "rsa3072",
            Self::Rsa4096 => "rsa4096",
        }
    }

    /// Makes a key.
    pub(crate) fn generate(self) -> Result<KeyPair, rcgen::Error> {
        let rsa = |size| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size);
        match self {
            Self::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Self::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
            Self::Rsa2048 => rsa(RsaKeySize::_2048),
            Self::Rsa3072 => rsa(RsaKeySize::_3072),
            Self::Rsa4096 => rsa(RsaKeySize::_4096),
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyKind {
    type Err = UnknownKeyKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        found.ok_or_else(|| UnknownKeyKind(name.chars().take(32).collect()))
    }
}
