//! A world and a proxy into all that the proxy runs on. Pure: the same world gives the same snapshot. Each file makes one
//! part of the output and none edits what another has made; they are put together here.
//!
//! Every sidecar and gateway gets the clusters of all services of the mesh, whether its application calls them or not.

mod access_log;
mod clusters;
mod endpoints;
mod gateway;
mod inbound;
mod mtls;
pub mod names;
mod outbound;
mod proxyless;
mod routes;
mod virtual_hosts;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use ripstop_model::node::NodeId;
use ripstop_model::{Cluster, Discovery, Listener, Name, RouteConfiguration, Snapshot};
use ripstop_yaml::Problem;

use crate::resource::{Labels, ObjectKey, SidecarRole, Workload};
use crate::world::World;

/// Whose configuration is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProxyRef {
    /// Namespace of the workload.
    pub namespace: Name,
    /// Name of the workload; of a library the id that it has given itself.
    pub workload: Name,
    /// There is no proxy: an application's gRPC library asks for itself, and says that these are its labels.
    pub library: Option<Labels>,
}

impl ProxyRef {
    /// The proxy of `workload` in `namespace`.
    pub fn new(namespace: impl Into<Name>, workload: impl Into<Name>) -> ProxyRef {
        ProxyRef { namespace: namespace.into(), workload: workload.into(), library: None }
    }

    /// A gRPC library in `namespace` that calls itself `id`.
    pub fn library(namespace: impl Into<Name>, id: impl Into<Name>, labels: Labels) -> ProxyRef {
        ProxyRef { library: Some(labels), ..ProxyRef::new(namespace, id) }
    }

    /// The proxy that calls itself so. That it is the one is for its certificate or token to prove.
    pub fn of_node(id: &NodeId) -> ProxyRef {
        ProxyRef::new(id.namespace.clone(), id.workload.clone())
    }

    /// Its workload.
    pub fn workload_key(&self) -> ObjectKey {
        ObjectKey { namespace: self.namespace.clone(), name: self.workload.clone() }
    }
}

/// `workload.namespace`, as Istio shows proxies.
impl fmt::Display for ProxyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.workload, self.namespace)
    }
}

/// A proxy that the mesh has no configuration for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownProxy {
    /// There is no such workload.
    #[error("there is no workload `{}` in namespace `{}`; add a Workload document for it", .0.workload, .0.namespace)]
    NoWorkload(ProxyRef),
    /// The workload has no proxy.
    #[error("workload `{}` in namespace `{}` has no proxy; add `sidecar` or `gateway` to its spec", .0.workload, .0.namespace)]
    NoProxy(ProxyRef),
}

/// Listeners of a proxy and the routes that they ask for.
#[derive(Default)]
struct Traffic {
    listeners: Vec<Listener>,
    routes: Vec<RouteConfiguration>,
    clusters: Vec<Cluster>,
}

/// Everything that a proxy runs on, and warnings about what could not be said as it was meant.
///
/// # Errors
/// The workload is not there, or it has no proxy.
pub fn translate(world: &World, proxy: &ProxyRef) -> Result<(Snapshot, Vec<Problem>), UnknownProxy> {
    if let Some(labels) = &proxy.library {
        return Ok(proxyless::translate(world, &proxy.workload_key(), labels));
    }
    let instance =
        world.instance(&proxy.workload_key()).ok_or_else(|| UnknownProxy::NoWorkload(proxy.clone()))?;
    let workload = &instance.workload;
    let traffic = if let Some(sidecar) = &workload.sidecar {
        sidecar_traffic(world, workload, sidecar)
    } else if workload.gateway.is_some() {
        gateway::traffic(world, workload)
    } else {
        return Err(UnknownProxy::NoProxy(proxy.clone()));
    };
    let (reached, warnings) = clusters::of_all_services(world, &proxy.namespace);

    let mut snapshot = Snapshot::default();
    for listener in traffic.listeners {
        snapshot.listeners.insert(listener.name.clone(), Arc::new(listener));
    }
    for routes in traffic.routes {
        snapshot.routes.insert(routes.name.clone(), Arc::new(routes));
    }
    for cluster in traffic.clusters {
        snapshot.clusters.insert(cluster.name.clone(), Arc::new(cluster));
    }
    for (cluster, endpoints) in reached {
        snapshot.endpoints.insert(endpoints.cluster_name.clone(), Arc::new(endpoints));
        snapshot.clusters.insert(cluster.name.clone(), Arc::new(cluster));
    }
    add_empty_clusters(&mut snapshot);
    Ok((snapshot, warnings))
}

fn sidecar_traffic(world: &World, workload: &Workload, sidecar: &SidecarRole) -> Traffic {
    let inbound = inbound::traffic(world, workload);
    let outbound = outbound::traffic(world, workload, sidecar);
    Traffic {
        listeners: inbound.listeners.into_iter().chain(outbound.listeners).collect(),
        routes: inbound.routes.into_iter().chain(outbound.routes).collect(),
        clusters: inbound.clusters.into_iter().chain(outbound.clusters).collect(),
    }
}

/// A route to something that is not there keeps its share of the requests, which get 503 from a cluster without
/// endpoints; the other shares are as they were written.
fn add_empty_clusters(snapshot: &mut Snapshot) {
    let missing: BTreeSet<Name> = snapshot
        .referenced_clusters()
        .filter(|name| !snapshot.clusters.contains_key(*name))
        .cloned()
        .collect();
    for name in missing {
        let cluster = Cluster::new(name.clone(), Discovery::Eds { service_name: None });
        snapshot.endpoints.insert(name.clone(), Arc::new(endpoints::none(&name)));
        snapshot.clusters.insert(name, Arc::new(cluster));
    }
}
