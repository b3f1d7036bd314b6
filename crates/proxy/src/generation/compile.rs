//! From a snapshot to a generation, off the request path. What did not change is taken over as it is, so
//! that a change costs what it touches.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ripstop_model::access_log::{AccessLog, AccessLogSink};
use ripstop_model::node::LocalCluster;
use ripstop_model::{Cluster, Listener, Name, RouteConfiguration, Snapshot};
use ripstop_policy::balance::zone::Home;
use ripstop_policy::connection_count::ConnectionCount;
use ripstop_policy::route::CompileError;
use ripstop_policy::runtime::Runtime;

use super::Generation;
use super::addresses::keep_apart;
use super::breakers::fallback_cluster;
use super::cluster::{ActiveCluster, ClusterError, ClusterParts};
use super::listener::{ActiveListener, ListenerError, Parts};
use super::network_filter::SharedBuckets;
use super::routes::CompiledRoutes;
use super::slot::{ClusterSlot, ClusterSlots};
use super::transport::Transports;
use crate::access_log::AccessLogs;
use crate::access_log::reopen::Reopen;
use crate::access_log::writer::{OpenError, Sink};
use crate::health::failing::FailingHosts;
use crate::stats::registry::Registry;
use crate::tls::TlsContexts;

/// A resource that could not be compiled. The one that was in force before stays.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// A listener.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// A cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A route configuration.
    #[error("route configuration {name}: {source}")]
    Routes {
        /// Which.
        name: Name,
        /// Why.
        source: CompileError,
    },
}

/// Name of the value that limits the connections of all listeners together.
const GLOBAL_CONNECTION_LIMIT: &str = "overload.global_downstream_max_connections";

/// Compiles one generation after the other.
pub struct Compiler {
    registry: Arc<Registry>,
    tls: TlsContexts,
    slots: ClusterSlots,
    sinks: Sinks,
    runtime: Arc<Runtime>,
    connections: Arc<ConnectionCount>,
    buckets: SharedBuckets,
    /// Values set by name were changed: nothing that was compiled with the ones before may be taken over.
    stale: bool,
    failing: FailingHosts,
    local: Option<LocalCluster>,
    previous: Arc<Generation>,
    node_id: Name,
}

impl Compiler {
    /// A compiler that has seen nothing yet.
    pub fn new(registry: Arc<Registry>, tls: TlsContexts, failing: FailingHosts) -> Compiler {
        Compiler {
            registry,
            tls,
            slots: ClusterSlots::default(),
            sinks: Sinks::default(),
            runtime: Arc::default(),
            connections: Arc::default(),
            buckets: SharedBuckets::default(),
            stale: false,
            failing,
            local: None,
            previous: Arc::new(Generation::empty()),
            node_id: Name::from(""),
        }
    }

    /// The id of the proxy's node, which answers may show, from the next generation on.
    pub fn set_node(&mut self, id: Name) {
        self.node_id = id;
    }

    /// The latest generation.
    pub fn latest(&self) -> &Arc<Generation> {
        &self.previous
    }

    /// The TLS contexts of what is compiled.
    pub fn tls(&self) -> TlsContexts {
        self.tls.clone()
    }

    /// All counters.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// How many access log lines were lost.
    pub fn dropped_log_lines(&self) -> Arc<AtomicU64> {
        self.sinks.dropped.clone()
    }

    /// Asks that the files of access logs be opened again.
    pub fn reopen_access_logs(&self) -> Reopen {
        self.sinks.reopen.clone()
    }

    /// Which cluster the proxy belongs to, from the next generation on.
    pub fn set_local(&mut self, local: Option<LocalCluster>) {
        self.local = local;
    }

    /// What is set by name from the next generation on.
    pub fn set_runtime(&mut self, runtime: Arc<Runtime>) {
        self.stale |= self.runtime != runtime;
        self.connections.set_limit(runtime.whole(GLOBAL_CONNECTION_LIMIT, u32::MAX));
        self.runtime = runtime;
    }

