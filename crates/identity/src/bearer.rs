//! Secrets that a client shows with each request (RFC 6750). They are made here and handed out once; whoever checks them
//! keeps a digest, from which nobody gets the secret back.
//!
//! A token is written `rst_SELECTOR.SECRET`, both hexadecimal: the selector (64 bits) finds the digest, the secret has 256
//! bits. Of so much randomness a plain SHA-256 is enough: there is nothing to guess.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, rand};

const PREFIX: &str = "rst_";
const SELECTOR_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// A token could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no randomness available for a token")]
pub struct NoRandomness;

/// A token as its bearer has it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(String);

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptToken {
    /// Finds it; 16 hexadecimal digits, no secret.
    pub selector: String,
    /// SHA-256 of the whole token, in hexadecimal.
    pub sha256: String,
}

impl BearerToken {
    /// A new one.
    ///
    /// # Errors
    /// The random source failed.
    pub fn generate() -> Result<BearerToken, NoRandomness> {
        let (mut selector, mut secret) = ([0; SELECTOR_BYTES], [0; SECRET_BYTES]);
        rand::fill(&mut selector).and_then(|()| rand::fill(&mut secret)).map_err(|_| NoRandomness)?;
        Ok(BearerToken(format!("{PREFIX}{}.{}", hex(&selector), hex(&secret))))
    }

    /// The secret itself, to be shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn kept(&self) -> KeptToken {
        KeptToken { selector: selector(&self.0).unwrap_or_default().to_owned(), sha256: sha256(&self.0) }
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(…)")
    }
}

impl KeptToken {
    /// Whether `presented` is the token that this was kept of, in a time that tells nothing of how near it is.
    pub fn is_of(&self, presented: &str) -> bool {
        verify_slices_are_equal(sha256(presented).as_bytes(), self.sha256.as_bytes()).is_ok()
    }
}

/// The selector of a token; `None` if it has not the form of one.
pub fn selector(token: &str) -> Option<&str> {
    let (selector, secret) = token.strip_prefix(PREFIX)?.split_once('.')?;
    let is_hex = |text: &str, bytes| text.len() == 2 * bytes && text.bytes().all(|b| b.is_ascii_hexdigit());
    (is_hex(selector, SELECTOR_BYTES) && is_hex(secret, SECRET_BYTES)).then_some(selector)
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_accepted() {
        let (token, other) = (BearerToken::generate().unwrap(), BearerToken::generate().unwrap());
        let kept = token.kept();
        assert_eq!(selector(token.expose()), Some(kept.selector.as_str()));
        assert!(kept.is_of(token.expose()) && !kept.is_of(other.expose()));
        assert!(!kept.is_of(&format!("{} ", token.expose())) && !kept.is_of(""));
        assert!(!format!("{token:?} {kept:?}").contains(token.expose()));
        for malformed in ["", "rst_", "rst_00.11", "rsj_0011223344556677.00"] {
            assert_eq!(selector(malformed), None, "{malformed}");
        }
    }
}
