//! Join tokens: how a new workload proves once who it is. A token is single use, bound to one identity, and expires.
//!
//! A token is written `rsj_SELECTOR.SECRET`, both hexadecimal. The selector (64 bits) finds the entry; of the secret
//! (256 bits) only the SHA-256 is kept, and it is compared in constant time. The store lives in memory: tokens do
//! not survive a restart of the authority, workloads that hold a certificate do not need one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, rand};
use ripstop_model::spiffe::SpiffeId;

/// Most tokens outstanding at once in one store.
pub const MAX_OUTSTANDING: usize = 100_000;

/// The longest life a token can be given.
pub const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

const PREFIX: &str = "rsj_";
const SELECTOR_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// Why a token was not issued or not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not the form of a token.
    #[error("malformed join token; pass the whole token as it was printed, `rsj_…`")]
    Malformed,
    /// Used before, forgotten, or never issued.
    #[error(
        "join token is unknown: it was already used, or the authority was restarted since; create a new one"
    )]
    Unknown,
    /// Its time is over.
    #[error("join token for {0} has expired; create a new one")]
    Expired(SpiffeId),
    /// [`MAX_OUTSTANDING`] tokens wait to be used.
    #[error("{MAX_OUTSTANDING} join tokens are outstanding; wait until some are used or expire")]
    TooMany,
    /// The life asked for is zero or longer than [`MAX_TOKEN_LIFETIME`].
    #[error("a join token can live from 1 s to 7 days, not {0:?}")]
    Lifetime(Duration),
    /// The random source failed.
    #[error("no randomness available for a join token")]
    NoRandomness,
}

/// A secret to be handed to one workload. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken(String);

impl JoinToken {
    /// Takes a token from text, for example from a file; surrounding white space is dropped.
    ///
    /// # Errors
    /// If it does not have the form of a token.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        split(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The secret itself, to be sent or written to a file of mode 0600.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(…)")
    }
}

struct Entry {
    secret_sha256: [u8; digest::SHA256_OUTPUT_LEN],
    id: SpiffeId,
    expires_at: SystemTime,
}

/// The tokens that were issued and not yet used. At most [`MAX_OUTSTANDING`].
#[derive(Default)]
pub struct TokenStore {
    outstanding: Mutex<HashMap<[u8; SELECTOR_BYTES], Entry>>,
}

impl TokenStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a token that lets its bearer have a certificate for `id`, once, before `now + lifetime`.
    ///
    /// # Errors
    /// If too many are outstanding or the lifetime is out of range.
    pub fn issue(&self, id: SpiffeId, lifetime: Duration, now: SystemTime) -> Result<JoinToken, TokenError> {
        if lifetime.is_zero() || lifetime > MAX_TOKEN_LIFETIME {
            return Err(TokenError::Lifetime(lifetime));
        }
        let mut selector = [0; SELECTOR_BYTES];
        let mut secret = [0; SECRET_BYTES];
        rand::fill(&mut selector)
            .and_then(|()| rand::fill(&mut secret))
            .map_err(|_| TokenError::NoRandomness)?;
        let mut outstanding = self.lock();
        if outstanding.len() >= MAX_OUTSTANDING {
            outstanding.retain(|_, entry| entry.expires_at > now);
            if outstanding.len() >= MAX_OUTSTANDING {
                return Err(TokenError::TooMany);
            }
        }
        outstanding
            .insert(selector, Entry { secret_sha256: sha256(&secret), id, expires_at: now + lifetime });
        Ok(JoinToken(format!("{PREFIX}{}.{}", hex(&selector), hex(&secret))))
    }

    /// Uses a token up and says whose it was. A second call with the same token fails.
    ///
    /// # Errors
    /// If it is malformed, unknown, used or expired.
    pub fn redeem(&self, token: &str, now: SystemTime) -> Result<SpiffeId, TokenError> {
        let (selector, secret) = split(token.trim())?;
        let presented = sha256(&secret);
        let mut outstanding = self.lock();
        let entry = outstanding.get(&selector).ok_or(TokenError::Unknown)?;
        verify_slices_are_equal(&presented, &entry.secret_sha256).map_err(|_| TokenError::Unknown)?;
        let entry = outstanding.remove(&selector).ok_or(TokenError::Unknown)?;
        if entry.expires_at <= now {
            return Err(TokenError::Expired(entry.id));
        }
        Ok(entry.id)
    }

    /// Forgets tokens that expired before `now` and says how many are left.
    pub fn prune(&self, now: SystemTime) -> usize {
        let mut outstanding = self.lock();
        outstanding.retain(|_, entry| entry.expires_at > now);
        outstanding.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; SELECTOR_BYTES], Entry>> {
        // Every critical section leaves the map whole, so a panic elsewhere does not spoil it.
        self.outstanding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenStore").field("outstanding", &self.lock().len()).finish()
    }
}

