//! Client and server against each other, with messages moved in memory.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use ripstop_model::http_manager::RouteSource;
use ripstop_model::route::{ClusterChoice, ClusterSplit, Forward, RouteAction, RouteMatch, WeightedCluster};
use ripstop_model::{
    Address, Cluster, ClusterLoadAssignment, Discovery, Endpoint, FilterChain, HttpConnectionManager,
    Listener, NetworkFilter, Route, RouteConfiguration, Snapshot, VirtualHost,
};

use super::*;
use crate::client::following::Following;
use crate::client::graph::Graph;
use crate::client::trial::TakeAll;
use crate::server::StreamStatus;
use crate::server::session::Session as _;
use crate::server::session::delta::DeltaSession;
use crate::{EncodedSnapshot, encode_snapshot};

fn cluster(snapshot: &mut Snapshot, name: &str, port: u16) {
    let cluster = Cluster::new(name, Discovery::Eds { service_name: None });
    snapshot.clusters.insert(name.into(), Arc::new(cluster));
    let endpoints = vec![Endpoint::new(Address::socket([127, 0, 0, 1], port))];
    snapshot.endpoints.insert(name.into(), Arc::new(ClusterLoadAssignment::flat(name, endpoints)));
}

fn listener(snapshot: &mut Snapshot, name: &str, routes: &str) {
    let manager = HttpConnectionManager::new("x", RouteSource::Rds(routes.into()));
    let chain = FilterChain {
        matches: Default::default(),
        ..FilterChain::new(NetworkFilter::Http(Box::new(manager)))
    };
    let listener = Listener {
        direction: Default::default(),
        ..Listener::new(name, Address::socket([127, 0, 0, 1], 80), vec![chain])
    };
    snapshot.listeners.insert(name.into(), Arc::new(listener));
}

fn routes(snapshot: &mut Snapshot, name: &str, clusters: &[&str]) {
    let shares = clusters.iter().map(|name| WeightedCluster::new(*name, 1));
    let forward = Forward {
        cluster: ClusterChoice::Weighted(ClusterSplit::random(shares.collect())),
        ..Forward::to("")
    };
    let route = Route::new(RouteMatch::prefix("/"), RouteAction::Forward(Box::new(forward)));
    let host = VirtualHost::new("v", vec!["*".into()], vec![route]);
    let routes = RouteConfiguration::new(name, vec![host]);
    snapshot.routes.insert(name.into(), Arc::new(routes));
}

/// Listener `l`, routes `r` to clusters, each cluster with one endpoint at its port.
pub(in crate::client) fn shop(clusters: &[(&str, u16)]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    listener(&mut snapshot, "l", "r");
    let names: Vec<&str> = clusters.iter().map(|(name, _)| *name).collect();
    routes(&mut snapshot, "r", &names);
    clusters.iter().for_each(|(name, port)| cluster(&mut snapshot, name, *port));
    snapshot
}

/// A client and the server that it is connected to.
struct Pair {
    client: ClientSession,
    holdings: Holdings,
    server: DeltaSession,
    encoded: Arc<EncodedSnapshot>,
    now: Instant,
    emitted: Vec<Arc<Snapshot>>,
    /// What the server has sent, as `CDS 2 -1`.
    sent: Vec<String>,
}

impl Pair {
    fn new(snapshot: &Snapshot) -> Pair {
        let encoded = Arc::new(encode_snapshot(snapshot, None));
        let mut pair = Pair {
            client: ClientSession::new(Introduction::default()),
            holdings: Holdings::new(Graph::new(Following::ads_alone()), Arc::default(), Box::new(TakeAll)),
            server: DeltaSession::new(Arc::clone(&encoded), Arc::new(StreamStatus::default())),
            encoded,
            now: Instant::now(),
            emitted: Vec::new(),
            sent: Vec::new(),
        };
        pair.connect();
        pair
    }

    /// A new stream to a new server.
    fn connect(&mut self) {
        self.holdings.graph.disconnected();
        self.server = DeltaSession::new(Arc::clone(&self.encoded), Arc::new(StreamStatus::default()));
        let requests = self.client.connected(&mut self.holdings);
        self.tell(requests);
        self.exchange();
    }

    fn push(&mut self, snapshot: &Snapshot) {
        self.encoded = Arc::new(encode_snapshot(snapshot, Some(&self.encoded)));
        self.server.push(Arc::clone(&self.encoded));
    }

    fn tell(&mut self, requests: Vec<pb::DeltaDiscoveryRequest>) {
        for request in requests {
            self.server.receive(request, SystemTime::UNIX_EPOCH).unwrap();
        }
    }

