//! Who gets which certificate. The identity comes from the attestation (a join token, or the certificate the peer
//! already has), never from the request: a request that names another identity is refused. gRPC is in
//! [`crate::service`], signing in [`crate::authority`].

mod stats;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ripstop_model::spiffe::SpiffeId;

use crate::attest::{Attestor, JoinTokens, PresentedCertificate};
use crate::authority::{Authority, AuthorityError, IssuedChain, MAX_LIFETIME, MIN_LIFETIME};
use crate::clock::readable;
use crate::csr::{CsrError, VerifiedCsr};
use crate::limit::RateLimiter;
use crate::peer::PeerIdentity;
use crate::token::{TokenError, TokenStore};

pub use crate::limit::Rate;
pub use stats::{IssuanceStats, RefusalReason};

/// Most identities, and most addresses, whose rates are followed separately.
pub const MAX_TRACKED_PEERS: usize = 10_000;

/// How certificates are given out.
#[derive(Debug, Clone)]
pub struct IssuancePolicy {
    /// The lifetime if the request names none.
    pub default_lifetime: Duration,
    /// Longer wishes are cut to this.
    pub max_lifetime: Duration,
    /// Renewals of one identity (all its instances together).
    pub renewals_per_identity: Rate,
    /// Refused requests from one address.
    pub refusals_per_address: Rate,
}

impl Default for IssuancePolicy {
    /// 24 hours; 200 renewals at once and 20 a second for an identity; 100 refusals at once and 5 a second for an
    /// address.
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            default_lifetime: day,
            max_lifetime: day,
            renewals_per_identity: Rate { burst: 200.0, per_second: 20.0 },
            refusals_per_address: Rate { burst: 100.0, per_second: 5.0 },
        }
    }
}

/// What a peer brings to prove who it is.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// A join token. If there is one it decides, whatever certificate there is.
    pub token: Option<String>,
    /// The identity of the TLS connection.
    pub peer: Option<PeerIdentity>,
    /// Where the connection comes from.
    pub address: Option<IpAddr>,
    /// The user at the other end of a Unix socket, by number.
    pub unix_user: Option<u32>,
}

impl Evidence {
    /// What decides, for logs.
    fn kind(&self) -> &'static str {
        match self {
            Self { token: Some(_), .. } => "join token",
            Self { peer: Some(_), .. } => "certificate",
            _ => "user of this machine",
        }
    }
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Too many renewals of one identity.
    #[error("too many renewals of {0}; try again later")]
    IdentityRate(SpiffeId),
    /// Too many refused requests from one address.
    #[error("too many refused certificate requests from {0}; try again later")]
    AddressRate(IpAddr),
    /// Neither token nor certificate.
    #[error(
        "no proof of identity: send a join token as `authorization: Bearer …`, or connect with a valid certificate of the mesh"
    )]
    NoEvidence,
    /// The user has no identity.
    #[error("user {0} of this machine has no identity here; name it in `certificates.unixUsers` of the mesh")]
    UnknownUser(u32),
    /// The token is not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The certificate of the connection has expired meanwhile.
    #[error(
        "the certificate of this connection, for {id}, expired at {not_after}; connect again with a join token"
    )]
    CertificateExpired {
        /// Whose.
        id: SpiffeId,
        /// When.
        not_after: String,
    },
    /// The request is unacceptable.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// The request names an identity that the peer did not prove.
    #[error("the request asks for {asked} but the peer proved to be {proven}")]
    OtherIdentity {
        /// In the request.
        asked: String,
        /// By attestation.
        proven: SpiffeId,
    },
    /// The lifetime asked for is too short or negative.
    #[error("a certificate for {0} s is not issued; ask for 10 s or more, or for 0 to take the default")]
    Lifetime(i64),
    /// The authority failed; not the peer's fault.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// Decides about certificate requests.
#[derive(Debug)]
pub struct Issuance {
    authority: Arc<Authority>,
    attestors: Vec<Box<dyn Attestor>>,
    policy: IssuancePolicy,
    stats: Arc<IssuanceStats>,
    renewals_by_identity: Mutex<RateLimiter<SpiffeId>>,
    refusals_by_address: Mutex<RateLimiter<IpAddr>>,
}

impl Issuance {
    /// Issues from `authority` to bearers of `tokens` and to peers that have a certificate.
    pub fn new(authority: Arc<Authority>, tokens: Arc<TokenStore>, policy: IssuancePolicy) -> Self {
        Self {
            authority,
            attestors: vec![Box::new(JoinTokens(tokens)), Box::new(PresentedCertificate)],
            stats: Arc::default(),
            renewals_by_identity: Mutex::new(RateLimiter::new(
                policy.renewals_per_identity,
                MAX_TRACKED_PEERS,
            )),
            refusals_by_address: Mutex::new(RateLimiter::new(policy.refusals_per_address, MAX_TRACKED_PEERS)),
            policy,
        }
    }

