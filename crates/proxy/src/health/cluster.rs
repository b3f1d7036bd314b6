//! The health checks of one cluster, compiled, and what of them outlives a change of configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderName, HeaderValue};
use ripstop_identity::context::ContextError;
use ripstop_model::access_log::AccessLogSink;
use ripstop_model::health_check::{HealthCheck, Probe};
use ripstop_model::{Address, Cluster};
use ripstop_policy::host::HostEntry;
use ripstop_policy::route::text::{RegexError, TextMatcher};

use super::failing::FailingHosts;
use super::headers::{self, HeaderChange};
use crate::access_log::writer::{OpenError, Sink};
use crate::generation::compile::Sinks;
use crate::generation::transport::{ActiveTransport, Transports};
use crate::stats::health::HealthStats;
use crate::stats::per_worker::PerWorker;
use crate::tls::TlsContexts;

/// Compiled checks.
pub struct ClusterCheck {
    /// What the answer must name itself.
    pub(super) service_name: Option<TextMatcher>,
    /// Changes to the headers of requests.
    pub(super) headers: Vec<HeaderChange>,
    /// Where changes of health are written down.
    pub(super) sinks: Vec<Sink>,
    transports: Transports,
}

/// Checks that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Their certificates are of no use.
    #[error("health check: {0}")]
    Tls(#[from] ContextError),
    /// A rule is none.
    #[error("health check: service_name_matcher: {0}")]
    Matcher(#[from] RegexError),
    /// The event log cannot be written.
    #[error("health check: event log: {0}")]
    Log(#[from] OpenError),
    /// A header cannot be sent.
    #[error("health check: header {0} cannot be sent")]
    Header(String),
}

impl ClusterCheck {
    /// Compiles the checks of a cluster.
    pub fn compile(
        config: &Cluster,
        check: &HealthCheck,
        contexts: &TlsContexts,
        sinks: &mut Sinks,
    ) -> Result<ClusterCheck, CheckError> {
        let (service_name, changes) = match &check.probe {
            Probe::Http(http) => (http.service_name.as_ref(), Some(&http.headers)),
            Probe::Grpc(grpc) => (None, Some(&grpc.metadata)),
            Probe::Tcp(_) => (None, None),
        };
        let sink = |path: &ripstop_model::Name| sinks.sink(&AccessLogSink::File(path.clone()));
        Ok(ClusterCheck {
            service_name: service_name.map(TextMatcher::compile).transpose()?,
            headers: changes.map_or(Ok(Vec::new()), headers::compile).map_err(CheckError::Header)?,
            sinks: check.log.files.iter().map(sink).collect::<Result<_, _>>()?,
            transports: Transports::for_checks(config, check, contexts)?,
        })
    }

    /// The way to an endpoint.
    pub(super) fn transport(
        &self,
        config: &Cluster,
        check: &HealthCheck,
        entry: &HostEntry,
    ) -> &ActiveTransport {
        let labels = check.transport_labels.as_ref().unwrap_or(&entry.endpoint.extra().transport_labels);
        self.transports.for_labels(config, labels)
    }
}

/// What outlives a change of configuration.
pub struct ClusterHealth {
    /// Counters and gauges.
    pub stats: Arc<PerWorker<HealthStats>>,
    /// Where endpoints are reported that fail by their own account.
    pub failing: FailingHosts,
    is_warm: AtomicBool,
}

impl ClusterHealth {
    /// Nothing was asked yet. `is_warm`: nobody waits for that.
    pub fn new(stats: Arc<PerWorker<HealthStats>>, is_warm: bool, failing: FailingHosts) -> ClusterHealth {
        ClusterHealth { stats, failing, is_warm: AtomicBool::new(is_warm) }
    }

    /// Whether every endpoint that the cluster had at first was asked once.
    pub fn is_warm(&self) -> bool {
        self.is_warm.load(Ordering::Acquire)
    }

    pub(super) fn set_warm(&self) {
        self.is_warm.store(true, Ordering::Release);
    }

    /// The block of counters, which the control thread alone writes.
    pub(super) fn stats(&self) -> &HealthStats {
        self.stats.of(0)
    }
}

/// Where an endpoint is asked.
pub(super) fn address(entry: &HostEntry) -> Address {
    let check = entry.endpoint.extra().check.as_deref();
    let place = check.and_then(|check| check.address.as_ref()).unwrap_or(&entry.endpoint.address);
    match (check.and_then(|check| check.port), place.as_socket()) {
        (Some(port), Some(socket)) => Address::socket(socket.ip(), port.get()),
        _ => place.clone(),
    }
}

/// The host that is asked for: that of the endpoint, that of the check, or the name of the cluster.
pub(super) fn authority(config: &Cluster, wanted: &str, entry: &HostEntry) -> String {
    let own = entry.endpoint.extra().check.as_deref().map_or("", |check| &check.hostname);
    let named = [own, wanted].into_iter().find(|name| !name.is_empty());
    named.unwrap_or(&config.name).to_owned()
}

/// Who asks, in the words that upstreams and their logs know from Envoy.
pub(super) const USER_AGENT: HeaderValue = HeaderValue::from_static("Envoy/HC");

/// How an upstream names the cluster it belongs to.
pub(super) const UPSTREAM_CLUSTER: HeaderName =
    HeaderName::from_static("x-envoy-upstream-healthchecked-cluster");

/// How an upstream says that it is degraded.
pub(super) const DEGRADED: HeaderName = HeaderName::from_static("x-envoy-degraded");
