//! The connections of one worker to the endpoints of one cluster.
//!
//! HTTP/1: a connection serves one request at a time; idle ones are taken last in, first out, so that surplus ones grow
//! old and are closed. HTTP/2: one connection for each endpoint, and another when its streams run out. The number of
//! connections, whatever the priority of the requests that they are made for, is limited over all workers by [`ripstop_policy::limits::ClusterLimits`].

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};
use ripstop_model::Address;
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_policy::host::Host;
use ripstop_policy::limits::{ClusterLimits, Overflow};
use tokio::sync::Notify;

use super::connect::{Connected, OpenConnection, connect};
use super::error::ConnectError;
use super::lease::{Http1Lease, Http2Lease, Lease, StreamCount};
use super::purpose::{Destination, Purpose};
use super::shared_connect::SharedConnect;
use crate::generation::cluster::ActiveCluster;
use crate::http::request_body::RequestBody;
use crate::stream_info::UpstreamInfo;
use crate::worker::Worker;

/// Streams on one HTTP/2 connection before another one is opened.
const MAX_STREAMS: u32 = 128;

/// Idle HTTP/1 connections kept for one endpoint.
const MAX_IDLE_PER_HOST: usize = 1024;

/// Of these, so many are kept whether anybody needs them or not, as long as they may lie idle …
const SPARE_IDLE: usize = 64;

/// … and the others are closed when nobody has needed them for so long: they are what a burst has left behind.
const SURPLUS_AFTER: Duration = Duration::from_secs(3);

/// How often a request that waits for a connection of the cluster looks again whether another worker has let one go.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Connections that can be used again, by endpoint.
#[derive(Default)]
pub struct Pools {
    hosts: RefCell<HashMap<Destination, HostPool>>,
    /// A connection was given back or closed.
    released: Notify,
    /// How many requests of this worker wait for a connection because the limit is reached.
    starving: Cell<u32>,
}

/// Idle connections that were closed, and why.
pub struct Swept {
    /// For so long nothing was sent over them.
    pub idle: u64,
    /// There are more than are needed.
    pub surplus: u64,
}

#[derive(Default)]
struct HostPool {
    idle: Vec<Idle>,
    shared: Vec<Shared>,
    connecting: Option<Rc<SharedConnect>>,
    /// Whether the endpoint chose HTTP/2, where it had the choice.
    chose_http2: Option<bool>,
    /// Whether it was ill at the last sweep.
    ill: bool,
}

struct Idle {
    sender: http1::SendRequest<RequestBody>,
    open: Weak<OpenConnection>,
    info: Rc<UpstreamInfo>,
    requests: u32,
    since: Instant,
    /// When it is too old.
    expires: Option<Instant>,
}

struct Shared {
    sender: http2::SendRequest<RequestBody>,
    info: Rc<UpstreamInfo>,
    streams: Rc<Cell<u32>>,
    requests: Cell<u32>,
    idle_since: Cell<Instant>,
    /// When it is too old.
    expires: Option<Instant>,
}

/// A request that waits for a connection because the limit is reached.
struct Starving<'a> {
    everywhere: &'a AtomicU32,
    here: &'a Cell<u32>,
}

impl Starving<'_> {
    fn begin<'a>(pools: &'a Pools, cluster: &'a ActiveCluster) -> Starving<'a> {
        let (everywhere, here) = (&*cluster.lasting.starving, &pools.starving);
        everywhere.fetch_add(1, Ordering::Relaxed);
        here.set(here.get() + 1);
        Starving { everywhere, here }
    }
}

impl Drop for Starving<'_> {
    fn drop(&mut self) {
        self.everywhere.fetch_sub(1, Ordering::Relaxed);
        self.here.set(self.here.get().saturating_sub(1));
    }
}

impl Pools {
    /// A connection to `host` for one request: one that is there, or a new one.
    pub async fn lease(
        self: &Rc<Self>,
        worker: &Worker,
        cluster: &Arc<ActiveCluster>,
        limits: &Arc<ClusterLimits>,
        host: &Arc<Host>,
        purpose: Purpose,
    ) -> Result<Lease, ConnectError> {
        let to = Destination { address: host.address().clone(), purpose };
        match self.take(cluster, &to) {
            Some(lease) => Ok(lease),
            // Boxed so that not every request has room for connecting.
            None => Box::pin(self.connect_or_wait(worker, cluster, limits, host, &to)).await,
        }
    }

