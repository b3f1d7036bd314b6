//! A snapshot as it goes over the wire: each resource is encoded once and shared by every snapshot that holds it, and so is
//! each type that is the same in several. A type remembers what differs from the one before it, so that a stream that was
//! sent that one need not look at the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::tls::{Secret, SecretRef, SecretSource};
use ripstop_model::{
    ApiListener, Cluster, ClusterLoadAssignment, Listener, Name, RouteConfiguration, Snapshot,
};
use xxhash_rust::xxh64::{Xxh64, xxh64};

use crate::ResourceType;
use crate::encode;

/// A value that can be encoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// For LDS.
    Listener(Arc<Listener>),
    /// For LDS: what gRPC libraries dial.
    ApiListener(Arc<ApiListener>),
    /// For RDS.
    Routes(Arc<RouteConfiguration>),
    /// For CDS.
    Cluster(Arc<Cluster>),
    /// For EDS.
    Endpoints(Arc<ClusterLoadAssignment>),
    /// For SDS.
    Secret(Arc<Secret>),
}

impl Source {
    /// The type that it is of.
    pub fn kind(&self) -> ResourceType {
        match self {
            Source::Listener(_) | Source::ApiListener(_) => ResourceType::Listener,
            Source::Routes(_) => ResourceType::Route,
            Source::Cluster(_) => ResourceType::Cluster,
            Source::Endpoints(_) => ResourceType::Endpoint,
            Source::Secret(_) => ResourceType::Secret,
        }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        match self {
            Source::Listener(listener) => &listener.name,
            Source::ApiListener(listener) => &listener.name,
            Source::Routes(routes) => &routes.name,
            Source::Cluster(cluster) => &cluster.name,
            Source::Endpoints(endpoints) => &endpoints.cluster_name,
            Source::Secret(secret) => &secret.name,
        }
    }

