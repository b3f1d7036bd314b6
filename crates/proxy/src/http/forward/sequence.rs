//! One try after the other, until one is good or no more are allowed.

use http::Response;
use hyper::body::Incoming;
use ripstop_policy::retry::{Attempt, RetryDecision};

use super::tries::Tries;
use super::{Ending, Forwarding, RequestOver, wait};
use crate::error::ProxyError;
use crate::http::attempt::{SentOver, UpstreamRequest};

/// A try that is over, as far as the next one is concerned.
struct Ended {
    answer: Option<(Response<Incoming>, UpstreamRequest)>,
    attempt: Attempt,
    /// What the client learns if there is no answer.
    error: ProxyError,
}

impl Forwarding<'_> {
    /// Tries until there is something to tell the client.
    pub(super) async fn one_after_the_other(&mut self, tries: &mut Tries) -> Ending {
        loop {
            let ended = match self.once(tries).await {
                Ok(ended) => ended,
                Err(RequestOver(error)) => {
                    self.change_cluster(error)?;
                    continue;
                }
            };
            match self.decide(tries, &ended.attempt) {
                RetryDecision::Retry { after, permit, .. } => {
                    tries.permit = permit;
                    if let Some((response, request)) = ended.answer {
                        request.discard(response);
                    }
                    wait(after, &mut tries.clock).await.map_err(|RequestOver(error)| error)?;
                }
                RetryDecision::No(reason) => {
                    self.mark(reason, tries);
                    return ended.answer.ok_or(ended.error);
                }
            }
        }
    }

    /// One try, and what became of it. An error ends the request.
    async fn once(&mut self, tries: &mut Tries) -> Result<Ended, RequestOver> {
        self.stream.facts.attempts = tries.retry.attempt_number();
        let chosen = self.choose(tries).map_err(RequestOver)?;
        self.stream.goes_to(&chosen.entry);
        let sent_over = SentOver::default();
        let tried = self.try_once(&chosen, tries, &sent_over).await;
        let refused = tried.as_ref().ok().and_then(|tried| tried.as_ref().err()?.refused.as_ref());
        self.stream.went_over(sent_over, refused);
        tries.tried.push(chosen.entry);
        match tried? {
            Ok((response, request)) => {
                self.note_answer(request.answered());
                let attempt = tries.judge(&response, &request);
                Ok(Ended { answer: Some((response, request)), attempt, error: ProxyError::UpstreamReset })
            }
            Err(failed) if failed.error.is_clients() || failed.error == ProxyError::Overflow => {
                if failed.error == ProxyError::Overflow && failed.refused.is_some() {
                    // As in Envoy, who waits for a connection in vain has come to no endpoint.
                    self.stream.facts.host = None;
                }
                Err(RequestOver(failed.error))
            }
            Err(failed) => {
                tries.source.put_back(failed.body);
                Ok(Ended { answer: None, attempt: failed.attempt, error: failed.error })
            }
        }
    }
}
