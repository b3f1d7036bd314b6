//! Both dialects, with messages moved in memory. Each test is a rule that a real peer has taught. Those of the
//! state-of-the-world dialect alone are in [`sotw`], those on the order of things in [`order`].
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use ripstop_model::http_manager::RouteSource;
use ripstop_model::{
    Address, Cluster, ClusterLoadAssignment, Discovery, FilterChain, HttpConnectionManager, Listener,
    NetworkFilter, RouteConfiguration, Snapshot,
};

use super::delta::DeltaSession;
use super::*;
use crate::encode_snapshot;

const CDS: ResourceType = ResourceType::Cluster;
const EDS: ResourceType = ResourceType::Endpoint;
const LDS: ResourceType = ResourceType::Listener;
const RDS: ResourceType = ResourceType::Route;

mod order;
mod sotw;

/// `c:` cluster, `e:` endpoints, `l:` listener, `r:` routes; a number after `=` changes the content.
fn snapshot(words: &str) -> Arc<EncodedSnapshot> {
    let mut snapshot = Snapshot::default();
    for word in words.split_whitespace() {
        let (kind, name) = word.split_once(':').unwrap();
        let (name, variant) = name.split_once('=').unwrap_or((name, "0"));
        let variant: u32 = variant.parse().unwrap();
        match kind {
            "c" => {
                let mut cluster = Cluster::new(name, Discovery::Eds { service_name: None });
                cluster.limits.max_requests = variant;
                snapshot.clusters.insert(name.into(), Arc::new(cluster));
            }
            "e" => {
                let mut endpoints = ClusterLoadAssignment::flat(name, Vec::new());
                endpoints.overprovisioning_percent = 140 + variant;
                snapshot.endpoints.insert(name.into(), Arc::new(endpoints));
            }
            "l" => {
                let manager = HttpConnectionManager::new("x", RouteSource::Rds("r".into()));
                let chain = FilterChain {
                    name: format!("{variant}").into(),
                    matches: Default::default(),
                    ..FilterChain::new(NetworkFilter::Http(Box::new(manager)))
                };
                let listener = Listener {
                    direction: Default::default(),
                    ..Listener::new(name, Address::socket([127, 0, 0, 1], 1), vec![chain])
                };
                snapshot.listeners.insert(name.into(), Arc::new(listener));
            }
            _ => {
                let virtual_hosts = (0..variant).map(|n| {
                    let domains = vec![format!("d{n}").into()];
                    ripstop_model::VirtualHost::new(format!("v{n}"), domains, Vec::new())
                });
                let routes = RouteConfiguration::new(name, virtual_hosts.collect());
                snapshot.routes.insert(name.into(), Arc::new(routes));
            }
        }
    }
    Arc::new(encode_snapshot(&snapshot, None))
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// A proxy that speaks the incremental dialect.
struct Delta {
    session: DeltaSession,
    status: Arc<StreamStatus>,
    nonces: HashMap<ResourceType, String>,
}

impl Delta {
    fn new(snapshot: Arc<EncodedSnapshot>) -> Delta {
        let status = Arc::new(StreamStatus::default());
        let session = DeltaSession::new(snapshot, Arc::clone(&status));
        Delta { session, status, nonces: HashMap::new() }
    }

    fn send(&mut self, kind: ResourceType, change: impl FnOnce(&mut pb::DeltaDiscoveryRequest)) {
        let mut request =
            pb::DeltaDiscoveryRequest { type_url: kind.type_url().to_owned(), ..Default::default() };
        change(&mut request);
        self.session.receive(request, SystemTime::UNIX_EPOCH).unwrap();
    }

    fn subscribe(&mut self, kind: ResourceType, list: &[&str]) {
        self.send(kind, |request| request.resource_names_subscribe = names(list));
    }

    fn unsubscribe(&mut self, kind: ResourceType, list: &[&str]) {
        self.send(kind, |request| request.resource_names_unsubscribe = names(list));
    }

    fn ack(&mut self, kind: ResourceType) {
        let nonce = self.nonces[&kind].clone();
        self.send(kind, |request| request.response_nonce = nonce);
    }

    fn nack(&mut self, kind: ResourceType, message: &str) {
        let nonce = self.nonces[&kind].clone();
        let error = pb::Status { code: 3, message: message.to_owned(), ..Default::default() };
        self.send(kind, |request| {
            request.response_nonce = nonce;
            request.error_detail = Some(error);
        });
    }

    /// The responses that may go out now, as `CDS +a -b`.
    fn got(&mut self) -> Vec<String> {
        let mut got = Vec::new();
        while let Some(response) = self.session.next() {
            let kind = ResourceType::from_type_url(&response.type_url).unwrap();
            let added = response.resources.iter().map(|resource| format!(" +{}", resource.name));
            let removed = response.removed_resources.iter().map(|name| format!(" -{name}"));
            got.push(format!("{kind}{}", added.chain(removed).collect::<String>()));
            self.nonces.insert(kind, response.nonce);
        }
        got
    }

    /// The same, with everything acknowledged until nothing comes any more.
    fn all(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let got = self.got();
            if got.is_empty() {
                return all;
            }
            for response in got {
                let kind = ResourceType::ALL.into_iter().find(|kind| response.starts_with(kind.as_str()));
                self.ack(kind.unwrap());
                all.push(response);
            }
        }
    }

    /// A proxy that has everything in `words`.
    fn running(words: &str) -> Delta {
        let mut proxy = Delta::new(snapshot(words));
        proxy.subscribe(CDS, &[]);
        proxy.subscribe(LDS, &[]);
        let of = |prefix: &str| {
            let found = words.split_whitespace().filter_map(|word| word.strip_prefix(prefix));
            found.map(|name| name.split('=').next().unwrap()).collect::<Vec<_>>()
        };
        proxy.subscribe(EDS, &of("e:"));
        proxy.subscribe(RDS, &of("r:"));
        proxy.all();
        proxy
    }
}

