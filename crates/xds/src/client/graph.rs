//! Whole snapshots out of single resources. A snapshot is handed out only when everything that its clusters
//! and listeners ask for has been answered, so that nobody sees half a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::runtime::SentLayer;
use ripstop_model::tls::{Secret, SecretRef, SecretSource};
use ripstop_model::{
    Cluster, ClusterLoadAssignment, ConfigFile, Listener, Name, RouteConfiguration, Snapshot,
};

use super::following::{Following, WantedFile, WantedFiles, WantedSecrets};

use crate::ResourceType;
use crate::decode::WorkloadSecrets;

/// After this long without an answer to a name, things go on without it, as in Envoy and gRPC.
const WARMING_TIMEOUT: Duration = Duration::from_secs(15);

/// The resources that were accepted, and what was last made of them.
pub(crate) struct Graph {
    following: Following,
    /// Since when the first answers have been waited for.
    started: Option<Instant>,
    /// What files say.
    files: BTreeMap<WantedFile, Snapshot>,
    /// What the control plane has said, whole or not.
    latest: Snapshot,
    /// Resources asked for by name that the control plane does not have, or that could not be taken.
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
    Cluster(Box<Cluster>),
    Endpoints(ClusterLoadAssignment),
    Listener(Box<Listener>),
    Routes(RouteConfiguration),
    Secret(Secret),
    Runtime(SentLayer),
}

impl Graph {
    pub(crate) fn new(following: Following) -> Graph {
        Graph {
            following,
            started: None,
            files: BTreeMap::new(),
            latest: Snapshot::default(),
            absent: BTreeSet::new(),
            announced: BTreeSet::new(),
            waiting: BTreeMap::new(),
            emitted: None,
        }
    }

    /// Who has the secrets of the workload.
    pub(crate) fn workload(&self) -> WorkloadSecrets {
        self.following.workload
    }

    /// Whether all resources of this type have to be asked of ADS.
    pub(crate) fn subscribes_all(&self, kind: ResourceType) -> bool {
        self.following.origins().any(|(other, origin)| other == kind && origin.file.is_none())
    }

    /// The files that have to be followed.
    pub(crate) fn wanted_files(&self) -> WantedFiles {
        let next = self.candidate();
        let origins = self.following.origins();
        let mut files: WantedFiles =
            origins.filter_map(|(kind, origin)| Some((kind, origin.file.clone()?))).collect();
        files.extend(next.route_files().map(|(_, file)| (ResourceType::Route, file.clone())));
        files.extend(next.endpoint_files().map(|(_, file)| (ResourceType::Endpoint, file.clone())));
        let layers = self.following.runtime.iter().filter_map(|(_, file)| file.clone());
        files.extend(layers.map(|file| (ResourceType::Runtime, file)));
        files
    }

    /// The secrets that servers of secrets have to be asked for.
    pub(crate) fn wanted_secrets(&self) -> WantedSecrets {
        self.candidate().secrets_of_servers().cloned().collect()
    }

    /// Takes a secret that a server has sent.
    pub(crate) fn take_secret(&mut self, reference: SecretRef, secret: Secret) {
        self.absent.remove(&(ResourceType::Secret, waiting_name(&reference)));
        put(&mut self.latest.secrets, reference, secret);
    }

    /// Takes what a file says by now.
    pub(crate) fn take_file(&mut self, file: WantedFile, mut resources: Snapshot) {
        let kind = file.0;
        if let Some(before) = self.files.get(&file) {
            share(&before.clusters, &mut resources.clusters);
            share(&before.listeners, &mut resources.listeners);
            share(&before.endpoints, &mut resources.endpoints);
            share(&before.routes, &mut resources.routes);
            share(&before.runtime, &mut resources.runtime);
            // They stay as long as something asks for them.
            for (name, endpoints) in &before.endpoints {
                resources.endpoints.entry(name.clone()).or_insert_with(|| Arc::clone(endpoints));
            }
            for (name, routes) in &before.routes {
                resources.routes.entry(name.clone()).or_insert_with(|| Arc::clone(routes));
            }
        }
        let names = resources.endpoints.keys().chain(resources.routes.keys()).chain(resources.runtime.keys());
        for name in names {
            self.absent.remove(&(kind, name.clone()));
        }
        self.files.insert(file, resources);
        if kind.has_wildcard() {
            self.announce(kind);
        }
    }

    /// A response of this type has come. Clusters and listeners are announced as a whole.
    pub(crate) fn announce(&mut self, kind: ResourceType) {
        self.announced.insert(kind);
    }

