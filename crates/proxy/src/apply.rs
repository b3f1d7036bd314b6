//! Puts snapshots in force: compiles, binds what has to be bound, tells the workers. A snapshot is in force as a whole
//! or, for a resource that is bad, with the good one from before.

mod binder;
mod totals;
mod trial;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::listener::TrafficDirection;
use ripstop_model::node::LocalCluster;
use ripstop_model::{Listener, Name, Snapshot};
use ripstop_policy::runtime::Runtime;
use ripstop_runtime::listen::Place;
use tokio::sync::watch;

use crate::generation::Generation;
use crate::generation::compile::{Compiler, Rejected};
use crate::health::HealthChecks;
use crate::health::failing::FailingHosts;
use crate::listener::socket_key::SocketKey;
use crate::stats::registry::Registry;
use crate::tls::TlsContexts;
use crate::worker::thread::WorkerThread;

pub use totals::{Changes, Totals};
pub use trial::Workshop;

/// A generation with clusters whose endpoints were never asked is held back this long. The first one is held back until all
/// were asked, as Envoy does with its listeners.
const WARMING_TIMEOUT: Duration = Duration::from_secs(5);

/// What is in force, for everybody who wants to look at it.
#[derive(Clone)]
pub struct Applied {
    /// The generation.
    pub generation: Arc<Generation>,
    /// What could not be put in force, in words. Empty: all of it is.
    pub problems: Vec<String>,
    /// How much has changed since the start.
    pub totals: Totals,
    /// Where listeners really listen: it differs from what is configured where the port is 0.
    pub bound: BTreeMap<SocketKey, Place>,
}

/// Puts one snapshot after the other in force.
pub struct Applier {
    workshop: Workshop,
    workers: Vec<WorkerThread>,
    rejected: Vec<String>,
    applied: watch::Sender<Applied>,
    totals: Totals,
    closed: Closed,
    in_force: Arc<Generation>,
    /// The next generation, while the endpoints of its new clusters are asked for the first time.
    warming: Option<Warming>,
    health: HealthChecks,
}

/// A generation that is not in force yet.
struct Warming {
    generation: Arc<Generation>,
    /// Then it comes into force, warm or not; `None`: nothing is in force yet, so that nobody waits for it.
    until: Option<Instant>,
}

/// Which listeners were closed by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    None,
    Inbound,
    All,
}

impl Closed {
    /// The snapshot without the listeners that are closed.
    fn without(self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        if self == Closed::None {
            return snapshot;
        }
        let mut open = Snapshot::clone(&snapshot);
        let is_inbound = |listener: &Listener| listener.direction == TrafficDirection::Inbound;
        open.listeners.retain(|_, listener| self == Closed::Inbound && !is_inbound(listener));
        Arc::new(open)
    }
}

impl Applier {
    /// How often an address that could not be bound is tried again.
    pub const RETRY_INTERVAL: Duration = Duration::from_secs(1);

    /// Nothing is in force yet.
    pub fn new(
        registry: Arc<Registry>,
        tls: TlsContexts,
        workers: Vec<WorkerThread>,
    ) -> (Applier, watch::Receiver<Applied>) {
        let (failing, failed) = FailingHosts::channel();
        let compiler = Compiler::new(registry, tls, failing);
        let health = HealthChecks::start(compiler.latest().clone(), failed);
        let nothing = Applied {
            generation: compiler.latest().clone(),
            problems: Vec::new(),
            totals: Totals::default(),
            bound: BTreeMap::new(),
        };
        let (applied, watch) = watch::channel(nothing);
        let applier = Applier {
            workshop: Workshop::new(compiler, workers.len()),
            workers,
            rejected: Vec::new(),
            applied,
            totals: Totals::default(),
            closed: Closed::None,
            in_force: Arc::new(Generation::empty()),
            warming: None,
            health,
        };
        (applier, watch)
    }

    /// What snapshots are put in force with, and single resources are tried with before they are taken.
    pub fn workshop(&self) -> Workshop {
        self.workshop.clone()
    }

    /// The same for a proxy whose node has this id, which answers may show.
    pub fn of_node(self, id: impl Into<Name>) -> Applier {
        self.workshop.compiler().set_node(id.into());
        self
    }

    /// Whether there was a snapshot.
    pub fn has_configuration(&self) -> bool {
        self.in_force.id > 0
    }

    /// Whether some address could not be bound.
    pub fn has_unbound(&self) -> bool {
        !self.workshop.binder().unbound().is_empty()
    }