#[test]
fn first_load_goes_in_order_and_only_changes_follow() {
    let mut proxy = Delta::new(snapshot("c:a e:a l:x r:r"));
    proxy.subscribe(LDS, &[]);
    proxy.subscribe(CDS, &[]);
    assert_eq!(proxy.got(), ["CDS +a"], "listeners wait for what they refer to");
    proxy.subscribe(EDS, &["a"]);
    assert_eq!(proxy.got(), ["EDS +a"], "a proxy asks for endpoints before it acknowledges clusters");
    proxy.ack(EDS);
    assert_eq!(proxy.got(), [""; 0]);
    proxy.ack(CDS);
    assert_eq!(proxy.got(), ["LDS +x"]);
    proxy.subscribe(RDS, &["r"]);
    assert_eq!(proxy.got(), ["RDS +r"], "a proxy asks for routes before it acknowledges listeners");
    proxy.ack(RDS);
    proxy.ack(LDS);
    assert_eq!(proxy.got(), [""; 0]);
    proxy.session.push(snapshot("c:a e:a=1 l:x r:r"));
    assert_eq!(proxy.all(), ["EDS +a"]);
    let report = proxy.status.report();
    assert!(report.types.values().all(crate::server::TypeReport::is_synced), "{report:?}");
}

#[test]
fn what_is_referred_to_is_made_before_and_removed_after() {
    let mut proxy = Delta::running("c:a e:a l:x r:r=1");
    proxy.subscribe(EDS, &["b"]);
    assert_eq!(proxy.all(), ["EDS -b"], "an unknown name is answered at once");
    proxy.session.push(snapshot("c:b e:b l:y r:r=2"));
    assert_eq!(proxy.got(), ["CDS +b", "EDS +b"]);
    proxy.ack(CDS);
    assert_eq!(proxy.got(), [""; 0], "listeners and routes wait for the endpoints");
    proxy.ack(EDS);
    assert_eq!(proxy.got(), ["LDS +y", "RDS +r"]);
    proxy.ack(LDS);
    assert_eq!(proxy.got(), [""; 0], "nothing is removed before the routes are in force");
    proxy.ack(RDS);
    assert_eq!(proxy.got(), ["LDS -x"]);
    proxy.ack(LDS);
    assert_eq!(proxy.got(), ["EDS -a"]);
    proxy.ack(EDS);
    assert_eq!(proxy.got(), ["CDS -a"]);
    proxy.ack(CDS);
    assert_eq!(proxy.got(), [""; 0]);
}

