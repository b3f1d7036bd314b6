//! Passes bytes between a client and an endpoint without looking at them.

mod illness;
mod relay;
pub mod tunneling;

pub use relay::BUFFER_BYTES;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use relay::{Ended, relay};
use ripstop_model::network_filter::ConnectBackoff;
use ripstop_model::{Address, Name};
use ripstop_policy::balance::{Pick, PickContext};
use ripstop_policy::flags::ResponseFlag;
use ripstop_policy::host::{Host, HostEntry};
use ripstop_policy::outlier::Outcome;
use ripstop_runtime::stream::Stream;
use tunneling::{Tunnel, TunnelError};

use crate::format::context::Context;
use crate::generation::listener::ActiveTcpProxy;
use crate::http::attempt::record as note_outcome;
use crate::http::request_id::generate;
use crate::listener::connection::ConnectionInfo;
use crate::listener::io::Rewound;
use crate::listener::record::Record;
use crate::stats::connection::TcpStats;
use crate::stream_info::UpstreamInfo;
use crate::upstream::connect::{OpenConnection, Transport, transport};
use crate::upstream::error::ConnectError;
use crate::upstream::purpose::Purpose;
use crate::worker::Worker;
use crate::worker::cluster::WorkerCluster;

/// Serves one connection. It outlives changes of configuration; a drained listener lets it run to its end.
pub async fn serve_tcp(
    worker: &Rc<Worker>,
    proxy: &Arc<ActiveTcpProxy>,
    io: Rewound,
    info: &ConnectionInfo,
    record: &mut Record,
) {
    if record.is_wanted() {
        let id = worker.dice(generate);
        record.stream.stream_id = id.to_str().ok().map(Name::from);
    }
    let stats = proxy.stats.of(worker.id);
    stats.cx_total.inc();
    let Some(cluster) = cluster_of(worker, proxy, info) else {
        stats.cx_no_route.inc();
        record.stream.flags.insert(ResponseFlag::NoClusterFound);
        return;
    };
    record.stream.cluster = Some(cluster.active.name().clone());
    let Some(upstream) = connect(worker, proxy, &cluster, info, record).await else { return };
    record.stream.upstream = Some(Rc::new(upstream.info()));
    let lasting = async {
        match upstream {
            Upstream::Direct { transport, host, open } => {
                let relayed = async {
                    match transport {
                        Transport::Plain(stream) => relay(io, open.metered(stream), proxy, stats).await,
                        Transport::Tls(stream) => relay(io, open.metered(stream), proxy, stats).await,
                    }
                };
                tokio::select! {
                    ended = relayed => ended,
                    () = illness::of(&cluster.active.config, &host) => Ended::Sides,
                }
            }
            Upstream::Tunnel(tunnel) => relay(io, *tunnel, proxy, stats).await,
        }
    };
    let jitter = proxy.config.max_duration_jitter.as_per_million();
    let longer = match jitter {
        0 => 0.0,
        jitter => f64::from(jitter) / 1e6 * worker.dice(|rng| rng.f64()),
    };
    let ended = match proxy.config.max_duration.map(|limit| limit.mul_f64(1.0 + longer)) {
        Some(limit) => tokio::time::timeout(limit, lasting).await.unwrap_or(Ended::Duration),
        None => lasting.await,
    };
    match ended {
        Ended::Sides => {}
        Ended::Idle => stats.idle_timeout.inc(),
        Ended::Duration => {
            stats.max_duration.inc();
            record.stream.flags.insert(ResponseFlag::DurationTimeout);
        }
    }
}

/// A way to an endpoint.
enum Upstream {
    /// A connection of its own.
    Direct { transport: Transport, host: Arc<Host>, open: OpenConnection },
    /// A tunnel through a proxy.
    Tunnel(Box<Tunnel>),
}

impl Upstream {
    /// What logs tell of it.
    fn info(&self) -> UpstreamInfo {
        match self {
            Upstream::Direct { transport, host, .. } => reached(transport, host.address().clone()),
            Upstream::Tunnel(tunnel) => (*tunnel.info).clone(),
        }
    }
}

fn cluster_of(worker: &Worker, proxy: &ActiveTcpProxy, info: &ConnectionInfo) -> Option<Rc<WorkerCluster>> {
    let generation = worker.current();
    let seed = || worker.dice(|rng| rng.u64(..));
    if proxy.by_server_name && !info.server_name.is_empty() {
        return generation.cluster_named(&info.server_name, seed);
    }
    let place = match proxy.clusters.len() {
        1 => 0,
        _ => worker.dice(|rng| proxy.choice.pick(rng)),
    };
    generation.cluster(proxy.clusters.get(place)?, seed)
}