    /// Takes a resource. What is equal to the one before keeps its place in memory.
    pub(crate) fn accept(&mut self, name: Name, resource: Accepted) {
        match resource {
            Accepted::Cluster(cluster) => put(&mut self.latest.clusters, name, *cluster),
            Accepted::Listener(listener) => put(&mut self.latest.listeners, name, *listener),
            Accepted::Endpoints(endpoints) => {
                self.absent.remove(&(ResourceType::Endpoint, name.clone()));
                put(&mut self.latest.endpoints, name, endpoints);
            }
            Accepted::Routes(routes) => {
                self.absent.remove(&(ResourceType::Route, name.clone()));
                put(&mut self.latest.routes, name, routes);
            }
            Accepted::Secret(secret) => self.take_secret(SecretRef::ads(name), secret),
            Accepted::Runtime(layer) => {
                self.absent.remove(&(ResourceType::Runtime, name.clone()));
                put(&mut self.latest.runtime, name, layer);
            }
        }
    }

    /// A resource was refused. The one before, if there is one, stays; else it counts as answered.
    pub(crate) fn refuse(&mut self, kind: ResourceType, name: Name) {
        if !self.has(kind, &name) {
            self.absent.insert((kind, name));
        }
    }

    /// The control plane does not have it, or no longer. What is asked for by name stays as long as something asks for
    /// it: it is removed before what asks for it, and between the two nothing may be missing.
    pub(crate) fn remove(&mut self, kind: ResourceType, name: &Name) {
        match kind {
            ResourceType::Cluster => drop(self.latest.clusters.remove(name)),
            ResourceType::Listener => drop(self.latest.listeners.remove(name)),
            ResourceType::Endpoint | ResourceType::Route | ResourceType::Secret | ResourceType::Runtime => {
                self.refuse(kind, name.clone());
            }
        }
    }

    /// The names that have to be subscribed at the control plane.
    pub(crate) fn wanted(&self, kind: ResourceType) -> BTreeSet<Name> {
        let next = self.candidate();
        match kind {
            ResourceType::Endpoint => {
                let of_files: BTreeSet<&Name> = next.endpoint_files().map(|(name, _)| name).collect();
                next.wanted_endpoints().filter(|name| !of_files.contains(name)).cloned().collect()
            }
            ResourceType::Route => {
                let of_files: BTreeSet<&Name> = next.route_files().map(|(name, _)| name).collect();
                next.wanted_routes().filter(|name| !of_files.contains(name)).cloned().collect()
            }
            ResourceType::Secret => next.wanted_secrets().cloned().collect(),
            ResourceType::Runtime => {
                let layers = self.following.runtime.iter().filter(|(_, file)| file.is_none());
                layers.map(|(name, _)| name.clone()).collect()
            }
            ResourceType::Cluster | ResourceType::Listener => BTreeSet::new(),
        }
    }

    /// Forgets what nothing asks for any more.
    pub(crate) fn forget(&mut self, kind: ResourceType, name: &Name) {
        match kind {
            ResourceType::Endpoint => drop(self.latest.endpoints.remove(name)),
            ResourceType::Route => drop(self.latest.routes.remove(name)),
            ResourceType::Secret => drop(self.latest.secrets.remove(&SecretRef::ads(name.clone()))),
            ResourceType::Runtime => drop(self.latest.runtime.remove(name)),
            ResourceType::Cluster | ResourceType::Listener => {}
        }
        self.absent.remove(&(kind, name.clone()));
    }

    /// Nobody answers: the clocks start again with the next stream, unless there was a limit on the wait for the first
    /// answers, which goes on.
    pub(crate) fn disconnected(&mut self) {
        let limited = self.following.origins().all(|(_, origin)| origin.initial_timeout.is_some());
        if self.emitted.is_some() || !limited {
            self.waiting.clear();
        }
    }

    /// A snapshot, if there is a new one to hand out.
    pub(crate) fn emit(&mut self, now: Instant) -> Option<Arc<Snapshot>> {
        if !self.is_begun(now) {
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
        let secrets: BTreeSet<SecretRef> = next.referenced_secrets().cloned().collect();
        next.secrets.retain(|secret, _| secret.source == SecretSource::Static || secrets.contains(secret));
        if self.emitted.as_deref() == Some(&next) {
            return None;
        }
        let next = Arc::new(next);
        self.emitted = Some(Arc::clone(&next));
        let wanted = self.wanted_files();
        self.files.retain(|file, _| wanted.contains(file));
        self.latest.secrets.retain(|secret, _| secrets.contains(secret));
        Some(next)
    }

    /// Clusters and listeners were announced as a whole, or were waited for long enough.
    fn is_begun(&mut self, now: Instant) -> bool {
        let started = *self.started.get_or_insert(now);
        let mut begun = true;
        for (kind, origin) in self.following.origins().filter(|(kind, _)| !self.announced.contains(kind)) {
            match origin.initial_timeout {
                Some(timeout) if now >= started + timeout => {
                    tracing::warn!(%kind, ?timeout, "no answer in time; going on without it");
                }
                _ => begun = false,
            }
        }
        if begun {
            let all: Vec<ResourceType> = self.following.origins().map(|(kind, _)| kind).collect();
            self.announced.extend(all);
        }
        begun
    }

    /// When [`Graph::emit`] has to be asked again although nothing has come.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let names = self.waiting.values().min().map(|since| *since + WARMING_TIMEOUT);
        let unannounced = self.following.origins().filter(|(kind, _)| !self.announced.contains(kind));
        let first = unannounced.filter_map(|(_, origin)| Some(self.started? + origin.initial_timeout?));
        names.into_iter().chain(first.max()).min()
    }

