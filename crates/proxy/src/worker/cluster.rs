//! A cluster in one worker: its balancer and its connection pools.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ripstop_policy::balance::Balancer;

use crate::generation::cluster::ActiveCluster;
use crate::upstream::pool::Pools;

/// An [`ActiveCluster`] with what one worker adds to it.
pub struct WorkerCluster {
    /// What all workers share.
    pub active: Arc<ActiveCluster>,
    /// Chooses an endpoint.
    pub balancer: RefCell<Balancer>,
    /// Connections that can be used again.
    pub pools: Rc<Pools>,
    seed: u64,
}

impl WorkerCluster {
    /// A cluster without connections.
    pub fn new(active: Arc<ActiveCluster>, seed: u64) -> WorkerCluster {
        let balancer = RefCell::new(balancer(&active, seed));
        WorkerCluster { active, balancer, pools: Rc::default(), seed }
    }

    /// What becomes of this one when `active` takes its place. Nothing where another cluster has got the slot.
    pub fn succeed(self: &Rc<Self>, active: &Arc<ActiveCluster>) -> Option<Rc<WorkerCluster>> {
        if Arc::ptr_eq(&self.active, active) {
            return Some(self.clone());
        }
        if self.active.name() != active.name() || !self.active.same_transport(active) {
            return None;
        }
        self.pools.retain_hosts(|address| active.hosts.get(address).is_some());
        let balancer = RefCell::new(balancer(active, self.seed));
        Some(Rc::new(WorkerCluster {
            active: active.clone(),
            balancer,
            pools: self.pools.clone(),
            seed: self.seed,
        }))
    }
}

fn balancer(active: &ActiveCluster, seed: u64) -> Balancer {
    Balancer::new(active.config.lb.clone(), active.hosts.clone(), None, seed, Instant::now())
}