    /// A new connection, or one that another request has finished with.
    async fn connect_or_wait(
        self: &Rc<Self>,
        worker: &Worker,
        cluster: &Arc<ActiveCluster>,
        limits: &Arc<ClusterLimits>,
        host: &Arc<Host>,
        to: &Destination,
    ) -> Result<Lease, ConnectError> {
        let _pending = limits.try_pending().map_err(ConnectError::Overflow)?;
        let _waits = host.begin_pending();
        cluster.lasting.stats.of(worker.id).rq_pending_total.inc();
        let mut starving = None;
        loop {
            let full = if self.multiplexes(cluster, to) {
                match self.connecting(worker.id, cluster, limits, host, to) {
                    Ok(attempt) => {
                        attempt.wait().await?;
                        false
                    }
                    Err(_) => true,
                }
            } else {
                match limits.try_connection(host) {
                    Ok(permit) => {
                        let (connected, info) =
                            connect(worker.id, cluster, host, &to.purpose, permit).await?;
                        if let Connected::Http1(sender, open) = connected {
                            let now = Instant::now();
                            let expires = worker.dice(|rng| expiry(cluster, now, rng));
                            let idle = Idle { sender, open, info, requests: 0, since: now, expires };
                            return Ok(self.http1_lease(cluster, to, idle));
                        }
                        false
                    }
                    Err(_) => true,
                }
            };
            if full {
                if starving.is_none() {
                    cluster.lasting.stats.of(worker.id).cx_overflow.inc();
                    starving = Some(Starving::begin(self, cluster));
                }
                worker.cry_starvation();
                // One of this worker wakes us; one that another worker lets go of is found by looking.
                let _ = tokio::time::timeout(LOOK_AGAIN, self.released.notified()).await;
            }
            if let Some(lease) = self.take(cluster, to) {
                return Ok(lease);
            }
        }
    }

    /// Whether connections to the endpoint are shared, as far as is known.
    fn multiplexes(&self, cluster: &ActiveCluster, to: &Destination) -> bool {
        match to.purpose.protocol(cluster.config.protocol) {
            UpstreamProtocol::Http1 | UpstreamProtocol::Downstream => false,
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::Auto => {
                let hosts = self.hosts.borrow();
                let chose = hosts.get(to).and_then(|pool| pool.chose_http2);
                chose.unwrap_or(cluster.transport(&to.address).tls.is_some())
            }
        }
    }

    /// The attempt to connect to `host` that is under way, or a new one if the limit allows it.
    fn connecting(
        self: &Rc<Self>,
        worker: usize,
        cluster: &Arc<ActiveCluster>,
        limits: &Arc<ClusterLimits>,
        host: &Arc<Host>,
        to: &Destination,
    ) -> Result<Rc<SharedConnect>, Overflow> {
        let mut hosts = self.hosts.borrow_mut();
        let pool = hosts.entry(to.clone()).or_default();
        if let Some(connecting) = &pool.connecting {
            return Ok(connecting.clone());
        }
        let permit = limits.try_connection(host)?;
        let connecting = Rc::new(SharedConnect::default());
        pool.connecting = Some(connecting.clone());
        let (pools, cluster, host, to, attempt) =
            (self.clone(), cluster.clone(), host.clone(), to.clone(), connecting.clone());
        tokio::task::spawn_local(async move {
            let outcome = connect(worker, &cluster, &host, &to.purpose, permit).await;
            let expires = expiry(&cluster, Instant::now(), &mut fastrand::Rng::new());
            attempt.finish(pools.connected(&to, outcome, expires));
        });
        Ok(connecting)
    }

    /// An attempt to connect is over.
    fn connected(
        &self,
        to: &Destination,
        outcome: Result<(Connected, Rc<UpstreamInfo>), ConnectError>,
        expires: Option<Instant>,
    ) -> Result<(), ConnectError> {
        let mut hosts = self.hosts.borrow_mut();
        let pool = hosts.entry(to.clone()).or_default();
        pool.connecting = None;
        let now = Instant::now();
        let (connected, info) = outcome?;
        match connected {
            Connected::Http1(sender, open) => {
                pool.chose_http2 = Some(false);
                pool.idle.push(Idle { sender, open, info, requests: 0, since: now, expires });
            }
            Connected::Http2(sender) => {
                pool.chose_http2 = Some(true);
                pool.shared.push(Shared {
                    sender,
                    info,
                    streams: Rc::default(),
                    requests: Cell::new(0),
                    idle_since: Cell::new(now),
                    expires,
                });
            }
        }
        Ok(())
    }

    /// A connection that is there and can take a request.
    fn take(self: &Rc<Self>, cluster: &ActiveCluster, to: &Destination) -> Option<Lease> {
        let mut hosts = self.hosts.borrow_mut();
        let pool = hosts.get_mut(to)?;
        let max_requests = cluster.config.max_requests_per_connection.map(u32::from);
        let max_streams = cluster.config.http.http2.max_concurrent_streams.unwrap_or(MAX_STREAMS);
        let now = ages(cluster).then(Instant::now);
        let too_old =
            |expires: Option<Instant>| expires.zip(now).is_some_and(|(expires, now)| expires <= now);
        pool.shared.retain(|shared| {
            let worn_out = max_requests.is_some_and(|max| shared.requests.get() >= max);
            !shared.sender.is_closed() && !worn_out && !too_old(shared.expires)
        });
        if let Some(shared) = pool.shared.iter().find(|shared| shared.streams.get() < max_streams) {
            let reused = shared.requests.get() > 0;
            shared.requests.set(shared.requests.get().saturating_add(1));
            shared.idle_since.set(Instant::now());
            let streams = StreamCount::begin(&shared.streams);
            let (sender, info, pools) = (shared.sender.clone(), shared.info.clone(), self.clone());
            return Some(Lease::Http2(Http2Lease { sender, info, pools, reused, _streams: streams }));
        }
        while let Some(idle) = pool.idle.pop() {
            if !idle.sender.is_closed() && !too_old(idle.expires) {
                drop(hosts);
                return Some(self.http1_lease(cluster, to, idle));
            }
        }
        None
    }