    /// Whether what is in force was compiled with other values than those set by now.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// The next generation, and what of it had to be left as it was.
    pub fn compile(&mut self, snapshot: Arc<Snapshot>) -> (Arc<Generation>, Vec<Rejected>) {
        let previous = self.previous.clone();
        let mut rejected = Vec::new();
        self.tls.lock().replace_secrets(&snapshot.secrets);
        let routes = self.routes(&snapshot, &previous, &mut rejected);
        let listeners = self.listeners(&snapshot, &previous, &mut rejected);
        // The slots of all clusters first: their number is the length of the table.
        let named = |name: &Name| (name.clone(), self.slots.of(name));
        let fallbacks = snapshot.clusters.values().filter_map(|config| fallback_cluster(config));
        let slots: HashMap<_, _> = snapshot.clusters.keys().chain(fallbacks).map(named).collect();
        let clusters = self.clusters(&snapshot, &previous, &slots, &mut rejected);
        let home = self.local.as_ref().and_then(|local| home(local, &slots, &clusters));
        let generation =
            Generation { id: previous.id + 1, snapshot, listeners, routes, clusters, slots, home };
        self.previous = Arc::new(generation);
        self.stale = false;
        drop(previous);
        self.forget_unused();
        (self.previous.clone(), rejected)
    }

    /// Whether a listener could be compiled. Nothing of it stays.
    pub fn try_listener(&mut self, config: &Listener) -> Result<(), ListenerError> {
        let tried = ActiveListener::compile(&Arc::new(config.clone()), None, &mut self.parts()).map(drop);
        self.forget_unused();
        tried
    }

    /// The same for a cluster.
    pub fn try_cluster(&mut self, config: &Cluster) -> Result<(), ClusterError> {
        Transports::compile(config, &self.tls)
            .map(drop)
            .map_err(|source| ClusterError::Tls { cluster: config.name.clone(), source })
    }

    /// The same for a route configuration.
    pub fn try_routes(&mut self, config: &RouteConfiguration) -> Result<(), CompileError> {
        let config = Arc::new(config.clone());
        let tried = CompiledRoutes::compile(config, &mut self.slots, &self.runtime).map(drop);
        self.forget_unused();
        tried
    }

    fn forget_unused(&mut self) {
        self.slots.forget_unused();
        self.registry.forget_unused();
    }

