//! Accepts connections of one listener in one worker, chooses the chain, speaks TLS and hands over to the
//! filter.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use ripstop_identity::context::facts::TlsFacts;
use ripstop_identity::forwarded::client_cert_element;
use ripstop_model::Address;
use ripstop_policy::connection_count::Counted;
use ripstop_policy::flags::ResponseFlag;
use ripstop_runtime::listen::Listener as Socket;

use super::activity::Activity;
use super::admission::{admit, authorize};
use super::connection::ConnectionInfo;
use super::incoming::Incoming;
use super::inspect::inspect;
use super::io::{ClientIo, Rewound};
use super::live::LiveListener;
use super::record::Record;
use super::simple::{direct_response, echo};
use super::tls::handshake;
use crate::generation::listener::{ActiveChain, ActiveFilter, ActiveListener};
use crate::http::connection::serve_http;
use crate::stats::listener::ListenerStats;
use crate::tcp_proxy::serve_tcp;
use crate::worker::Worker;

/// Most client connections of one worker. Further ones are closed at once and counted.
pub const MAX_CONNECTIONS_PER_WORKER: u64 = 50_000;

/// How long a TLS handshake may take unless the chain says otherwise.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long accepting rests when the process is out of file descriptors.
const REST: Duration = Duration::from_millis(20);

/// Accepts for ever. Ended by aborting the task.
pub async fn accept_loop(worker: Rc<Worker>, listener: Rc<LiveListener>, socket: Rc<Socket>, at: Address) {
    let listener_turn = listener.active.config.max_accepts_per_event;
    let mut accepted: u32 = 0;
    loop {
        let (stream, remote) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(listener = %listener.active.config.name, %error, "accept failed");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let Some(place) = place(&worker, &listener.active) else { continue };
        let Some(connection) = Incoming::new(stream, remote, &at) else { continue };
        let served = Serving::begin(&worker, &listener.active);
        let open = worker.begin_connection();
        let (worker, listener) = (worker.clone(), listener.clone());
        tokio::task::spawn_local(async move {
            serve_connection(&worker, listener, connection).await;
            drop((served, open, place));
        });
        accepted = accepted.wrapping_add(1);
        if listener_turn.is_some_and(|most| accepted.is_multiple_of(most)) {
            tokio::task::yield_now().await;
        }
    }
}

/// The right to be open, of the listener and of all listeners together.
type Place = (Counted, Option<Counted>);

/// `None`: too many connections are open already.
fn place(worker: &Worker, listener: &ActiveListener) -> Option<Place> {
    let stats = listener.stats.of(worker.id);
    if worker.connections() >= MAX_CONNECTIONS_PER_WORKER {
        stats.cx_overflow.inc();
        return None;
    }
    let Some(of_listener) = listener.limit.try_add() else {
        stats.cx_overflow.inc();
        return None;
    };
    if listener.config.ignores_global_limit {
        return Some((of_listener, None));
    }
    let global = listener.global_limit.try_add();
    if global.is_none() {
        stats.global_cx_overflow.inc();
    }
    Some((of_listener, Some(global?)))
}

/// Counts an open connection until it is dropped.
struct Serving {
    listener: Arc<ActiveListener>,
    worker: usize,
    begun: Instant,
}

impl Serving {
    fn begin(worker: &Worker, listener: &Arc<ActiveListener>) -> Serving {
        let stats = listener.stats.of(worker.id);
        stats.cx_total.inc();
        stats.cx_active.inc();
        Serving { listener: listener.clone(), worker: worker.id, begun: Instant::now() }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let stats = self.listener.stats.of(self.worker);
        stats.cx_active.dec();
        stats.cx_destroy.inc();
        stats.cx_length_ms.record(self.begun.elapsed());
    }
}

