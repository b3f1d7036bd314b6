//! Client and server over loopback.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ripstop_model::http_manager::RouteSource;
use ripstop_model::route::{Forward, RouteAction, RouteMatch};
use ripstop_model::{
    Address, Cluster, ClusterLoadAssignment, Discovery, Endpoint, FilterChain, HttpConnectionManager,
    Listener, NetworkFilter, Node, Route, RouteConfiguration, Snapshot, VirtualHost,
};
use ripstop_xds::client::{self, ClientStatus, Ends, Following, Introduction, Link, Protocol};
use ripstop_xds::server::{Peer, Refusal, StreamReport, StreamStatus, View, ViewSource, ads_server};
use ripstop_xds::{EncodedSnapshot, ResourceType, encode_snapshot};
use tokio::sync::{oneshot, watch};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

const DEADLINE: Duration = Duration::from_secs(20);

/// Listener `l`, routes `r`, cluster `c` with one endpoint.
fn shop(port: u16) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let manager = HttpConnectionManager::new("x", RouteSource::Rds("r".into()));
    let chain = FilterChain {
        matches: Default::default(),
        ..FilterChain::new(NetworkFilter::Http(Box::new(manager)))
    };
    let listener = Listener {
        direction: Default::default(),
        ..Listener::new("l", Address::socket([127, 0, 0, 1], 80), vec![chain])
    };
    snapshot.listeners.insert("l".into(), Arc::new(listener));
    let route = Route::new(RouteMatch::prefix("/"), RouteAction::Forward(Box::new(Forward::to("c"))));
    let host = VirtualHost::new("v", vec!["*".into()], vec![route]);
    let routes = RouteConfiguration::new("r", vec![host]);
    snapshot.routes.insert("r".into(), Arc::new(routes));
    let cluster = Cluster::new("c", Discovery::Eds { service_name: None });
    snapshot.clusters.insert("c".into(), Arc::new(cluster));
    let endpoints = vec![Endpoint::new(Address::socket([127, 0, 0, 1], port))];
    snapshot.endpoints.insert("c".into(), Arc::new(ClusterLoadAssignment::flat("c", endpoints)));
    snapshot
}

/// Shows everybody the same, except those whose id is `stranger`.
struct Source {
    snapshots: watch::Sender<Arc<EncodedSnapshot>>,
    status: Arc<StreamStatus>,
}

impl ViewSource for Source {
    fn connect(&self, node: &Node, _peer: &Peer) -> Result<View, Refusal> {
        if node.id == "stranger" {
            return Err(Refusal("node 'stranger' is not known".to_owned()));
        }
        Ok(View { snapshots: self.snapshots.subscribe(), status: Arc::clone(&self.status), secrets: None })
    }
}