/// Tries one endpoint after the other, as often as the configuration allows.
async fn connect(
    worker: &Worker,
    proxy: &ActiveTcpProxy,
    cluster: &WorkerCluster,
    info: &ConnectionInfo,
    record: &mut Record,
) -> Option<Upstream> {
    let logged = record.is_wanted();
    let client = info.ends().filter(|_| cluster.active.tells_clients());
    let purpose = Purpose::default().for_client(client);
    let facts = &mut record.stream;
    let stats = cluster.active.lasting.stats.of(worker.id);
    for attempt in 0..proxy.config.max_connect_attempts.get() {
        if let Some(backoff) = proxy.config.backoff.filter(|_| attempt > 0) {
            tokio::time::sleep(wait(worker, backoff, attempt)).await;
        }
        let context = PickContext::any(Instant::now());
        let picked = worker.dice(|rng| cluster.balancer.borrow_mut().pick(&context, rng));
        let Pick::Host { entry, .. } = picked else {
            stats.cx_none_healthy.inc();
            facts.flags.insert(ResponseFlag::NoHealthyUpstream);
            return None;
        };
        facts.attempts = attempt + 1;
        if logged {
            facts.host = Some(entry.host.address().to_string().into());
        }
        let error = match &proxy.tunnel {
            Some(request) => {
                let none = HeaderMap::new();
                let context = Context::of(info, facts, &none);
                match request.open(worker, cluster, &entry.host, &context, purpose.clone()).await {
                    Ok(tunnel) => return Some(Upstream::Tunnel(Box::new(tunnel))),
                    Err(TunnelError::Connect(error)) => error,
                    Err(error) => {
                        // The connection was good; the proxy behind it has counted nothing.
                        tracing::debug!(cluster = %cluster.active.name(), %error, "no tunnel");
                        facts.flags.insert(ResponseFlag::UpstreamConnectionFailure);
                        continue;
                    }
                }
            }
            None => {
                let Ok(permit) = cluster.active.lasting.limits.try_connection(&entry.host) else {
                    stats.cx_overflow.inc();
                    facts.flags.insert(ResponseFlag::UpstreamOverflow);
                    return None;
                };
                let open = OpenConnection::begin(&cluster.active, worker.id, permit);
                match direct(cluster, &entry, &purpose).await {
                    Ok(transport) => {
                        open.connected();
                        return Some(Upstream::Direct { transport, host: entry.host.clone(), open });
                    }
                    Err(error) => {
                        stats.cx_connect_fail.inc();
                        entry.host.count_connect_failure();
                        if matches!(error, ConnectError::Timeout) {
                            stats.cx_connect_timeout.inc();
                        }
                        error
                    }
                }
            }
        };
        note_outcome(cluster, &entry, Outcome::ConnectFailure, None);
        facts.flags.insert(ResponseFlag::UpstreamConnectionFailure);
        if !matches!(error, ConnectError::Timeout) {
            facts.upstream_failure = error.reason();
        }
    }
    stats.cx_connect_attempts_exceeded.inc();
    facts.flags.insert(ResponseFlag::UpstreamRetryLimitExceeded);
    None
}

/// A connection of its own, within the connect timeout of the cluster.
async fn direct(
    cluster: &WorkerCluster,
    entry: &HostEntry,
    purpose: &Purpose,
) -> Result<Transport, ConnectError> {
    let connecting = transport(&cluster.active, &entry.host, purpose);
    let limit = cluster.active.config.connect_timeout;
    tokio::time::timeout(limit, connecting).await.unwrap_or(Err(ConnectError::Timeout))
}

/// Both ends of a connection to an endpoint.
fn reached(transport: &Transport, remote: Address) -> UpstreamInfo {
    let stream = match transport {
        Transport::Plain(stream) => stream,
        Transport::Tls(stream) => stream.get_ref().0,
    };
    let local = match stream {
        Stream::Tcp(stream) => stream.local_addr().ok().map(Address::Socket),
        Stream::Unix(_) => None,
    };
    UpstreamInfo { local, remote: Some(remote), ..UpstreamInfo::default() }
}

/// Evenly between nothing and a bound that doubles each time.
fn wait(worker: &Worker, backoff: ConnectBackoff, attempt: u32) -> Duration {
    let doubled = backoff.base.saturating_mul(1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX));
    let bound = doubled.min(backoff.max);
    bound.mul_f64(worker.dice(|rng| rng.f64()))
}

/// How [`TcpStats`] are raised by what passes.
fn count(stats: &TcpStats, from_client: u64, to_client: u64) {
    stats.rx_bytes.add(from_client);
    stats.tx_bytes.add(to_client);
}
