//! What the second proxy decides: whether it takes the connection, and where the request goes from there.

use std::net::SocketAddr;

use ripstop_model::http_manager::RouteSource;
use ripstop_model::{Address, Discovery, FilterChain, NetworkFilter, Snapshot};

use super::Inbound;
use crate::provenance::{self, Place};
use crate::resource::{Kind, MtlsMode, Workload};
use crate::translate::{ProxyRef, translate};
use crate::world::{Instance, World};

/// What the sidecar of `instance` makes of a connection to `address`. `None`: the address is none of its sidecar's.
pub(super) fn explain(world: &World, instance: &Instance, address: &Address, mtls: bool) -> Option<Inbound> {
    let Address::Socket(wanted) = address else { return None };
    let workload = &instance.workload;
    let port = workload.ports.values().find(|port| port.sidecar == Some(wanted.port()))?;
    let key = instance.key();
    let proxy = ProxyRef::new(key.namespace.clone(), key.name.clone());
    let (snapshot, _) = translate(world, &proxy).ok()?;
    let listener = snapshot.listeners.values().find(|listener| listener.address.address == *address)?;
    let chain = listener.chains().find(|chain| chain.tls.is_some() == mtls);
    let refused = match (chain, mtls) {
        (Some(_), _) => None,
        (None, true) => Some("it takes plaintext only, and is called by mutual TLS".to_owned()),
        (None, false) => Some("it takes mutual TLS only, and is called in plaintext".to_owned()),
    };
    Some(Inbound {
        listener: listener.name.clone(),
        listener_place: provenance::of_listener(world, &proxy, listener),
        mode: world.mtls_mode(workload, port.app),
        mode_place: mode_place(world, workload, port.app),
        refused,
        application: chain.and_then(|chain| application(&snapshot, chain)),
        proxy,
    })
}

/// Where requests of a chain end.
fn application(snapshot: &Snapshot, chain: &FilterChain) -> Option<SocketAddr> {
    let cluster = match &chain.filter {
        NetworkFilter::Tcp(tcp) => tcp.clusters.first().map(|one| &one.name)?,
        NetworkFilter::Http(manager) => {
            let RouteSource::Inline(config) = &manager.routes else { return None };
            let route = config.virtual_hosts.first()?.routes.first()?;
            match &route.action {
                ripstop_model::route::RouteAction::Forward(forward) => forward.cluster.names().next()?,
                _ => return None,
            }
        }
        _ => return None,
    };
    let Discovery::Static(assignment) = &snapshot.clusters.get(cluster)?.discovery else { return None };
    match assignment.endpoints().next()?.address {
        Address::Socket(address) => Some(address),
        _ => None,
    }
}

/// The policy that says which connections are taken, by the precedence of [`World::mtls_mode`].
fn mode_place(world: &World, workload: &Workload, app_port: u16) -> Option<Place> {
    let own = workload.meta.namespace();
    let root = &world.mesh().root_namespace;
    let policies = world.peer_authentications();
    let selects = |selector: &Option<crate::resource::Labels>| {
        selector.as_ref().is_some_and(|selector| workload.meta.has_labels(selector))
    };
    let says = |mode: Option<MtlsMode>| mode.is_some();
    let chosen = policies.iter().find(|one| one.meta.namespace() == own && selects(&one.selector));
    let chosen = chosen.filter(|one| says(one.mode) || one.ports.get(&app_port).copied().flatten().is_some());
    let whole = |namespace: &str| {
        let found =
            policies.iter().find(|one| one.selector.is_none() && &**one.meta.namespace() == namespace);
        found.filter(|one| says(one.mode))
    };
    let policy = chosen.or_else(|| whole(own)).or_else(|| whole(root))?;
    Some(Place {
        kind: Kind::PeerAuthentication,
        key: policy.meta.key.clone(),
        origin: policy.meta.origin.clone(),
    })
}
