//! A cluster ready for requests. What outlives a change of configuration is [`Lasting`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use ripstop_identity::context::ContextError;
use ripstop_model::cluster::{Cluster, Discovery};
use ripstop_model::route::RoutePriority;
use ripstop_model::tls::CertificateSource;
use ripstop_model::{Address, ClusterLoadAssignment, Name};
use ripstop_policy::breaker::Breaker;
use ripstop_policy::host::HostSet;
use ripstop_policy::limits::ClusterLimits;
use ripstop_policy::outlier::{OutlierDetector, forgive_all};
use ripstop_policy::runtime::Runtime;
use ripstop_policy::shedding::Shedder;

use super::breakers::{Breakers, CompiledFallback, fallback};
use super::compile::Sinks;
use super::slot::ClusterSlot;
use super::transport::{ActiveTransport, Transports, Ways};
use crate::health::cluster::{CheckError, ClusterCheck, ClusterHealth};
use crate::health::failing::FailingHosts;
use crate::stats::cluster::ClusterStats;
use crate::stats::per_worker::PerWorker;
use crate::stats::registry::Registry;
use crate::tls::TlsContexts;

/// A cluster in one generation.
pub struct ActiveCluster {
    /// What it was compiled from.
    pub config: Arc<Cluster>,
    /// The endpoints it was compiled from, when they come from EDS or DNS.
    pub assignment: Option<Arc<ClusterLoadAssignment>>,
    /// Its endpoints.
    pub hosts: Arc<HostSet>,
    /// How they are reached.
    transports: Arc<Transports>,
    ways: Ways,
    /// How they are asked whether they are well.
    pub check: Option<Arc<ClusterCheck>>,
    /// Its endpoints are reached as those of the mesh are, so that what is told between our own proxies is understood.
    pub in_mesh: bool,
    /// What leaves it or its endpoints alone for a while.
    pub breakers: Breakers,
    /// Which requests are refused first.
    pub shedder: Option<Shedder>,
    /// What takes the place of requests that those do not let through.
    pub fallback: Option<CompiledFallback>,
    /// What it shares with the generations before and after.
    pub lasting: Lasting,
}

/// What outlives a change of configuration.
#[derive(Clone)]
pub struct Lasting {
    /// Counters by worker.
    pub stats: Arc<PerWorker<ClusterStats>>,
    /// What is under way, and how much of it there may be.
    pub limits: Arc<ClusterLimits>,
    /// The same for routes of high priority.
    pub high_limits: Arc<ClusterLimits>,
    /// Passive health, where it is wanted.
    pub outlier: Option<Arc<OutlierDetector>>,
    /// Active health, where it is wanted.
    pub health: Option<Arc<ClusterHealth>>,
    /// How many requests wait for a connection because the limit is reached: idle ones must be let go.
    pub starving: Arc<AtomicU32>,
}

impl Lasting {
    /// The limits that count for requests of this priority.
    pub fn limits_of(&self, priority: RoutePriority) -> &Arc<ClusterLimits> {
        match priority {
            RoutePriority::Default => &self.limits,
            RoutePriority::High => &self.high_limits,
        }
    }
}

/// A cluster that cannot be made to work.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Its certificates are of no use.
    #[error("cluster {cluster}: {source}")]
    Tls {
        /// Which cluster.
        cluster: Name,
        /// Why.
        source: ContextError,
    },
    /// Its health checks cannot be made.
    #[error("cluster {cluster}: {source}")]
    Check {
        /// Which cluster.
        cluster: Name,
        /// Why.
        source: CheckError,
    },
}

/// What clusters are compiled with.
pub struct ClusterParts<'a> {
    /// All counters.
    pub registry: &'a Registry,
    /// All TLS contexts.
    pub contexts: &'a TlsContexts,
    /// Open logs.
    pub sinks: &'a mut Sinks,
    /// Where endpoints are reported that said of themselves that they fail.
    pub failing: &'a FailingHosts,
    /// The slots of clusters by name.
    pub slots: &'a HashMap<Name, Arc<ClusterSlot>>,
    /// What is set by name.
    pub runtime: &'a Runtime,
}