    /// And to whom `attestor` says; it is asked after those that were there before.
    #[must_use]
    pub fn with_attestor(mut self, attestor: impl Attestor + 'static) -> Self {
        self.attestors.push(Box::new(attestor));
        self
    }

    /// Counters of what was issued and refused.
    pub fn stats(&self) -> Arc<IssuanceStats> {
        Arc::clone(&self.stats)
    }

    /// The authority behind.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Answers one request: PEM request, lifetime wished for in seconds (0 for the default). Counts and logs the outcome.
    ///
    /// # Errors
    /// Why nothing is issued.
    pub fn issue(
        &self,
        csr_pem: &str,
        wished_seconds: i64,
        evidence: &Evidence,
        now: SystemTime,
        monotonic: Instant,
    ) -> Result<IssuedChain, Refusal> {
        let outcome = self.decide(csr_pem, wished_seconds, evidence, now, monotonic);
        match &outcome {
            Ok(chain) => {
                self.stats.count_issued();
                tracing::info!(
                    id = %chain.id,
                    serial = %chain.serial,
                    not_after = %readable(chain.not_after),
                    by = evidence.kind(),
                    "certificate issued"
                );
            }
            Err(refusal) => {
                let reason = RefusalReason::of(refusal);
                self.stats.count_refused(reason);
                if let Some(address) = evidence.address {
                    let mut refusals =
                        self.refusals_by_address.lock().unwrap_or_else(PoisonError::into_inner);
                    refusals.take(address, monotonic);
                }
                tracing::warn!(
                    reason = reason.label(),
                    address = ?evidence.address,
                    peer = ?evidence.peer.as_ref().map(PeerIdentity::spiffe_id),
                    %refusal,
                    "certificate refused"
                );
            }
        }
        outcome
    }

    fn decide(
        &self,
        csr_pem: &str,
        wished_seconds: i64,
        evidence: &Evidence,
        now: SystemTime,
        monotonic: Instant,
    ) -> Result<IssuedChain, Refusal> {
        if let Some(address) = evidence.address {
            let mut refusals = self.refusals_by_address.lock().unwrap_or_else(PoisonError::into_inner);
            if !refusals.has(&address, monotonic) {
                return Err(Refusal::AddressRate(address));
            }
        }
        if evidence.token.is_none() && evidence.peer.is_none() && evidence.unix_user.is_none() {
            return Err(Refusal::NoEvidence);
        }
        // Before the token, so that a malformed request does not use it up.
        let lifetime = self.lifetime(wished_seconds)?;
        let csr = VerifiedCsr::from_pem(csr_pem)?;
        let proven = self.attest(evidence, now)?;
        if let Some(asked) = csr.uri_names().iter().find(|uri| *uri != proven.as_str()) {
            return Err(Refusal::OtherIdentity { asked: asked.clone(), proven });
        }
        // A token limits itself: it is used up by now, and refusing would leave its workload without any proof.
        if evidence.token.is_none() {
            let mut renewals = self.renewals_by_identity.lock().unwrap_or_else(PoisonError::into_inner);
            if !renewals.take(proven.clone(), monotonic) {
                return Err(Refusal::IdentityRate(proven));
            }
        }
        let chain = self.authority.sign(&csr, &proven, lifetime, now)?;
        if evidence.token.is_none()
            && let Some(peer) = &evidence.peer
        {
            self.authority.replaced(peer.serial());
        }
        Ok(chain)
    }

    fn attest(&self, evidence: &Evidence, now: SystemTime) -> Result<SpiffeId, Refusal> {
        let mut proven = self.attestors.iter().filter_map(|attestor| attestor.attest(evidence, now));
        proven.next().unwrap_or(Err(Refusal::NoEvidence))
    }

    fn lifetime(&self, wished_seconds: i64) -> Result<Duration, Refusal> {
        let wished = match u64::try_from(wished_seconds) {
            Ok(0) => self.policy.default_lifetime,
            Ok(seconds) if seconds >= MIN_LIFETIME.as_secs() => Duration::from_secs(seconds),
            _ => return Err(Refusal::Lifetime(wished_seconds)),
        };
        Ok(wished.min(self.policy.max_lifetime).clamp(MIN_LIFETIME, MAX_LIFETIME))
    }
}
