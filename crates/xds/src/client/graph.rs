//! Whole snapshots out of single resources. A snapshot is handed out only when everything that its clusters
//! and listeners ask for has been answered, so that nobody sees half a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::{Cluster, ClusterLoadAssignment, Listener, Name, RouteConfiguration, Snapshot};

use crate::ResourceType;

/// After this long without an answer to a name, things go on without it, as in Envoy and gRPC.
const WARMING_TIMEOUT: Duration = Duration::from_secs(15);

/// The resources that were accepted, and what was last made of them.
#[derive(Default)]
pub(crate) struct Graph {
    /// What the control plane has said, whole or not.
    latest: Snapshot,
    /// Endpoints and routes that the control plane does not have, or that could not be taken.
    absent: BTreeSet<(ResourceType, Name)>,
    /// The types of which all resources have been announced at least once.
    announced: BTreeSet<ResourceType>,
    /// Since when a name has been waited for.
    waiting: BTreeMap<(ResourceType, Name), Instant>,
    /// The snapshot handed out last.
    emitted: Option<Arc<Snapshot>>,
}

/// One accepted resource.
pub(crate) enum Accepted {
    Cluster(Cluster),
    Endpoints(ClusterLoadAssignment),
    Listener(Listener),
    Routes(RouteConfiguration),
}

impl Graph {
    /// A response of this type has come. Clusters and listeners are announced as a whole.
    pub(crate) fn announce(&mut self, kind: ResourceType) {
        self.announced.insert(kind);
    }

    /// Takes a resource. What is equal to the one before keeps its place in memory.
    pub(crate) fn accept(&mut self, name: Name, resource: Accepted) {
        match resource {
            Accepted::Cluster(cluster) => put(&mut self.latest.clusters, name, cluster),
            Accepted::Listener(listener) => put(&mut self.latest.listeners, name, listener),
            Accepted::Endpoints(endpoints) => {
                self.absent.remove(&(ResourceType::Endpoint, name.clone()));
                put(&mut self.latest.endpoints, name, endpoints);
            }
            Accepted::Routes(routes) => {
                self.absent.remove(&(ResourceType::Route, name.clone()));
                put(&mut self.latest.routes, name, routes);
            }
        }
    }

    /// A resource was refused. The one before, if there is one, stays; else it counts as answered.
    pub(crate) fn refuse(&mut self, kind: ResourceType, name: Name) {
        if !self.has(kind, &name) {
            self.absent.insert((kind, name));
        }
    }

    /// The control plane does not have it, or no longer. Endpoints and routes stay as long as something asks for
    /// them: they are removed before what asks for them, and between the two nothing may be missing.
    pub(crate) fn remove(&mut self, kind: ResourceType, name: &Name) {
        match kind {
            ResourceType::Cluster => drop(self.latest.clusters.remove(name)),
            ResourceType::Listener => drop(self.latest.listeners.remove(name)),
            ResourceType::Endpoint | ResourceType::Route => self.refuse(kind, name.clone()),
        }
    }

    /// The names that have to be subscribed.
    pub(crate) fn wanted(&self, kind: ResourceType) -> BTreeSet<Name> {
        let next = self.candidate();
        match kind {
            ResourceType::Endpoint => next.wanted_endpoints().cloned().collect(),
            ResourceType::Route => next.wanted_routes().cloned().collect(),
            ResourceType::Cluster | ResourceType::Listener => BTreeSet::new(),
        }
    }

    /// Forgets endpoints or routes that nothing asks for any more.
    pub(crate) fn forget(&mut self, kind: ResourceType, name: &Name) {
        match kind {
            ResourceType::Endpoint => drop(self.latest.endpoints.remove(name)),
            ResourceType::Route => drop(self.latest.routes.remove(name)),
            ResourceType::Cluster | ResourceType::Listener => {}
        }
        self.absent.remove(&(kind, name.clone()));
    }

    /// Nobody answers: the clocks start again with the next stream.
    pub(crate) fn disconnected(&mut self) {
        self.waiting.clear();
    }

    /// A snapshot, if there is a new one to hand out.
    pub(crate) fn emit(&mut self, now: Instant) -> Option<Arc<Snapshot>> {
        let complete = [ResourceType::Cluster, ResourceType::Listener];
        if !complete.iter().all(|kind| self.announced.contains(kind)) {
            return None;
        }
        let mut next = self.candidate();
        if !self.is_warm(&next, now) {
            return None;
        }
        let endpoints: BTreeSet<Name> = next.wanted_endpoints().cloned().collect();
        let routes: BTreeSet<Name> = next.wanted_routes().cloned().collect();
        next.endpoints.retain(|name, _| endpoints.contains(name));
        next.routes.retain(|name, _| routes.contains(name));
        if self.emitted.as_deref() == Some(&next) {
            return None;
        }
        let next = Arc::new(next);
        self.emitted = Some(Arc::clone(&next));
        Some(next)
    }

    /// When [`Graph::emit`] has to be asked again although nothing has come.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.values().min().map(|since| *since + WARMING_TIMEOUT)
    }

    /// What has been said, and the clusters that were removed while routes still name them, with their endpoints.
    fn candidate(&self) -> Snapshot {
        let mut next = self.latest.clone();
        let Some(emitted) = &self.emitted else { return next };
        let named: BTreeSet<&Name> = self.latest.referenced_clusters().collect();
        for name in named.into_iter().filter(|name| !self.latest.clusters.contains_key(*name)) {
            let Some(cluster) = emitted.clusters.get(name) else { continue };
            next.clusters.insert(name.clone(), Arc::clone(cluster));
            let endpoints = cluster.eds_name().and_then(|name| emitted.endpoints.get_key_value(name));
            if let Some((name, endpoints)) = endpoints {
                next.endpoints.entry(name.clone()).or_insert_with(|| Arc::clone(endpoints));
            }
        }
        next
    }

    /// Everything wanted has been answered, or has been waited for long enough.
    fn is_warm(&mut self, next: &Snapshot, now: Instant) -> bool {
        let endpoints = next.wanted_endpoints().filter(|name| !next.endpoints.contains_key(*name));
        let routes = next.wanted_routes().filter(|name| !next.routes.contains_key(*name));
        let missing: BTreeSet<(ResourceType, Name)> = endpoints
            .map(|name| (ResourceType::Endpoint, name.clone()))
            .chain(routes.map(|name| (ResourceType::Route, name.clone())))
            .filter(|wanted| !self.absent.contains(wanted))
            .collect();
        self.waiting.retain(|wanted, _| missing.contains(wanted));
        let mut warm = true;
        for wanted in missing {
            let (kind, name) = (wanted.0, wanted.1.clone());
            let since = *self.waiting.entry(wanted.clone()).or_insert(now);
            if now.duration_since(since) < WARMING_TIMEOUT {
                warm = false;
            } else {
                tracing::warn!(%kind, %name, "not answered by the control plane in time; going on without it");
                self.waiting.remove(&wanted);
                self.absent.insert(wanted);
            }
        }
        warm
    }

    fn has(&self, kind: ResourceType, name: &Name) -> bool {
        match kind {
            ResourceType::Cluster => self.latest.clusters.contains_key(name),
            ResourceType::Listener => self.latest.listeners.contains_key(name),
            ResourceType::Endpoint => self.latest.endpoints.contains_key(name),
            ResourceType::Route => self.latest.routes.contains_key(name),
        }
    }
}

fn put<T: PartialEq>(map: &mut BTreeMap<Name, Arc<T>>, name: Name, value: T) {
    if map.get(&name).is_none_or(|old| **old != value) {
        map.insert(name, Arc::new(value));
    }
}
