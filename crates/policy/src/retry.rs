//! Whether, and after what wait, a request is tried again.
//!
//! Four things must agree. The *policy* of the route names the failures that are retried ([`conditions`]). The *request*
//! must bear it: what the upstream has provably not processed may be repeated whatever the method; anything else only
//! where the method is safe or idempotent (RFC 9110, section 9.2), the request carries `Idempotency-Key`, or the policy
//! says `any_method`; and never when a part of the body is gone. No *outer hop* may own the retries (see
//! [`ATTEMPT_HEADER`]), and the retry *budget* of the cluster must have room. How long is waited is in [`backoff`].
//!
//! Two things need no policy, because they are no failures of the upstream: a kept connection that was closed at the moment
//! of its reuse, and a stream of HTTP/2 that was refused without being looked at. What the upstream has provably not seen is
//! no load on it, so that it needs no place in the budget either; nor does a try that found nobody there to connect to: while an
//! instance is restarted, all that would have gone to it is tried elsewhere, and each of these requests reaches one instance.
//!
//! Who waits, and which host comes next, is decided elsewhere.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};
use ripstop_model::route::RetryPolicy;

use self::rules::RetryRules;
use crate::flags::ResponseFlag;
use crate::limits::{ClusterLimits, Permit};

pub mod asked;
pub mod backoff;
pub mod conditions;
pub mod rules;

/// The request header that keeps the retries of several hops from multiplying.
///
/// The outermost hop with a retry policy sends it with every try; its value is the number of the try, from 1. A hop that
/// receives it passes it on unchanged and leaves retries to the sender, except of what was provably not processed: that
/// cannot add load where load is the problem. Applications have to pass it on to what they call, as they do with trace
/// headers, for the hops behind them to know of it; where they do not, the budgets still bound each hop by itself.
/// A gateway removes it from what comes from outside.
pub const ATTEMPT_HEADER: &str = "x-ripstop-attempt";

/// The request header by which a client says that repeating the request is harmless.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How often a request whose reused connection turned out to be dead is sent again on another one, beyond what the
/// policy grants.
const STALE_CONNECTION_RETRIES: u32 = 1;

/// How often a request that the upstream has not seen is sent again beyond what the policy grants: its stream was refused
/// (RFC 9113, section 8.7), or its kept connection was closed before it was sent. A server that goes away takes its connections
/// with it one by one; one that refuses again and again has too much to do.
const UNSEEN_RETRIES: u32 = 3;

/// How much of a body is kept for retries that no policy asked for: what comes in one frame of HTTP/2.
const UNASKED_KEPT_BYTES: u64 = 16 * 1024;

/// What about a request matters for retries. Taken once, from the request as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// Processing it twice is no worse than once.
    pub idempotent: bool,
    /// What [`ATTEMPT_HEADER`] said.
    pub outer_attempt: Option<u32>,
}

impl RequestFacts {
    /// Reads them off a request.
    pub fn of(method: &Method, headers: &HeaderMap) -> RequestFacts {
        let by_method = method.is_idempotent();
        let by_key = headers.get(IDEMPOTENCY_KEY).is_some_and(|key| !key.is_empty());
        let attempt = headers.get(ATTEMPT_HEADER).and_then(|value| value.to_str().ok());
        RequestFacts {
            idempotent: by_method || by_key,
            outer_attempt: attempt.and_then(|text| text.trim().parse().ok()),
        }
    }
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The head of a response has come.
    Status(u16),
    /// No connection could be made.
    ConnectFailure,
    /// The upstream refused the stream without looking at it: REFUSED_STREAM, or GOAWAY below its number.
    RefusedStream,
    /// The connection or stream ended before the head of a response.
    Reset,
    /// The head of a response did not come in the time of one try.
    PerTryTimeout,
}

/// A try that might be followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// `grpc-status` of the response head or trailers-only response.
    pub grpc_status: Option<u32>,
    /// The response says `x-envoy-overloaded`: more of the same would not help.
    pub overloaded: bool,
    /// The response says `x-envoy-ratelimited`.
    pub rate_limited: bool,
    /// The response has a header that the policy retries on.
    pub retriable_header: bool,
    /// How long the response asks to wait.
    pub reset_after: Option<Duration>,
    /// The connection had carried requests before.
    pub reused_connection: bool,
    /// A part of the request may have reached the upstream.
    pub request_sent: bool,
    /// The kernel said that there is nobody to connect to, so that no upstream had any work with it.
    pub nobody_there: bool,
    /// The whole body can be sent once more: there is none, nothing was taken from it, or what was taken is kept.
    pub body_replayable: bool,
}

impl Attempt {
    /// A try of a request without body on a fresh connection.
    pub fn new(outcome: AttemptOutcome) -> Attempt {
        let unsent = matches!(outcome, AttemptOutcome::ConnectFailure);
        Attempt {
            outcome,
            grpc_status: None,
            overloaded: false,
            rate_limited: false,
            retriable_header: false,
            reset_after: None,
            reused_connection: false,
            request_sent: !unsent,
            nobody_there: false,
            body_replayable: true,
        }
    }

