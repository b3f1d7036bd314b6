//! When a cluster, or an endpoint of it, is not asked for a while: closed, open, half-open. Envoy has no such thing; it
//! travels as `filter_metadata["ripstop"]`. Not the limits that Envoy calls circuit breakers: those are
//! [`crate::cluster::CircuitLimits`].

use std::num::NonZeroU32;
use std::time::Duration;

use crate::{Name, Percent};

/// A circuit breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// What it opens for.
    pub scope: BreakerScope,
    /// How far back requests count. Not zero.
    pub window: Duration,
    /// Shares are looked at only when so many requests are in the window.
    pub min_requests: NonZeroU32,
    /// Opens on so many failures in the window; `None`: not for their number.
    pub failures: Option<NonZeroU32>,
    /// Opens on this share of failures in the window; `None`: not for their share.
    pub failure_percent: Option<Percent>,
    /// Opens on slow answers; `None`: not for those.
    pub slow: Option<SlowCalls>,
    /// How long it stays open, the first time. Not zero.
    pub open: Duration,
    /// Twice as long each time that it opens again from half-open, but no longer than this; not below `open`.
    pub max_open: Duration,
    /// When half-open, so many requests are let through at once.
    pub probes: NonZeroU32,
    /// It closes after so many of them have gone well in a row.
    pub successes: NonZeroU32,
    /// What takes the place of requests that are not let through; `None`: they fail at once.
    pub fallback: Option<Fallback>,
}

impl Default for CircuitBreaker {
    /// Half of at least 20 requests in 10 s fail: open for 30 s, then one request after the other until one goes well.
    fn default() -> CircuitBreaker {
        CircuitBreaker {
            scope: BreakerScope::Cluster,
            window: Duration::from_secs(10),
            min_requests: NonZeroU32::MIN.saturating_add(19),
            failures: None,
            failure_percent: Some(Percent::whole(50)),
            slow: None,
            open: Duration::from_secs(30),
            max_open: Duration::from_secs(300),
            probes: NonZeroU32::MIN,
            successes: NonZeroU32::MIN,
            fallback: None,
        }
    }
}

/// What a breaker opens for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BreakerScope {
    /// The whole cluster.
    #[default]
    Cluster,
    /// One endpoint; requests go to the others.
    Endpoint,
}

/// When a breaker opens because answers are slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowCalls {
    /// An answer whose head takes longer is slow. Not zero.
    pub threshold: Duration,
    /// Opens on this share of slow answers.
    pub percent: Percent,
}

/// What takes the place of requests that a breaker does not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This answer.
    Response(FallbackResponse),
    /// Another cluster. Its own breaker counts, its own fallback does not.
    Cluster(Name),
}

/// An answer that needs no upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackResponse {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// `content-type`; empty: none.
    pub content_type: Name,
    /// At most [`FallbackResponse::MAX_BODY_BYTES`].
    pub body: Name,
}

impl FallbackResponse {
    /// Longest body.
    pub const MAX_BODY_BYTES: usize = 64 * 1024;
}
