//! Which endpoint a try goes to, as far as balancer and circuit breaker agree, and what takes its place where they do not.

use std::rc::Rc;
use std::sync::Arc;

use http::Response;
use ripstop_policy::host::{Host, HostEntry};

use super::Forwarding;
use super::tries::Tries;
use crate::error::{At, ProxyError};
use crate::generation::breakers::{Breakers, CompiledFallback};
use crate::http::reply;
use crate::http::response_body::ResponseBody;
use crate::http::trial::{NotLetThrough, Trial};

/// How many endpoints with an open breaker are passed over before a request is given up.
const MAX_PASSED_OVER: usize = 32;

/// An endpoint, and the try at it as its breaker sees it.
pub(super) struct Chosen {
    pub(super) entry: Arc<HostEntry>,
    pub(super) trial: Option<Rc<Trial>>,
}

impl Forwarding<'_> {
    /// An endpoint that may be tried.
    pub(super) fn choose(&self, tries: &Tries) -> Result<Chosen, ProxyError> {
        let mut closed_to: Vec<Arc<Host>> = Vec::new();
        loop {
            let entry = self.pick(tries, &closed_to)?;
            // Where every endpoint is left out, one of these comes again.
            let again = closed_to.iter().any(|host| Arc::ptr_eq(host, &entry.host));
            if !again {
                match Trial::ask(&self.cluster, self.worker.id, &entry) {
                    Ok(trial) => return Ok(Chosen { entry, trial }),
                    Err(NotLetThrough) => closed_to.push(entry.host.clone()),
                }
            }
            let whole = matches!(self.cluster.active.breakers, Breakers::Cluster(_));
            if again || whole || closed_to.len() >= MAX_PASSED_OVER {
                self.cluster.active.lasting.stats.of(self.worker.id).rq_breaker_open.inc();
                return Err(ProxyError::BreakerOpen);
            }
        }
    }

    /// Goes on with another cluster where that is what takes the place of requests that the breaker does not let through.
    pub(super) fn change_cluster(&mut self, error: ProxyError) -> Result<(), ProxyError> {
        let fallback = self.cluster.active.fallback.as_ref().filter(|_| !self.fell_back);
        let Some(CompiledFallback::Cluster(slot)) = fallback.filter(|_| error == ProxyError::BreakerOpen)
        else {
            return Err(error);
        };
        let seed = || self.worker.dice(|rng| rng.u64(..));
        let cluster = self.generation.cluster(slot, seed).ok_or(error)?;
        self.cluster.active.lasting.stats.of(self.worker.id).rq_breaker_fallback.inc();
        self.fell_back = true;
        self.stream.facts.cluster = Some(cluster.active.name().clone());
        self.cluster = cluster;
        Ok(())
    }

    /// The answer to a request that failed: what takes its place, or the error.
    pub(in crate::http) fn fail(self, error: ProxyError) -> Response<ResponseBody> {
        let fallback = self.cluster.active.fallback.as_ref().filter(|_| !self.fell_back);
        match fallback.filter(|_| error == ProxyError::BreakerOpen) {
            Some(CompiledFallback::Response { status, content_type, body }) => {
                self.cluster.active.lasting.stats.of(self.worker.id).rq_breaker_fallback.inc();
                let (content_type, body) = (content_type.clone(), body.clone());
                reply::fallback(self.stream, self.manager, *status, content_type, body)
            }
            _ => {
                let consequence = error.consequence();
                if consequence.at == At::Upstream {
                    // As in Envoy, it is an answer of the cluster, whoever wrote it.
                    let stats = self.cluster.active.lasting.stats.of(self.worker.id);
                    stats.rq_status.inc(consequence.status.as_u16());
                }
                reply::error(self.stream, self.manager, error)
            }
        }
    }
}
