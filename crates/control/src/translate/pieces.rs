//! Translation for many proxies, and again when the world has changed. What proxies have in common is made once: routes by
//! host, and the clusters of a host with their endpoints, for all that see the world alike. After a change in workloads alone
//! nothing is made again but the clusters of the hosts that they are of, and these take the place of the old ones in
//! snapshots that are otherwise left as they are.
//!
//! What a snapshot is does not depend on what was translated before: the same world gives the same snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ripstop_model::endpoint::Locality;
use ripstop_model::listener::TrafficDirection;
use ripstop_model::{Cluster, Discovery, Name, Snapshot};
use ripstop_xds::encoded::{EncodedResource, Source};
use ripstop_xds::{EncodedSnapshot, ResourceType};
use ripstop_yaml::Problem;

use super::pool::{Changes, Pool};
use super::{
    ProxyRef, Traffic, UnknownProxy, clusters, endpoints, gateway, names, outbound, proxyless,
    sidecar_traffic, wanted_clusters,
};
use crate::resource::{Labels, ObjectKey, Workload};
use crate::world::{Difference, Scope, World};

/// What is made already. It is of one world: before it is used for another, it has to be told what differs.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    views: BTreeMap<Viewer, View>,
    pool: Pool,
}

/// Proxies that are told the same of others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Viewer {
    namespace: Name,
    /// Those that anybody looks at.
    labels: Labels,
    locality: Locality,
    library: bool,
}

/// What they are told.
#[derive(Debug, Default)]
struct View {
    hosts: BTreeMap<Name, Host>,
    /// By the Sidecar document that applies.
    routes: BTreeMap<Option<ObjectKey>, Routes>,
}

/// The clusters of a host.
#[derive(Debug, Default)]
struct Host {
    /// Their names, those of clusters that cannot be made too.
    wanted: BTreeSet<Name>,
    made: Vec<Made>,
    /// They are of another world.
    is_stale: bool,
}

#[derive(Debug)]
struct Made {
    cluster: Arc<EncodedResource>,
    endpoints: Option<Arc<EncodedResource>>,
    of: (usize, usize),
    warnings: Vec<Problem>,
    /// What is to be said whatever else is.
    note: Option<Problem>,
}

/// Routes by host, and the clusters that they lead to.
#[derive(Clone, Debug)]
struct Routes {
    encoded: Arc<EncodedResource>,
    wanted: Arc<BTreeSet<Name>>,
}

/// A snapshot that is being put together.
#[derive(Default)]
struct Parts {
    clusters: BTreeMap<Name, Arc<EncodedResource>>,
    endpoints: BTreeMap<Name, Arc<EncodedResource>>,
    listeners: BTreeMap<Name, Arc<EncodedResource>>,
    routes: BTreeMap<Name, Arc<EncodedResource>>,
    warnings: Vec<Problem>,
}

impl Viewer {
    fn of(scope: &Scope<'_>, library: bool) -> Viewer {
        let known = scope.world.viewer_labels();
        let labels = scope.viewer.meta.labels.iter().filter(|(key, _)| known.contains(*key));
        Viewer {
            namespace: scope.namespace().clone(),
            labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
            locality: scope.viewer.locality.clone(),
            library,
        }
    }
}

impl Pieces {
    /// Goes over to another world.
    pub(crate) fn go_over(&mut self, difference: &Difference) {
        if difference.everything {
            self.views.clear();
            return;
        }
        for view in self.views.values_mut() {
            for host in &difference.hosts {
                if let Some(host) = view.hosts.get_mut(host) {
                    host.is_stale = true;
                }
            }
        }
    }

    /// Lets go of what nobody needs any more. To be called now and then, at least after each world.
    pub(crate) fn tidy(&mut self) {
        if self.pool.finish() {
            self.views.clear();
            self.pool.tidy();
        }
    }

    /// Everything that a proxy runs on, and warnings about what could not be said as it was meant. With what it had before
    /// it shares what is equal.
    pub(crate) fn translate(
        &mut self,
        world: &World,
        proxy: &ProxyRef,
        previous: Option<&EncodedSnapshot>,
    ) -> Result<(EncodedSnapshot, Vec<Problem>), UnknownProxy> {
        let library = library(proxy);
        let viewer = viewer(world, proxy, library.as_ref())?;
        let scope = Scope::of(world, viewer);
        let view = Viewer::of(&scope, library.is_some());
        let traffic = own_traffic(&scope, proxy)?;
        let mut parts = Parts { warnings: traffic.warnings.clone(), ..Parts::default() };
        let mut wanted = self.add_own(&mut parts, traffic, previous);
        if viewer.sidecar.as_ref().is_some_and(|sidecar| sidecar.outbound.is_some()) {
            let routes = self.routes(&view, &scope);
            wanted.extend(routes.wanted.iter().cloned());
            parts.routes.insert(names::OUTBOUND_ROUTES.into(), routes.encoded);
        }
        if library.is_some() {
            wanted.extend(proxyless::subsets(&scope));
        }
        self.add_reached(&mut parts, &view, &scope, &wanted);
        self.add_empty(&mut parts, wanted);
        let snapshot = EncodedSnapshot::default();
        let types = [
            (ResourceType::Cluster, parts.clusters),
            (ResourceType::Endpoint, parts.endpoints),
            (ResourceType::Listener, parts.listeners),
            (ResourceType::Route, parts.routes),
            (ResourceType::Secret, BTreeMap::new()),
            (ResourceType::Runtime, BTreeMap::new()),
        ];
        let snapshot = types.into_iter().fold(snapshot, |snapshot, (kind, resources)| {
            snapshot.with(kind, self.pool.of_type(kind, resources, previous))
        });
        Ok((snapshot, parts.warnings))
    }