impl ActiveCluster {
    /// Compiles a cluster; `previous` is the one of the same name before it.
    pub fn compile(
        config: &Arc<Cluster>,
        assignment: Option<&Arc<ClusterLoadAssignment>>,
        previous: Option<&ActiveCluster>,
        parts: &mut ClusterParts<'_>,
    ) -> Result<ActiveCluster, ClusterError> {
        let same_config = previous.filter(|previous| previous.config == *config);
        let hosts = match (same_config, assignment) {
            (Some(previous), Some(new))
                if previous.assignment.as_ref() == Some(new) && !previous.hosts.has_left() =>
            {
                previous.hosts.clone()
            }
            (Some(previous), None) if previous.assignment.is_none() && !previous.hosts.has_left() => {
                previous.hosts.clone()
            }
            _ => Arc::new(host_set(config, assignment, previous)),
        };
        let transports = match same_config {
            Some(previous) => previous.transports.clone(),
            None => Arc::new(
                Transports::compile(config, parts.contexts)
                    .map_err(|source| ClusterError::Tls { cluster: config.name.clone(), source })?,
            ),
        };
        let known = match &config.discovery {
            Discovery::Static(inline) => Some(inline),
            _ => assignment.map(|assignment| &**assignment),
        };
        let ways = transports.ways(config, known);
        let check = match (same_config, &config.health.check) {
            (Some(previous), _) => previous.check.clone(),
            (None, None) => None,
            (None, Some(check)) => {
                let compiled = ClusterCheck::compile(config, check, parts.contexts, parts.sinks);
                let error = |source| ClusterError::Check { cluster: config.name.clone(), source };
                Some(Arc::new(compiled.map_err(error)?))
            }
        };
        if config.outlier.is_none() && previous.is_some_and(|previous| previous.lasting.outlier.is_some()) {
            // Nobody will look after those that are put aside.
            forgive_all(&hosts);
        }
        let breakers = Breakers::compile(config, &hosts, previous, parts.runtime);
        let in_mesh = config
            .transport
            .tls
            .as_ref()
            .is_some_and(|tls| matches!(tls.certificate, Some(CertificateSource::WorkloadIdentity)));
        Ok(ActiveCluster {
            in_mesh,
            breakers,
            shedder: config.shedding.as_deref().map(Shedder::compile),
            fallback: fallback(config, parts.slots),
            config: config.clone(),
            assignment: assignment.cloned(),
            hosts,
            transports,
            ways,
            check,
            lasting: lasting(config, previous, parts),
        })
    }

    /// The breaker of an endpoint, where each has one.
    pub fn breaker_of(&self, address: &Address) -> Option<&Arc<Breaker>> {
        match &self.breakers {
            Breakers::Endpoints(breakers) => breakers.get(self.hosts.get(address)?.index),
            Breakers::None | Breakers::Cluster(_) => None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.config.name
    }

    /// The way to an endpoint.
    pub fn transport(&self, address: &Address) -> &ActiveTransport {
        self.transports.to(&self.ways, address)
    }

    /// Whether connections are made for one client each, because endpoints are told who it is.
    pub fn tells_clients(&self) -> bool {
        self.config.transports().any(|transport| transport.proxy_protocol.is_some())
    }

    /// The host name that is asked for at an endpoint, where its own is.
    pub fn host_name(&self, address: &Address) -> Option<&Name> {
        self.ways.host_name(self.transport(address), address)
    }

    /// Whether connections made for `other` serve this one as well: then a change keeps the pools.
    pub fn same_transport(&self, other: &ActiveCluster) -> bool {
        let (a, b) = (&self.config, &other.config);
        a.transport == b.transport
            && a.transport_matches == b.transport_matches
            && a.protocol == b.protocol
            && a.http == b.http
            && a.connection == b.connection
            && a.max_requests_per_connection == b.max_requests_per_connection
    }

    /// How long a pooled connection may lie idle; `None`: for ever.
    pub fn idle_timeout(&self) -> Option<Duration> {
        let timeout = self.config.idle_timeout.unwrap_or(Cluster::DEFAULT_IDLE_TIMEOUT);
        Some(timeout).filter(|timeout| !timeout.is_zero())
    }
}

fn host_set(
    config: &Cluster,
    assignment: Option<&Arc<ClusterLoadAssignment>>,
    previous: Option<&ActiveCluster>,
) -> HostSet {
    let none =
        ClusterLoadAssignment { localities: Vec::new(), ..ClusterLoadAssignment::flat("", Vec::new()) };
    let assignment = match &config.discovery {
        Discovery::Static(inline) => inline,
        Discovery::Eds { .. } | Discovery::EdsFile { .. } | Discovery::Dns(_) => {
            assignment.map_or(&none, |assignment| assignment)
        }
    };
    let mut rules = Cow::Borrowed(&config.health);
    if matches!(config.discovery, Discovery::Static(_)) && !rules.ignore_on_removal {
        // Who writes endpoints in place means just these.
        rules.to_mut().ignore_on_removal = true;
    }
    HostSet::checked(previous.map(|previous| &*previous.hosts), assignment, &rules, Instant::now())
}

fn lasting(config: &Cluster, previous: Option<&ActiveCluster>, parts: &ClusterParts<'_>) -> Lasting {
    let outlier =
        config.outlier.map(|wanted| match previous.and_then(|previous| previous.lasting.outlier.as_ref()) {
            Some(same) if *same.config() == wanted => same.clone(),
            Some(other) => Arc::new(OutlierDetector::counting(wanted, other.totals().clone())),
            None => Arc::new(OutlierDetector::new(wanted)),
        });
    let health = config.health.check.as_ref().map(|_| {
        let same = previous.and_then(|previous| previous.lasting.health.clone());
        // A cluster that has served without checks goes on serving.
        let is_warm = previous.is_some();
        same.unwrap_or_else(|| {
            let stats = parts.registry.health(&config.name);
            Arc::new(ClusterHealth::new(stats, is_warm, parts.failing.clone()))
        })
    });
    match previous {
        Some(previous) => {
            if previous.config.limits != config.limits {
                previous.lasting.limits.replace(&config.limits);
            }
            if previous.config.high_limits != config.high_limits {
                previous.lasting.high_limits.replace(&config.high_limits);
            }
            Lasting { outlier, health, ..previous.lasting.clone() }
        }
        None => Lasting {
            stats: parts.registry.cluster(&config.name),
            limits: ClusterLimits::new(&config.limits),
            high_limits: ClusterLimits::new(&config.high_limits),
            outlier,
            health,
            starving: Arc::default(),
        },
    }
}