async fn serve_connection(worker: &Rc<Worker>, mut listener: Rc<LiveListener>, mut connection: Incoming) {
    // Small responses must not wait for the client's delayed acknowledgement.
    if connection.io.stream().set_nodelay().is_err() {
        return;
    }
    let mut record = Record::begin(&listener.active);
    if !inspect(&mut connection, &listener.active, worker.id).await {
        return record.refuse_early(connection);
    }
    let mut handed_over = None;
    if listener.active.config.use_original_dst && connection.local_restored {
        let wanted = connection.local.as_socket().and_then(|address| worker.listener_at(address));
        if let Some(other) = wanted.filter(|other| !Rc::ptr_eq(other, &listener)) {
            handed_over = Some(Serving::begin(worker, &other.active));
            listener = other;
            record.hand_over(&listener.active);
        }
    }
    let stats = listener.active.stats.of(worker.id);
    let Some((index, chain)) = listener.active.chain(&connection.facts()) else {
        stats.no_filter_chain_match.inc();
        record.stream.flags.insert(ResponseFlag::NoRouteFound);
        record.stream.details = "filter_chain_not_found";
        return record.refuse_early(connection);
    };
    let drain = listener.drain_watch(index);
    if let ActiveFilter::Tcp(proxy) = &chain.filter {
        record.passed_to(proxy);
    }
    let Some(held) = admit(&chain.filters, worker.id).await else {
        if matches!(chain.filter, ActiveFilter::Tcp(_)) {
            record.stream.flags.insert(ResponseFlag::UpstreamRetryLimitExceeded);
        }
        return record.refuse_early(connection);
    };
    // Boxed, as is what is served below, so that a connection has no room for what it has done or never does.
    let (io, mut info) = match Box::pin(establish(chain, connection, stats)).await {
        Ok(established) => established,
        Err(mut info) => {
            info.filter_chain.clone_from(&chain.name);
            return record.refuse(*info);
        }
    };
    info.filter_chain.clone_from(&chain.name);
    let info = Rc::new(info);
    record.serve(&info, io.traffic());
    if let Err(reason) = authorize(&chain.filters, &info, worker.id) {
        record.stream.connection_details = Some(reason);
        return;
    }
    match &chain.filter {
        ActiveFilter::Http(manager) => {
            // Requests have lines of their own: mostly nobody wants one of their connection.
            let record = record.is_wanted().then_some(record);
            serve_http(worker, manager, io, info, drain).await;
            drop(record);
        }
        ActiveFilter::Tcp(proxy) => {
            Box::pin(serve_tcp(worker, proxy, io, &info, &mut record)).await;
        }
        ActiveFilter::Nothing => {}
        // How they end concerns nobody.
        ActiveFilter::Echo => drop(echo(io).await),
        ActiveFilter::DirectResponse(text) => {
            record.stream.details = "direct_response";
            drop(direct_response(io, text).await);
        }
    }
    drop((held, handed_over));
}

async fn establish(
    chain: &ActiveChain,
    connection: Incoming,
    stats: &ListenerStats,
) -> Result<(Rewound, ConnectionInfo), Box<ConnectionInfo>> {
    let (io, info) = connection.into_plain();
    let Some(tls) = &chain.tls else {
        let io = Rewound::new(ClientIo::Plain(io));
        let activity = Activity::new(io.heard());
        return Ok((io, ConnectionInfo { activity, ..info }));
    };
    let Some(context) = tls.get() else {
        stats.secrets_not_ready.inc();
        return Err(Box::new(info));
    };
    let limit = chain.handshake_timeout.unwrap_or(HANDSHAKE_TIMEOUT);
    let (stream, facts) = match handshake(&context, io, limit, stats).await {
        Ok(done) => done,
        Err(why) => {
            let transport_failure = Some(why.to_string().into());
            return Err(Box::new(ConnectionInfo { transport_failure, ..info }));
        }
    };
    let client_cert = client_cert(chain, &facts);
    let io = Rewound::new(ClientIo::Tls(Box::new(stream)));
    let activity = Activity::new(io.heard());
    let info = ConnectionInfo { tls: true, client_cert, activity, secured: Some(Box::new(facts)), ..info };
    Ok((io, info))
}

/// What requests say of the certificate that the client has shown.
fn client_cert(chain: &ActiveChain, facts: &TlsFacts) -> Option<HeaderValue> {
    let ActiveFilter::Http(manager) = &chain.filter else { return None };
    let by = facts.local().map_or(&[][..], |own| &own.uris);
    let element = client_cert_element(facts.peer_chain(), by, manager.config.client_cert_details).ok()?;
    HeaderValue::try_from(element).ok()
}
