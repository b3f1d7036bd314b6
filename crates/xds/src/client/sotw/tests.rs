//! Client and server against each other, with messages moved in memory.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use fastrand::Rng;
use ripstop_model::tls::{
    CertificateValidation, DataSource, PeerValidation, SecretKind, SecretRef, TransportSocket,
};
use ripstop_model::{Cluster, Listener, RouteConfiguration, Secret, Snapshot, TlsClient};

use super::*;
use crate::client::following::Following;
use crate::client::graph::Graph;
use crate::client::session::tests::shop;
use crate::client::trial::{TakeAll, Trial};
use crate::server::StreamStatus;
use crate::server::session::Session as _;
use crate::server::session::sotw::SotwSession as Server;
use crate::{EncodedSnapshot, encode_snapshot};

struct Pair {
    client: SotwSession,
    holdings: Holdings,
    server: Server,
    encoded: Arc<EncodedSnapshot>,
    emitted: Vec<Arc<Snapshot>>,
}

impl Pair {
    fn new(snapshot: &Snapshot) -> Pair {
        let encoded = Arc::new(encode_snapshot(snapshot, None));
        let mut pair = Pair {
            client: SotwSession::new(Introduction::default(), true),
            holdings: Holdings::new(Graph::new(Following::ads_alone()), Arc::default(), Box::new(TakeAll)),
            server: Server::new(Arc::clone(&encoded), Arc::new(StreamStatus::default())),
            encoded,
            emitted: Vec::new(),
        };
        pair.connect();
        pair
    }

    fn connect(&mut self) {
        self.holdings.graph.disconnected();
        self.server = Server::new(Arc::clone(&self.encoded), Arc::new(StreamStatus::default()));
        let requests = self.client.connected(&mut self.holdings);
        assert!(requests[0].node.is_some() && requests[1].node.is_none());
        self.tell(requests);
        while self.step() {}
    }

    fn push(&mut self, snapshot: &Snapshot) {
        self.encoded = Arc::new(encode_snapshot(snapshot, Some(&self.encoded)));
        self.server.push(Arc::clone(&self.encoded));
    }

    fn tell(&mut self, requests: Vec<pb::DiscoveryRequest>) {
        for request in requests {
            self.server.receive(request, SystemTime::UNIX_EPOCH).unwrap();
        }
    }

    fn step(&mut self) -> bool {
        let Some(response) = self.server.next() else { return false };
        let requests = self.client.receive(&mut self.holdings, response);
        self.tell(requests);
        if let Some(snapshot) = self.holdings.emit(Instant::now()) {
            self.emitted.push(snapshot);
            let requests = self.client.resubscribe(&mut self.holdings);
            self.tell(requests);
        }
        true
    }

    fn last(&self) -> &Snapshot {
        self.emitted.last().unwrap()
    }
}

#[test]
fn the_first_snapshot_is_whole_and_changes_follow() {
    let mut pair = Pair::new(&shop(&[("a", 1), ("b", 2)]));
    assert_eq!(pair.emitted.len(), 1);
    assert_eq!(*pair.last(), shop(&[("a", 1), ("b", 2)]));
    pair.push(&shop(&[("b", 3), ("c", 4)]));
    while pair.step() {}
    assert_eq!(*pair.last(), shop(&[("b", 3), ("c", 4)]));
}

#[test]
fn a_bad_listener_is_refused_with_the_version_before_and_the_good_one_stays() {
    let good = shop(&[("a", 1)]);
    let mut pair = Pair::new(&good);
    let version = pair.client.types[ResourceType::Listener.index()].version.clone();
    let mut bad = good.clone();
    let mut broken = (*good.listeners["l"]).clone();
    broken.filter_chains.clear();
    bad.listeners.insert("l".into(), Arc::new(broken));
    pair.push(&bad);
    let response = pair.server.next().unwrap();
    let nonce = response.nonce.clone();
    let answer = pair.client.receive(&mut pair.holdings, response).pop().unwrap();
    assert_eq!((answer.version_info, answer.response_nonce), (version, nonce));
    assert!(answer.error_detail.unwrap().message.contains("at least one filter chain"));
    assert!(pair.holdings.emit(Instant::now()).is_none());
    assert_eq!(*pair.last(), good);
}