    fn parts(&mut self) -> Parts<'_> {
        Parts {
            slots: &mut self.slots,
            registry: &self.registry,
            sinks: &mut self.sinks,
            tls: &self.tls,
            runtime: &self.runtime,
            buckets: &mut self.buckets,
            stale: self.stale,
            connections: &self.connections,
            node_id: &self.node_id,
        }
    }

    fn routes(
        &mut self,
        snapshot: &Snapshot,
        previous: &Generation,
        rejected: &mut Vec<Rejected>,
    ) -> BTreeMap<Name, Arc<CompiledRoutes>> {
        let mut routes = BTreeMap::new();
        for (name, config) in &snapshot.routes {
            let old = previous.routes.get(name);
            if let Some(same) = old.filter(|old| !self.stale && old.config == *config) {
                routes.insert(name.clone(), same.clone());
                continue;
            }
            match CompiledRoutes::compile(config.clone(), &mut self.slots, &self.runtime) {
                Ok(compiled) => {
                    routes.insert(name.clone(), Arc::new(compiled));
                }
                Err(source) => {
                    rejected.push(Rejected::Routes { name: name.clone(), source });
                    if let Some(old) = old {
                        routes.insert(name.clone(), old.clone());
                    }
                }
            }
        }
        routes
    }

    fn listeners(
        &mut self,
        snapshot: &Snapshot,
        previous: &Generation,
        rejected: &mut Vec<Rejected>,
    ) -> BTreeMap<Name, Arc<ActiveListener>> {
        let mut listeners = BTreeMap::new();
        for (name, config) in &snapshot.listeners {
            let old = previous.listeners.get(name);
            if let Some(same) = old.filter(|old| !self.stale && old.config == *config) {
                listeners.insert(name.clone(), same.clone());
                continue;
            }
            match ActiveListener::compile(config, old.map(|old| &**old), &mut self.parts()) {
                Ok(compiled) => {
                    listeners.insert(name.clone(), Arc::new(compiled));
                }
                Err(error) => {
                    rejected.push(error.into());
                    if let Some(old) = old {
                        listeners.insert(name.clone(), old.clone());
                    }
                }
            }
        }
        let refused = keep_apart(&mut listeners, &previous.listeners);
        rejected.extend(refused.into_iter().map(Rejected::from));
        listeners
    }

    fn clusters(
        &mut self,
        snapshot: &Snapshot,
        previous: &Generation,
        slots: &HashMap<Name, Arc<ClusterSlot>>,
        rejected: &mut Vec<Rejected>,
    ) -> Vec<Option<Arc<ActiveCluster>>> {
        let mut clusters = vec![None; self.slots.end()];
        for (name, config) in &snapshot.clusters {
            let Some(slot) = slots.get(name) else { continue };
            let assignment = config.assignment_name().and_then(|name| snapshot.endpoints.get(name));
            let old = previous.clusters.get(slot.index()).and_then(Option::as_ref);
            let old = old.filter(|old| old.name() == slot.name());
            let same = |old: &&Arc<ActiveCluster>| {
                !self.stale
                    && old.config == *config
                    && old.assignment.as_ref() == assignment
                    && !old.hosts.has_left()
            };
            let compiled = match old.filter(same) {
                Some(same) => Some(same.clone()),
                None => {
                    let old_cluster = old.map(|old| &**old);
                    let mut parts = ClusterParts {
                        registry: &self.registry,
                        contexts: &self.tls,
                        sinks: &mut self.sinks,
                        failing: &self.failing,
                        slots,
                        runtime: &self.runtime,
                    };
                    match ActiveCluster::compile(config, assignment, old_cluster, &mut parts) {
                        Ok(compiled) => Some(Arc::new(compiled)),
                        Err(error) => {
                            rejected.push(error.into());
                            old.cloned()
                        }
                    }
                }
            };
            if let Some(cluster) = clusters.get_mut(slot.index()) {
                *cluster = compiled;
            }
        }
        clusters
    }
}

/// Where the proxy is among its likes; `None`: its own cluster is not there.
fn home(
    local: &LocalCluster,
    slots: &HashMap<Name, Arc<ClusterSlot>>,
    clusters: &[Option<Arc<ActiveCluster>>],
) -> Option<Home> {
    let own = clusters.get(slots.get(&local.name)?.index())?.as_ref()?;
    Some(Home { locality: local.locality.clone(), peers: own.hosts.clone() })
}

/// Open access logs: one writer a destination, whatever number of listeners log there.
#[derive(Default)]
pub struct Sinks {
    open: HashMap<AccessLogSink, Sink>,
    dropped: Arc<AtomicU64>,
    reopen: Reopen,
}

impl Sinks {
    /// The writer to one destination.
    pub fn sink(&mut self, wanted: &AccessLogSink) -> Result<Sink, OpenError> {
        if let Some(sink) = self.open.get(wanted) {
            return Ok(sink.clone());
        }
        let sink = Sink::open(wanted, self.dropped.clone(), self.reopen.clone())?;
        self.open.insert(wanted.clone(), sink.clone());
        Ok(sink)
    }

    /// The access logs of one manager.
    pub fn access_logs(
        &mut self,
        listener: &Name,
        configs: &[AccessLog],
        runtime: &Runtime,
    ) -> Result<AccessLogs, ListenerError> {
        let mut sinks = Vec::with_capacity(configs.len());
        for config in configs {
            let sink = self.sink(&config.sink);
            sinks.push(sink.map_err(|source| ListenerError::Sink { listener: listener.clone(), source })?);
        }
        AccessLogs::compile(configs.iter().zip(sinks), runtime)
            .map_err(|source| ListenerError::Filter { listener: listener.clone(), source })
    }
}
