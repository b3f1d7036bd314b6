//! Counters of the issuance, and the bounded set of reasons by which refusals are counted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Refusal;
use crate::csr::CsrError;
use crate::token::TokenError;

/// Why a request was refused, as a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// Too many requests.
    RateLimited,
    /// Neither token nor certificate.
    NoEvidence,
    /// Malformed, unknown or used token.
    BadToken,
    /// Token past its time.
    ExpiredToken,
    /// Certificate of the connection past its time.
    ExpiredCertificate,
    /// Malformed or oversized request.
    BadRequest,
    /// Request not signed with its own key.
    ForgedRequest,
    /// Key too weak.
    WeakKey,
    /// Request for another identity, a wildcard, or a CA certificate.
    OtherIdentity,
    /// The authority failed.
    Internal,
}

impl RefusalReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 10] = [
        Self::RateLimited,
        Self::NoEvidence,
        Self::BadToken,
        Self::ExpiredToken,
        Self::ExpiredCertificate,
        Self::BadRequest,
        Self::ForgedRequest,
        Self::WeakKey,
        Self::OtherIdentity,
        Self::Internal,
    ];

    /// The label in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::NoEvidence => "no_evidence",
            Self::BadToken => "bad_token",
            Self::ExpiredToken => "expired_token",
            Self::ExpiredCertificate => "expired_certificate",
            Self::BadRequest => "bad_request",
            Self::ForgedRequest => "forged_request",
            Self::WeakKey => "weak_key",
            Self::OtherIdentity => "other_identity",
            Self::Internal => "internal",
        }
    }

    /// The reason under which `refusal` is counted.
    pub fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::IdentityRate(_) | Refusal::AddressRate(_) => Self::RateLimited,
            Refusal::NoEvidence | Refusal::UnknownUser(_) => Self::NoEvidence,
            Refusal::Token(TokenError::Expired(_)) => Self::ExpiredToken,
            Refusal::Token(_) => Self::BadToken,
            Refusal::CertificateExpired { .. } => Self::ExpiredCertificate,
            Refusal::Csr(CsrError::Forged) => Self::ForgedRequest,
            Refusal::Csr(CsrError::WeakKey(_)) => Self::WeakKey,
            Refusal::Csr(CsrError::AsksForCa | CsrError::Wildcard(_)) | Refusal::OtherIdentity { .. } => {
                Self::OtherIdentity
            }
            Refusal::Csr(_) | Refusal::Lifetime(_) => Self::BadRequest,
            Refusal::Authority(_) => Self::Internal,
        }
    }
}

/// What was issued and refused since the start.
#[derive(Debug, Default)]
pub struct IssuanceStats {
    issued: AtomicU64,
    refused: [AtomicU64; RefusalReason::ALL.len()],
}

impl IssuanceStats {
    /// Certificates issued.
    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }

    /// Requests refused for `reason`.
    pub fn refused(&self, reason: RefusalReason) -> u64 {
        self.refused[reason as usize].load(Ordering::Relaxed)
    }

    pub(super) fn count_issued(&self) {
        self.issued.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_refused(&self, reason: RefusalReason) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }
}
