//! The tries of one request so far, what is decided after each, and what the next one needs.

use std::sync::Arc;
use std::time::SystemTime;

use http::Response;
use hyper::body::Incoming;
use ripstop_policy::host::HostEntry;
use ripstop_policy::limits::Permit;
use ripstop_policy::retry::{Attempt, AttemptOutcome, NoRetry, RetryDecision, RetryState, Wait};

use super::body_source::BodySource;
use super::{Forwarding, left};
use crate::http::attempt::UpstreamRequest;
use crate::http::deadline::Clock;

/// The tries of one request.
pub(super) struct Tries {
    /// What the policy has granted.
    pub(super) retry: RetryState,
    /// The body.
    pub(super) source: BodySource,
    /// The time of the request.
    pub(super) clock: Clock,
    /// Where it was tried.
    pub(super) tried: Vec<Arc<HostEntry>>,
    /// The next try is a retry, and this is its place in the budget.
    pub(super) permit: Option<Permit>,
    /// A try that takes too long is raced by the next.
    pub(super) hedged: bool,
    /// More of the body came than is kept, and that was counted.
    pub(super) abandoned: bool,
}

impl Tries {
    /// An answer as the retry policy sees it.
    pub(super) fn judge(&self, response: &Response<Incoming>, request: &UpstreamRequest) -> Attempt {
        let status = response.status().as_u16();
        let attempt = match self.retry.rules() {
            Some(rules) => rules.answer(status, response.headers(), SystemTime::now()),
            None => Attempt::new(AttemptOutcome::Status(status)),
        };
        Attempt { reused_connection: request.is_reused(), ..attempt }
    }
}

impl Forwarding<'_> {
    /// What is to be done after a try.
    pub(super) fn decide(&self, tries: &mut Tries, attempt: &Attempt) -> RetryDecision {
        if !tries.abandoned && tries.retry.rules().is_some() && tries.source.is_abandoned() {
            tries.abandoned = true;
            self.cluster.active.lasting.stats.of(self.worker.id).rq_retry_or_shadow_abandoned.inc();
        }
        let attempt = Attempt { body_replayable: tries.source.is_replayable(), ..*attempt };
        let (left, limits) = (left(&tries.clock), self.cluster.active.lasting.limits_of(self.route.priority));
        let decision = self.worker.dice(|rng| tries.retry.decide(&attempt, left, limits, rng));
        let answered = matches!(attempt.outcome, AttemptOutcome::Status(_));
        self.count(&decision, answered && tries.retry.attempt_number() > 1);
        decision
    }

    /// Whether another try begins beside one that takes too long.
    pub(super) fn decide_to_hedge(&self, tries: &mut Tries) -> RetryDecision {
        let replayable = tries.source.is_replayable();
        let (left, limits) = (left(&tries.clock), self.cluster.active.lasting.limits_of(self.route.priority));
        let decision = self.worker.dice(|rng| tries.retry.hedge(replayable, left, limits, rng));
        self.count(&decision, false);
        decision
    }

    fn count(&self, decision: &RetryDecision, retry_succeeded: bool) {
        let stats = self.cluster.active.lasting.stats.of(self.worker.id);
        match decision {
            RetryDecision::Retry { wait, .. } => {
                stats.rq_retry.inc();
                match wait {
                    Wait::Backoff => stats.rq_retry_backoff_exponential.inc(),
                    Wait::Asked => stats.rq_retry_backoff_ratelimited.inc(),
                    Wait::Nothing => {}
                }
            }
            RetryDecision::No(NoRetry::Exhausted) => stats.rq_retry_limit_exceeded.inc(),
            RetryDecision::No(NoRetry::Budget) => stats.rq_retry_overflow.inc(),
            RetryDecision::No(NoRetry::Body) => {
                stats.rq_retry_body_too_large.inc();
                tracing::debug!(
                    cluster = %self.cluster.active.name(),
                    limit_bytes = self.route.body_buffer_bytes,
                    "not tried again: the body of the request is larger than what is kept of it"
                );
            }
            RetryDecision::No(_) => {
                if retry_succeeded {
                    stats.rq_retry_success.inc();
                }
            }
        }
    }

    /// Marks the request with why there is no further try.
    pub(super) fn mark(&mut self, reason: NoRetry, tries: &Tries) {
        // As in Envoy, also where the policy allows none at all.
        if let Some(flag) = reason.flag().filter(|_| tries.retry.rules().is_some()) {
            self.stream.facts.flags.insert(flag);
        }
    }
}
