//! From the control plane that a file names to channels to it.

use std::time::Duration;

use ripstop_model::{Cluster, Discovery, Name, Snapshot};
use ripstop_xds::bootstrap::{AdsSource, AdsTarget};
use ripstop_xds::client::{BadHeader, Introduction, Link};
use tonic::transport::{Channel, Endpoint};

/// A connection is given up after this long without an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An HTTP/2 ping is sent this often, also while nothing happens.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// A ping that is not answered within this ends the connection.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most endpoints of the cluster that are tried.
const MAX_ENDPOINTS: usize = 64;

/// Why a control plane cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum AdsError {
    /// The cluster is not there.
    #[error("there is no cluster '{0}'")]
    NoCluster(Name),
    /// The cluster has no endpoint that gRPC can be spoken with.
    #[error("cluster '{0}' has no endpoint with an IP address or a host name and a port")]
    NoEndpoint(Name),
    /// TLS.
    #[error("cluster '{0}' has TLS, which is not supported for ADS; reach the control plane in plaintext")]
    Tls(Name),
    /// Not an address.
    #[error("'{0}' is not the address of a control plane; write host:port")]
    Address(String),
    /// A header.
    #[error("initial_metadata: {0}")]
    Header(#[from] BadHeader),
}

/// How the control plane is reached. Nothing is opened before it is used.
///
/// # Errors
/// What about it is not supported.
pub fn link(source: &AdsSource, introduction: Introduction, fixed: &Snapshot) -> Result<Link, AdsError> {
    let addresses = match &source.target {
        AdsTarget::Address(address) => vec![address.clone()],
        AdsTarget::Cluster(name) => {
            let cluster = fixed.clusters.get(name).ok_or_else(|| AdsError::NoCluster(name.clone()))?;
            addresses(cluster)?
        }
    };
    let mut channels = addresses.iter().map(|address| channel(address));
    let first = channels.next().unwrap_or_else(|| Err(AdsError::Address(String::new())))?;
    let mut link = Link::new(first, source.protocol, introduction);
    for channel in channels {
        link = link.or_by(channel?);
    }
    Ok(link.with_headers(&source.headers)?)
}

fn addresses(cluster: &Cluster) -> Result<Vec<String>, AdsError> {
    if cluster.transport.tls.is_some() {
        return Err(AdsError::Tls(cluster.name.clone()));
    }
    let addresses: Vec<String> = match &cluster.discovery {
        Discovery::Static(assignment) => {
            let endpoints = assignment.localities.iter().flat_map(|locality| &locality.endpoints);
            endpoints.filter_map(|endpoint| Some(endpoint.address.as_socket()?.to_string())).collect()
        }
        Discovery::Dns(dns) => {
            let endpoints = dns.hosts.localities.iter().flat_map(|locality| &locality.endpoints);
            endpoints.map(|endpoint| format!("{}:{}", endpoint.address.host, endpoint.address.port)).collect()
        }
        Discovery::Eds { .. } | Discovery::EdsFile { .. } => Vec::new(),
    };
    if addresses.is_empty() {
        return Err(AdsError::NoEndpoint(cluster.name.clone()));
    }
    Ok(addresses.into_iter().take(MAX_ENDPOINTS).collect())
}

fn channel(address: &str) -> Result<Channel, AdsError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| AdsError::Address(address.to_owned()))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_lazy())
}