    /// A snapshot of a proxy after a change in workloads alone, which are of `hosts` and not its own. `None`: there is
    /// something to be said about it, so that it has to be translated as a whole.
    pub(crate) fn refresh(
        &mut self,
        world: &World,
        proxy: &ProxyRef,
        hosts: &BTreeSet<Name>,
        previous: &EncodedSnapshot,
    ) -> Option<EncodedSnapshot> {
        let library = library(proxy);
        let scope = Scope::of(world, viewer(world, proxy, library.as_ref()).ok()?);
        let view = Viewer::of(&scope, library.is_some());
        let known = &previous.of(ResourceType::Cluster).resources;
        let (mut clusters, mut endpoints) = (Changes::new(), Changes::new());
        for host in hosts {
            let pieces = self.views.get(&view).and_then(|view| view.hosts.get(host));
            let names: BTreeSet<Name> = match pieces {
                Some(pieces) => {
                    pieces.wanted.iter().filter(|name| known.contains_key(*name)).cloned().collect()
                }
                None => known.keys().filter(|name| names::host_of(name) == Some(&**host)).cloned().collect(),
            };
            for made in self.made(&view, &scope, host, &names) {
                let name = &made.cluster.name;
                if !names.contains(name) {
                    continue;
                }
                if !made.warnings.is_empty() || made.note.is_some() {
                    return None;
                }
                clusters.insert(name.clone(), Some(Arc::clone(&made.cluster)));
                endpoints.insert(name.clone(), made.endpoints.clone());
            }
        }
        let clusters = self.pool.changed(previous.of(ResourceType::Cluster), clusters);
        let endpoints = self.pool.changed(previous.of(ResourceType::Endpoint), endpoints);
        let snapshot = previous.clone().with(ResourceType::Cluster, clusters);
        Some(snapshot.with(ResourceType::Endpoint, endpoints))
    }

    /// Adds what is a proxy's own. Gives the clusters that its listeners and routes lead to.
    fn add_own(
        &mut self,
        parts: &mut Parts,
        traffic: Traffic,
        previous: Option<&EncodedSnapshot>,
    ) -> BTreeSet<Name> {
        let mut own = Snapshot::default();
        for listener in traffic.listeners {
            own.listeners.insert(listener.name.clone(), Arc::new(listener));
        }
        for listener in traffic.api_listeners {
            own.api_listeners.insert(listener.name.clone(), Arc::new(listener));
        }
        for routes in traffic.routes {
            own.routes.insert(routes.name.clone(), Arc::new(routes));
        }
        let wanted = wanted_clusters(&own);
        for (name, listener) in own.listeners {
            let direction = listener.direction;
            let source = Source::Listener(listener);
            let encoded = match direction {
                // At the same port of every machine it says the same.
                TrafficDirection::Outbound => self.pool.resource(source),
                _ => of_one_proxy(source, previous),
            };
            parts.listeners.insert(name, encoded);
        }
        for (name, listener) in own.api_listeners {
            parts.listeners.insert(name, self.pool.resource(Source::ApiListener(listener)));
        }
        for (name, routes) in own.routes {
            parts.routes.insert(name, self.pool.resource(Source::Routes(routes)));
        }
        for cluster in traffic.clusters {
            let source = Source::Cluster(Arc::new(cluster));
            parts.clusters.insert(source.name().clone(), of_one_proxy(source, previous));
        }
        wanted
    }

    /// Adds the clusters that lead to others.
    fn add_reached(&mut self, parts: &mut Parts, view: &Viewer, scope: &Scope<'_>, wanted: &BTreeSet<Name>) {
        let mut hosts: BTreeMap<&str, BTreeSet<Name>> = BTreeMap::new();
        for name in wanted {
            if let Some(host) = names::host_of(name) {
                hosts.entry(host).or_default().insert(name.clone());
            }
        }
        let mut notes = Vec::new();
        for (host, names) in hosts {
            let mut warned = BTreeSet::new();
            for made in self.made(view, scope, &Name::from(host), &names) {
                let name = &made.cluster.name;
                if !names.contains(name) {
                    continue;
                }
                parts.clusters.insert(name.clone(), Arc::clone(&made.cluster));
                if let Some(endpoints) = &made.endpoints {
                    parts.endpoints.insert(name.clone(), Arc::clone(endpoints));
                }
                // A warning for the whole service covers its subsets.
                if let Some(warning) = made.warnings.first()
                    && warned.insert(made.of)
                {
                    parts.warnings.push(warning.clone());
                }
                notes.extend(made.note.clone());
            }
        }
        parts.warnings.append(&mut notes);
    }

