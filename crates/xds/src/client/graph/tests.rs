//! What is fixed, what files say, and how long the first answers are waited for.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::client::following::Origin;
use ripstop_model::http_manager::RouteSource;
use ripstop_model::{
    Address, Discovery, FilterChain, HttpConnectionManager, NetworkFilter, RouteConfiguration,
};

fn listener(name: &str, port: u16, routes: RouteSource) -> Listener {
    let manager = NetworkFilter::Http(Box::new(HttpConnectionManager::new("x", routes)));
    Listener::new(name, Address::socket([127, 0, 0, 1], port), vec![FilterChain::new(manager)])
}

fn of(listeners: Vec<Listener>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for listener in listeners {
        snapshot.listeners.insert(listener.name.clone(), Arc::new(listener));
    }
    snapshot
}

fn inline() -> RouteSource {
    RouteSource::Inline(RouteConfiguration::new("inline", Vec::new()))
}

fn file_origin(path: &str) -> Origin {
    Origin { file: Some(ConfigFile::new(path)), initial_timeout: Some(Duration::from_secs(15)) }
}

#[test]
fn what_is_fixed_cannot_be_replaced_and_files_are_replaced_as_a_whole() {
    let fixed = Arc::new(of(vec![listener("static", 1, inline())]));
    let following = Following {
        fixed,
        listeners: Some(file_origin("lds.yaml")),
        clusters: Some(file_origin("cds.yaml")),
        ..Following::default()
    };
    let mut graph = Graph::new(following);
    let now = Instant::now();
    assert!(graph.emit(now).is_none());
    let lds = (ResourceType::Listener, ConfigFile::new("lds.yaml"));
    let cds = (ResourceType::Cluster, ConfigFile::new("cds.yaml"));
    assert_eq!(graph.wanted_files(), WantedFiles::from([lds.clone(), cds.clone()]));
    graph.take_file(cds, Snapshot::default());
    graph.take_file(lds.clone(), of(vec![listener("static", 9, inline()), listener("a", 2, inline())]));
    let first = graph.emit(now).unwrap();
    assert_eq!(*first.listeners["static"], listener("static", 1, inline()));
    assert_eq!(first.listeners.len(), 2);
    graph.take_file(lds.clone(), of(vec![listener("a", 2, inline()), listener("b", 3, inline())]));
    let second = graph.emit(now).unwrap();
    assert!(Arc::ptr_eq(&first.listeners["a"], &second.listeners["a"]), "what is equal stays in place");
    graph.take_file(lds, of(vec![listener("b", 3, inline())]));
    assert_eq!(
        graph.emit(now).unwrap().listeners.keys().map(|name| &**name).collect::<Vec<_>>(),
        ["b", "static"]
    );
}

#[test]
fn routes_of_a_file_are_waited_for_and_taken_by_name() {
    let file = ConfigFile::new("rds.yaml");
    let source = RouteSource::File { name: "r".into(), file: file.clone() };
    let fixed = Arc::new(of(vec![listener("l", 1, source)]));
    let mut graph = Graph::new(Following { fixed, ..Following::default() });
    let now = Instant::now();
    assert!(graph.emit(now).is_none());
    assert_eq!(graph.wanted(ResourceType::Route), BTreeSet::new(), "nothing to ask ADS for");
    let rds = (ResourceType::Route, file);
    assert_eq!(graph.wanted_files(), WantedFiles::from([rds.clone()]));
    let mut resources = Snapshot::default();
    for name in ["r", "other"] {
        resources.routes.insert(name.into(), Arc::new(RouteConfiguration::new(name, Vec::new())));
    }
    graph.take_file(rds.clone(), resources);
    assert_eq!(graph.emit(now).unwrap().routes.len(), 1);
    // A file that has lost it changes nothing.
    graph.take_file(rds, Snapshot::default());
    assert!(graph.emit(now).is_none());
}

#[test]
fn endpoints_of_a_file_stand_beside_those_of_ads() {
    let file = ConfigFile::new("eds.yaml");
    let mut fixed = Snapshot::default();
    for (name, discovery) in [
        ("a", Discovery::EdsFile { service_name: Some("svc".into()), file: file.clone() }),
        ("b", Discovery::Eds { service_name: None }),
    ] {
        fixed.clusters.insert(name.into(), Arc::new(Cluster::new(name, discovery)));
    }
    let mut graph = Graph::new(Following { fixed: Arc::new(fixed), ..Following::default() });
    assert_eq!(graph.wanted(ResourceType::Endpoint), BTreeSet::from(["b".into()]));
    let now = Instant::now();
    let mut resources = Snapshot::default();
    resources.endpoints.insert("svc".into(), Arc::new(ClusterLoadAssignment::flat("svc", Vec::new())));
    graph.take_file((ResourceType::Endpoint, file), resources);
    assert!(graph.emit(now).is_none());
    graph.accept("b".into(), Accepted::Endpoints(ClusterLoadAssignment::flat("b", Vec::new())));
    assert_eq!(graph.emit(now).unwrap().endpoints.len(), 2);
}

#[test]
fn things_go_on_without_a_first_answer_after_a_while() {
    let fixed = Arc::new(of(vec![listener("static", 1, inline())]));
    let timeout = Duration::from_secs(15);
    let ads = Origin { file: None, initial_timeout: Some(timeout) };
    let following =
        Following { fixed, listeners: Some(ads.clone()), clusters: Some(ads), ..Following::default() };
    let mut graph = Graph::new(following);
    let now = Instant::now();
    assert!(graph.emit(now).is_none());
    assert_eq!(graph.deadline(), Some(now + timeout));
    graph.disconnected();
    assert_eq!(graph.emit(now + timeout).unwrap().listeners.len(), 1);
    assert_eq!(graph.deadline(), None);
    assert!(Graph::new(Following::default()).emit(now).is_some(), "nothing is a configuration, too");
}