    /// Whether the upstream has certainly done nothing about it.
    pub fn is_unprocessed(&self) -> bool {
        match self.outcome {
            AttemptOutcome::Status(_) => false,
            AttemptOutcome::ConnectFailure | AttemptOutcome::RefusedStream => true,
            AttemptOutcome::Reset | AttemptOutcome::PerTryTimeout => !self.request_sent,
        }
    }
}

/// What is to be done after a try.
#[derive(Debug)]
pub enum RetryDecision {
    /// Another try.
    Retry {
        /// After this wait.
        after: Duration,
        /// What it comes from.
        wait: Wait,
        /// Its place in the budget, to be kept until that try has ended; `None`: it needs none.
        permit: Option<Permit>,
    },
    /// What came, or did not come, is the answer.
    No(NoRetry),
}

/// What the wait before a retry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// The back-off of the policy.
    Backoff,
    /// An answer that said when it is worth trying again.
    Asked,
    /// There is none, because the upstream has not seen the request.
    Nothing,
}

/// Why a request is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoRetry {
    /// The route does not retry this outcome; a success is the usual one.
    #[error("the retry policy does not name this outcome")]
    NotRetriable,
    /// All retries of the policy are used up.
    #[error("all retries of the policy are used up")]
    Exhausted,
    /// Too many retries are under way to the cluster.
    #[error("the retry budget of the cluster is used up")]
    Budget,
    /// The upstream may have processed it, and the method must not be repeated.
    #[error("the upstream may have processed the request, and its method must not be repeated")]
    Method,
    /// A part of the body is gone.
    #[error("the body of the request cannot be sent once more")]
    Body,
    /// An outer hop retries.
    #[error("an outer hop owns the retries of this request")]
    OuterHopOwns,
    /// The response says that the upstream has too much to do.
    #[error("the upstream says that it is overloaded")]
    Overloaded,
    /// The request would be over before the wait is.
    #[error("too little time is left for another try")]
    Deadline,
}

impl NoRetry {
    /// What the access log says of it, where it says anything.
    pub const fn flag(self) -> Option<ResponseFlag> {
        match self {
            NoRetry::Exhausted => Some(ResponseFlag::UpstreamRetryLimitExceeded),
            NoRetry::Budget => Some(ResponseFlag::UpstreamOverflow),
            _ => None,
        }
    }
}

/// The tries of one request.
#[derive(Clone, Debug)]
pub struct RetryState {
    rules: Option<Arc<RetryRules>>,
    facts: RequestFacts,
    /// Retries that the policy granted so far.
    retries: u32,
    /// Retries for a dead reused connection so far.
    stale: u32,
    /// Retries of what the upstream has not seen, which no policy granted.
    unseen: u32,
}

impl RetryState {
    /// A request that is about to be tried for the first time. Without rules only what was not processed is repeated.
    pub fn new(rules: Option<Arc<RetryRules>>, facts: RequestFacts) -> RetryState {
        RetryState { rules, facts, retries: 0, stale: 0, unseen: 0 }
    }

    /// The number of the current try, from 1 (`x-envoy-attempt-count`).
    pub fn attempt_number(&self) -> u32 {
        1 + self.retries + self.stale + self.unseen
    }

    /// What the current try carries in [`ATTEMPT_HEADER`]; `None`: nothing.
    pub fn attempt_header(&self) -> Option<u32> {
        let owns = self.policy().is_some_and(|policy| policy.num_retries > 0);
        self.facts.outer_attempt.or(owns.then(|| self.attempt_number()))
    }

    /// The rules of the route and the request.
    pub fn rules(&self) -> Option<&RetryRules> {
        self.rules.as_deref()
    }

    fn policy(&self) -> Option<&RetryPolicy> {
        self.rules.as_ref().map(|rules| &rules.policy)
    }

    /// How many bytes of the current try's body are kept for another one; `None`: there is none, which saves the memory and
    /// the copying. `multiplexed`: the upstream may refuse streams. A chance that no policy asked for is not worth as much as
    /// `limit_bytes`, the limit of the route.
    pub fn keeps_bytes(&self, multiplexed: bool, limit_bytes: u64) -> Option<u64> {
        if self.policy().is_some_and(|policy| self.retries < policy.num_retries) {
            return Some(limit_bytes);
        }
        let chance = (self.facts.idempotent && self.stale < STALE_CONNECTION_RETRIES)
            || (multiplexed && self.unseen < UNSEEN_RETRIES);
        chance.then_some(limit_bytes.min(UNASKED_KEPT_BYTES))
    }

    /// Whether the policy names what became of a try, so that it would be tried again if everything else allowed it.
    pub fn would_retry(&self, attempt: &Attempt) -> bool {
        self.policy().is_some_and(|policy| conditions::names(policy, attempt))
    }