    /// A route to something that is not there keeps its share of the requests, which get 503 from a cluster without
    /// endpoints; the other shares are as they were written.
    fn add_empty(&mut self, parts: &mut Parts, mut wanted: BTreeSet<Name>) {
        wanted.retain(|name| !parts.clusters.contains_key(name));
        for name in wanted {
            let cluster = Cluster::new(name.clone(), Discovery::Eds { service_name: None });
            let none = Arc::new(endpoints::none(&name));
            parts.endpoints.insert(name.clone(), self.pool.resource(Source::Endpoints(none)));
            parts.clusters.insert(name, self.pool.resource(Source::Cluster(Arc::new(cluster))));
        }
    }

    /// The routes by host of those who see the world so.
    fn routes(&mut self, view: &Viewer, scope: &Scope<'_>) -> Routes {
        let known = self.views.entry(view.clone()).or_default();
        let sidecar = scope.sidecar.map(|sidecar| sidecar.meta.key.clone());
        if let Some(routes) = known.routes.get(&sidecar) {
            return routes.clone();
        }
        let routes = Arc::new(outbound::routes_by_host(scope));
        let mut alone = Snapshot::default();
        alone.routes.insert(routes.name.clone(), Arc::clone(&routes));
        let wanted = Arc::new(wanted_clusters(&alone));
        let routes = Routes { encoded: self.pool.resource(Source::Routes(routes)), wanted };
        known.routes.insert(sidecar, routes.clone());
        routes
    }

    /// The clusters of a host, at least those of `names` that there are.
    fn made(&mut self, view: &Viewer, scope: &Scope<'_>, host: &Name, names: &BTreeSet<Name>) -> &[Made] {
        let known = self.views.entry(view.clone()).or_default().hosts.entry(host.clone()).or_default();
        if known.is_stale || !names.is_subset(&known.wanted) {
            known.wanted.extend(names.iter().cloned());
            let pieces = clusters::of_host(scope, host, &known.wanted).into_iter();
            let pool = &mut self.pool;
            known.made = pieces.map(|piece| Made::new(scope.world, piece, view.library, pool)).collect();
            known.is_stale = false;
        }
        &known.made
    }
}

impl Made {
    fn new(world: &World, piece: clusters::Piece, library: bool, pool: &mut Pool) -> Made {
        let clusters::Piece { mut cluster, mut endpoints, of, warnings } = piece;
        let mut note = None;
        if library {
            (cluster, endpoints, note) = proxyless::without_proxy(world, cluster, endpoints);
        }
        Made {
            cluster: pool.resource(Source::Cluster(Arc::new(cluster))),
            endpoints: endpoints.map(|endpoints| pool.resource(Source::Endpoints(Arc::new(endpoints)))),
            of,
            warnings,
            note,
        }
    }
}

/// The library itself, where there is no proxy.
fn library(proxy: &ProxyRef) -> Option<Workload> {
    proxy.library.as_ref().map(|labels| proxyless::caller(&proxy.workload_key(), labels))
}

/// Who looks at the world.
fn viewer<'a>(
    world: &'a World,
    proxy: &ProxyRef,
    library: Option<&'a Workload>,
) -> Result<&'a Workload, UnknownProxy> {
    let workload = || world.instance(&proxy.workload_key()).map(|instance| &instance.workload);
    library.or_else(workload).ok_or_else(|| UnknownProxy::NoWorkload(proxy.clone()))
}

fn own_traffic(scope: &Scope<'_>, proxy: &ProxyRef) -> Result<Traffic, UnknownProxy> {
    match (&scope.viewer.sidecar, &scope.viewer.gateway) {
        _ if proxy.library.is_some() => Ok(proxyless::traffic(scope)),
        (Some(sidecar), _) => Ok(sidecar_traffic(scope, sidecar)),
        (None, Some(_)) => Ok(gateway::traffic(scope)),
        (None, None) => Err(UnknownProxy::NoProxy(proxy.clone())),
    }
}

/// What no other proxy has, encoded anew if it is not as before.
fn of_one_proxy(source: Source, previous: Option<&EncodedSnapshot>) -> Arc<EncodedResource> {
    let known = previous.and_then(|previous| previous.get(source.kind(), source.name()));
    let same = known.filter(|known| known.source() == Some(&source));
    same.cloned().unwrap_or_else(|| Arc::new(EncodedResource::new(source)))
}
