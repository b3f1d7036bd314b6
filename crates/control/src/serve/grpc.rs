//! The connections of proxies: HTTP/2 over TLS, or without on a door for this machine alone; both gRPC services on each.
//! Each request carries who its peer is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use ripstop_identity::accept::Accepted;
use ripstop_identity::clock::Clock;
use ripstop_identity::peer::ConnectedPeer;
use ripstop_xds::server::Peer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::{Stream, StreamExt};
use tonic::service::Routes;
use tower_service::Service;

/// Most connections at once; further ones wait in the kernel's queue. A proxy has two: one for ADS, one on which its agent
/// follows the authority.
const MAX_CONNECTIONS: usize = 20_000;
/// Most calls at once on one connection. A proxy has one stream on each, and now and then asks for a certificate.
const MAX_CONCURRENT_STREAMS: u32 = 32;
/// Largest head of a request.
const MAX_HEADER_LIST_BYTES: u32 = 16 * 1024;
/// A ping is sent after this long, so that a proxy that is gone is noticed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// A ping that is not answered within this ends the connection.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// All connections, each in a task of its own.
pub(super) struct Connections {
    routes: Routes,
    clock: Clock,
    tasks: JoinSet<()>,
    ending: watch::Sender<bool>,
}

impl Connections {
    /// None yet. `routes` are served on each.
    pub(super) fn new(routes: Routes, clock: Clock) -> Connections {
        Connections { routes, clock, tasks: JoinSet::new(), ending: watch::Sender::new(false) }
    }

    /// Takes connections until `end`: those of the network, and those of `local`, which only processes of this user can
    /// open.
    pub(super) async fn accept_until(
        &mut self,
        mut incoming: impl Stream<Item = Accepted> + Unpin,
        local: UnixListener,
        end: impl Future<Output = ()>,
    ) {
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                Some(_) = self.tasks.join_next() => {}
                accepted = incoming.next(), if self.tasks.len() < MAX_CONNECTIONS => match accepted {
                    Some(Accepted::Tls(stream)) => {
                        let client = Client::Connected(stream.peer().clone());
                        self.begin(*stream, client);
                    }
                    Some(Accepted::Plaintext(stream)) => self.begin(stream, Client::Local),
                    None => return,
                },
                accepted = local.accept(), if self.tasks.len() < MAX_CONNECTIONS => match accepted {
                    Ok((stream, _)) => self.begin(stream, Client::Local),
                    Err(error) => tracing::warn!(%error, "a connection on the Unix socket is lost"),
                }
            }
        }
    }

    /// Tells every peer that the server goes away, and waits for `at_most` or until `stop` for calls to end.
    pub(super) async fn close(mut self, at_most: Duration, stop: impl Future<Output = ()>) {
        self.ending.send_replace(true);
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        tokio::select! {
            ended = tokio::time::timeout(at_most, all_ended) => {
                if ended.is_err() {
                    tracing::debug!("connections that did not end in time are cut");
                }
            }
            () = stop => {}
        }
        self.tasks.shutdown().await;
    }

    fn begin<S>(&mut self, stream: S, client: Client)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (routes, clock, ending) = (self.routes.clone(), self.clock.clone(), self.ending.subscribe());
        self.tasks.spawn(serve(stream, client, routes, clock, ending));
    }
}

/// Who is at the other end of a connection.
enum Client {
    /// Over TLS.
    Connected(ConnectedPeer),
    /// A process of this machine, without TLS.
    Local,
}

async fn serve<S>(stream: S, client: Client, routes: Routes, clock: Clock, mut ending: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let client = Arc::new(client);
    let address = match &*client {
        Client::Connected(peer) => peer.address.to_string(),
        Client::Local => "local".to_owned(),
    };
    let service = service_fn(move |mut request: Request<Incoming>| {
        introduce(&mut request, &client, &clock);
        let mut routes = routes.clone();
        async move { Ok::<_, Infallible>(routes.call(request).await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = begun(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%address, %error, "connection ended");
    }
}

/// Returns when the end has begun. An error means that the server is gone, which ends every connection too.
async fn begun(ending: &mut watch::Receiver<bool>) {
    let _ = ending.wait_for(|ending| *ending).await;
}

/// Says who the peer is, in the form that each service looks for. What a certificate proved when the connection was
/// made is worth nothing after its end.
fn introduce<B>(request: &mut Request<B>, client: &Client, clock: &Clock) {
    let extensions = request.extensions_mut();
    match client {
        Client::Connected(peer) => {
            let identity = peer.identity.as_ref().filter(|identity| clock.now() <= identity.not_after());
            let proved = identity.map(|identity| Peer::Proved(identity.spiffe_id().clone()));
            extensions.insert(proved.unwrap_or_default());
            extensions.insert(peer.clone());
        }
        Client::Local => drop(extensions.insert(Peer::Local)),
    }
}
