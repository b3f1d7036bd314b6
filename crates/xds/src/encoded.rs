//! A snapshot as it goes over the wire: encoded once, shared by every stream that is sent it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::tls::{Secret, SecretSource};
use ripstop_model::{Name, Snapshot};
use xxhash_rust::xxh64::{Xxh64, xxh64};

use crate::ResourceType;
use crate::encode;

/// One resource, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct EncodedResource {
    /// Its name.
    pub name: Name,
    /// Hash (xxh64) of the bytes: equal content has an equal one, whoever encoded it and when.
    pub hash: u64,
    /// The value of the `Any`.
    pub value: Vec<u8>,
}

impl EncodedResource {
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
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EncodedType {
    /// Hash over names and versions, in hex.
    pub version: String,
    /// By name.
    pub resources: BTreeMap<Name, Arc<EncodedResource>>,
}

/// A whole snapshot, encoded, with the snapshot it was made of.
#[derive(Debug, Default)]
pub struct EncodedSnapshot {
    types: [Arc<EncodedType>; ResourceType::COUNT],
    source: Snapshot,
}

impl EncodedSnapshot {
    /// The resources of one type.
    pub fn of(&self, kind: ResourceType) -> &EncodedType {
        &self.types[kind.index()]
    }

    /// One resource.
    pub fn get(&self, kind: ResourceType, name: &str) -> Option<&Arc<EncodedResource>> {
        self.of(kind).resources.get(name)
    }

    /// The values that were encoded.
    pub fn source(&self) -> &Snapshot {
        &self.source
    }

    /// Whether the resources of a type are the very same as in `other`.
    pub fn shares(&self, other: &EncodedSnapshot, kind: ResourceType) -> bool {
        Arc::ptr_eq(&self.types[kind.index()], &other.types[kind.index()])
    }
}

/// Encodes a snapshot. What it shares with the snapshot behind `previous` (the same `Arc`) is not encoded
/// again, and a type of which nothing changed is shared as a whole.
pub fn encode_snapshot(snapshot: &Snapshot, previous: Option<&EncodedSnapshot>) -> EncodedSnapshot {
    let old = |kind: ResourceType| previous.map(|p| &p.types[kind.index()]);
    let source = previous.map(|p| &p.source);
    let clusters = encode_type(
        &snapshot.clusters,
        source.map(|s| &s.clusters),
        old(ResourceType::Cluster),
        encode::encode_cluster,
    );
    let endpoints = encode_type(
        &snapshot.endpoints,
        source.map(|s| &s.endpoints),
        old(ResourceType::Endpoint),
        encode::encode_load_assignment,
    );
    let listeners = match snapshot.api_listeners.is_empty() {
        true => encode_type(
            &snapshot.listeners,
            source.map(|s| &s.listeners),
            old(ResourceType::Listener),
            encode::encode_listener,
        ),
        // A snapshot is a proxy's or a library's, and has listeners of one kind.
        false => encode_type(
            &snapshot.api_listeners,
            source.map(|s| &s.api_listeners),
            old(ResourceType::Listener),
            encode::encode_api_listener,
        ),
    };
    let routes = encode_type(
        &snapshot.routes,
        source.map(|s| &s.routes),
        old(ResourceType::Route),
        encode::encode_route_configuration,
    );
    let secrets = encode_type(
        &secrets_of_ads(snapshot),
        source.map(secrets_of_ads).as_ref(),
        old(ResourceType::Secret),
        encode::encode_secret,
    );
    // Layers of values are followed, not served.
    let runtime = old(ResourceType::Runtime).cloned().unwrap_or_default();
    // In the order of `ResourceType::ALL`.
    let types = [clusters, endpoints, listeners, routes, secrets, runtime];
    EncodedSnapshot { types, source: snapshot.clone() }
}

/// The secrets that are sent.
fn secrets_of_ads(snapshot: &Snapshot) -> BTreeMap<Name, Arc<Secret>> {
    let sent = snapshot.secrets.iter().filter(|(reference, _)| reference.source == SecretSource::Ads);
    sent.map(|(reference, secret)| (reference.name.clone(), Arc::clone(secret))).collect()
}

fn encode_type<T>(
    resources: &BTreeMap<Name, Arc<T>>,
    old_source: Option<&BTreeMap<Name, Arc<T>>>,
    old: Option<&Arc<EncodedType>>,
    encode: fn(&T) -> Vec<u8>,
) -> Arc<EncodedType> {
    let mut changed = old.is_none_or(|old| old.resources.len() != resources.len());
    let mut encoded = BTreeMap::new();
    for (name, resource) in resources {
        let same = old_source.and_then(|s| s.get(name)).is_some_and(|source| Arc::ptr_eq(source, resource));
        let known = old.and_then(|old| old.resources.get(name));
        let entry = match known {
            Some(known) if same => Arc::clone(known),
            _ => {
                let fresh = encode_resource(name, encode(resource));
                // An equal value behind another pointer is no change.
                match known {
                    Some(known) if **known == fresh => Arc::clone(known),
                    _ => {
                        changed = true;
                        Arc::new(fresh)
                    }
                }
            }
        };
        encoded.insert(name.clone(), entry);
    }
    match old {
        Some(old) if !changed => Arc::clone(old),
        _ => Arc::new(EncodedType { version: version_of(encoded.values()), resources: encoded }),
    }
}

pub(crate) fn encode_resource(name: &Name, value: Vec<u8>) -> EncodedResource {
    EncodedResource { name: name.clone(), hash: xxh64(&value, 0), value }
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
}