    /// What has been said, and the clusters that were removed while routes still name them, with their endpoints.
    fn candidate(&self) -> Snapshot {
        let mut next = self.latest.clone();
        for ((kind, _), resources) in &self.files {
            if kind.has_wildcard() {
                next.clusters.extend(resources.clusters.clone());
                next.listeners.extend(resources.listeners.clone());
            }
        }
        next.clusters.extend(self.following.fixed.clusters.clone());
        next.listeners.extend(self.following.fixed.listeners.clone());
        next.secrets.extend(self.following.fixed.secrets.clone());
        self.add_from_files(&mut next);
        let Some(emitted) = &self.emitted else { return next };
        let named: BTreeSet<Name> = next.referenced_clusters().cloned().collect();
        for name in named.iter().filter(|name| !next.clusters.contains_key(*name)).collect::<Vec<_>>() {
            let Some(cluster) = emitted.clusters.get(name) else { continue };
            next.clusters.insert(name.clone(), Arc::clone(cluster));
            let endpoints = cluster.eds_name().and_then(|name| emitted.endpoints.get_key_value(name));
            if let Some((name, endpoints)) = endpoints {
                next.endpoints.entry(name.clone()).or_insert_with(|| Arc::clone(endpoints));
            }
        }
        next
    }

    /// The routes and endpoints that are asked of files, as far as the files have them.
    fn add_from_files(&self, next: &mut Snapshot) {
        let file = |kind, file: &ConfigFile| self.files.get(&(kind, file.clone()));
        let mut routes = Vec::new();
        for (name, path) in next.route_files() {
            let found = file(ResourceType::Route, path).and_then(|resources| resources.routes.get(name));
            routes.extend(found.map(|found| (name.clone(), Arc::clone(found))));
        }
        let mut endpoints = Vec::new();
        for (name, path) in next.endpoint_files() {
            let found =
                file(ResourceType::Endpoint, path).and_then(|resources| resources.endpoints.get(name));
            endpoints.extend(found.map(|found| (name.clone(), Arc::clone(found))));
        }
        next.routes.extend(routes);
        next.endpoints.extend(endpoints);
        for (name, path) in &self.following.runtime {
            let found = path.as_ref().and_then(|path| file(ResourceType::Runtime, path));
            if let Some(layer) = found.and_then(|resources| resources.runtime.get(name)) {
                next.runtime.insert(name.clone(), Arc::clone(layer));
            }
        }
    }

    /// Everything wanted has been answered, or has been waited for long enough.
    fn is_warm(&mut self, next: &Snapshot, now: Instant) -> bool {
        let endpoints = next.wanted_endpoints().filter(|name| !next.endpoints.contains_key(*name));
        let routes = next.wanted_routes().filter(|name| !next.routes.contains_key(*name));
        let is_sent = |secret: &&SecretRef| {
            matches!(secret.source, SecretSource::Ads | SecretSource::Server { .. })
                && !next.secrets.contains_key(*secret)
        };
        let secrets = next.referenced_secrets().filter(is_sent);
        let layers = self.following.runtime.iter().filter(|(name, _)| !next.runtime.contains_key(name));
        let missing: BTreeSet<(ResourceType, Name)> = endpoints
            .map(|name| (ResourceType::Endpoint, name.clone()))
            .chain(routes.map(|name| (ResourceType::Route, name.clone())))
            .chain(secrets.map(|secret| (ResourceType::Secret, waiting_name(secret))))
            .chain(layers.map(|(name, _)| (ResourceType::Runtime, name.clone())))
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
                tracing::warn!(%kind, %name, "not answered in time; going on without it");
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
            ResourceType::Secret => self.latest.secrets.contains_key(&SecretRef::ads(name.clone())),
            ResourceType::Runtime => self.latest.runtime.contains_key(name),
        }
    }
}

/// What a secret is called among the names that are waited for.
fn waiting_name(secret: &SecretRef) -> Name {
    match &secret.source {
        SecretSource::Server { cluster } => format!("{} of {cluster}", secret.name).into(),
        SecretSource::Static | SecretSource::Ads | SecretSource::File { .. } => secret.name.clone(),
    }
}

fn put<K: Ord, T: PartialEq>(map: &mut BTreeMap<K, Arc<T>>, name: K, value: T) {
    if map.get(&name).is_none_or(|old| **old != value) {
        map.insert(name, Arc::new(value));
    }
}

/// What is equal to the one before keeps its place in memory.
fn share<T: PartialEq>(before: &BTreeMap<Name, Arc<T>>, now: &mut BTreeMap<Name, Arc<T>>) {
    for (name, value) in now {
        if let Some(old) = before.get(name).filter(|old| *old == value) {
            *value = Arc::clone(old);
        }
    }
}

#[cfg(test)]
mod tests;