#[test]
fn a_waiting_push_is_replaced_by_a_newer_one() {
    let mut proxy = Delta::running("c:a e:a");
    proxy.session.push(snapshot("c:a=1 e:a"));
    assert_eq!(proxy.got(), ["CDS +a"]);
    proxy.session.push(snapshot("c:a=2 e:a"));
    proxy.session.push(snapshot("c:a=3 e:a"));
    assert_eq!(proxy.got(), [""; 0], "one response of a type at a time");
    proxy.ack(CDS);
    assert_eq!(proxy.all(), ["CDS +a"]);
    let newest = snapshot("c:a=3 e:a").of(CDS).version.clone();
    assert_eq!(proxy.status.report().types[&CDS].acked, Some(newest));
}

#[test]
fn a_refused_version_is_not_sent_again_and_the_refusal_is_kept() {
    let mut proxy = Delta::running("l:x");
    let good = proxy.status.report().types[&LDS].acked.clone();
    proxy.session.push(snapshot("l:x=1"));
    assert_eq!(proxy.got(), ["LDS +x"]);
    proxy.nack(LDS, "x: bad chain");
    assert_eq!(proxy.got(), [""; 0]);
    let report = proxy.status.report().types[&LDS].clone();
    assert_eq!(report.acked, good);
    assert_eq!(report.last_nack.unwrap().message, "x: bad chain");
    // What was good before is sent again: the proxy may hold it or not.
    proxy.session.push(snapshot("l:x"));
    assert_eq!(proxy.all(), ["LDS +x"]);
}

#[test]
fn clusters_stay_as_long_as_their_routes_are_refused() {
    let mut proxy = Delta::running("c:a l:x r:r=1");
    proxy.session.push(snapshot("l:x r:r=2"));
    assert_eq!(proxy.got(), ["RDS +r"]);
    proxy.nack(RDS, "no");
    assert_eq!(proxy.got(), [""; 0]);
    proxy.session.push(snapshot("l:x r:r=3"));
    assert_eq!(proxy.all(), ["RDS +r", "CDS -a"]);
}

#[test]
fn stale_nonces_answer_nothing_but_their_subscriptions_count() {
    let mut proxy = Delta::running("e:a e:b");
    proxy.session.push(snapshot("e:a=1 e:b e:c"));
    assert_eq!(proxy.got(), ["EDS +a"]);
    proxy.send(EDS, |request| {
        request.response_nonce = "0".to_owned();
        request.resource_names_subscribe = names(&["c"]);
    });
    assert_eq!(proxy.got(), [""; 0], "the response in flight has not been answered");
    proxy.ack(EDS);
    assert_eq!(proxy.got(), ["EDS +c"]);
}

#[test]
fn what_came_and_went_between_two_equal_versions_is_removed() {
    let type_of = |names: &[&str], before: Option<&Arc<EncodedSnapshot>>| {
        let mut snapshot = Snapshot::default();
        for name in names {
            let cluster = Cluster::new(*name, Discovery::Eds { service_name: None });
            snapshot.clusters.insert((*name).into(), Arc::new(cluster));
        }
        Arc::new(encode_snapshot(&snapshot, before.map(|before| &**before)))
    };
    let first = type_of(&["a"], None);
    let mut proxy = Delta::new(Arc::clone(&first));
    proxy.subscribe(CDS, &[]);
    assert_eq!(proxy.all(), ["CDS +a"]);
    // The proxy has not answered when the new cluster is taken back.
    let second = type_of(&["a", "b"], Some(&first));
    proxy.session.push(Arc::clone(&second));
    assert_eq!(proxy.got(), ["CDS +b"]);
    proxy.session.push(type_of(&["a"], Some(&second)));
    proxy.ack(CDS);
    assert_eq!(proxy.all(), ["CDS -b"]);
}

