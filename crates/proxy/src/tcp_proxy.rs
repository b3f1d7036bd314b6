//! Passes bytes between a client and an endpoint without looking at them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_policy::balance::{Pick, PickContext};
use ripstop_policy::outlier::Outcome;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Notify;

use crate::generation::listener::ActiveTcpProxy;
use crate::http::attempt::record;
use crate::listener::drain::DrainWatch;
use crate::listener::io::Rewound;
use crate::upstream::connect::{Transport, transport};
use crate::worker::Worker;

/// Serves one connection. It outlives changes of configuration; a drained listener lets it run to its end.
pub async fn serve_tcp(worker: &Rc<Worker>, proxy: &Arc<ActiveTcpProxy>, io: Rewound, _drain: DrainWatch) {
    let generation = worker.current();
    let Some(cluster) = generation.cluster(&proxy.cluster, || worker.dice(|rng| rng.u64(..))) else { return };
    let stats = cluster.active.lasting.stats.of(worker.id);
    let context = PickContext::any(Instant::now());
    let picked = worker.dice(|rng| cluster.balancer.borrow_mut().pick(&context, rng));
    let Pick::Host { entry, .. } = picked else {
        stats.cx_none_healthy.inc();
        return;
    };
    let Ok(_permit) = cluster.active.lasting.limits.try_connection() else {
        stats.cx_overflow.inc();
        return;
    };
    let connecting = transport(&cluster.active, &entry.host);
    let limit = cluster.active.config.connect_timeout;
    let upstream = match tokio::time::timeout(limit, connecting).await {
        Ok(Ok(upstream)) => upstream,
        failed => {
            stats.cx_connect_fail.inc();
            entry.host.count_connect_failure();
            record(&cluster, worker.id, &entry, Outcome::ConnectFailure);
            if failed.is_err() {
                stats.cx_connect_timeout.inc();
            }
            return;
        }
    };
    stats.cx_total.inc();
    stats.cx_active.inc();
    let _host = entry.host.begin_connection();
    match upstream {
        Transport::Plain(upstream) => relay(io, upstream, proxy.config.idle_timeout).await,
        Transport::Tls(upstream) => relay(io, upstream, proxy.config.idle_timeout).await,
    }
    stats.cx_active.dec();
}

/// Closed after this long without a byte unless the configuration says otherwise (Envoy's default).
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Bytes under way in one direction.
const BUFFER_BYTES: usize = 16 * 1024;

/// Copies both ways until both sides have ended, one has failed, or nothing has moved for `idle_timeout`.
async fn relay<A, B>(client: A, upstream: B, idle_timeout: Option<Duration>)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let idle_timeout = idle_timeout.unwrap_or(DEFAULT_IDLE_TIMEOUT);
    let (client_reader, client_writer) = tokio::io::split(client);
    let (upstream_reader, upstream_writer) = tokio::io::split(upstream);
    let moved = Notify::new();
    let copies = async {
        // An error in one direction ends both; an orderly end leaves the other one open (half-close).
        let _ = tokio::try_join!(
            copy(client_reader, upstream_writer, &moved),
            copy(upstream_reader, client_writer, &moved)
        );
    };
    let idle = async {
        if idle_timeout.is_zero() {
            std::future::pending::<()>().await;
        }
        while tokio::time::timeout(idle_timeout, moved.notified()).await.is_ok() {}
    };
    tokio::select! {
        () = copies => {}
        () = idle => {}
    }
}

async fn copy<R, W>(mut from: ReadHalf<R>, mut to: WriteHalf<W>, moved: &Notify) -> std::io::Result<()>
where
    R: AsyncRead,
    W: AsyncWrite,
{
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        moved.notify_one();
    }
}
