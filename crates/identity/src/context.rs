//! TLS contexts as Envoy configures them: certificates from files and secrets, and peers judged by roots, names, hashes and
//! revocation lists. Identities of the mesh take part through the [`IdentityHandle`](crate::svid::IdentityHandle).
//!
//! A context is made whole from a model value and the files it names (`material`), and never changes. [`store`] makes a
//! new one when a file has changed, and keeps the one before when the new one cannot be made: a certificate without its
//! key is never used. What is resumed belongs to one context, so that no resumed session outlives a change.

pub mod client;
pub mod facts;
mod material;
mod params;
mod san;
pub mod server;
pub mod store;
mod tickets;
mod validation;

pub use validation::{Refusal, refusal};

/// Why a context cannot be made. Says where; never shows a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// It wants the workload's identity, and there is none.
    #[error("needs a workload identity, and this proxy has none: start it with --control")]
    NoIdentity,
    /// A secret is not there (yet).
    #[error("secret '{name}' is not there: {why}")]
    NoSecret {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// A secret is of another kind.
    #[error("secret '{name}' is not a {wanted}")]
    SecretKind {
        /// Which.
        name: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Bytes could not be had.
    #[error("cannot read {source_name}: {why}")]
    Read {
        /// Where from.
        source_name: String,
        /// Why.
        why: String,
    },
    /// What was read is of no use.
    #[error("{source_name}: {why}")]
    Content {
        /// Where from.
        source_name: String,
        /// Why.
        why: String,
    },
    /// A certificate belongs to another key.
    #[error("certificate {chain} and key {key} do not fit: {why}")]
    Pair {
        /// The certificate.
        chain: String,
        /// The key.
        key: String,
        /// Why.
        why: String,
    },
    /// Something else that rustls or a rule refuses.
    #[error("{0}")]
    Refused(String),
}

impl From<rustls::Error> for ContextError {
    fn from(error: rustls::Error) -> ContextError {
        ContextError::Refused(error.to_string())
    }
}
