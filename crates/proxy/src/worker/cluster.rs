//! A cluster in one worker: its balancer and its connection pools.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ripstop_model::load_balancing::LocalityBalancing;
use ripstop_policy::balance::Balancer;
use ripstop_policy::balance::zone::Home;

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
    home: Option<Home>,
    seed: u64,
}

impl WorkerCluster {
    /// A cluster without connections.
    pub fn new(active: Arc<ActiveCluster>, home: Option<&Home>, seed: u64) -> WorkerCluster {
        let home = home_of(&active, home);
        let balancer = RefCell::new(balancer(&active, home.clone(), seed));
        WorkerCluster { active, balancer, pools: Rc::default(), home, seed }
    }

    /// What becomes of this one when `active` takes its place. Nothing where another cluster has got the slot.
    pub fn succeed(
        self: &Rc<Self>,
        active: &Arc<ActiveCluster>,
        home: Option<&Home>,
    ) -> Option<Rc<WorkerCluster>> {
        let home = home_of(active, home);
        let peers = |home: &Option<Home>| home.as_ref().map(|home| Arc::as_ptr(&home.peers));
        if Arc::ptr_eq(&self.active, active) && peers(&self.home) == peers(&home) {
            return Some(self.clone());
        }
        if self.active.name() != active.name() || !self.active.same_transport(active) {
            return None;
        }
        self.pools.retain_hosts(|address| active.hosts.get(address).is_some());
        let balancer = RefCell::new(balancer(active, home.clone(), self.seed));
        Some(Rc::new(WorkerCluster {
            active: active.clone(),
            balancer,
            pools: self.pools.clone(),
            home,
            seed: self.seed,
        }))
    }
}

fn balancer(active: &ActiveCluster, home: Option<Home>, seed: u64) -> Balancer {
    Balancer::new(active.config.lb.clone(), active.hosts.clone(), home, seed, Instant::now())
}

/// Where the proxy is, as far as that matters: not for the cluster that it belongs to itself.
fn home_of(active: &ActiveCluster, home: Option<&Home>) -> Option<Home> {
    let zone_aware = matches!(active.config.lb.locality, LocalityBalancing::ZoneAware { .. });
    home.filter(|home| zone_aware && !Arc::ptr_eq(&home.peers, &active.hosts)).cloned()
}