/// A control plane on a thread of its own, so that stopping it cuts every connection.
struct ControlPlane {
    address: SocketAddr,
    source: Arc<Source>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl ControlPlane {
    fn start(address: SocketAddr, snapshot: &Snapshot) -> ControlPlane {
        let (snapshots, _) = watch::channel(Arc::new(encode_snapshot(snapshot, None)));
        let source = Arc::new(Source { snapshots, status: Arc::default() });
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, started) = std::sync::mpsc::channel();
        let service = ads_server(Arc::clone(&source) as Arc<dyn ViewSource>);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let incoming = TcpIncoming::bind(address).unwrap();
                ready.send(incoming.local_addr().unwrap()).unwrap();
                tokio::select! {
                    served = Server::builder().add_service(service).serve_with_incoming(incoming) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        let address = started.recv().unwrap();
        ControlPlane { address, source, stop: Some(stop), thread: Some(thread) }
    }

    fn push(&self, snapshot: &Snapshot) {
        let before = Arc::clone(&self.source.snapshots.borrow());
        self.source.snapshots.send_replace(Arc::new(encode_snapshot(snapshot, Some(&before))));
    }

    fn report(&self) -> StreamReport {
        self.source.status.report()
    }

    fn responses(&self, kind: ResourceType) -> u64 {
        self.report().types.get(&kind).map_or(0, |report| report.responses)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

struct Proxy {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    status: Arc<ClientStatus>,
    _stop: oneshot::Sender<()>,
}

impl Proxy {
    fn start(address: SocketAddr, id: &str, protocol: Protocol) -> Proxy {
        let channel =
            tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let node = Node { id: id.to_owned(), user_agent: "ripstop 1".to_owned(), ..Node::default() };
        let (sender, snapshots) = watch::channel(None);
        let (stop, stopped) = oneshot::channel::<()>();
        let status = Arc::new(ClientStatus::default());
        let shutdown = async move { drop(stopped.await) };
        let link = Link::new(channel, protocol, Introduction::from(&node));
        let ends = Ends::of_ads(sender, Arc::clone(&status));
        tokio::spawn(client::run(Following::ads_alone(), Some(link), ends, shutdown));
        Proxy { snapshots, status, _stop: stop }
    }

    async fn gets(&mut self, expected: &Snapshot) {
        let wait = self.snapshots.wait_for(|snapshot| snapshot.as_deref() == Some(expected));
        tokio::time::timeout(DEADLINE, wait).await.expect("the snapshot comes in time").unwrap();
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, poll).await.unwrap_or_else(|_| panic!("{what}: not in time"));
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn a_proxy_follows_its_control_plane() {
    let control = ControlPlane::start(anywhere(), &shop(1));
    let mut proxy = Proxy::start(control.address, "p", Protocol::Delta);
    proxy.gets(&shop(1)).await;
    until("everything acknowledged", || control.report().types.values().all(|kind| kind.is_synced())).await;
    let before = control.report();
    assert!(before.connected && before.delta);

    // One endpoint changes: only EDS is sent.
    control.push(&shop(2));
    proxy.gets(&shop(2)).await;
    until("EDS acknowledged", || control.report().types[&ResourceType::Endpoint].is_synced()).await;
    for kind in ResourceType::ALL {
        let more = u64::from(kind == ResourceType::Endpoint);
        assert_eq!(
            control.responses(kind),
            before.types.get(&kind).map_or(0, |of_type| of_type.responses) + more,
            "{kind}"
        );
    }

    // A bad listener is refused with its reason, and the good one stays in force.
    let mut bad = shop(2);
    let mut listener = (*bad.listeners["l"]).clone();
    listener.filter_chains.clear();
    bad.listeners.insert("l".into(), Arc::new(listener));
    control.push(&bad);
    until("the refusal", || control.report().types[&ResourceType::Listener].nacks == 1).await;
    let refused = control.report().types[&ResourceType::Listener].clone();
    assert!(refused.last_nack.as_ref().unwrap().message.contains("at least one filter chain"), "{refused:?}");
    assert_eq!(refused.acked, before.types[&ResourceType::Listener].acked);
    assert_eq!(proxy.snapshots.borrow().as_deref(), Some(&shop(2)));

    // The stream goes: the control plane notices.
    drop(proxy);
    until("disconnected", || !control.report().connected).await;
}

#[tokio::test]
async fn a_proxy_outlives_its_control_plane() {
    let control = ControlPlane::start(anywhere(), &shop(1));
    let address = control.address;
    let mut proxy = Proxy::start(address, "p", Protocol::Delta);
    proxy.gets(&shop(1)).await;
    drop(control);
    until("the loss is noticed", || !proxy.status.report().connected).await;
    assert_eq!(proxy.snapshots.borrow().as_deref(), Some(&shop(1)), "the last good configuration stays");

    // It comes back with the same content and sends nothing; then something new.
    let control = ControlPlane::start(address, &shop(1));
    until("connected again", || control.report().connected && proxy.status.report().connected).await;
    control.push(&shop(3));
    proxy.gets(&shop(3)).await;
    let responses = ResourceType::ALL.map(|kind| control.responses(kind));
    assert_eq!(responses, [0, 1, 0, 0, 0, 0], "only the endpoints that changed");
    assert_eq!(proxy.status.report().rejected, 0);
}

#[tokio::test]
async fn strangers_are_refused_with_the_reason() {
    let control = ControlPlane::start(anywhere(), &shop(1));
    let proxy = Proxy::start(control.address, "stranger", Protocol::Delta);
    let told =
        || proxy.status.report().last_error.is_some_and(|error| error.contains("'stranger' is not known"));
    until("the refusal", told).await;
    assert!(proxy.snapshots.borrow().is_none());
}

#[tokio::test]
async fn the_state_of_the_world_is_followed_too() {
    for names_node_once in [true, false] {
        let control = ControlPlane::start(anywhere(), &shop(1));
        let protocol = Protocol::StateOfTheWorld { names_node_once };
        let mut proxy = Proxy::start(control.address, "p", protocol);
        proxy.gets(&shop(1)).await;
        assert!(!control.report().delta);
        control.push(&shop(2));
        proxy.gets(&shop(2)).await;
        until("all acknowledged", || control.report().types.values().all(|kind| kind.is_synced())).await;
        assert_eq!(proxy.status.report().rejected, 0);
    }
}
