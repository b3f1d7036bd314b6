//! Asks one endpoint once.

use std::sync::Arc;

use ripstop_identity::context::client::nameless;
use ripstop_model::health_check::{HealthCheck, Probe};
use ripstop_policy::health::{FailureKind, Probed};
use ripstop_policy::host::HostEntry;
use rustls::pki_types::ServerName;

use super::cluster::{self, ClusterCheck};
use super::connection::{Destination, Kept};
use super::{grpc, http, tcp};
use crate::generation::cluster::ActiveCluster;

/// How a question ended.
pub struct Asked {
    /// What was found; `None`: nothing could be asked for want of our own means.
    pub probed: Option<Probed>,
    /// Status of the HTTP answer, where it was the wrong one; else 0.
    pub status: u16,
    /// The endpoint says that it must not be counted.
    pub excluded: bool,
    /// The name of its cluster was looked at.
    pub verified: bool,
    /// The connection, if it can be used again.
    pub kept: Option<Kept>,
}

impl Asked {
    /// It is well, or asks for less.
    pub fn success(degraded: bool) -> Asked {
        Asked::with(Some(Probed::Success { degraded }))
    }

    /// It is not.
    pub fn failure(kind: FailureKind, retriable: bool) -> Asked {
        Asked::with(Some(Probed::Failure { kind, retriable }))
    }

    fn with(probed: Option<Probed>) -> Asked {
        Asked { probed, status: 0, excluded: false, verified: false, kept: None }
    }
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskError {
    /// No connection, or it broke.
    Network,
    /// We have no socket or no memory for it.
    NoMeans,
}

/// What is asked with.
pub struct Question<'a> {
    /// The cluster.
    pub active: &'a ActiveCluster,
    /// Its checks.
    pub check: &'a HealthCheck,
    /// The same, compiled.
    pub compiled: &'a ClusterCheck,
    /// The endpoint.
    pub entry: &'a HostEntry,
    /// Where it is asked.
    pub to: Destination,
}

/// Asks, within the time that the check has.
pub async fn ask(active: Arc<ActiveCluster>, entry: Arc<HostEntry>, kept: Option<Kept>) -> Asked {
    let (Some(check), Some(compiled)) = (&active.config.health.check, &active.check) else {
        return Asked::with(None);
    };
    let Some(to) = destination(&active, check, compiled, &entry) else {
        // A secret that is not there yet: Envoy has no connection then either.
        return Asked::failure(FailureKind::Network, false);
    };
    let question = Question { active: &active, check, compiled, entry: &entry, to };
    let asking = async {
        match &check.probe {
            Probe::Http(probe) => http::ask(&question, probe, kept).await,
            Probe::Grpc(probe) => grpc::ask(&question, probe, kept).await,
            Probe::Tcp(probe) => tcp::ask(&question, probe, kept).await,
        }
    };
    match tokio::time::timeout(check.timeout, asking).await {
        Ok(Ok(asked)) => asked,
        Ok(Err(AskError::Network)) => Asked::failure(FailureKind::Network, false),
        Ok(Err(AskError::NoMeans)) => Asked::with(None),
        Err(_) => Asked::failure(FailureKind::NetworkTimeout, false),
    }
}

fn destination(
    active: &ActiveCluster,
    check: &HealthCheck,
    compiled: &ClusterCheck,
    entry: &HostEntry,
) -> Option<Destination> {
    let address = cluster::address(entry);
    let way = compiled.transport(&active.config, check, entry);
    let tls = match &way.tls {
        None => None,
        Some(slot) => {
            let context = slot.get()?;
            let config = match check.probe {
                Probe::Tcp(_) => &context.tcp,
                Probe::Http(_) | Probe::Grpc(_) => &context.http,
            };
            let host_name = active.host_name(entry.host.address());
            let host_name = host_name.and_then(|name| ServerName::try_from(name.to_string()).ok());
            let ip = address.as_socket().map(|socket| socket.ip());
            let name = host_name.or_else(|| context.server_name.clone()).unwrap_or_else(|| nameless(ip));
            Some((config.clone(), name))
        }
    };
    Some(Destination { address, proxy_protocol: way.proxy_protocol, tls })
}
