//! Who a peer is and whether it may be spoken to, on either side of a handshake.
//!
//! A peer is accepted if its chain leads to a root of the trust bundle *of this moment*, it is valid now (give or take a
//! small clock skew) and not revoked, it has exactly one URI name which is a SPIFFE ID of a trust domain that we trust, judged by the roots of
//! that very domain, and that ID is among those allowed. DNS names and addresses play no part. What the peer may do is
//! authorization, decided elsewhere.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ripstop_model::spiffe::{SpiffeId, TrustDomain};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{DistinguishedName, OtherError};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, RevocationOptions};

use crate::certificate::{CertificateError, CertificateFacts};
use crate::clock::{from_unix_seconds, readable};
use crate::handshake::{HandshakeVerifier, Judge};
use crate::svid::IdentityHandle;
use crate::tls;
use crate::trust::Trust;

/// How far a peer's clock may be off at the ends of a certificate's validity.
pub const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// The peers that one listener or upstream accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedIdentities {
    /// Every identity of our own trust domain, and of those that it is federated with.
    AnyInTrustDomain,
    /// These identities; none if the list is empty.
    Exact(Arc<[SpiffeId]>),
}

impl AllowedIdentities {
    /// One identity alone.
    pub fn only(id: SpiffeId) -> Self {
        Self::Exact(Arc::from([id]))
    }

    /// Whether `id`, already known to be of a trusted domain, is accepted.
    pub fn allows(&self, id: &SpiffeId) -> bool {
        match self {
            Self::AnyInTrustDomain => true,
            Self::Exact(ids) => ids.contains(id),
        }
    }
}

impl fmt::Display for AllowedIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        match self {
            Self::AnyInTrustDomain => f.write_str("any identity of the trust domain"),
            Self::Exact(ids) if ids.is_empty() => f.write_str("no identity"),
            Self::Exact(ids) => {
                for (at, id) in ids.iter().take(SHOWN).enumerate() {
                    write!(f, "{}{id}", if at == 0 { "" } else { ", " })?;
                }
                match ids.len().saturating_sub(SHOWN) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}

/// Why a peer is refused. Every message names the peer as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The peer's certificate is malformed or carries no SPIFFE ID.
    #[error("peer refused: {0}")]
    Certificate(#[from] CertificateError),
    /// No trusted root stands behind the certificate, or the chain is otherwise wrong.
    #[error(
        "peer that claims to be {peer} refused: its certificate chain is not accepted in {trust_domain}: {reason}"
    )]
    Chain {
        /// The ID in the certificate.
        peer: SpiffeId,
        /// The trust domain whose roots were tried.
        trust_domain: TrustDomain,
        /// What the path builder said.
        reason: String,
    },
    /// A certificate of the chain is past its end.
    #[error("peer {peer} refused: its certificate expired at {not_after} and it is {now} now")]
    Expired {
        /// The ID in the certificate.
        peer: SpiffeId,
        /// End of validity.
        not_after: String,
        /// The time of verification.
        now: String,
    },
    /// A certificate of the chain is not valid yet.
    #[error(
        "peer {peer} refused: its certificate is valid from {not_before} only and it is {now} now; compare the clocks"
    )]
    NotYetValid {
        /// The ID in the certificate.
        peer: SpiffeId,
        /// Start of validity.
        not_before: String,
        /// The time of verification.
        now: String,
    },
    /// Its CA has taken a certificate of the chain back.
    #[error(
        "peer {peer} refused: its certificate with serial number {serial}, or that of its issuer, is revoked"
    )]
    Revoked {
        /// The ID in the certificate.
        peer: SpiffeId,
        /// Serial number of the leaf in lower-case hexadecimal.
        serial: String,
    },
    /// The key usage of the certificate forbids handshakes.
    #[error("peer {peer} refused: the key usage of its certificate does not include digital signatures")]
    KeyUsage {
        /// The ID in the certificate.
        peer: SpiffeId,
    },
    /// The peer belongs to another trust domain.
    #[error("peer {peer} refused: expected trust domain {expected}")]
    TrustDomain {
        /// The ID in the certificate.
        peer: SpiffeId,
        /// Our trust domain.
        expected: TrustDomain,
    },
    /// The peer is who it says, but not who is expected here.
    #[error("peer {peer} refused: expected {expected}")]
    NotAllowed {
        /// The peer.
        peer: SpiffeId,
        /// Who is accepted.
        expected: AllowedIdentities,
    },
}

