//! Which endpoint the next try goes to.

use std::sync::Arc;
use std::time::Instant;

use ripstop_model::route::RetryPolicy;
use ripstop_policy::balance::{NoHost, Pick, PickContext};
use ripstop_policy::host::{Host, HostEntry};

use super::Forwarding;
use super::tries::Tries;
use crate::error::ProxyError;

impl Forwarding<'_> {
    /// An endpoint; for a retry one that the policy wants, if there is one.
    /// Those `closed_to` requests are left out as long as there are others.
    pub(super) fn pick(&self, tries: &Tries, closed_to: &[Arc<Host>]) -> Result<Arc<HostEntry>, ProxyError> {
        let policy = tries.retry.rules().map(|rules| rules.policy());
        let Some(policy) = policy.filter(|_| !tries.tried.is_empty()) else {
            // As in Envoy, a retry is not bound to the endpoint of its session.
            return self.pick_avoiding(closed_to, tries.tried.is_empty());
        };
        let mut avoid = closed_to.to_vec();
        if policy.avoid_previous_hosts {
            avoid.extend(tries.tried.iter().map(|entry| entry.host.clone()));
        }
        let entry = self.pick_avoiding(&avoid, false)?;
        if !is_unwanted(policy, &entry, tries) {
            return Ok(entry);
        }
        // As in Envoy, what is unwanted is taken when looking for something else took too often.
        let mut last = entry;
        for _ in 0..policy.host_selection_attempts {
            avoid.push(last.host.clone());
            let Ok(entry) = self.pick_avoiding(&avoid, false) else { break };
            let wanted = !is_unwanted(policy, &entry, tries);
            last = entry;
            if wanted {
                break;
            }
        }
        Ok(last)
    }

    /// Any endpoint.
    pub(in crate::http) fn pick_any(&self) -> Result<Arc<HostEntry>, ProxyError> {
        self.pick_avoiding(&[], true)
    }

    /// `in_session`: the one that the session of the request belongs to, if it does to any.
    fn pick_avoiding(&self, avoid: &[Arc<Host>], in_session: bool) -> Result<Arc<HostEntry>, ProxyError> {
        let mut balancer = self.cluster.balancer.borrow_mut();
        let stats = self.cluster.active.lasting.stats.of(self.worker.id);
        let now = Instant::now();
        let (hash, labels) = (self.affinity.hash, self.subset);
        let lasting = &self.cluster.active.lasting;
        let under_way = [&lasting.limits, &lasting.high_limits].map(|limits| limits.under_way().requests);
        let active = Some(under_way[0].saturating_add(under_way[1]));
        let session = self.stream.session().filter(|_| in_session).and_then(|session| session.host());
        let mut pick = |tried: &[Arc<Host>]| {
            let context = PickContext { hash, labels, active, session, ..PickContext::avoiding(tried, now) };
            self.worker.dice(|rng| balancer.pick(&context, rng))
        };
        let picked = match pick(avoid) {
            Pick::None(NoHost::AllTried) => pick(&[]),
            picked => picked,
        };
        match picked {
            Pick::Host { entry, panic } => {
                if panic {
                    stats.lb_healthy_panic.inc();
                }
                Ok(entry)
            }
            Pick::None(why) => {
                stats.cx_none_healthy.inc();
                Err(match why {
                    NoHost::SessionHostGone => ProxyError::SessionHostGone,
                    _ => ProxyError::NoHealthyUpstream,
                })
            }
        }
    }
}

/// Whether a retry leaves the endpoint alone, besides those that were tried.
fn is_unwanted(policy: &RetryPolicy, entry: &HostEntry, tries: &Tries) -> bool {
    let labels = &entry.endpoint.extra().labels;
    (policy.omit_canary_hosts && entry.endpoint.canary)
        || policy
            .omit_host_labels
            .iter()
            .any(|omitted| omitted.iter().all(|(name, value)| labels.get(name) == Some(value)))
        || policy
            .avoid_previous_priorities
            .is_some_and(|every| was_priority_tried(every, entry.priority, tries))
}

/// Whether a try before the last change of priorities went to this one; they change after each `every` tries, and all
/// count again once all were tried.
fn was_priority_tried(every: u32, priority: u32, tries: &Tries) -> bool {
    let every = usize::try_from(every).unwrap_or(usize::MAX);
    let settled = tries.tried.len() / every * every;
    tries.tried[..settled].iter().any(|entry| entry.priority == priority)
}