    /// What is to be done after a try. `left` is the time left for the request; `None`: there is no limit.
    pub fn decide(
        &mut self,
        attempt: &Attempt,
        left: Option<Duration>,
        limits: &Arc<ClusterLimits>,
        rng: &mut fastrand::Rng,
    ) -> RetryDecision {
        if self.is_unseen(attempt) {
            let decision = grant_freely((Duration::ZERO, Wait::Nothing), left);
            self.unseen += u32::from(matches!(decision, RetryDecision::Retry { .. }));
            return decision;
        }
        if self.is_stale_connection(attempt) {
            let decision = grant((Duration::ZERO, Wait::Nothing), left, limits);
            self.stale += u32::from(matches!(decision, RetryDecision::Retry { .. }));
            return decision;
        }
        let named = self.would_retry(attempt);
        if !named {
            return RetryDecision::No(NoRetry::NotRetriable);
        }
        self.by_policy(attempt, left, limits, rng)
    }

    /// Whether another try begins beside one that has used up the time of one try (Envoy's `hedge_on_per_try_timeout`). As in
    /// Envoy, it needs retries left, but no condition that names a timeout.
    pub fn hedge(
        &mut self,
        body_replayable: bool,
        left: Option<Duration>,
        limits: &Arc<ClusterLimits>,
        rng: &mut fastrand::Rng,
    ) -> RetryDecision {
        let attempt = Attempt { body_replayable, ..Attempt::new(AttemptOutcome::PerTryTimeout) };
        self.by_policy(&attempt, left, limits, rng)
    }

    /// A retry of an outcome that the policy names.
    fn by_policy(
        &mut self,
        attempt: &Attempt,
        left: Option<Duration>,
        limits: &Arc<ClusterLimits>,
        rng: &mut fastrand::Rng,
    ) -> RetryDecision {
        let wait = match self.wait(attempt, rng) {
            Ok(wait) => wait,
            Err(reason) => return RetryDecision::No(reason),
        };
        let decision = match attempt.nobody_there {
            true => grant_freely(wait, left),
            false => grant(wait, left, limits),
        };
        self.retries += u32::from(matches!(decision, RetryDecision::Retry { .. }));
        decision
    }

    /// A connection that was kept for reuse was closed by the upstream at the moment of its reuse. That is an
    /// everyday race, not a failure; it needs no policy, no wait, and concerns no other hop.
    fn is_stale_connection(&self, attempt: &Attempt) -> bool {
        let any_method = self.policy().is_some_and(|policy| policy.any_method);
        attempt.outcome == AttemptOutcome::Reset
            && attempt.reused_connection
            && attempt.body_replayable
            && self.stale < STALE_CONNECTION_RETRIES
            && (self.facts.idempotent || any_method)
    }

    /// The upstream has certainly not looked at it, most likely because it is going away. That there is no connection at all
    /// is another matter.
    fn is_unseen(&self, attempt: &Attempt) -> bool {
        let closed_before =
            attempt.outcome == AttemptOutcome::Reset && attempt.reused_connection && !attempt.request_sent;
        (attempt.outcome == AttemptOutcome::RefusedStream || closed_before)
            && attempt.body_replayable
            && self.unseen < UNSEEN_RETRIES
    }

    /// How long to wait, as far as policy and request go.
    fn wait(&self, attempt: &Attempt, rng: &mut fastrand::Rng) -> Result<(Duration, Wait), NoRetry> {
        let policy = self.policy().ok_or(NoRetry::NotRetriable)?;
        if attempt.overloaded {
            return Err(NoRetry::Overloaded);
        }
        if !attempt.body_replayable {
            return Err(NoRetry::Body);
        }
        if !attempt.is_unprocessed() {
            if self.facts.outer_attempt.is_some() {
                return Err(NoRetry::OuterHopOwns);
            }
            if !self.facts.idempotent && !policy.any_method {
                return Err(NoRetry::Method);
            }
        }
        if self.retries >= policy.num_retries {
            return Err(NoRetry::Exhausted);
        }
        Ok(match attempt.reset_after {
            Some(asked) => (backoff::after_reset(asked, rng), Wait::Asked),
            None => (backoff::wait(policy.backoff, self.retries, rng), Wait::Backoff),
        })
    }
}

/// A retry after a wait, if time and budget allow.
fn grant(wait: (Duration, Wait), left: Option<Duration>, limits: &Arc<ClusterLimits>) -> RetryDecision {
    match grant_freely(wait, left) {
        RetryDecision::Retry { after, wait, .. } => match limits.try_retry() {
            Ok(permit) => RetryDecision::Retry { after, wait, permit: Some(permit) },
            Err(_) => RetryDecision::No(NoRetry::Budget),
        },
        no => no,
    }
}

/// A retry after a wait, if time allows.
fn grant_freely((after, wait): (Duration, Wait), left: Option<Duration>) -> RetryDecision {
    match left {
        Some(left) if left <= after => RetryDecision::No(NoRetry::Deadline),
        _ => RetryDecision::Retry { after, wait, permit: None },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
