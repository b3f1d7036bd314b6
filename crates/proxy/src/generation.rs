//! One whole configuration, compiled: what a request needs is looked up here and nowhere else.
//!
//! A generation never changes. Building one is [`compile`]; the parts that outlive it (counters, limits,
//! hosts) are shared from one to the next.

pub mod addresses;
pub mod breakers;
pub mod cluster;
pub mod compile;
pub mod filters;
pub mod http_rules;
pub mod listener;
pub mod listener_filter;
pub mod mirrors;
pub mod network_filter;
pub mod routes;
pub mod slot;
pub mod transport;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ripstop_model::{Name, Snapshot};
use ripstop_policy::balance::zone::Home;

use cluster::ActiveCluster;
use listener::ActiveListener;
use routes::CompiledRoutes;
use slot::ClusterSlot;

/// A compiled [`Snapshot`].
pub struct Generation {
    /// 1 for the first, one more for each that follows.
    pub id: u64,
    /// What it was compiled from.
    pub snapshot: Arc<Snapshot>,
    /// By listener name.
    pub listeners: BTreeMap<Name, Arc<ActiveListener>>,
    /// The route configurations from RDS, by name.
    pub routes: BTreeMap<Name, Arc<CompiledRoutes>>,
    /// By [`ClusterSlot::index`]; `None` where a route names a cluster that is not there.
    pub clusters: Vec<Option<Arc<ActiveCluster>>>,
    /// The slots of the clusters that are there, by name: for requests that name their cluster themselves.
    pub slots: HashMap<Name, Arc<ClusterSlot>>,
    /// Where the proxy is among its likes, where that is known.
    pub home: Option<Home>,
}

impl Generation {
    /// The generation before the first configuration: nothing.
    pub fn empty() -> Generation {
        Generation {
            id: 0,
            snapshot: Arc::default(),
            listeners: BTreeMap::new(),
            routes: BTreeMap::new(),
            clusters: Vec::new(),
            slots: HashMap::new(),
            home: None,
        }
    }

    /// The cluster that a route names, if it is there.
    pub fn cluster(&self, slot: &ClusterSlot) -> Option<&Arc<ActiveCluster>> {
        self.clusters.get(slot.index())?.as_ref()
    }

    /// Every cluster, in no particular order.
    pub fn all_clusters(&self) -> impl Iterator<Item = &Arc<ActiveCluster>> {
        self.clusters.iter().flatten()
    }
}
