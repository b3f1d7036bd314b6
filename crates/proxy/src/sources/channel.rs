//! gRPC to a cluster of the file: over TCP or a Unix socket, with the TLS of the cluster.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use ripstop_identity::context::client::{ClientContext, ClientUse, nameless};
use ripstop_identity::context::store::Slot;
use ripstop_model::cluster::Cluster;
use ripstop_model::{Address, Discovery, Name};
use ripstop_runtime::{socket, stream::Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower_service::Service;

use super::SourceError;
use crate::tls::TlsContexts;

/// A connection is given up after this long without an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An HTTP/2 ping is sent this often, also while nothing happens.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// A ping that is not answered within this ends the connection.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most endpoints of a cluster that are tried.
const MAX_ENDPOINTS: usize = 64;

/// Where a server is.
#[derive(Clone, Debug)]
enum Target {
    Socket(std::net::SocketAddr),
    /// `host:port`, resolved at each connection.
    Named(Arc<str>),
    Unix(Name),
}

impl Target {
    async fn connect(&self) -> io::Result<Stream> {
        match self {
            Target::Socket(address) => socket::connect(*address).await.map(Stream::Tcp),
            Target::Named(address) => socket::connect_named(address).await.map(Stream::Tcp),
            Target::Unix(path) => socket::connect_unix(path).await.map(Stream::Unix),
        }
    }

    /// What the server is told that it is called.
    fn authority(&self) -> String {
        match self {
            Target::Socket(address) => address.to_string(),
            Target::Named(address) => address.to_string(),
            Target::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// Channels to the endpoints of a cluster, in their order. Nothing is opened before one is used.
///
/// # Errors
/// There is no endpoint, or its TLS is of no use.
pub fn to_cluster(cluster: &Cluster, tls: &TlsContexts) -> Result<Vec<Channel>, SourceError> {
    let context = match &cluster.transport.tls {
        Some(config) => {
            let used = ClientUse { alpn: vec!["h2".into()], ..ClientUse::default() };
            let slot = tls.lock().client(config, used);
            Some(slot.map_err(|source| SourceError::Tls { cluster: cluster.name.clone(), source })?)
        }
        None => None,
    };
    let targets = targets(cluster);
    if targets.is_empty() {
        return Err(SourceError::NoEndpoint(cluster.name.clone()));
    }
    let timeout = cluster.connect_timeout;
    targets.into_iter().take(MAX_ENDPOINTS).map(|target| channel(target, context.clone(), timeout)).collect()
}

/// A channel to `host:port`, in plaintext.
///
/// # Errors
/// It is no such address.
pub fn to_address(address: &str) -> Result<Channel, SourceError> {
    channel(Target::Named(address.into()), None, CONNECT_TIMEOUT)
}

fn targets(cluster: &Cluster) -> Vec<Target> {
    match &cluster.discovery {
        Discovery::Static(assignment) => {
            let target = |address: &Address| match address {
                Address::Socket(address) => Target::Socket(*address),
                Address::Pipe(path) => Target::Unix(path.clone()),
            };
            assignment.endpoints().map(|endpoint| target(&endpoint.address)).collect()
        }
        Discovery::Dns(dns) => {
            let names = dns.hosts.endpoints().map(|endpoint| &endpoint.address);
            names.map(|name| Target::Named(format!("{}:{}", name.host, name.port).into())).collect()
        }
        Discovery::Eds { .. } | Discovery::EdsFile { .. } => Vec::new(),
    }
}

fn channel(
    target: Target,
    tls: Option<Arc<Slot<ClientContext>>>,
    timeout: Duration,
) -> Result<Channel, SourceError> {
    let authority = target.authority();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let wrong = |_| SourceError::Address(authority.clone());
    let origin: Uri = format!("{scheme}://{authority}").parse().map_err(wrong)?;
    // The scheme `http` keeps tonic from adding a TLS of its own; `origin` is what the server is told.
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))
        .map_err(|_| SourceError::Address(authority.clone()))?
        .origin(origin)
        .connect_timeout(timeout)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_with_connector_lazy(Dialer { target, tls }))
}

/// Opens connections, each with the certificates of the moment.
#[derive(Clone)]
struct Dialer {
    target: Target,
    tls: Option<Arc<Slot<ClientContext>>>,
}

/// A connection of either kind.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Dialer {
    async fn dial(self) -> io::Result<TokioIo<Box<dyn Io>>> {
        let stream = self.target.connect().await?;
        let Some(tls) = &self.tls else { return Ok(TokioIo::new(Box::new(stream))) };
        let Some(context) = tls.get() else {
            return Err(io::Error::other("TLS: a secret is not there yet"));
        };
        let ip = match &self.target {
            Target::Socket(address) => Some(address.ip()),
            Target::Named(_) | Target::Unix(_) => None,
        };
        let name = context.server_name.clone().unwrap_or_else(|| nameless(ip));
        let stream = TlsConnector::from(context.http.clone()).connect(name, stream).await?;
        Ok(TokioIo::new(Box::new(stream)))
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<Box<dyn Io>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().dial())
    }
}
