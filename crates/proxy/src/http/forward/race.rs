//! Tries beside each other: one that has used up the time of one try goes on while the next begins, and the first good answer
//! counts (Envoy's `hedge_on_per_try_timeout`). The others are given up, so that their upstreams can stop.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use ripstop_policy::host::HostEntry;
use ripstop_policy::limits::Permit;
use ripstop_policy::outlier::Outcome;
use ripstop_policy::retry::{Attempt, NoRetry, RetryDecision};
use tokio::time::Sleep;

use super::choose::Chosen;
use super::tries::Tries;
use super::{Ending, Forwarding, RequestOver, Tried};
use crate::error::ProxyError;
use crate::http::attempt::{SentOver, attempt, record};
use crate::http::deadline::Deadline;

/// A try that is over.
struct Landed {
    number: u32,
    entry: Arc<HostEntry>,
    sent_over: SentOver,
    tried: Tried,
}

/// A try that begins soon.
struct Waiting {
    until: Pin<Box<Sleep>>,
    permit: Option<Permit>,
}

/// How a race ended.
struct Won {
    landed: Landed,
    reason: NoRetry,
}

type Flight<'f> = Pin<Box<dyn Future<Output = Landed> + 'f>>;

impl Forwarding<'_> {
    /// Tries until there is something to tell the client.
    pub(super) async fn race(&mut self, tries: &mut Tries) -> Ending {
        let won = self.fly(tries).await;
        self.stream.facts.attempts = tries.retry.attempt_number();
        let Won { landed, reason } = match won {
            Ok(won) => won,
            Err(RequestOver(error)) => {
                self.change_cluster(error)?;
                return self.one_after_the_other(tries).await;
            }
        };
        self.stream.goes_to(&landed.entry);
        let refused = landed.tried.as_ref().err().and_then(|failed| failed.refused.as_ref());
        self.stream.went_over(landed.sent_over, refused);
        self.mark(reason, tries);
        if let Ok((_, request)) = &landed.tried {
            self.note_answer(request.answered());
        }
        landed.tried.map_err(|failed| failed.error)
    }

    async fn fly(&self, tries: &mut Tries) -> Result<Won, RequestOver> {
        let mut flying: FuturesUnordered<Flight<'_>> = FuturesUnordered::new();
        let mut waiting: Option<Waiting> = None;
        let mut limit = Deadline::new(self.times.per_try, &self.stream.progress);
        let mut newest = self.take_off(tries, &flying)?;
        // Whether the newest try was not found slow yet.
        let mut timed = true;
        limit.restart();
        loop {
            tokio::select! {
                biased;
                Some(landed) = flying.next() => {
                    let raced = !timed || landed.number != tries.retry.attempt_number();
                    let others = !flying.is_empty() || waiting.is_some();
                    match self.land(tries, landed, raced, others)? {
                        Landing::Won(won) => return Ok(*won),
                        Landing::Lost => {}
                        Landing::Again(again) => waiting = Some(again),
                    }
                }
                never = self.stream.ticks() => match never {},
                error = tries.clock.over() => {
                    // It is the newest try that has been silent, or all of them that were too slow.
                    return match self.timed_out(&newest, error)? {
                        Err(failed) => Err(RequestOver(failed.error)),
                        Ok(_) => Err(RequestOver(error)),
                    };
                }
                () = limit.over(), if timed => {
                    timed = false;
                    self.cluster.active.lasting.stats.of(self.worker.id).rq_per_try_timeout.inc();
                    record(&self.cluster, &newest.entry, Outcome::Timeout, newest.trial.as_ref());
                    if let RetryDecision::Retry { after, permit, .. } = self.decide_to_hedge(tries) {
                        waiting = Some(Waiting::new(after, permit));
                    }
                }
                () = until(&mut waiting) => {
                    tries.permit = waiting.take().and_then(|waiting| waiting.permit);
                    newest = self.take_off(tries, &flying)?;
                    timed = true;
                    limit = Deadline::new(self.times.per_try, &self.stream.progress);
                    limit.restart();
                }
            }
        }
    }

    /// Begins a try.
    fn take_off<'f>(
        &'f self,
        tries: &mut Tries,
        flying: &FuturesUnordered<Flight<'f>>,
    ) -> Result<Chosen, RequestOver> {
        let chosen = self.choose(tries).map_err(RequestOver)?;
        let entry = chosen.entry.clone();
        tries.tried.push(entry.clone());
        let (number, sent_over) = (tries.retry.attempt_number(), SentOver::default());
        let outgoing = self.prepare(&chosen, tries);
        flying.push(Box::pin(async move {
            let tried = attempt(&self.cluster, self.worker, &entry, outgoing, &sent_over).await;
            Landed { number, entry, sent_over, tried }
        }));
        Ok(chosen)
    }

    /// What follows from the end of a try. `raced`: another one was begun, or could not be begun, because of it.
    fn land(
        &self,
        tries: &mut Tries,
        landed: Landed,
        raced: bool,
        others: bool,
    ) -> Result<Landing, RequestOver> {
        let attempt = match &landed.tried {
            Ok((response, request)) => tries.judge(response, request),
            Err(failed) if failed.error.is_clients() || failed.error == ProxyError::Overflow => {
                return Err(RequestOver(failed.error));
            }
            Err(failed) => failed.attempt,
        };
        if raced && others && tries.retry.would_retry(&attempt) {
            landed.give_up();
            return Ok(Landing::Lost);
        }
        match self.decide(tries, &attempt) {
            RetryDecision::Retry { after, permit, .. } => {
                landed.give_up();
                Ok(Landing::Again(Waiting::new(after, permit)))
            }
            RetryDecision::No(reason) if others && is_bad(reason, &attempt) => {
                landed.give_up();
                Ok(Landing::Lost)
            }
            RetryDecision::No(reason) => Ok(Landing::Won(Box::new(Won { landed, reason }))),
        }
    }
}

/// Whether something better may come from a try that is still under way.
fn is_bad(reason: NoRetry, attempt: &Attempt) -> bool {
    reason != NoRetry::NotRetriable
        || !matches!(attempt.outcome, ripstop_policy::retry::AttemptOutcome::Status(_))
}

enum Landing {
    /// This is what the client gets.
    Won(Box<Won>),
    /// Something better may come.
    Lost,
    /// Another try begins soon.
    Again(Waiting),
}

impl Landed {
    fn give_up(self) {
        if let Ok((response, request)) = self.tried {
            request.discard(response);
        }
    }
}

impl Waiting {
    fn new(after: Duration, permit: Option<Permit>) -> Waiting {
        Waiting { until: Box::pin(tokio::time::sleep(after)), permit }
    }
}

/// Waits until the next try begins; for ever where there is none.
async fn until(waiting: &mut Option<Waiting>) {
    match waiting {
        Some(waiting) => waiting.until.as_mut().await,
        None => std::future::pending().await,
    }
}