    /// Moves one response. Says whether there was one.
    fn step(&mut self) -> bool {
        let Some(response) = self.server.next() else { return false };
        let kind = ResourceType::from_type_url(&response.type_url).unwrap();
        self.sent.push(format!("{kind} {} -{}", response.resources.len(), response.removed_resources.len()));
        let requests = self.client.receive(&mut self.holdings, response);
        self.tell(requests);
        self.emit();
        true
    }

    fn emit(&mut self) {
        if let Some(snapshot) = self.holdings.emit(self.now) {
            self.emitted.push(snapshot);
            let requests = self.client.resubscribe(&mut self.holdings);
            self.tell(requests);
        }
    }

    fn exchange(&mut self) {
        while self.step() {}
    }

    fn last(&self) -> &Snapshot {
        self.emitted.last().unwrap()
    }
}

#[test]
fn the_first_snapshot_is_whole_and_comes_once() {
    let shop = shop(&[("a", 1), ("b", 2)]);
    let pair = Pair::new(&shop);
    assert_eq!(pair.emitted.len(), 1);
    assert_eq!(*pair.last(), shop);
    let versions = pair.holdings.status.report().versions;
    assert_eq!(versions.len(), 4);
}

#[test]
fn a_changed_endpoint_is_all_that_travels_and_the_rest_is_shared() {
    let mut pair = Pair::new(&shop(&[("a", 1), ("b", 2)]));
    pair.sent.clear();
    pair.push(&shop(&[("a", 9), ("b", 2)]));
    pair.exchange();
    assert_eq!(pair.sent, ["EDS 1 -0"]);
    assert_eq!(pair.emitted.len(), 2);
    let (before, after) = (&pair.emitted[0], &pair.emitted[1]);
    assert!(Arc::ptr_eq(&before.clusters["a"], &after.clusters["a"]));
    assert!(Arc::ptr_eq(&before.endpoints["b"], &after.endpoints["b"]));
    assert_eq!(*pair.last(), shop(&[("a", 9), ("b", 2)]));
}

#[test]
fn a_hundred_changes_in_one_response_are_one_snapshot() {
    let names: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    let list = |port| -> Vec<(&str, u16)> { names.iter().map(|name| (name.as_str(), port)).collect() };
    let mut pair = Pair::new(&shop(&list(1)));
    pair.push(&shop(&list(2)));
    pair.exchange();
    assert_eq!(pair.emitted.len(), 2);
}

#[test]
fn a_bad_listener_is_refused_by_name_and_the_good_one_stays() {
    let mut good = shop(&[("a", 1)]);
    let mut pair = Pair::new(&good);
    let mut broken = (*good.listeners["l"]).clone();
    broken.filter_chains.clear();
    let mut pushed = good.clone();
    pushed.listeners.insert("l".into(), Arc::new(broken));
    listener(&mut pushed, "new", "r");
    pair.push(&pushed);
    pair.exchange();
    listener(&mut good, "new", "r");
    assert_eq!(*pair.last(), good, "the good one of the same response is taken");
    let report = pair.holdings.status.report();
    assert_eq!(report.rejected, 1);
    let error = report.last_error.unwrap();
    assert!(error.contains("l: filter_chains: a listener needs at least one filter chain"), "{error}");
    // After a reconnect it is refused again, and everything else is not even sent.
    pair.sent.clear();
    pair.connect();
    assert_eq!(pair.sent, ["LDS 1 -0"]);
    assert_eq!(*pair.last(), good);
}

#[test]
fn a_restarted_server_sends_nothing_that_is_unchanged() {
    let shop = shop(&[("a", 1), ("b", 2)]);
    let mut pair = Pair::new(&shop);
    pair.sent.clear();
    pair.encoded = Arc::new(encode_snapshot(&shop, None));
    pair.connect();
    assert_eq!(pair.sent, [""; 0]);
    assert_eq!(pair.emitted.len(), 1);
}

#[test]
fn what_disappeared_meanwhile_is_removed_at_reconnect() {
    let mut pair = Pair::new(&shop(&[("a", 1), ("b", 2)]));
    let now = shop(&[("b", 2)]);
    pair.encoded = Arc::new(encode_snapshot(&now, None));
    pair.connect();
    assert_eq!(*pair.last(), now);
}

