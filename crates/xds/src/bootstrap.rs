//! Files in the form of Envoy's bootstrap: text in, what a proxy runs on and what it follows out. Every problem is told with
//! its place in the text.

mod dynamic;
pub(crate) mod fields;
mod runtime;

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;
use ripstop_model::address::BindAddress;
use ripstop_model::endpoint::Locality;
use ripstop_model::matcher::StringMatch;
use ripstop_model::node::LocalCluster;
use ripstop_model::runtime::{RuntimeLayer, RuntimeSource};
use ripstop_model::tls::{SecretRef, SecretSource};
use ripstop_model::{Name, Node, Snapshot};
use ripstop_yaml::{Problem, Problems, Source, parse};

use crate::binder::bind;
use crate::client::{Introduction, WantedFile, WantedFiles};
use crate::decode::{
    Decoded, Rejection, WorkloadSecrets, decode_cluster_for, decode_listener_for, decode_secret, read_admin,
};
use crate::{ResourceType, pb, place};

pub use dynamic::{AdsSource, AdsTarget, Dynamic};
pub use runtime::runtime_value;

/// The message that such a file holds.
const MESSAGE: &str = "envoy.config.bootstrap.v3.Bootstrap";

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bootstrap {
    /// Who the proxy is. Metadata that is not text is left out.
    pub node: Node,
    /// Where its admin pages are; `None`: nowhere.
    pub admin: Option<BindAddress>,
    /// The only paths of admin pages that are answered; empty: all.
    pub admin_paths: Vec<StringMatch>,
    /// Listeners and clusters that are written in it.
    pub snapshot: Snapshot,
    /// What is followed besides.
    pub dynamic: Dynamic,
    /// How the proxy introduces itself to a control plane.
    pub introduction: Introduction,
    /// What is set by name; later layers win.
    pub runtime: Vec<RuntimeLayer>,
    /// The cluster that the proxy belongs to, and where it is.
    pub local: Option<LocalCluster>,
}

impl Bootstrap {
    /// The files that it names.
    pub fn files(&self) -> WantedFiles {
        let origins = [
            (ResourceType::Listener, &self.dynamic.listeners),
            (ResourceType::Cluster, &self.dynamic.clusters),
        ];
        let origins =
            origins.into_iter().filter_map(|(kind, origin)| Some((kind, origin.as_ref()?.file.clone()?)));
        let layers = self.runtime.iter().filter_map(|layer| match &layer.source {
            RuntimeSource::Discovery { file: Some(file), .. } => Some((ResourceType::Runtime, file.clone())),
            _ => None,
        });
        origins.chain(layers).chain(named_files(&self.snapshot)).collect()
    }
}

/// The files that listeners and clusters name.
pub fn named_files(snapshot: &Snapshot) -> impl Iterator<Item = WantedFile> {
    let routes = snapshot.route_files().map(|(_, file)| (ResourceType::Route, file.clone()));
    routes.chain(snapshot.endpoint_files().map(|(_, file)| (ResourceType::Endpoint, file.clone())))
}

/// Whether a text looks like such a file rather than like the documents of a mesh: a mapping with one of the bootstrap's
/// sections and without a `kind`.
pub fn is_bootstrap(source: &Source) -> bool {
    let Ok(documents) = parse(source) else { return false };
    let Some(document) = documents.first() else { return false };
    let root = &document.root;
    root.get("kind").is_none()
        && root.entries().iter().any(|entry| fields::TELLING.contains(&place::snake(&entry.key).as_str()))
}

/// Reads a file. `None` if there is an error among the problems; warnings alone leave the result.
pub fn load(source: &Source) -> (Option<Bootstrap>, Vec<Problem>) {
    let documents = match parse(source) {
        Ok(documents) => documents,
        Err(problem) => return (None, vec![problem]),
    };
    let problems = Problems::new(source);
    let [document] = documents.as_slice() else {
        problems.error("", None, format!("holds {} documents; a bootstrap is one", documents.len()));
        return (None, problems.into_vec());
    };
    let place = place::Place { root: &document.root, problems: &problems };
    let wire = bind(&document.root, MESSAGE, &problems);
    fields::check(&place);
    let Some(bytes) = wire else { return (None, problems.into_vec()) };
    let bootstrap = match pb::Bootstrap::decode(bytes.as_slice()) {
        Ok(wire) => read(&wire, &place),
        Err(error) => {
            problems.error("", None, format!("not a valid {MESSAGE}: {error}"));
            return (None, problems.into_vec());
        }
    };
    (Some(bootstrap).filter(|_| !problems.has_errors()), problems.into_vec())
}