/// Every reason for which a peer is refused, as a metric label: those of [`VerifyError::label`], and those of contexts that are
/// no identities of the mesh ([`crate::context::Refusal::label`]).
pub const REASONS: [&str; 11] = [
    "no_certificate",
    "malformed",
    "no_spiffe_id",
    "untrusted_chain",
    "expired",
    "not_yet_valid",
    "key_usage",
    "trust_domain",
    "identity_not_allowed",
    "revoked",
    "hash",
];

impl VerifyError {
    /// The kind of refusal as a metric label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Certificate(CertificateError::Malformed(_)) => "malformed",
            Self::Certificate(_) => "no_spiffe_id",
            Self::Chain { .. } => "untrusted_chain",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::Revoked { .. } => "revoked",
            Self::KeyUsage { .. } => "key_usage",
            Self::TrustDomain { .. } => "trust_domain",
            Self::NotAllowed { .. } => "identity_not_allowed",
        }
    }
}

/// Judges peers by the identities of the mesh.
#[derive(Debug)]
pub struct PeerVerifier {
    identity: IdentityHandle,
    allowed: AllowedIdentities,
    client_certificate_required: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PeerVerifier {
    /// A verifier that trusts the bundle in `identity` and accepts `allowed`. As server it demands a client certificate.
    pub fn new(identity: IdentityHandle, allowed: AllowedIdentities) -> Self {
        let algorithms = tls::provider().signature_verification_algorithms;
        Self { identity, allowed, client_certificate_required: true, algorithms }
    }

    /// The same, but clients without a certificate are let in. One that presents a certificate must present a good one.
    #[must_use]
    pub fn client_certificate_optional(mut self) -> Self {
        self.client_certificate_required = false;
        self
    }

    /// The same for rustls.
    pub fn for_handshakes(self) -> Arc<HandshakeVerifier> {
        HandshakeVerifier::new(Arc::new(self))
    }

    /// Whoever bears another name of our own trust domain is taken for the identity of the same path.
    fn allows_by_alias(&self, trust: &Trust, peer: &SpiffeId) -> bool {
        trust.aliases().contains(peer.trust_domain())
            && peer.in_domain(trust.trust_domain()).is_ok_and(|own| self.allowed.allows(&own))
    }

    /// Judges a peer's chain at `now`.
    ///
    /// # Errors
    /// Says who was refused and what was expected.
    pub fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: KeyUsage,
        now: SystemTime,
    ) -> Result<SpiffeId, VerifyError> {
        let trust = self.identity.trust();
        let facts = CertificateFacts::read(leaf)?;
        let peer = facts.spiffe_id()?;
        // Told before the chain, since a foreign domain's chain never leads to our roots: this is the useful reason.
        let Some(bundle) = trust.bundle_for(peer.trust_domain()) else {
            return Err(VerifyError::TrustDomain { peer, expected: trust.trust_domain().clone() });
        };
        let certificate =
            EndEntityCert::try_from(leaf).map_err(|e| CertificateError::Malformed(e.to_string()))?;
        let build_chain = |at: SystemTime, revocation: Option<RevocationOptions<'_>>| {
            let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            certificate
                .verify_for_usage(
                    self.algorithms.all,
                    bundle.anchors(),
                    intermediates,
                    UnixTime::since_unix_epoch(since_1970),
                    usage,
                    revocation,
                    None,
                )
                .map(|_| ())
        };
        let (outcome, at) = match build_chain(now, None) {
            Err(webpki::Error::CertExpired { .. }) => (build_chain(now - CLOCK_SKEW, None), now - CLOCK_SKEW),
            Err(webpki::Error::CertNotValidYet { .. }) => {
                (build_chain(now + CLOCK_SKEW, None), now + CLOCK_SKEW)
            }
            outcome => (outcome, now),
        };
        outcome.map_err(|error| chain_error(error, &peer, bundle.trust_domain(), now))?;
        if trust
            .revocations()
            .any(|options| build_chain(at, Some(options)) == Err(webpki::Error::CertRevoked))
        {
            return Err(VerifyError::Revoked { peer, serial: facts.serial });
        }
        if !facts.may_sign_handshakes {
            return Err(VerifyError::KeyUsage { peer });
        }
        // The path builder does not look at the key usage of issuers.
        let signs = |one: &CertificateDer<'_>| {
            CertificateFacts::read(one).is_ok_and(|facts| facts.may_sign_certificates)
        };
        if !intermediates.iter().all(signs) {
            let reason = "the key usage of an issuer does not include signing certificates".to_owned();
            return Err(VerifyError::Chain { peer, trust_domain: bundle.trust_domain().clone(), reason });
        }
        if !self.allowed.allows(&peer) && !self.allows_by_alias(&trust, &peer) {
            return Err(VerifyError::NotAllowed { peer, expected: self.allowed.clone() });
        }
        Ok(peer)
    }
}