#[test]
fn names_that_are_never_answered_are_waited_for_and_then_left_out() {
    let whole = shop(&[("a", 1), ("b", 2)]);
    let mut pair = Pair::new(&shop(&[("a", 1)]));
    // A server that announces the cluster and never answers for its endpoints.
    let resource = encode_snapshot(&whole, None).get(ResourceType::Cluster, "b").unwrap().value.clone();
    let type_url = ResourceType::Cluster.type_url().to_owned();
    let any = pb::Any { type_url: type_url.clone(), value: resource };
    let resource = pb::Resource { name: "b".to_owned(), resource: Some(any), ..Default::default() };
    let response = pb::DeltaDiscoveryResponse { type_url, resources: vec![resource], ..Default::default() };
    let requests = pair.client.receive(&mut pair.holdings, response);
    assert_eq!(requests[0].resource_names_subscribe, ["b"], "what is needed is asked for before the answer");
    pair.emit();
    assert_eq!(pair.emitted.len(), 1);
    assert_eq!(pair.holdings.graph.deadline(), Some(pair.now + Duration::from_secs(15)));
    pair.now += Duration::from_secs(15);
    pair.emit();
    assert_eq!(pair.emitted.len(), 2);
    assert!(pair.last().clusters.contains_key("b") && !pair.last().endpoints.contains_key("b"));
    assert_eq!(pair.holdings.graph.deadline(), None);
}

#[test]
fn a_removed_cluster_stays_while_routes_name_it() {
    let mut pair = Pair::new(&shop(&[("a", 1), ("b", 2)]));
    // A careless server removes the cluster first.
    let response = pb::DeltaDiscoveryResponse {
        type_url: ResourceType::Cluster.type_url().to_owned(),
        removed_resources: vec!["a".to_owned()],
        ..Default::default()
    };
    let requests = pair.client.receive(&mut pair.holdings, response);
    assert_eq!(requests.len(), 1, "endpoints of a cluster in use are not unsubscribed");
    pair.emit();
    assert_eq!(pair.emitted.len(), 1);
    pair.push(&shop(&[("b", 2)]));
    pair.exchange();
    assert_eq!(*pair.last(), shop(&[("b", 2)]));
}

#[test]
fn resources_have_to_be_what_they_are_sent_as() {
    let mut pair = Pair::new(&shop(&[("a", 1)]));
    let value =
        encode_snapshot(&shop(&[("a", 1)]), None).get(ResourceType::Cluster, "a").unwrap().value.clone();
    let mut refused = |name: &str, inner: ResourceType| {
        let any = pb::Any { type_url: inner.type_url().to_owned(), value: value.clone() };
        let resource = pb::Resource { name: name.to_owned(), resource: Some(any), ..Default::default() };
        let response = pb::DeltaDiscoveryResponse {
            type_url: ResourceType::Cluster.type_url().to_owned(),
            resources: vec![resource],
            ..Default::default()
        };
        pair.client
            .receive(&mut pair.holdings, response)
            .pop()
            .unwrap()
            .error_detail
            .map(|error| error.message)
    };
    assert_eq!(refused("a", ResourceType::Cluster), None);
    assert_eq!(refused("b", ResourceType::Cluster).unwrap(), "b: holds a resource named 'a'");
    assert!(refused("a", ResourceType::Listener).unwrap().contains("is a type.googleapis.com"));
}

/// Random changes, random interruptions: no route ever leads to nothing, and in the end there is what was pushed.
#[test]
fn no_snapshot_is_ever_torn() {
    for seed in 0..200 {
        let rng = &mut Rng::with_seed(seed);
        let random = |rng: &mut Rng| {
            let mut list: Vec<(&str, u16)> =
                ["a", "b", "c", "d", "e"].map(|name| (name, rng.u16(1..4))).to_vec();
            rng.shuffle(&mut list);
            list.truncate(rng.usize(1..=5));
            list.sort_unstable();
            shop(&list)
        };
        let mut pair = Pair::new(&random(rng));
        let mut newest = Snapshot::default();
        for _ in 0..30 {
            match rng.u8(0..8) {
                0 => pair.connect(),
                1..3 => {
                    newest = random(rng);
                    pair.push(&newest);
                }
                _ => drop(pair.step()),
            }
        }
        newest = if newest.clusters.is_empty() { random(rng) } else { newest };
        pair.push(&newest);
        pair.exchange();
        for snapshot in &pair.emitted {
            // A cluster that came and went between two answers may be without endpoints; nothing names it.
            for name in snapshot.referenced_clusters() {
                assert!(snapshot.clusters.contains_key(name), "seed {seed}: no cluster {name}");
                assert!(snapshot.endpoints.contains_key(name), "seed {seed}: no endpoints {name}");
            }
            let missing = snapshot.wanted_routes().find(|name| !snapshot.routes.contains_key(*name));
            assert_eq!(missing, None, "seed {seed}");
        }
        assert_eq!(*pair.last(), newest, "seed {seed}");
    }
}
