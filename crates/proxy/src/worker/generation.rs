//! A generation as one worker sees it: with the balancers and pools of that worker beside the clusters.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::cluster::WorkerCluster;
use crate::generation::Generation;
use crate::generation::cluster::ActiveCluster;
use crate::generation::slot::ClusterSlot;

/// A [`Generation`] with what one worker adds to it.
pub struct WorkerGeneration {
    /// What all workers share.
    pub shared: Arc<Generation>,
    /// By slot; made when a request first needs the cluster.
    clusters: RefCell<Vec<Option<Rc<WorkerCluster>>>>,
}

impl WorkerGeneration {
    /// Takes over the pools of the clusters that were in use before.
    pub fn new(shared: Arc<Generation>, previous: Option<&WorkerGeneration>) -> WorkerGeneration {
        let mut clusters = vec![None; shared.clusters.len()];
        if let Some(previous) = previous {
            for (index, old) in previous.clusters.borrow().iter().enumerate() {
                let (Some(old), Some(Some(active))) = (old, shared.clusters.get(index)) else { continue };
                clusters[index] = old.succeed(active, shared.home.as_ref());
            }
        }
        WorkerGeneration { shared, clusters: RefCell::new(clusters) }
    }

    /// The cluster of a slot, if it is there.
    pub fn cluster(&self, slot: &ClusterSlot, seed: impl FnOnce() -> u64) -> Option<Rc<WorkerCluster>> {
        let active: &Arc<ActiveCluster> = self.shared.cluster(slot)?;
        let mut clusters = self.clusters.borrow_mut();
        let place = clusters.get_mut(slot.index())?;
        Some(
            place
                .get_or_insert_with(|| {
                    Rc::new(WorkerCluster::new(active.clone(), self.shared.home.as_ref(), seed()))
                })
                .clone(),
        )
    }

    /// The cluster of a name that no configuration has told before, if it is there.
    pub fn cluster_named(&self, name: &str, seed: impl FnOnce() -> u64) -> Option<Rc<WorkerCluster>> {
        self.cluster(self.shared.slots.get(name)?, seed)
    }

    /// Lets go of pooled connections that are of no use any more. Gives how many a burst had left behind.
    pub fn sweep_pools(&self, worker: usize, now: std::time::Instant) -> u64 {
        let mut surplus = 0;
        for cluster in self.clusters.borrow().iter().flatten() {
            // A request of an older generation may have brought back what was gone.
            cluster.pools.retain_hosts(|address| cluster.active.hosts.get(address).is_some());
            let swept = cluster.pools.sweep(&cluster.active, now);
            if swept.idle > 0 {
                cluster.active.lasting.stats.of(worker).cx_idle_timeout.add(swept.idle);
            }
            surplus += swept.surplus;
        }
        surplus
    }

    /// Lets go of connections to clusters in which requests wait for one, on whatever worker.
    pub fn feed_the_starving(&self) {
        for cluster in self.clusters.borrow().iter().flatten() {
            let starving = cluster.active.lasting.starving.load(std::sync::atomic::Ordering::Relaxed);
            if starving > 0 {
                cluster.pools.let_go(starving);
            }
        }
    }
}
