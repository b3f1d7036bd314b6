//! Passes bytes between a client and an endpoint without looking at them.

mod relay;

pub use relay::BUFFER_BYTES;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relay::{Ended, relay};
use ripstop_model::network_filter::ConnectBackoff;
use ripstop_model::{Address, Name};
use ripstop_policy::balance::{Pick, PickContext};
use ripstop_policy::flags::ResponseFlag;
use ripstop_policy::host::ActiveConnection;
use ripstop_policy::limits::Permit;
use ripstop_policy::outlier::Outcome;
use ripstop_runtime::stream::Stream;

use crate::generation::cluster::ActiveCluster;
use crate::generation::listener::ActiveTcpProxy;
use crate::http::attempt::record as note_outcome;
use crate::http::request_id::generate;
use crate::listener::connection::ConnectionInfo;
use crate::listener::io::Rewound;
use crate::listener::record::Record;
use crate::stats::connection::TcpStats;
use crate::stream_info::UpstreamInfo;
use crate::upstream::connect::{Transport, transport};
use crate::upstream::error::ConnectError;
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
    let Some(upstream) = connect(worker, proxy, &cluster, record).await else { return };
    record.stream.upstream = reached(&upstream.transport, upstream.address.clone());
    let counters = cluster.active.lasting.stats.of(worker.id);
    counters.cx_total.inc();
    counters.cx_active.inc();
    let open = Open { cluster: cluster.active.clone(), worker: worker.id };
    let lasting = async {
        match upstream.transport {
            Transport::Plain(stream) => relay(io, stream, proxy, stats).await,
            Transport::Tls(stream) => relay(io, stream, proxy, stats).await,
        }
    };
    let ended = match proxy.config.max_duration {
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
    drop(open);
}

/// Counts an open connection to the upstream until it is dropped.
struct Open {
    cluster: Arc<ActiveCluster>,
    worker: usize,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.cluster.lasting.stats.of(self.worker).cx_active.dec();
    }
}

/// A connection to an endpoint.
struct Upstream {
    transport: Transport,
    address: Address,
    _permit: Permit,
    _host: ActiveConnection,
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
    record: &mut Record,
) -> Option<Upstream> {
    let logged = record.is_wanted();
    let facts = &mut record.stream;
    let stats = cluster.active.lasting.stats.of(worker.id);
    let Ok(permit) = cluster.active.lasting.limits.try_connection() else {
        stats.cx_overflow.inc();
        facts.flags.insert(ResponseFlag::UpstreamOverflow);
        return None;
    };
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
        let host = entry.host.begin_connection();
        let connecting = transport(&cluster.active, &entry.host);
        match tokio::time::timeout(cluster.active.config.connect_timeout, connecting).await {
            Ok(Ok(transport)) => {
                let address = entry.host.address().clone();
                return Some(Upstream { transport, address, _permit: permit, _host: host });
            }
            failed => {
                stats.cx_connect_fail.inc();
                entry.host.count_connect_failure();
                note_outcome(cluster, &entry, Outcome::ConnectFailure);
                facts.flags.insert(ResponseFlag::UpstreamConnectionFailure);
                match failed {
                    Err(_) => stats.cx_connect_timeout.inc(),
                    Ok(failed) => facts.upstream.failure = failed.err().and_then(|error| reason(&error)),
                }
            }
        }
    }
    stats.cx_connect_attempts_exceeded.inc();
    facts.flags.insert(ResponseFlag::UpstreamRetryLimitExceeded);
    None
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

/// `%UPSTREAM_TRANSPORT_FAILURE_REASON%`
fn reason(error: &ConnectError) -> Option<Name> {
    match error {
        ConnectError::Tcp(error) => {
            let text = error.to_string();
            let text = text.split_once(" (os error").map_or(&*text, |(text, _)| text);
            Some(format!("delayed connect error: {text}").into())
        }
        ConnectError::Tls(error) => Some(format!("TLS error: {error}").into()),
        _ => None,
    }
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