fn split(text: &str) -> Result<([u8; SELECTOR_BYTES], [u8; SECRET_BYTES]), TokenError> {
    let (selector, secret) =
        text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')).ok_or(TokenError::Malformed)?;
    Ok((unhex(selector)?, unhex(secret)?))
}

fn unhex<const N: usize>(text: &str) -> Result<[u8; N], TokenError> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(TokenError::Malformed);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16).ok_or(TokenError::Malformed);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).map_err(|_| TokenError::Malformed)?;
    }
    Ok(bytes)
}

fn sha256(bytes: &[u8]) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let mut out = [0; digest::SHA256_OUTPUT_LEN];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const MINUTE: Duration = Duration::from_secs(60);

    fn id() -> SpiffeId {
        SpiffeId::new("spiffe://td/ns/shop/sa/user-service").unwrap()
    }

    #[test]
    fn a_token_works_once() {
        let store = TokenStore::new();
        let token = store.issue(id(), MINUTE, UNIX_EPOCH).unwrap();
        assert_eq!(store.redeem(&format!(" {}\n", token.expose()), UNIX_EPOCH), Ok(id()));
        assert_eq!(store.redeem(token.expose(), UNIX_EPOCH), Err(TokenError::Unknown));
    }

    #[test]
    fn a_token_expires() {
        let store = TokenStore::new();
        let token = store.issue(id(), MINUTE, UNIX_EPOCH).unwrap();
        assert_eq!(store.redeem(token.expose(), UNIX_EPOCH + MINUTE), Err(TokenError::Expired(id())));
        store.issue(id(), MINUTE, UNIX_EPOCH).unwrap();
        store.issue(id(), 2 * MINUTE, UNIX_EPOCH).unwrap();
        assert_eq!(store.prune(UNIX_EPOCH + MINUTE), 1);
    }

    #[test]
    fn a_wrong_secret_does_not_use_the_token_up() {
        let store = TokenStore::new();
        let token = store.issue(id(), MINUTE, UNIX_EPOCH).unwrap();
        let wrong = format!("{}.{}", token.expose().split('.').next().unwrap(), "0".repeat(64));
        assert_eq!(store.redeem(&wrong, UNIX_EPOCH), Err(TokenError::Unknown));
        assert_eq!(store.redeem(token.expose(), UNIX_EPOCH), Ok(id()));
        for bad in ["", "rsj_", "rsj_.", "rsj_00.00", "x", &wrong[1..], &format!("{wrong}0"), "rsj_é.é"] {
            assert_eq!(store.redeem(bad, UNIX_EPOCH), Err(TokenError::Malformed), "{bad}");
        }
    }

    #[test]
    fn outstanding_tokens_are_bounded_and_expired_ones_make_room() {
        let store = TokenStore::new();
        for _ in 0..MAX_OUTSTANDING {
            store.issue(id(), MINUTE, UNIX_EPOCH).unwrap();
        }
        assert_eq!(store.issue(id(), MINUTE, UNIX_EPOCH), Err(TokenError::TooMany));
        assert!(store.issue(id(), MINUTE, UNIX_EPOCH + MINUTE).is_ok());
        assert_eq!(store.prune(UNIX_EPOCH + MINUTE), 1);
    }

    #[test]
    fn lifetimes_are_bounded_and_debug_hides_the_secret() {
        let store = TokenStore::new();
        assert!(matches!(store.issue(id(), Duration::ZERO, UNIX_EPOCH), Err(TokenError::Lifetime(_))));
        assert!(store.issue(id(), Duration::MAX, UNIX_EPOCH).is_err());
        let token = store.issue(id(), MINUTE, UNIX_EPOCH).unwrap();
        assert_eq!(format!("{token:?}"), "JoinToken(…)");
        assert_eq!(format!("{store:?}"), "TokenStore { outstanding: 1 }");
    }
}
