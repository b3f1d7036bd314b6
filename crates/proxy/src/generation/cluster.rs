//! A cluster ready for requests. What outlives a change of configuration is [`Lasting`].

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use ripstop_identity::tls::mesh_client_config;
use ripstop_identity::verify::AllowedIdentities;
use ripstop_model::cluster::{Cluster, Discovery};
use ripstop_model::tls::PeerValidation;
use ripstop_model::{ClusterLoadAssignment, Name};
use ripstop_policy::host::HostSet;
use ripstop_policy::limits::ClusterLimits;
use ripstop_policy::outlier::OutlierDetector;
use rustls::pki_types::ServerName;

use crate::identity::Identity;
use crate::stats::cluster::ClusterStats;
use crate::stats::per_worker::PerWorker;
use crate::stats::registry::Registry;

/// A cluster in one generation.
pub struct ActiveCluster {
    /// What it was compiled from.
    pub config: Arc<Cluster>,
    /// The endpoints it was compiled from, when they come from EDS or DNS.
    pub assignment: Option<Arc<ClusterLoadAssignment>>,
    /// Its endpoints.
    pub hosts: Arc<HostSet>,
    /// How TLS is spoken to them.
    pub tls: Option<UpstreamTls>,
    /// What it shares with the generations before and after.
    pub lasting: Lasting,
}

/// How TLS is spoken to the endpoints of a cluster.
#[derive(Clone)]
pub struct UpstreamTls {
    /// Certificates, trust and ALPN.
    pub config: Arc<rustls::ClientConfig>,
    /// Name sent in the ClientHello.
    pub server_name: ServerName<'static>,
}

/// What outlives a change of configuration.
#[derive(Clone)]
pub struct Lasting {
    /// Counters by worker.
    pub stats: Arc<PerWorker<ClusterStats>>,
    /// What is under way, and how much of it there may be.
    pub limits: Arc<ClusterLimits>,
    /// Passive health, where it is wanted.
    pub outlier: Option<Arc<OutlierDetector>>,
    /// How many requests wait for a connection because the limit is reached: idle ones must be let go.
    pub starving: Arc<AtomicU32>,
}

/// A cluster that cannot be made to work.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// It wants TLS with the workload's identity, and there is none.
    #[error("cluster {0} needs a workload identity, and this proxy has none: start it with --control")]
    NoIdentity(Name),
    /// It wants TLS with other certificates than the workload's.
    #[error("cluster {0}: only the identities of the mesh can be verified")]
    Certificates(Name),
    /// Its server name is not one.
    #[error("cluster {cluster}: '{sni}' is not a server name")]
    ServerName {
        /// Which cluster.
        cluster: Name,
        /// What it asks for.
        sni: Name,
    },
    /// rustls objects.
    #[error("cluster {cluster}: {source}")]
    Tls {
        /// Which cluster.
        cluster: Name,
        /// Why.
        source: rustls::Error,
    },
}

impl ActiveCluster {
    /// Compiles a cluster; `previous` is the one of the same name before it.
    pub fn compile(
        config: &Arc<Cluster>,
        assignment: Option<&Arc<ClusterLoadAssignment>>,
        previous: Option<&ActiveCluster>,
        registry: &Registry,
        identity: Option<&Identity>,
    ) -> Result<ActiveCluster, ClusterError> {
        let same_config = previous.filter(|previous| previous.config == *config);
        let hosts = match (same_config, assignment) {
            (Some(previous), Some(new)) if previous.assignment.as_ref() == Some(new) => {
                previous.hosts.clone()
            }
            (Some(previous), None) if previous.assignment.is_none() => previous.hosts.clone(),
            _ => Arc::new(host_set(config, assignment, previous)),
        };
        let tls = match same_config {
            Some(previous) => previous.tls.clone(),
            None => upstream_tls(config, identity)?,
        };
        Ok(ActiveCluster {
            config: config.clone(),
            assignment: assignment.cloned(),
            hosts,
            tls,
            lasting: lasting(config, previous, registry),
        })
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.config.name
    }

    /// Whether connections made for `other` serve this one as well: then a change keeps the pools.
    pub fn same_transport(&self, other: &ActiveCluster) -> bool {
        let (a, b) = (&self.config, &other.config);
        a.transport == b.transport
            && a.transport_matches == b.transport_matches
            && a.protocol == b.protocol
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
    HostSet::update(previous.map(|previous| &*previous.hosts), assignment, Instant::now())
}

fn lasting(config: &Cluster, previous: Option<&ActiveCluster>, registry: &Registry) -> Lasting {
    let outlier = config.outlier.map(|wanted| {
        let same = previous.and_then(|p| p.lasting.outlier.clone()).filter(|o| *o.config() == wanted);
        same.unwrap_or_else(|| Arc::new(OutlierDetector::new(wanted)))
    });
    match previous {
        Some(previous) => {
            if previous.config.limits != config.limits {
                previous.lasting.limits.replace(&config.limits);
            }
            Lasting { outlier, ..previous.lasting.clone() }
        }
        None => Lasting {
            stats: registry.cluster(&config.name),
            limits: ClusterLimits::new(&config.limits),
            outlier,
            starving: Arc::default(),
        },
    }
}

fn upstream_tls(config: &Cluster, identity: Option<&Identity>) -> Result<Option<UpstreamTls>, ClusterError> {
    let Some(tls) = &config.transport.tls else { return Ok(None) };
    let Some(PeerValidation::Mesh(peer)) = &tls.peer else {
        return Err(ClusterError::Certificates(config.name.clone()));
    };
    let identity = identity.ok_or_else(|| ClusterError::NoIdentity(config.name.clone()))?;
    let allowed = match peer.allowed.as_slice() {
        [] => AllowedIdentities::AnyInTrustDomain,
        ids => AllowedIdentities::Exact(ids.into()),
    };
    let alpn: Vec<&[u8]> = tls.alpn.iter().map(|protocol| protocol.as_bytes()).collect();
    let mut client = mesh_client_config(&identity.handle, allowed, &alpn)
        .map_err(|source| ClusterError::Tls { cluster: config.name.clone(), source })?;
    // Peers are known by their SPIFFE ID; the name only helps a gateway to route. Some names that Istio
    // uses (`outbound_.80_._.svc`) are DNS names with underscores, which rustls takes; without a name none is sent.
    let server_name = if tls.sni.is_empty() {
        Arc::make_mut(&mut client).enable_sni = false;
        ServerName::try_from("none.invalid")
    } else {
        ServerName::try_from(tls.sni.to_string())
    };
    let server_name = server_name
        .map_err(|_| ClusterError::ServerName { cluster: config.name.clone(), sni: tls.sni.clone() })?;
    Ok(Some(UpstreamTls { config: client, server_name }))
}