#[test]
fn who_comes_back_gets_only_what_changed() {
    let old = snapshot("c:a c:b c:gone e:a e:b");
    let now = snapshot("c:a c:b=1 c:new e:a e:b");
    let had = |kind: ResourceType| -> HashMap<String, String> {
        let resources = old.of(kind).resources.values();
        resources.map(|resource| (resource.name.to_string(), resource.version())).collect()
    };
    for form in [&[][..], &["*"], &["*", "a"]] {
        let mut proxy = Delta::new(Arc::clone(&now));
        proxy.send(CDS, |request| {
            request.initial_resource_versions = had(CDS);
            request.resource_names_subscribe = names(form);
        });
        proxy.send(EDS, |request| {
            request.initial_resource_versions = had(EDS);
            request.resource_names_subscribe = names(&["a", "b"]);
        });
        assert_eq!(proxy.all(), ["CDS +b +new", "CDS -gone"], "{form:?}");
    }
}

#[test]
fn an_explicit_repetition_is_answered() {
    let mut proxy = Delta::running("c:a e:a");
    proxy.subscribe(EDS, &["a"]);
    assert_eq!(proxy.all(), ["EDS +a"]);
    proxy.subscribe(CDS, &["a"]);
    assert_eq!(proxy.all(), ["CDS +a"]);
}

#[test]
fn delta_wildcards() {
    // Names beside a legacy wildcard do not end it.
    let mut proxy = Delta::running("c:a");
    proxy.subscribe(CDS, &["lazy"]);
    assert_eq!(proxy.all(), ["CDS -lazy"]);
    proxy.session.push(snapshot("c:a c:b c:lazy"));
    assert_eq!(proxy.all(), ["CDS +b +lazy"]);
    proxy.unsubscribe(CDS, &["*"]);
    proxy.session.push(snapshot("c:a=1 c:b=1 c:lazy=1"));
    assert_eq!(proxy.all(), ["CDS +lazy"]);
    // Whoever begins with names has no wildcard.
    let mut proxy = Delta::new(snapshot("c:a c:b"));
    proxy.subscribe(CDS, &["a"]);
    assert_eq!(proxy.all(), ["CDS +a"]);
    // An empty wildcard is answered, or the proxy would wait for its first listeners.
    let mut proxy = Delta::new(snapshot(""));
    proxy.subscribe(LDS, &[]);
    assert_eq!(proxy.all(), ["LDS"]);
    // Endpoints have no wildcard.
    proxy.subscribe(EDS, &[]);
    assert_eq!(proxy.all(), [""; 0]);
}

#[test]
fn too_many_names_end_the_stream() {
    let mut session = DeltaSession::new(snapshot(""), Arc::default());
    let request = pb::DeltaDiscoveryRequest {
        type_url: EDS.type_url().to_owned(),
        resource_names_subscribe: (0..=MAX_NAMES).map(|n| n.to_string()).collect(),
        ..Default::default()
    };
    let error = session.receive(request, SystemTime::UNIX_EPOCH).unwrap_err();
    assert_eq!(error, InvalidRequest::TooManyNames(MAX_NAMES + 1));
}

#[test]
fn unknown_types_are_not_answered() {
    let mut session = DeltaSession::new(snapshot("c:a"), Arc::default());
    let unknown = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
    let request = pb::DeltaDiscoveryRequest {
        type_url: unknown.to_owned(),
        resource_names_subscribe: names(&["default"]),
        ..Default::default()
    };
    session.receive(request, SystemTime::UNIX_EPOCH).unwrap();
    assert!(session.next().is_none());
}
