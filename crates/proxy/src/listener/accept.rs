//! Accepts connections of one listener in one worker, chooses the chain, speaks TLS and hands over to the
//! filter.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ripstop_identity::peer::PeerIdentity;
use ripstop_model::listener::{Listener, TransportProtocol};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::activity::Activity;
use super::connection::ConnectionInfo;
use super::drain::DrainWatch;
use super::io::{ClientIo, Rewound};
use crate::generation::listener::{ActiveChain, ActiveFilter, ActiveListener};
use crate::http::client_cert::element;
use crate::http::connection::serve_http;
use crate::stats::listener::ListenerStats;
use crate::tcp_proxy::serve_tcp;
use crate::worker::Worker;

/// Most client connections of one worker. Further ones are closed at once and counted.
pub const MAX_CONNECTIONS_PER_WORKER: u64 = 50_000;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// First byte of a TLS record that holds a handshake message.
const TLS_HANDSHAKE_RECORD: u8 = 22;

/// How long accepting rests when the process is out of file descriptors.
const REST: Duration = Duration::from_millis(20);

/// Accepts for ever. Ended by aborting the task.
pub async fn accept_loop(
    worker: Rc<Worker>,
    listener: Arc<ActiveListener>,
    socket: Rc<TcpListener>,
    drain: DrainWatch,
) {
    loop {
        let (stream, remote) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(listener = %listener.config.name, %error, "accept failed");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let stats = listener.stats.of(worker.id);
        if worker.connections() >= MAX_CONNECTIONS_PER_WORKER {
            stats.cx_overflow.inc();
            continue;
        }
        stats.cx_total.inc();
        stats.cx_active.inc();
        let open = worker.begin_connection();
        let (worker, listener, drain) = (worker.clone(), listener.clone(), drain.clone());
        tokio::task::spawn_local(async move {
            serve_connection(&worker, &listener, stream, remote, drain).await;
            listener.stats.of(worker.id).cx_active.dec();
            drop(open);
        });
    }
}

async fn serve_connection(
    worker: &Rc<Worker>,
    listener: &Arc<ActiveListener>,
    stream: TcpStream,
    remote: SocketAddr,
    drain: DrainWatch,
) {
    let stats = listener.stats.of(worker.id);
    let Ok(local) = stream.local_addr() else { return };
    // Small responses must not wait for the client's delayed acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(transport) = transport(listener, &stream, stats).await else { return };
    let Some(chain) = listener.chain(transport) else {
        stats.no_filter_chain_match.inc();
        return;
    };
    let Some((io, info)) = establish(chain, stream, remote, local, stats).await else { return };
    match &chain.filter {
        ActiveFilter::Http(manager) => serve_http(worker, manager, io, Rc::new(info), drain).await,
        ActiveFilter::Tcp(proxy) => serve_tcp(worker, proxy, io, drain).await,
    }
}

/// What the connection speaks. Without an inspector nobody looks, and it counts as plaintext.
async fn transport(
    listener: &ActiveListener,
    stream: &TcpStream,
    stats: &ListenerStats,
) -> Option<TransportProtocol> {
    if !listener.config.tls_inspector {
        return Some(TransportProtocol::Plaintext);
    }
    let limit =
        listener.config.listener_filters_timeout.unwrap_or(Listener::DEFAULT_LISTENER_FILTERS_TIMEOUT);
    let mut first = [0];
    match tokio::time::timeout(limit, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first[0] == TLS_HANDSHAKE_RECORD => Some(TransportProtocol::Tls),
        Ok(Ok(1)) => Some(TransportProtocol::Plaintext),
        Ok(_) => None,
        Err(_) => {
            stats.pre_cx_timeout.inc();
            None
        }
    }
}

async fn establish(
    chain: &ActiveChain,
    stream: TcpStream,
    remote: SocketAddr,
    local: SocketAddr,
    stats: &ListenerStats,
) -> Option<(Rewound, ConnectionInfo)> {
    let Some(tls) = &chain.tls else {
        let io = Rewound::new(ClientIo::Plain(stream));
        let activity = Activity::new(io.heard());
        return Some((io, ConnectionInfo { activity, ..ConnectionInfo::plain(remote, local) }));
    };
    let handshake = TlsAcceptor::from(tls.clone()).accept(stream);
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            count_handshake_error(&error, stats);
            tracing::debug!(%remote, %error, "TLS handshake failed");
            return None;
        }
        Err(_) => {
            stats.ssl_connection_error.inc();
            return None;
        }
    };
    stats.ssl_handshake.inc();
    let connection = stream.get_ref().1;
    let peer = PeerIdentity::from_chain(connection.peer_certificates()).ok().flatten();
    let client_cert = peer.as_ref().zip(chain.own_id()).and_then(|(peer, by)| element(peer, &by));
    let io = Rewound::new(ClientIo::Tls(Box::new(stream)));
    let activity = Activity::new(io.heard());
    Some((io, ConnectionInfo { remote, local, peer, tls: true, client_cert, activity }))
}

fn count_handshake_error(error: &std::io::Error, stats: &ListenerStats) {
    stats.ssl_connection_error.inc();
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::NoCertificatesPresented) => stats.ssl_fail_verify_no_cert.inc(),
        Some(rustls::Error::InvalidCertificate(_)) => stats.ssl_fail_verify_error.inc(),
        _ => {}
    }
}
