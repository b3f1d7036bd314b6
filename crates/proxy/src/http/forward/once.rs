//! One try of a request, within its own time and that of the request.

use std::time::Duration;

use http::HeaderValue;
use ripstop_policy::deadline::TimeLeft;
use ripstop_policy::outlier::Outcome;
use ripstop_policy::retry::{Attempt, AttemptOutcome};

use super::choose::Chosen;
use super::tries::Tries;
use super::{Forwarding, RequestOver, Tried};
use crate::error::ProxyError;
use crate::http::attempt::{Failed, Outgoing, SentOver, attempt, record};
use crate::http::deadline::Deadline;
use crate::http::headers::{X_ENVOY_ATTEMPT_COUNT, X_RIPSTOP_ATTEMPT, X_RIPSTOP_TIMEOUT_MS};
use crate::http::rewrite::endpoint_host;

impl Forwarding<'_> {
    /// Sends it to an endpoint and waits for the head of the answer, for as long as one try may take.
    pub(super) async fn try_once(
        &self,
        chosen: &Chosen,
        tries: &mut Tries,
        sent_over: &SentOver,
    ) -> Result<Tried, RequestOver> {
        let entry = &chosen.entry;
        let outgoing = self.prepare(chosen, tries);
        let sending = attempt(&self.cluster, self.worker, entry, outgoing, sent_over);
        let stats = self.cluster.active.lasting.stats.of(self.worker.id);
        let mut try_limit = Deadline::new(self.times.per_try, &self.stream.progress);
        // A try that begins after the request was whole has its time from its own beginning.
        try_limit.restart();
        tokio::select! {
            biased;
            tried = sending => Ok(tried),
            never = self.stream.ticks() => match never {},
            error = tries.clock.over() => self.timed_out(chosen, error),
            () = try_limit.over() => {
                stats.rq_per_try_timeout.inc();
                record(&self.cluster, entry, Outcome::Timeout, chosen.trial.as_ref());
                Ok(Err(timeout(ProxyError::PerTryTimeout)))
            }
        }
    }

    /// A time limit of the request is exceeded. Silence ends the try alone, everything else the request.
    pub(super) fn timed_out(&self, chosen: &Chosen, error: ProxyError) -> Result<Tried, RequestOver> {
        let stats = self.cluster.active.lasting.stats.of(self.worker.id);
        let Chosen { entry, trial } = chosen;
        match error {
            ProxyError::PerTryIdle => {
                stats.rq_per_try_idle_timeout.inc();
                record(&self.cluster, entry, Outcome::Timeout, trial.as_ref());
                Ok(Err(timeout(error)))
            }
            ProxyError::UpstreamMaxDuration => {
                record(&self.cluster, entry, Outcome::Timeout, trial.as_ref());
                let attempt = Attempt::new(AttemptOutcome::Reset);
                Ok(Err(Failed { attempt, error, body: None, refused: None }))
            }
            ProxyError::RequestTimeout => {
                stats.rq_timeout.inc();
                record(&self.cluster, entry, Outcome::Timeout, trial.as_ref());
                Err(RequestOver(error))
            }
            // A client that stopped sending is no fault of the endpoint.
            _ => Err(RequestOver(error)),
        }
    }

    /// The time that is left, where the upstream is told.
    fn time_to_tell(&self) -> Option<HeaderValue> {
        if self.tunnel.is_some() || !(self.told.is_some() || self.cluster.active.in_mesh) {
            return None;
        }
        // As long as the request is not whole, the time of its route does not count.
        let since_whole = self.stream.progress.ended_at().map_or(Duration::ZERO, |whole| whole.elapsed());
        let left = TimeLeft {
            told: self.told.map(|told| (told, self.stream.started().elapsed())),
            timeout: self.times.timeout.map(|timeout| (timeout, since_whole)),
        };
        u64::try_from(left.shortest()?.as_millis()).ok().map(HeaderValue::from)
    }

    /// What a try sends. Its place in the budget goes with it.
    pub(super) fn prepare(&self, chosen: &Chosen, tries: &mut Tries) -> Outgoing {
        tries.clock.begin_try(self.cluster.active.config.http.limits.max_stream_duration);
        let retry = &tries.retry;
        let mut headers = self.headers.clone();
        // The first try has all the time there is; the others what is left, in whole milliseconds.
        let whole = self.stream.progress.ended_at().filter(|_| retry.attempt_number() > 1);
        let elapsed = whole.map_or(0, |whole| whole.elapsed().as_millis());
        let elapsed = Duration::from_millis(u64::try_from(elapsed).unwrap_or(u64::MAX));
        let expected = !self.manager.config.router.suppress_envoy_headers;
        self.times.announce(&mut headers, elapsed, expected);
        self.stream.progress.touch();
        let mut target = self.target.clone();
        if let Some(left) = self.time_to_tell() {
            headers.insert(X_RIPSTOP_TIMEOUT_MS, left);
        }
        if let Some(number) = retry.attempt_header() {
            headers.insert(X_RIPSTOP_ATTEMPT, HeaderValue::from(number));
        }
        if self.route.request_attempt_count {
            headers.insert(X_ENVOY_ATTEMPT_COUNT, HeaderValue::from(retry.attempt_number()));
        }
        endpoint_host(&mut target, &mut headers, self.route, &chosen.entry.endpoint.hostname, expected);
        let asked = self.tunnel.as_ref().map(|tunnel| tunnel.asked.clone());
        let body = tries.source.take(tries.hedged);
        let method = self.method.clone();
        Outgoing {
            method,
            target,
            headers,
            body,
            asked,
            client: self.stream.client_ends(),
            trial: chosen.trial.clone(),
            priority: self.route.priority,
            retry: tries.permit.take(),
            http2: !self.stream.is_http1(),
            spelling: self.spelling.clone(),
        }
    }
}

/// A try that took too long.
fn timeout(error: ProxyError) -> Failed {
    Failed { attempt: Attempt::new(AttemptOutcome::PerTryTimeout), error, body: None, refused: None }
}
