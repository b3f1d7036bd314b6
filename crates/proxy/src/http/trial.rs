//! One try before the circuit breaker: whether it is let through, and how it went. Transitions are told to the log and the
//! counters here.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ripstop_model::Address;
use ripstop_policy::breaker::{Breaker, Outcome as CallOutcome, Pass, State, Transition};
use ripstop_policy::host::HostEntry;
use ripstop_policy::outlier::Outcome;

use crate::generation::breakers::Breakers;
use crate::generation::cluster::ActiveCluster;
use crate::worker::cluster::WorkerCluster;

/// A try that was let through. Whoever learns first how it went says so; if nobody does, it counts as never made.
pub struct Trial {
    pass: Cell<Option<Pass>>,
    cluster: Rc<WorkerCluster>,
    worker: usize,
    /// Whose breaker it is; `None`: that of the cluster.
    endpoint: Option<Address>,
    began: Instant,
}

/// A try is not let through.
pub struct NotLetThrough;

impl Trial {
    /// Asks for a try at an endpoint; `None`: the cluster has no breaker.
    pub fn ask(
        cluster: &Rc<WorkerCluster>,
        worker: usize,
        entry: &HostEntry,
    ) -> Result<Option<Rc<Trial>>, NotLetThrough> {
        let (breaker, endpoint): (&Arc<Breaker>, _) = match &cluster.active.breakers {
            Breakers::None => return Ok(None),
            Breakers::Cluster(breaker) => (breaker, None),
            Breakers::Endpoints(breakers) => match breakers.get(entry.index) {
                Some(breaker) => (breaker, Some(entry.host.address())),
                None => return Ok(None),
            },
        };
        let now = Instant::now();
        let (passed, transition) = breaker.admit(now);
        if let Some(transition) = transition {
            tell(&cluster.active, worker, endpoint, &transition);
        }
        match passed {
            Ok(pass) => Ok(Some(Rc::new(Trial {
                pass: Cell::new(Some(pass)),
                cluster: cluster.clone(),
                worker,
                endpoint: endpoint.cloned(),
                began: now,
            }))),
            Err(refused) => {
                tracing::debug!(cluster = %cluster.active.name(), host = %entry.host.address(), %refused, "not tried");
                Err(NotLetThrough)
            }
        }
    }

    /// How it went.
    pub fn ended(&self, outcome: Outcome) {
        let Some(pass) = self.pass.take() else { return };
        let now = Instant::now();
        let took = now.saturating_duration_since(self.began);
        if let Some(transition) = pass.record(CallOutcome { failed: outcome.is_failure(), took }, now) {
            tell(&self.cluster.active, self.worker, self.endpoint.as_ref(), &transition);
        }
    }
}

/// Tells the log and the counters that a breaker changed its state.
fn tell(cluster: &ActiveCluster, worker: usize, endpoint: Option<&Address>, transition: &Transition) {
    let stats = cluster.lasting.stats.of(worker);
    match transition.to {
        State::Open => stats.breaker_opened.inc(),
        State::HalfOpen => stats.breaker_half_opened.inc(),
        State::Closed => stats.breaker_closed.inc(),
    }
    let counts = transition.cause.counts().unwrap_or_default();
    tracing::warn!(
        cluster = %cluster.name(),
        host = endpoint.map(tracing::field::display),
        from = transition.from.as_str(),
        to = transition.to.as_str(),
        cause = transition.cause.as_str(),
        requests = counts.total,
        failed = counts.failed,
        slow = counts.slow,
        open_for_ms = transition.open_for.map(|open_for| open_for.as_millis()),
        "circuit breaker"
    );
}
