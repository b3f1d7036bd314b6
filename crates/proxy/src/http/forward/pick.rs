//! Which endpoint the next try goes to.

use std::sync::Arc;
use std::time::Instant;

use ripstop_model::route::RetryPolicy;
use ripstop_policy::balance::{NoHost, Pick, PickContext};
use ripstop_policy::host::{Host, HostEntry};

use super::Forwarding;
use super::tries::Tries;

impl Forwarding<'_> {
    /// An endpoint; for a retry one that the policy wants, if there is one.
    /// Those `closed_to` requests are left out as long as there are others.
    pub(super) fn pick(&self, tries: &Tries, closed_to: &[Arc<Host>]) -> Option<Arc<HostEntry>> {
        let policy = tries.retry.rules().map(|rules| rules.policy());
        let Some(policy) = policy.filter(|_| !tries.tried.is_empty()) else {
            return self.pick_avoiding(closed_to);
        };
        let mut avoid = closed_to.to_vec();
        if policy.avoid_previous_hosts {
            avoid.extend(tries.tried.iter().map(|entry| entry.host.clone()));
        }
        let entry = self.pick_avoiding(&avoid)?;
        if !is_unwanted(policy, &entry, tries) {
            return Some(entry);
        }
        // As in Envoy, what is unwanted is taken when looking for something else took too often.
        let mut last = entry;
        for _ in 0..policy.host_selection_attempts {
            avoid.push(last.host.clone());
            let Some(entry) = self.pick_avoiding(&avoid) else { break };
            let wanted = !is_unwanted(policy, &entry, tries);
            last = entry;
            if wanted {
                break;
            }
        }
        Some(last)
    }

    /// Any endpoint.
    pub(in crate::http) fn pick_any(&self) -> Option<Arc<HostEntry>> {
        self.pick_avoiding(&[])
    }

    fn pick_avoiding(&self, avoid: &[Arc<Host>]) -> Option<Arc<HostEntry>> {
        let mut balancer = self.cluster.balancer.borrow_mut();
        let stats = self.cluster.active.lasting.stats.of(self.worker.id);
        let now = Instant::now();
        let (hash, labels) = (self.affinity.hash, self.subset);
        let lasting = &self.cluster.active.lasting;
        let under_way = [&lasting.limits, &lasting.high_limits].map(|limits| limits.under_way().requests);
        let active = Some(under_way[0].saturating_add(under_way[1]));
        let mut pick = |tried: &[Arc<Host>]| {
            let context = PickContext { hash, labels, active, ..PickContext::avoiding(tried, now) };
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
                Some(entry)
            }
            Pick::None(_) => {
                stats.cx_none_healthy.inc();
                None
            }
        }
    }
}

/// Whether a retry leaves the endpoint alone, besides those that were tried.
fn is_unwanted(policy: &RetryPolicy, entry: &HostEntry, tries: &Tries) -> bool {
    let labels = &entry.endpoint.labels;
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