    /// Puts a snapshot in force; returns when every worker serves it.
    pub async fn apply(&mut self, snapshot: Arc<Snapshot>) {
        let snapshot = self.closed.without(snapshot);
        let (before, (generation, rejected)) = {
            let mut compiler = self.workshop.compiler();
            (compiler.latest().clone(), compiler.compile(snapshot))
        };
        self.totals.count(&before, &generation);
        let failed = rejected.iter().filter(|error| matches!(error, Rejected::Listener(_)));
        self.totals.listener_failures += failed.count() as u64;
        for error in &rejected {
            tracing::error!(%error, "rejected, the one before stays in force");
        }
        self.rejected = rejected.iter().map(ToString::to_string).collect();
        self.health.follow(generation.clone());
        let until = match self.warming.take() {
            Some(warming) => warming.until,
            None => self.has_configuration().then(|| Instant::now() + WARMING_TIMEOUT),
        };
        self.warming = Some(Warming { generation, until });
        if self.is_warm() {
            self.put_in_force().await;
        }
    }

    /// Compiles what is in force again, because an endpoint that was taken out can go now.
    pub async fn refresh(&mut self) {
        let snapshot = self.workshop.compiler().latest().snapshot.clone();
        self.apply(snapshot).await;
    }

    /// Whether a generation waits until it is warm.
    pub fn is_warming(&self) -> bool {
        self.warming.is_some()
    }

    fn is_warm(&self) -> bool {
        let Some(Warming { generation, until }) = &self.warming else { return false };
        let mut checked = generation.all_clusters().filter_map(|cluster| cluster.lasting.health.as_ref());
        until.is_some_and(|until| until <= Instant::now()) || checked.all(|health| health.is_warm())
    }

    /// Waits until the generation that waits can come into force.
    pub fn warmed(&self) -> impl Future<Output = ()> + use<> {
        let until = self.warming.as_ref().and_then(|warming| warming.until);
        let warm = self.health.news.warm.clone();
        async move {
            let late = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = warm.notified() => {}
                () = late => {}
            }
        }
    }

    /// Puts the generation in force that waits, if it is warm.
    pub async fn put_in_force(&mut self) {
        if self.is_warm()
            && let Some(warming) = self.warming.take()
        {
            self.in_force = warming.generation.clone();
            self.distribute(warming.generation).await;
        }
    }

    /// Waits until an endpoint that was taken out can go.
    pub fn left(&self) -> impl Future<Output = ()> + use<> {
        let left = self.health.news.left.clone();
        async move { left.notified().await }
    }

    /// Says which cluster the proxy belongs to. To be called before anything is in force.
    pub fn set_local(&mut self, local: Option<LocalCluster>) {
        self.workshop.compiler().set_local(local);
    }

    /// Sets values by name; what is in force is compiled with them.
    pub async fn set_runtime(&mut self, runtime: Arc<Runtime>) {
        let is_stale = {
            let mut compiler = self.workshop.compiler();
            compiler.set_runtime(runtime);
            compiler.is_stale()
        };
        if is_stale && self.has_configuration() {
            let snapshot = self.workshop.compiler().latest().snapshot.clone();
            self.apply(snapshot).await;
        }
    }

    /// Closes listeners for good: all, or those for inbound traffic. Connections finish what they are doing.
    pub async fn close_listeners(&mut self, inbound_only: bool) {
        self.closed = match (self.closed, inbound_only) {
            (Closed::None | Closed::Inbound, true) => Closed::Inbound,
            _ => Closed::All,
        };
        if self.has_configuration() {
            let snapshot = self.workshop.compiler().latest().snapshot.clone();
            self.apply(snapshot).await;
        }
    }

    /// Sets all counters to nothing.
    pub async fn reset_counters(&self) {
        let registry = self.workshop.compiler().registry().clone();
        registry.reset_health_counters();
        let detectors = self.in_force.all_clusters().filter_map(|cluster| cluster.lasting.outlier.as_ref());
        detectors.for_each(|detector| detector.totals().reset());
        let told = self.workers.iter().map(|worker| worker.reset_counters(registry.clone()));
        futures_util::future::join_all(told).await;
    }

    /// Tries again to bind what could not be bound.
    pub async fn retry(&mut self) {
        self.distribute(self.in_force.clone()).await;
    }

    async fn distribute(&mut self, generation: Arc<Generation>) {
        let sockets = self.workshop.binder().bind(&generation);
        let told = self.workers.iter().zip(sockets);
        let told = told.map(|(worker, sockets)| worker.apply(generation.clone(), sockets));
        futures_util::future::join_all(told).await;
        tracing::debug!(generation = generation.id, "in force");
        let (problems, bound) = {
            let binder = self.workshop.binder();
            let problems = self.rejected.iter().chain(binder.unbound().values()).cloned().collect();
            (problems, binder.bound().clone())
        };
        self.applied.send_replace(Applied { generation, problems, totals: self.totals, bound });
    }

    /// Takes no more connections.
    pub async fn drain(&self) {
        futures_util::future::join_all(self.workers.iter().map(WorkerThread::drain)).await;
    }

    /// How many client connections are open.
    pub async fn connections(&self) -> u64 {
        futures_util::future::join_all(self.workers.iter().map(WorkerThread::connections)).await.iter().sum()
    }

    /// Ends the workers.
    pub fn stop(self) {
        self.workers.into_iter().for_each(WorkerThread::stop);
    }
}