    /// Whether both are the very same value.
    pub fn is(&self, other: &Source) -> bool {
        match (self, other) {
            (Source::Listener(a), Source::Listener(b)) => Arc::ptr_eq(a, b),
            (Source::ApiListener(a), Source::ApiListener(b)) => Arc::ptr_eq(a, b),
            (Source::Routes(a), Source::Routes(b)) => Arc::ptr_eq(a, b),
            (Source::Cluster(a), Source::Cluster(b)) => Arc::ptr_eq(a, b),
            (Source::Endpoints(a), Source::Endpoints(b)) => Arc::ptr_eq(a, b),
            (Source::Secret(a), Source::Secret(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Source::Listener(listener) => encode::encode_listener(listener),
            Source::ApiListener(listener) => encode::encode_api_listener(listener),
            Source::Routes(routes) => encode::encode_route_configuration(routes),
            Source::Cluster(cluster) => encode::encode_cluster(cluster),
            Source::Endpoints(endpoints) => encode::encode_load_assignment(endpoints),
            Source::Secret(secret) => encode::encode_secret(secret),
        }
    }

    fn put_into(&self, snapshot: &mut Snapshot) {
        let name = self.name().clone();
        match self {
            Source::Listener(listener) => drop(snapshot.listeners.insert(name, Arc::clone(listener))),
            Source::ApiListener(listener) => drop(snapshot.api_listeners.insert(name, Arc::clone(listener))),
            Source::Routes(routes) => drop(snapshot.routes.insert(name, Arc::clone(routes))),
            Source::Cluster(cluster) => drop(snapshot.clusters.insert(name, Arc::clone(cluster))),
            Source::Endpoints(endpoints) => drop(snapshot.endpoints.insert(name, Arc::clone(endpoints))),
            Source::Secret(secret) => {
                let reference = SecretRef { name, source: SecretSource::Ads };
                snapshot.secrets.insert(reference, Arc::clone(secret));
            }
        }
    }
}

/// One resource, ready to be sent.
#[derive(Debug)]
pub struct EncodedResource {
    /// Its name.
    pub name: Name,
    /// Hash (xxh64) of the bytes: equal content has an equal one, whoever encoded it and when.
    pub hash: u64,
    /// The value of the `Any`.
    pub value: Vec<u8>,
    /// What was encoded, where anybody may want to see it again.
    source: Option<Source>,
}

/// What is sent counts.
impl PartialEq for EncodedResource {
    fn eq(&self, other: &EncodedResource) -> bool {
        (self.hash, &self.name, &self.value) == (other.hash, &other.name, &other.value)
    }
}

impl Eq for EncodedResource {}

impl EncodedResource {
    /// Encodes a value.
    pub fn new(source: Source) -> EncodedResource {
        let encoded = encode_resource(source.name(), source.encode());
        EncodedResource { source: Some(source), ..encoded }
    }

    /// What was encoded; nothing for secrets that are a proxy's own.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// What it is called on the wire: the hash in hex.
    pub fn version(&self) -> String {
        format!("{:016x}", self.hash)
    }

    /// The hash behind a version that a proxy says it has; of one that was not made here, one that fits nothing but by
    /// chance.
    pub(crate) fn hash_of(version: &str) -> u64 {
        u64::from_str_radix(version, 16).unwrap_or(0)
    }
}

/// All resources of one type.
#[derive(Debug, Default)]
pub struct EncodedType {
    /// Hash over names and versions, in hex.
    pub version: String,
    /// By name.
    pub resources: BTreeMap<Name, Arc<EncodedResource>>,
    /// Hash over the names.
    names: u64,
    /// What differs from the state before; `None`: there was none.
    since: Option<Since>,
}

/// What differs from an earlier state of a type.
#[derive(Debug)]
struct Since {
    /// The version of that state.
    version: String,
    /// Names of what is new, different or gone.
    names: Vec<Name>,
}

/// What is in it counts, not what was before.
impl PartialEq for EncodedType {
    fn eq(&self, other: &EncodedType) -> bool {
        self.version == other.version && self.resources == other.resources
    }
}

impl Eq for EncodedType {}

impl EncodedType {
    /// A type that follows `before`. What is equal there is shared with it, and if all is, it stays.
    pub fn following(
        mut resources: BTreeMap<Name, Arc<EncodedResource>>,
        before: Option<&Arc<EncodedType>>,
    ) -> Arc<EncodedType> {
        let Some(before) = before else { return Arc::new(EncodedType::new(resources, None)) };
        let mut names = Vec::new();
        for (name, resource) in &mut resources {
            match before.resources.get(name) {
                Some(known) if Arc::ptr_eq(known, resource) => {}
                // An equal value behind another pointer is no change.
                Some(known) if known == resource => *resource = Arc::clone(known),
                _ => names.push(name.clone()),
            }
        }
        names.extend(before.resources.keys().filter(|name| !resources.contains_key(*name)).cloned());
        if names.is_empty() {
            return Arc::clone(before);
        }
        let since = Since { version: before.version.clone(), names };
        Arc::new(EncodedType::new(resources, Some(since)))
    }

    /// The type with other resources in the place of some; `None` takes one away.
    pub fn with(
        self: &Arc<EncodedType>,
        changes: &BTreeMap<Name, Option<Arc<EncodedResource>>>,
    ) -> Arc<EncodedType> {
        let differs = |(name, after): &(&Name, &Option<Arc<EncodedResource>>)| {
            self.resources.get(*name) != after.as_ref()
        };
        let changes: Vec<_> = changes.iter().filter(differs).collect();
        if changes.is_empty() {
            return Arc::clone(self);
        }
        let mut resources = self.resources.clone();
        for (name, after) in &changes {
            match after {
                Some(after) => drop(resources.insert((*name).clone(), Arc::clone(after))),
                None => drop(resources.remove(*name)),
            }
        }
        let names = changes.into_iter().map(|(name, _)| name.clone()).collect();
        let since = Since { version: self.version.clone(), names };
        Arc::new(EncodedType::new(resources, Some(since)))
    }

    fn new(resources: BTreeMap<Name, Arc<EncodedResource>>, since: Option<Since>) -> EncodedType {
        let mut names = Xxh64::new(0);
        for name in resources.keys() {
            names.update(name.as_bytes());
            names.update(&[0xff]);
        }
        EncodedType { version: version_of(resources.values()), resources, names: names.digest(), since }
    }

    /// A hash over the names, which is another one if a resource has come or gone.
    pub fn names_hash(&self) -> u64 {
        self.names
    }

    /// The names that may differ from the state with this version; `None`: any. No state has an empty version.
    pub(crate) fn changed_since(&self, version: &str) -> Option<&[Name]> {
        if version == self.version && !version.is_empty() {
            return Some(&[]);
        }
        self.since.as_ref().filter(|since| since.version == version).map(|since| since.names.as_slice())
    }
}

/// A whole snapshot, encoded.
#[derive(Clone, Debug, Default)]
pub struct EncodedSnapshot {
    types: [Arc<EncodedType>; ResourceType::COUNT],
}

impl EncodedSnapshot {
    /// The resources of one type.
    pub fn of(&self, kind: ResourceType) -> &Arc<EncodedType> {
        &self.types[kind.index()]
    }

    /// The snapshot with another type in the place of one.
    #[must_use]
    pub fn with(mut self, kind: ResourceType, resources: Arc<EncodedType>) -> EncodedSnapshot {
        self.types[kind.index()] = resources;
        self
    }

    /// One resource.
    pub fn get(&self, kind: ResourceType, name: &str) -> Option<&Arc<EncodedResource>> {
        self.of(kind).resources.get(name)
    }

    /// The values that were encoded.
    pub fn source(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for resource in self.types.iter().flat_map(|of_type| of_type.resources.values()) {
            if let Some(source) = &resource.source {
                source.put_into(&mut snapshot);
            }
        }
        snapshot
    }

    /// Whether the resources of a type are the very same as in `other`.
    pub fn shares(&self, other: &EncodedSnapshot, kind: ResourceType) -> bool {
        Arc::ptr_eq(&self.types[kind.index()], &other.types[kind.index()])
    }

    /// Whether everything is the very same as in `other`.
    pub fn is(&self, other: &EncodedSnapshot) -> bool {
        ResourceType::ALL.into_iter().all(|kind| self.shares(other, kind))
    }
}

/// Encodes a snapshot. What it shares with the snapshot behind `previous` (the same `Arc`) is not encoded
/// again, and a type of which nothing changed is shared as a whole.
pub fn encode_snapshot(snapshot: &Snapshot, previous: Option<&EncodedSnapshot>) -> EncodedSnapshot {
    let clusters = snapshot.clusters.values().cloned().map(Source::Cluster);
    let endpoints = snapshot.endpoints.values().cloned().map(Source::Endpoints);
    // A snapshot is a proxy's or a library's, and has listeners of one kind.
    let listeners = snapshot.listeners.values().cloned().map(Source::Listener);
    let listeners = listeners.chain(snapshot.api_listeners.values().cloned().map(Source::ApiListener));
    let routes = snapshot.routes.values().cloned().map(Source::Routes);
    let secrets = snapshot.secrets.iter().filter(|(reference, _)| reference.source == SecretSource::Ads);
    let secrets = secrets.map(|(_, secret)| Source::Secret(Arc::clone(secret)));
    // Layers of values are followed, not served.
    let sources = clusters.chain(endpoints).chain(listeners).chain(routes).chain(secrets);
    let mut types: [BTreeMap<Name, Arc<EncodedResource>>; ResourceType::COUNT] = Default::default();
    for source in sources {
        let (kind, name) = (source.kind(), source.name().clone());
        let known = previous.and_then(|previous| previous.get(kind, &name));
        let same = known.filter(|known| known.source.as_ref().is_some_and(|old| old.is(&source)));
        let encoded = same.cloned().unwrap_or_else(|| Arc::new(EncodedResource::new(source)));
        types[kind.index()].insert(name, encoded);
    }
    let mut encoded = EncodedSnapshot::default();
    for (kind, resources) in ResourceType::ALL.into_iter().zip(types) {
        let before = previous.map(|previous| previous.of(kind));
        encoded.types[kind.index()] = EncodedType::following(resources, before);
    }
    encoded
}

pub(crate) fn encode_resource(name: &Name, value: Vec<u8>) -> EncodedResource {
    EncodedResource { name: name.clone(), hash: xxh64(&value, 0), value, source: None }
}

/// A hash over names and versions, in hex.
pub(crate) fn version_of<'a>(resources: impl Iterator<Item = &'a Arc<EncodedResource>>) -> String {
    let mut hash = Xxh64::new(0);
    for resource in resources {
        hash.update(resource.name.as_bytes());
        // A byte that no UTF-8 text holds, so that neighbours cannot run together.
        hash.update(&[0xff]);
        hash.update(&resource.hash.to_le_bytes());
    }
    format!("{:016x}", hash.digest())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ripstop_model::{Cluster, Discovery};

    fn snapshot(names: &[&str]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for name in names {
            let cluster = Cluster::new(*name, Discovery::Eds { service_name: None });
            snapshot.clusters.insert((*name).into(), Arc::new(cluster));
        }
        snapshot
    }

    #[test]
    fn unchanged_resources_and_types_are_shared() {
        let first = snapshot(&["a", "b"]);
        let encoded = encode_snapshot(&first, None);
        let mut second = first.clone();
        let mut changed = (*second.clusters["b"]).clone();
        changed.connect_timeout = std::time::Duration::from_secs(9);
        second.clusters.insert("b".into(), Arc::new(changed));
        let again = encode_snapshot(&second, Some(&encoded));
        let get = |e: &EncodedSnapshot, name| Arc::clone(e.get(ResourceType::Cluster, name).unwrap());
        assert!(Arc::ptr_eq(&get(&encoded, "a"), &get(&again, "a")));
        assert_ne!(get(&encoded, "b").hash, get(&again, "b").hash);
        assert!(!again.shares(&encoded, ResourceType::Cluster));
        assert!(again.shares(&encoded, ResourceType::Route));
    }

    #[test]
    fn equal_snapshots_are_encoded_alike() {
        for seed in 0..50 {
            let [one, other] = [0, 1].map(|_| {
                encode_snapshot(&crate::arbitrary::snapshot(&mut fastrand::Rng::with_seed(seed)), None)
            });
            for kind in ResourceType::ALL {
                assert_eq!(one.of(kind), other.of(kind), "seed {seed}");
            }
        }
    }

    #[test]
    fn versions_depend_on_content_alone() {
        let one = encode_snapshot(&snapshot(&["a", "b"]), None);
        let other = encode_snapshot(&snapshot(&["a", "b"]), None);
        assert_eq!(one.of(ResourceType::Cluster), other.of(ResourceType::Cluster));
        // Equal values behind other pointers count as unchanged.
        let third = encode_snapshot(&snapshot(&["a", "b"]), Some(&one));
        assert!(third.shares(&one, ResourceType::Cluster));
        let fewer = encode_snapshot(&snapshot(&["a"]), Some(&one));
        assert!(!fewer.shares(&one, ResourceType::Cluster));
    }

    #[test]
    fn a_type_knows_what_differs_from_the_one_before() {
        let kind = ResourceType::Cluster;
        let one = encode_snapshot(&snapshot(&["a", "b", "c"]), None);
        let mut changed = snapshot(&["a", "b", "d"]);
        let mut slow = (*changed.clusters["b"]).clone();
        slow.connect_timeout = std::time::Duration::from_secs(9);
        changed.clusters.insert("b".into(), Arc::new(slow));
        let other = encode_snapshot(&changed, Some(&one));
        let names = |of: &EncodedType, version: &str| {
            of.changed_since(version)
                .map(|names| names.iter().map(|name| name.to_string()).collect::<Vec<_>>())
        };
        let (one, other) = (one.of(kind), other.of(kind));
        assert_eq!(names(other, &one.version).unwrap(), ["b", "d", "c"]);
        assert_eq!(names(other, &other.version).unwrap(), [""; 0]);
        assert_eq!(names(other, "something else"), None);
        assert_eq!(names(one, &other.version), None);

        // The same by replacing single resources.
        let replaced = ["b", "c", "d"].map(|name| (Name::from(name), other.resources.get(name).cloned()));
        let patched = one.with(&replaced.into());
        assert_eq!(patched, *other);
        assert_eq!(names(&patched, &one.version).unwrap(), ["b", "c", "d"]);
        assert_eq!(patched.names_hash(), other.names_hash());
        assert_ne!(patched.names_hash(), one.names_hash());
        let same = ["a", "b"].map(|name| (Name::from(name), one.resources.get(name).cloned()));
        assert!(Arc::ptr_eq(&one.with(&same.into()), one));
    }

    #[test]
    fn what_was_encoded_can_be_seen_again() {
        for seed in 0..50 {
            let mut snapshot = crate::arbitrary::snapshot(&mut fastrand::Rng::with_seed(seed));
            let again = encode_snapshot(&snapshot, None).source();
            // What is not sent is not kept.
            snapshot.secrets.retain(|reference, _| reference.source == SecretSource::Ads);
            snapshot.runtime.clear();
            assert_eq!(again, snapshot, "seed {seed}");
        }
    }
}