    fn http1_lease(self: &Rc<Self>, cluster: &ActiveCluster, to: &Destination, idle: Idle) -> Lease {
        let Idle { sender, open, info, requests, expires, .. } = idle;
        let max_requests = cluster.config.max_requests_per_connection.map(u32::from);
        let to = to.clone();
        Lease::Http1(Http1Lease {
            sender,
            info,
            to,
            pools: self.clone(),
            requests,
            max_requests,
            open,
            expires,
        })
    }

    /// A connection whose last answer was read to its end.
    pub(super) fn give_back(&self, lease: Http1Lease, now: Instant) {
        let worn_out = lease.max_requests.is_some_and(|max| lease.requests >= max);
        if !lease.sender.is_closed() && !worn_out {
            let mut hosts = self.hosts.borrow_mut();
            let pool = hosts.entry(lease.to).or_default();
            if pool.idle.len() < MAX_IDLE_PER_HOST {
                pool.idle.push(Idle {
                    sender: lease.sender,
                    open: lease.open,
                    info: lease.info,
                    requests: lease.requests,
                    since: now,
                    expires: lease.expires,
                });
            }
        }
        self.released.notify_one();
    }

    /// A stream of a shared connection is free again.
    pub(super) fn stream_ended(&self) {
        self.released.notify_one();
    }

    /// Lets go of up to `count` connections for requests that wait: idle ones first. A shared connection that is busy
    /// takes no more requests and is closed after its last one, so that no worker keeps the only one for ever; but not
    /// where requests wait for its streams here as well.
    pub fn let_go(&self, count: u32) {
        let mut left = count;
        for pool in self.hosts.borrow_mut().values_mut() {
            while left > 0 && pool.idle.pop().is_some() {
                left -= 1;
            }
        }
        if self.starving.get() > 0 {
            return;
        }
        for pool in self.hosts.borrow_mut().values_mut() {
            while left > 0 && pool.shared.pop().is_some() {
                left -= 1;
            }
        }
    }

    /// Closes the idle connections to endpoints that are gone.
    pub fn retain_hosts(&self, keep: impl Fn(&Address) -> bool) {
        self.hosts.borrow_mut().retain(|to, _| keep(&to.address));
    }

    /// Closes what has lain idle for too long, is too old or is more than is needed, and forgets what is closed. As in Envoy,
    /// connections to an endpoint that has fallen ill are not used again.
    pub fn sweep(&self, cluster: &ActiveCluster, now: Instant) -> Swept {
        let idle_timeout = cluster.idle_timeout();
        let closed = Cell::new(0);
        let mut surplus = 0;
        let expired = |since: Instant| {
            let expired = idle_timeout.is_some_and(|limit| now.duration_since(since) >= limit);
            closed.set(closed.get() + u64::from(expired));
            expired
        };
        self.hosts.borrow_mut().retain(|to, pool| {
            let ill = cluster.hosts.get(&to.address).is_some_and(|entry| entry.host.is_ill());
            if ill && !std::mem::replace(&mut pool.ill, ill) {
                pool.idle.clear();
                pool.shared.clear();
            }
            pool.ill = ill;
            let too_old = |expires: Option<Instant>| expires.is_some_and(|expires| expires <= now);
            pool.idle
                .retain(|idle| !idle.sender.is_closed() && !expired(idle.since) && !too_old(idle.expires));
            pool.shared.retain(|shared| {
                let idle = shared.streams.get() == 0 && expired(shared.idle_since.get());
                !shared.sender.is_closed() && !idle && !too_old(shared.expires)
            });
            surplus += pool.close_surplus(now);
            pool.idle.shrink_to(pool.idle.len() * 2);
            !pool.idle.is_empty() || !pool.shared.is_empty() || pool.connecting.is_some()
        });
        Swept { idle: closed.get(), surplus }
    }
}

impl HostPool {
    /// The connections that nobody needs are at the front: the last one in is the first one out.
    fn close_surplus(&mut self, now: Instant) -> u64 {
        let unneeded = self.idle.partition_point(|idle| now.duration_since(idle.since) >= SURPLUS_AFTER);
        let surplus = unneeded.min(self.idle.len().saturating_sub(SPARE_IDLE));
        self.idle.drain(..surplus).count() as u64
    }
}

/// Whether connections of the cluster grow too old.
fn ages(cluster: &ActiveCluster) -> bool {
    cluster.config.connection.max_age.is_some()
}

/// When a connection that is made now is too old; the dice spread those that are made together.
fn expiry(cluster: &ActiveCluster, now: Instant, rng: &mut fastrand::Rng) -> Option<Instant> {
    let connection = &cluster.config.connection;
    let age = connection.max_age?;
    let jitter = f64::from(connection.max_age_jitter.as_per_million()) / 1e6;
    now.checked_add(age)?.checked_add(age.mul_f64(jitter * rng.f64()))
}