fn read(wire: &pb::Bootstrap, place: &place::Place<'_>) -> Bootstrap {
    let mut snapshot = Snapshot::default();
    let resources = wire.static_resources.clone().unwrap_or_default();
    for (index, secret) in resources.secrets.iter().enumerate() {
        let path = format!("static_resources.secrets[{index}]");
        if let Some(secret) = told(place, &path, decode_secret(&secret.encode_to_vec())) {
            let name = secret.name.clone();
            let before = snapshot.secrets.insert(SecretRef::fixed(name.clone()), Arc::new(secret));
            unique(place, &path, "secret", &name, before);
        }
    }
    for (index, cluster) in resources.clusters.iter().enumerate() {
        let path = format!("static_resources.clusters[{index}]");
        if let Some(cluster) =
            told(place, &path, decode_cluster_for(WorkloadSecrets::Sent, &cluster.encode_to_vec()))
        {
            let name = cluster.name.clone();
            unique(place, &path, "cluster", &name, snapshot.clusters.insert(name.clone(), Arc::new(cluster)));
        }
    }
    for (index, listener) in resources.listeners.iter().enumerate() {
        let path = format!("static_resources.listeners[{index}]");
        if let Some(listener) =
            told(place, &path, decode_listener_for(WorkloadSecrets::Sent, &listener.encode_to_vec()))
        {
            let name = listener.name.clone();
            let before = snapshot.listeners.insert(name.clone(), Arc::new(listener));
            unique(place, &path, "listener", &name, before);
        }
    }
    let dynamic = wire.dynamic_resources.as_ref();
    let dynamic = dynamic.map(|wire| dynamic::read(place, wire, &snapshot)).unwrap_or_default();
    let runtime: Vec<RuntimeLayer> =
        wire.layered_runtime.as_ref().map(|wire| runtime::layers(place, wire)).unwrap_or_default();
    // What could not be read is not there either: no need to say it twice.
    if !place.problems.has_errors() {
        dynamic::check(place, &dynamic, &snapshot, &runtime);
        for name in snapshot.missing_clusters() {
            place.error("static_resources", format!("cluster {name} is named and not in this file"));
        }
        for name in snapshot.missing_secrets() {
            place.error("static_resources", format!("secret {name} is named and not in this file"));
        }
        for reference in snapshot.secrets_of_servers() {
            let SecretSource::Server { cluster } = &reference.source else { continue };
            if !snapshot.clusters.contains_key(cluster) {
                let name = &reference.name;
                place.error(
                    "static_resources",
                    format!("secret {name} is asked of cluster {cluster}, which is not in this file"),
                );
            }
        }
    }
    let (admin, admin_paths) = admin(place, wire.admin.as_ref());
    let node_wire = wire.node.clone().unwrap_or_default();
    Bootstrap {
        node: node(wire.node.as_ref()),
        admin,
        admin_paths,
        snapshot,
        dynamic,
        introduction: Introduction { node: node_wire },
        runtime,
        local: local_cluster(wire),
    }
}

/// `None` where no cluster is named, or the zone is not known: then there is nothing to be aware of.
fn local_cluster(wire: &pb::Bootstrap) -> Option<LocalCluster> {
    let name = &wire.cluster_manager.as_ref()?.local_cluster_name;
    let place = wire.node.as_ref()?.locality.as_ref()?;
    (!name.is_empty()).then(|| LocalCluster {
        name: name.as_str().into(),
        locality: Locality {
            region: place.region.as_str().into(),
            zone: place.zone.as_str().into(),
            sub_zone: place.sub_zone.as_str().into(),
        },
    })
}

/// A resource, when it could be taken; what was said of it is put where it stands.
fn told<T>(place: &place::Place<'_>, path: &str, result: Result<Decoded<T>, Rejection>) -> Option<T> {
    match result {
        Ok(decoded) => {
            for warning in &decoded.warnings {
                place.warn(&place::below(path, &warning.path), warning.message.clone());
            }
            Some(decoded.value)
        }
        Err(rejection) => {
            for problem in &rejection.problems {
                place.error(&place::below(path, &problem.path), problem.message.clone());
            }
            None
        }
    }
}

fn unique<T>(place: &place::Place<'_>, path: &str, kind: &str, name: &Name, before: Option<T>) {
    if before.is_some() {
        place.error(&place::below(path, "name"), format!("there is another {kind} named '{name}'"));
    }
}

fn node(wire: Option<&pb::Node>) -> Node {
    let Some(wire) = wire else { return Node::default() };
    let fields = wire.metadata.iter().flat_map(|metadata| &metadata.fields);
    let metadata: BTreeMap<String, String> = fields
        .filter_map(|(key, value)| match &value.kind {
            Some(pb::value::Kind::StringValue(text)) => Some((key.clone(), text.clone())),
            _ => None,
        })
        .collect();
    Node { id: wire.id.clone(), cluster: wire.cluster.clone(), metadata, ..Node::default() }
}

fn admin(place: &place::Place<'_>, wire: Option<&pb::Admin>) -> (Option<BindAddress>, Vec<StringMatch>) {
    // A section without an address is one without pages.
    let Some(wire) = wire.filter(|wire| wire.address.is_some()) else { return (None, Vec::new()) };
    read_admin(wire, &mut |path, message| place.error(&place::below("admin", path), message))
}

#[cfg(test)]
mod tests;