#[test]
fn resources_may_come_wrapped() {
    let mut pair = Pair::new(&shop(&[("a", 1)]));
    let resource = pair.encoded.get(ResourceType::Cluster, "a").unwrap().value.clone();
    let any = pb::Any { type_url: ResourceType::Cluster.type_url().to_owned(), value: resource };
    let mut wrap = |name: &str| {
        let wrapped =
            pb::Resource { name: name.to_owned(), resource: Some(any.clone()), ..Default::default() };
        let wrapped = pb::Any { type_url: pb::Resource::type_url(), value: wrapped.encode_to_vec() };
        let response = pb::DiscoveryResponse {
            type_url: ResourceType::Cluster.type_url().to_owned(),
            resources: vec![wrapped],
            ..Default::default()
        };
        pair.client.receive(&mut pair.holdings, response).pop().unwrap().error_detail
    };
    assert_eq!(wrap("a"), None);
    assert!(wrap("b").is_some());
}

/// Random changes, random interruptions: no route ever leads to nothing, and in the end there is what was pushed.
#[test]
fn no_snapshot_is_ever_torn() {
    for seed in 0..100 {
        let rng = &mut Rng::with_seed(seed);
        let random = |rng: &mut Rng| {
            let mut list: Vec<(&str, u16)> = ["a", "b", "c", "d"].map(|name| (name, rng.u16(1..4))).to_vec();
            rng.shuffle(&mut list);
            list.truncate(rng.usize(1..=4));
            list.sort_unstable();
            shop(&list)
        };
        let mut pair = Pair::new(&random(rng));
        for _ in 0..30 {
            match rng.u8(0..8) {
                0 => pair.connect(),
                1..3 => pair.push(&random(rng)),
                _ => drop(pair.step()),
            }
        }
        let newest = random(rng);
        pair.push(&newest);
        while pair.step() {}
        for snapshot in &pair.emitted {
            assert_eq!(snapshot.dangling(), [""; 0], "seed {seed}");
        }
        assert_eq!(*pair.last(), newest, "seed {seed}");
    }
}

/// The shop with TLS to its only cluster, by roots that ADS brings.
fn secure_shop(roots: &str) -> Snapshot {
    let mut snapshot = shop(&[("a", 1)]);
    let peer = PeerValidation::Secret(SecretRef::ads("roots"));
    let mut cluster = (*snapshot.clusters["a"]).clone();
    cluster.transport = TransportSocket::tls(TlsClient::new(Some(peer)));
    snapshot.clusters.insert("a".into(), Arc::new(cluster));
    let validation = CertificateValidation {
        trusted_ca: Some(DataSource::inline(roots.as_bytes())),
        ..CertificateValidation::default()
    };
    let secret = Secret { name: "roots".into(), kind: SecretKind::Validation(Box::new(validation)) };
    snapshot.secrets.insert(SecretRef::ads("roots"), Arc::new(secret));
    snapshot
}

#[test]
fn secrets_are_asked_for_and_waited_for() {
    let mut pair = Pair::new(&secure_shop("one"));
    assert_eq!(*pair.emitted[pair.emitted.len() - 1], secure_shop("one"));
    let whole = |snapshot: &Arc<Snapshot>| snapshot.clusters.is_empty() || !snapshot.secrets.is_empty();
    assert!(pair.emitted.iter().all(whole), "no cluster is in force without its secret");
    pair.push(&secure_shop("two"));
    while pair.step() {}
    assert_eq!(*pair.emitted[pair.emitted.len() - 1], secure_shop("two"));
    // What nobody asks for any more is forgotten.
    pair.push(&shop(&[("a", 1)]));
    while pair.step() {}
    assert_eq!(*pair.emitted[pair.emitted.len() - 1], shop(&[("a", 1)]));
}

/// Refuses the listeners of one name.
struct NoListener(&'static str);

impl Trial for NoListener {
    fn listener(&mut self, listener: &Listener) -> Result<(), String> {
        if *listener.name == *self.0 { Err("its address is taken".to_owned()) } else { Ok(()) }
    }
    fn cluster(&mut self, _: &Cluster) -> Result<(), String> {
        Ok(())
    }
    fn routes(&mut self, _: &RouteConfiguration) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn what_cannot_be_put_in_force_is_refused_with_the_reason() {
    let trial = Box::new(NoListener("l"));
    let mut holdings = Holdings::new(Graph::new(Following::ads_alone()), Arc::default(), trial);
    let mut client = SotwSession::new(Introduction::default(), true);
    client.connected(&mut holdings);
    let listener = crate::encode::encode_listener(&shop(&[]).listeners["l"]);
    let type_url = ResourceType::Listener.type_url().to_owned();
    let response = pb::DiscoveryResponse {
        resources: vec![pb::Any { type_url: type_url.clone(), value: listener }],
        type_url,
        nonce: "n".to_owned(),
        ..Default::default()
    };
    let requests = client.receive(&mut holdings, response);
    let answer = requests.last().unwrap();
    assert_eq!(answer.response_nonce, "n");
    assert_eq!(answer.error_detail.as_ref().unwrap().message, "l: its address is taken");
    assert!(answer.version_info.is_empty());
}
