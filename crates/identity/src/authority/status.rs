//! How the authority is doing, for people and metrics.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest;

use super::change::Core;
use super::{Announcement, Signer};
use crate::certificate::CertificateFacts;
use crate::succession::{Phase, Successor};
use crate::token::hex;

/// A root that is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootStatus {
    /// SHA-256 of the certificate in lower-case hexadecimal.
    pub sha256: String,
    /// Subject as in RFC 2253.
    pub subject: String,
    /// First second of validity.
    pub not_before: SystemTime,
    /// Last second of validity.
    pub not_after: SystemTime,
    /// Whether what signs is below it.
    pub signs: bool,
}

/// A moment in the life of an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityStatus {
    /// Whether the CA is the mesh's own.
    pub own: bool,
    /// Key identifier of the issuer.
    pub issuer: String,
    /// First second at which the issuer is valid.
    pub issuer_not_before: SystemTime,
    /// Last second at which the issuer is valid.
    pub issuer_not_after: SystemTime,
    /// Roots that are trusted, the one that signs first.
    pub roots: Vec<RootStatus>,
    /// Version of what is trusted.
    pub trust_version: String,
    /// Names of foreign trust domains.
    pub federated: Vec<String>,
    /// What is being replaced: what, how far, since when the whole and since when the phase.
    pub succession: Option<(Successor, Phase, SystemTime, SystemTime)>,
    /// For what that waits.
    pub waiting: Vec<String>,
    /// Issuers that were replaced since the start.
    pub issuers_replaced: u64,
    /// Roots that were replaced since the start.
    pub roots_replaced: u64,
    /// Why the last attempt to change the CA failed; `None`: it did not.
    pub last_error: Option<String>,
}

impl AuthorityStatus {
    pub(super) fn new(core: &Core, announced: &Announcement, signer: &Arc<dyn Signer>) -> Self {
        let root = |der: &rustls_pki_types::CertificateDer<'_>| {
            let facts = CertificateFacts::read(der).ok()?;
            Some(RootStatus {
                sha256: hex(digest::digest(&digest::SHA256, der).as_ref()),
                subject: facts.subject,
                not_before: facts.not_before,
                not_after: facts.not_after,
                signs: signer.roots().iter().any(|root| root.as_ref() == der.as_ref()),
            })
        };
        let [issuers_replaced, roots_replaced] = core.completed;
        Self {
            own: core.is_own(),
            issuer: signer.key_id().to_owned(),
            issuer_not_before: signer.not_before(),
            issuer_not_after: signer.not_after(),
            roots: core.roots().iter().filter_map(root).collect(),
            trust_version: announced.version.clone(),
            federated: announced.trust.federated().map(|bundle| bundle.trust_domain().to_string()).collect(),
            succession: core
                .succession
                .as_ref()
                .map(|one| (one.what(), one.phase(), one.begun(), one.phase_begun())),
            waiting: core.waiting.iter().map(ToString::to_string).collect(),
            issuers_replaced,
            roots_replaced,
            last_error: core.last_error.clone(),
        }
    }
}
