//! Accepts connections of one listener in one worker, chooses the chain, speaks TLS and hands over to the
//! filter.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ripstop_identity::peer::PeerIdentity;
use ripstop_runtime::listen::Listener as Socket;
use ripstop_runtime::stream::Stream;
use tokio_rustls::TlsAcceptor;

use super::activity::Activity;
use super::connection::ConnectionInfo;
use super::incoming::Incoming;
use super::inspect::inspect;
use super::io::{ClientIo, Rewound};
use super::live::LiveListener;
use crate::generation::listener::{ActiveChain, ActiveFilter};
use crate::http::client_cert::element;
use crate::http::connection::serve_http;
use crate::stats::listener::ListenerStats;
use crate::tcp_proxy::serve_tcp;
use crate::worker::Worker;

/// Most client connections of one worker. Further ones are closed at once and counted.
pub const MAX_CONNECTIONS_PER_WORKER: u64 = 50_000;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long accepting rests when the process is out of file descriptors.
const REST: Duration = Duration::from_millis(20);

/// Accepts for ever. Ended by aborting the task.
pub async fn accept_loop(worker: Rc<Worker>, listener: Rc<LiveListener>, socket: Rc<Socket>) {
    loop {
        let (stream, remote) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(listener = %listener.active.config.name, %error, "accept failed");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let stats = listener.active.stats.of(worker.id);
        if worker.connections() >= MAX_CONNECTIONS_PER_WORKER {
            stats.cx_overflow.inc();
            continue;
        }
        stats.cx_total.inc();
        stats.cx_active.inc();
        let open = worker.begin_connection();
        let (worker, listener) = (worker.clone(), listener.clone());
        tokio::task::spawn_local(async move {
            serve_connection(&worker, &listener, stream, remote).await;
            listener.active.stats.of(worker.id).cx_active.dec();
            drop(open);
        });
    }
}

async fn serve_connection(
    worker: &Rc<Worker>,
    listener: &Rc<LiveListener>,
    stream: Stream,
    remote: Option<SocketAddr>,
) {
    // Small responses must not wait for the client's delayed acknowledgement.
    if stream.set_nodelay().is_err() {
        return;
    }
    let Some(mut connection) = Incoming::new(stream, remote, &listener.active.config) else { return };
    let stats = listener.active.stats.of(worker.id);
    if inspect(&mut connection, &listener.active.config, stats).await.is_err() {
        return;
    }
    let Some((index, chain)) = listener.active.chain(&connection.facts()) else {
        stats.no_filter_chain_match.inc();
        return;
    };
    let drain = listener.drain_watch(index);
    let Some((io, info)) = establish(chain, connection, stats).await else { return };
    match &chain.filter {
        ActiveFilter::Http(manager) => serve_http(worker, manager, io, Rc::new(info), drain).await,
        ActiveFilter::Tcp(proxy) => serve_tcp(worker, proxy, io, drain).await,
    }
}

async fn establish(
    chain: &ActiveChain,
    connection: Incoming,
    stats: &ListenerStats,
) -> Option<(Rewound, ConnectionInfo)> {
    let Incoming { io, remote, direct_remote, local, server_name, .. } = connection;
    let Some(tls) = &chain.tls else {
        let io = Rewound::new(ClientIo::Plain(io));
        let activity = Activity::new(io.heard());
        let info = ConnectionInfo::plain(remote, local);
        return Some((io, ConnectionInfo { activity, direct_remote, server_name, ..info }));
    };
    let handshake = TlsAcceptor::from(tls.clone()).accept(io);
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
    let server_name = match connection.server_name() {
        Some(name) if server_name.is_empty() => name.to_ascii_lowercase().into(),
        _ => server_name,
    };
    let io = Rewound::new(ClientIo::Tls(Box::new(stream)));
    let activity = Activity::new(io.heard());
    let info =
        ConnectionInfo { remote, direct_remote, local, server_name, peer, tls: true, client_cert, activity };
    Some((io, info))
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
