//! A world and a proxy into all that the proxy runs on. Pure: the same world gives the same snapshot. Each file makes one
//! part of the output and none edits what another has made; they are put together here.
//!
//! A proxy gets what its routes lead to and nothing else: no cluster, endpoint or address of what it cannot call.

mod access_log;
mod client_tls;
mod cluster_policy;
mod clusters;
mod endpoints;
mod gateway;
mod inbound;
mod l4;
mod locality;
mod mtls;
pub mod names;
mod outbound;
mod pieces;
mod place;
mod pool;
mod proxyless;
mod retries;
mod route_match;
mod routes;
mod server_tls;
mod virtual_hosts;

use std::collections::BTreeSet;
use std::fmt;

use ripstop_model::mirror::MirrorTarget;
use ripstop_model::node::NodeId;
use ripstop_model::route::RouteAction;
use ripstop_model::{ApiListener, Cluster, Listener, Name, RouteConfiguration, Snapshot};
use ripstop_yaml::Problem;

use crate::resource::{Labels, ObjectKey, SidecarRole};
use crate::world::{Scope, World};

pub(crate) use pieces::Pieces;

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
    api_listeners: Vec<ApiListener>,
    routes: Vec<RouteConfiguration>,
    clusters: Vec<Cluster>,
    warnings: Vec<Problem>,
}

/// Everything that a proxy runs on, and warnings about what could not be said as it was meant.
///
/// # Errors
/// The workload is not there, or it has no proxy.
pub fn translate(world: &World, proxy: &ProxyRef) -> Result<(Snapshot, Vec<Problem>), UnknownProxy> {
    let (encoded, warnings) = Pieces::default().translate(world, proxy, None)?;
    Ok((encoded.source(), warnings))
}

fn sidecar_traffic(scope: &Scope<'_>, sidecar: &SidecarRole) -> Traffic {
    let inbound = inbound::traffic(scope);
    let outbound = outbound::traffic(scope, sidecar);
    Traffic {
        listeners: inbound.listeners.into_iter().chain(outbound.listeners).collect(),
        routes: inbound.routes.into_iter().chain(outbound.routes).collect(),
        clusters: inbound.clusters.into_iter().chain(outbound.clusters).collect(),
        warnings: inbound.warnings.into_iter().chain(outbound.warnings).collect(),
        ..Traffic::default()
    }
}

/// Every cluster that requests, copies of them or connections are sent to.
fn wanted_clusters(snapshot: &Snapshot) -> BTreeSet<Name> {
    let mut wanted: BTreeSet<Name> = snapshot.referenced_clusters().cloned().collect();
    let routes =
        snapshot.routes.values().flat_map(|routes| &routes.virtual_hosts).flat_map(|host| &host.routes);
    for route in routes {
        let RouteAction::Forward(forward) = &route.action else { continue };
        wanted.extend(forward.mirrors.iter().filter_map(|mirror| match &mirror.target {
            MirrorTarget::Cluster(name) => Some(name.clone()),
            MirrorTarget::Header(_) => None,
        }));
    }
    wanted
}
