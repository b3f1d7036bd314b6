//! Certificates that a CA has taken back before their end: the revocation lists (RFC 5280 section 5) that peers of the mesh are
//! judged by. Lists of contexts from files are in [`crate::context`].
//!
//! A list counts for certificates of the issuer that has signed it; a certificate of an issuer without a list is not revoked.
//! A list that is out of date still counts: that its next issue is late must not cut a mesh off, nor let a thief back in.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;
use webpki::{
    CertRevocationList, ExpirationPolicy, OwnedCertRevocationList, RevocationCheckDepth, RevocationOptions,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

/// Most lists at once: one for each issuer.
pub const MAX_LISTS: usize = 64;

/// Largest sum of all lists, in bytes: some twenty thousand certificates.
pub const MAX_BYTES: usize = 1 << 20;

/// Why revocation lists are of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// Not PEM.
    #[error("not PEM: {0}")]
    Pem(String),
    /// A list that cannot be read.
    #[error("revocation list {index}: {reason}")]
    Malformed {
        /// Position, from 1.
        index: usize,
        /// What the parser says.
        reason: String,
    },
    /// More than [`MAX_LISTS`].
    #[error("more than {MAX_LISTS} revocation lists")]
    TooMany,
    /// More than [`MAX_BYTES`].
    #[error("the revocation lists have more than {MAX_BYTES} bytes together")]
    TooLarge,
    /// A file without any list.
    #[error("there is no revocation list in it")]
    Empty,
}

/// Revocation lists, as they came and as they are asked. Clones share them.
#[derive(Clone, Default)]
pub struct Revocations {
    lists: Vec<CertificateRevocationListDer<'static>>,
    parsed: Arc<[CertRevocationList<'static>]>,
}

impl Revocations {
    /// Takes lists in DER form.
    ///
    /// # Errors
    /// There are too many, they are too large, or one cannot be read.
    pub fn new(lists: Vec<CertificateRevocationListDer<'static>>) -> Result<Self, RevocationError> {
        if lists.len() > MAX_LISTS {
            return Err(RevocationError::TooMany);
        }
        if lists.iter().map(|list| list.len()).sum::<usize>() > MAX_BYTES {
            return Err(RevocationError::TooLarge);
        }
        let parsed = lists.iter().enumerate().map(|(at, list)| {
            let read = OwnedCertRevocationList::from_der(list);
            let malformed = |error: webpki::Error| RevocationError::Malformed {
                index: at + 1,
                reason: error.to_string(),
            };
            read.map(CertRevocationList::from).map_err(malformed)
        });
        let parsed = parsed.collect::<Result<_, _>>()?;
        Ok(Self { lists, parsed })
    }

    /// Takes the lists of a PEM text; other blocks are ignored.
    ///
    /// # Errors
    /// As [`Revocations::new`], and if the text is not PEM or has no list.
    pub fn from_pem(text: &[u8]) -> Result<Self, RevocationError> {
        let lists = CertificateRevocationListDer::pem_slice_iter(text)
            .take(MAX_LISTS + 1)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| RevocationError::Pem(error.to_string()))?;
        if lists.is_empty() { Err(RevocationError::Empty) } else { Self::new(lists) }
    }

    /// The lists in DER form.
    pub fn lists(&self) -> &[CertificateRevocationListDer<'static>] {
        &self.lists
    }

    /// Whether `revoked` says so with the options of any list. Each is asked alone: of several lists that bear the name of one
    /// issuer the path builder would ask the first only, which may be that of a key long gone, and refuse the chain for it.
    pub(crate) fn any(&self, mut revoked: impl FnMut(RevocationOptions<'_>) -> bool) -> bool {
        self.parsed.iter().any(|list| {
            let lists = [list];
            RevocationOptionsBuilder::new(&lists).is_ok_and(|options| {
                let options = options
                    .with_depth(RevocationCheckDepth::Chain)
                    .with_status_policy(UnknownStatusPolicy::Allow)
                    .with_expiration_policy(ExpirationPolicy::Ignore);
                revoked(options.build())
            })
        })
    }
}

impl PartialEq for Revocations {
    fn eq(&self, other: &Self) -> bool {
        self.lists == other.lists
    }
}

impl Eq for Revocations {}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").field("lists", &self.lists.len()).finish()
    }
}
