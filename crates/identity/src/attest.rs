//! How somebody proves who it is before it has a certificate, and afterwards: one way after the other is tried. Which identity
//! follows is decided here, never by the request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use ripstop_model::spiffe::SpiffeId;

use crate::clock::readable;
use crate::issuance::{Evidence, Refusal};
use crate::token::TokenStore;

/// Most users of a machine that are known by their number.
pub const MAX_UNIX_USERS: usize = 10_000;

/// A way of proof.
pub trait Attestor: Send + Sync + fmt::Debug {
    /// Its name, for logs.
    fn name(&self) -> &'static str;

    /// Whose identity `evidence` proves at `now`; `None`: it says nothing that this way of proof is about.
    ///
    /// # Errors
    /// It claims to be proof and is none. Then no other way is tried.
    fn attest(&self, evidence: &Evidence, now: SystemTime) -> Option<Result<SpiffeId, Refusal>>;
}

/// A join token, which is used up.
#[derive(Debug)]
pub struct JoinTokens(pub Arc<TokenStore>);

impl Attestor for JoinTokens {
    fn name(&self) -> &'static str {
        "join token"
    }

    fn attest(&self, evidence: &Evidence, now: SystemTime) -> Option<Result<SpiffeId, Refusal>> {
        let token = evidence.token.as_ref()?;
        Some(self.0.redeem(token, now).map_err(Refusal::from))
    }
}

/// The certificate of the connection: renewal.
#[derive(Debug)]
pub struct PresentedCertificate;

impl Attestor for PresentedCertificate {
    fn name(&self) -> &'static str {
        "certificate"
    }

    fn attest(&self, evidence: &Evidence, now: SystemTime) -> Option<Result<SpiffeId, Refusal>> {
        let peer = evidence.peer.as_ref()?;
        if now > peer.not_after() {
            let (id, not_after) = (peer.spiffe_id().clone(), readable(peer.not_after()));
            return Some(Err(Refusal::CertificateExpired { id, not_after }));
        }
        Some(Ok(peer.spiffe_id().clone()))
    }
}

/// The user whose process is at the other end of a Unix socket, as the kernel tells.
#[derive(Debug, Default)]
pub struct UnixUsers {
    identities: BTreeMap<u32, SpiffeId>,
}

impl UnixUsers {
    /// Users by their number, each with the identity of its processes; at most [`MAX_UNIX_USERS`], further ones are unknown.
    pub fn new(identities: impl IntoIterator<Item = (u32, SpiffeId)>) -> Self {
        Self { identities: identities.into_iter().take(MAX_UNIX_USERS).collect() }
    }
}

impl Attestor for UnixUsers {
    fn name(&self) -> &'static str {
        "user of this machine"
    }

    fn attest(&self, evidence: &Evidence, _now: SystemTime) -> Option<Result<SpiffeId, Refusal>> {
        let user = evidence.unix_user?;
        let known = self.identities.get(&user).cloned();
        Some(known.ok_or(Refusal::UnknownUser(user)))
    }
}