fn chain_error(
    error: webpki::Error,
    peer: &SpiffeId,
    trust_domain: &TrustDomain,
    now: SystemTime,
) -> VerifyError {
    let peer = peer.clone();
    let moment =
        |time: UnixTime| readable(from_unix_seconds(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)));
    match error {
        webpki::Error::CertExpired { not_after, .. } => {
            VerifyError::Expired { peer, not_after: moment(not_after), now: readable(now) }
        }
        webpki::Error::CertNotValidYet { not_before, .. } => {
            VerifyError::NotYetValid { peer, not_before: moment(not_before), now: readable(now) }
        }
        other => VerifyError::Chain { peer, trust_domain: trust_domain.clone(), reason: chain_reason(other) },
    }
}

/// webpki names its errors; the frequent ones get a sentence.
fn chain_reason(error: webpki::Error) -> String {
    match error {
        webpki::Error::UnknownIssuer => "no root of the trust bundle has signed it".to_owned(),
        webpki::Error::CaUsedAsEndEntity => "a CA certificate cannot be a workload's".to_owned(),
        webpki::Error::RequiredEkuNotFoundContext(_) => {
            "its extended key usage does not allow this side of a connection".to_owned()
        }
        webpki::Error::PathLenConstraintViolated => {
            "a CA certificate below an issuer is not allowed".to_owned()
        }
        other => other.to_string(),
    }
}

/// Finds our reason in the error of a handshake that failed because the peer was refused.
pub fn refusal(error: &std::io::Error) -> Option<&VerifyError> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(rustls::CertificateError::Other(OtherError(cause))) => {
            cause.downcast_ref::<Refused>().map(|refused| &refused.0)
        }
        _ => None,
    }
}

/// A [`VerifyError`] on its way through rustls, which shows causes by their `Debug`: here that is the text.
struct Refused(VerifyError);

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Keeps our text for the log of this side; the peer is told no more than the alert `certificate_unknown`.
fn to_rustls(error: VerifyError) -> rustls::Error {
    rustls::Error::InvalidCertificate(rustls::CertificateError::Other(OtherError(Arc::new(Refused(error)))))
}

fn system_time(time: UnixTime) -> SystemTime {
    from_unix_seconds(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

impl Judge for PeerVerifier {
    fn judge_peer(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: KeyUsage,
        _asked: Option<&ServerName<'_>>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        self.verify(leaf, intermediates, usage, system_time(now)).map(|_| ()).map_err(to_rustls)
    }

    fn wants_client_certificate(&self) -> bool {
        self.client_certificate_required
    }

    /// None: the roots may change at any time, and clients of the mesh have one certificate only.
    fn hints(&self) -> &[DistinguishedName] {
        &[]
    }
}
