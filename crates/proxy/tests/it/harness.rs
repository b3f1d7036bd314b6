//! A proxy under test, and short ways to say what it is configured with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ripstop_identity::svid::IdentityHandle;
use ripstop_model::NetworkFilter;
use ripstop_model::cluster::{Cluster, Discovery};
use ripstop_model::http_manager::{HttpConnectionManager, RouteSource};
use ripstop_model::listener::{FilterChain, Listener};
use ripstop_model::route::{Forward, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost};
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, Name, Snapshot, TlsServer};
use ripstop_policy::runtime::Runtime;
use ripstop_proxy::apply::{Applied, Applier};
use ripstop_proxy::stats::prometheus::Text;
use ripstop_proxy::stats::registry::Registry;
use ripstop_proxy::tls::TlsContexts;
use ripstop_proxy::worker::thread::WorkerThread;
use ripstop_runtime::listen::Place;
use tokio::sync::watch;

/// A proxy with two workers.
pub struct Proxy {
    applier: Option<Applier>,
    pub applied: watch::Receiver<Applied>,
    registry: Arc<Registry>,
    tls: TlsContexts,
}

impl Proxy {
    pub fn start(identity: Option<IdentityHandle>) -> Proxy {
        const WORKERS: usize = 2;
        let registry = Arc::new(Registry::new(WORKERS));
        let starvation = Arc::new(tokio::sync::Notify::new());
        let start = |id| WorkerThread::start(id, id as u64, starvation.clone(), Duration::ZERO).unwrap();
        let workers = (0..WORKERS).map(start).collect();
        let tls = TlsContexts::new(identity);
        let (applier, applied) = Applier::new(registry.clone(), tls.clone(), workers);
        Proxy { applier: Some(applier), applied, registry, tls }
    }

    /// A proxy that is configured with `snapshot`.
    pub async fn with(snapshot: Snapshot) -> Proxy {
        let mut proxy = Proxy::start(None);
        proxy.apply(snapshot).await;
        proxy
    }

    pub async fn apply(&mut self, snapshot: Snapshot) {
        let applier = self.applier.as_mut().unwrap();
        applier.apply(Arc::new(snapshot)).await;
        while applier.is_warming() {
            applier.warmed().await;
            applier.put_in_force().await;
        }
    }

    /// Waits until an endpoint that was taken out can go, and lets it.
    pub async fn until_left(&mut self) {
        let applier = self.applier.as_mut().unwrap();
        tokio::time::timeout(Duration::from_secs(10), applier.left()).await.unwrap();
        applier.refresh().await;
    }

    pub async fn set_runtime(&mut self, runtime: Runtime) {
        self.applier.as_mut().unwrap().set_runtime(Arc::new(runtime)).await;
    }

    pub async fn drain(&self) {
        self.applier.as_ref().unwrap().drain().await;
    }

    pub async fn connections(&self) -> u64 {
        self.applier.as_ref().unwrap().connections().await
    }

    /// What single resources are tried with.
    pub fn workshop(&self) -> ripstop_proxy::apply::Workshop {
        self.applier.as_ref().unwrap().workshop()
    }

    /// Looks for certificates that have changed.
    pub fn reload_certificates(&self) {
        self.tls.lock().refresh();
    }

    /// How often changed certificates were taken, and how often not.
    pub fn reloads(&self) -> (u64, u64) {
        let counts = self.tls.lock().counts();
        (counts.succeeded.load(Ordering::Relaxed), counts.failed.load(Ordering::Relaxed))
    }

    pub fn problems(&self) -> Vec<String> {
        self.applied.borrow().problems.clone()
    }

    /// Where the only listener listens.
    pub fn address(&self) -> SocketAddr {
        match self.applied.borrow().bound.values().next().unwrap() {
            Place::Tcp(address) => *address,
            Place::Unix(path) => panic!("listens on {path}"),
        }
    }

    /// The value of a metric, 0 where there is none. `line` is name and tags.
    pub fn metric(&self, line: &str) -> u64 {
        let mut text = Text::default();
        text.tables(&self.registry.tables());
        let text = text.into_string();
        let value = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// A metric of cluster `c`.
    pub fn cluster_metric(&self, name: &str) -> u64 {
        self.metric(&format!("envoy_cluster_{name}{{envoy_cluster_name=\"c\"}}"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(applier) = self.applier.take() {
            applier.stop();
        }
    }
}

/// A cluster `c` over some endpoints.
pub fn cluster(endpoints: &[SocketAddr]) -> Cluster {
    let endpoints = endpoints.iter().copied().map(Endpoint::new).collect();
    let discovery = Discovery::Static(ClusterLoadAssignment::flat("c", endpoints));
    Cluster { connect_timeout: Duration::from_secs(2), ..Cluster::new("c", discovery) }
}

/// A route of everything to `c`.
pub fn to_c() -> Forward {
    Forward::to("c")
}

pub fn routes(forward: Forward) -> RouteConfiguration {
    routes_of(vec![Route {
        name: "everything".into(),
        ..Route::new(RouteMatch::prefix("/"), RouteAction::Forward(Box::new(forward)))
    }])
}

pub fn routes_of(routes: Vec<Route>) -> RouteConfiguration {
    let host = VirtualHost::new("all", vec!["*".into()], routes);
    RouteConfiguration::new("r", vec![host])
}

pub fn manager() -> HttpConnectionManager {
    HttpConnectionManager::new("test", RouteSource::Rds("r".into()))
}

pub fn listener(manager: HttpConnectionManager, tls: Option<TlsServer>) -> Listener {
    Listener::new(
        "l",
        Address::socket([127, 0, 0, 1], 0),
        vec![FilterChain { tls, ..FilterChain::new(NetworkFilter::Http(Box::new(manager))) }],
    )
}

/// One listener, one route configuration, one cluster.
pub fn snapshot(listener: Listener, routes: RouteConfiguration, cluster: Cluster) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.listeners.insert(listener.name.clone(), Arc::new(listener));
    snapshot.routes.insert(routes.name.clone(), Arc::new(routes));
    snapshot.clusters.insert(cluster.name.clone(), Arc::new(cluster));
    snapshot
}

/// Plain HTTP to `c` over some endpoints.
pub fn simple(forward: Forward, endpoints: &[SocketAddr]) -> Snapshot {
    snapshot(listener(manager(), None), routes(forward), cluster(endpoints))
}

/// An address where nobody listens.
pub fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub fn name(text: &str) -> Name {
    text.into()
}
