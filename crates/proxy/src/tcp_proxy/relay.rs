//! Copies bytes between two connections until both sides have ended, or too long nothing has moved.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Notify;

use super::count;
use crate::generation::listener::ActiveTcpProxy;
use crate::stats::connection::TcpStats;

/// Closed after this long without a byte unless the configuration says otherwise (Envoy's default).
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Bytes under way in one direction, unless the listener allows fewer.
pub const BUFFER_BYTES: usize = 16 * 1024;

/// Why the copying has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Both sides have ended, or one has failed.
    Sides,
    /// Nothing has moved for too long.
    Idle,
    /// It lasted too long.
    Duration,
}

/// Copies both ways until both sides have ended, one has failed, or nothing has moved for too long.
pub async fn relay<A, B>(client: A, upstream: B, proxy: &ActiveTcpProxy, stats: &TcpStats) -> Ended
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let idle_timeout = proxy.config.idle_timeout.unwrap_or(DEFAULT_IDLE_TIMEOUT);
    let (client_reader, client_writer) = tokio::io::split(client);
    let (upstream_reader, upstream_writer) = tokio::io::split(upstream);
    let moved = Notify::new();
    let from_client = |bytes| {
        moved.notify_one();
        count(stats, bytes, 0);
    };
    let to_client = |bytes| {
        moved.notify_one();
        count(stats, 0, bytes);
    };
    let copies = async {
        // An error in one direction ends both; an orderly end leaves the other one open (half-close).
        let _ = tokio::try_join!(
            copy(client_reader, upstream_writer, proxy.buffer_bytes, from_client),
            copy(upstream_reader, client_writer, proxy.buffer_bytes, to_client)
        );
    };
    let idle = async {
        if idle_timeout.is_zero() {
            std::future::pending::<()>().await;
        }
        while tokio::time::timeout(idle_timeout, moved.notified()).await.is_ok() {}
    };
    tokio::select! {
        () = copies => Ended::Sides,
        () = idle => Ended::Idle,
    }
}

async fn copy<R, W>(
    mut from: ReadHalf<R>,
    mut to: WriteHalf<W>,
    buffer_bytes: usize,
    moved: impl Fn(u64),
) -> std::io::Result<()>
where
    R: AsyncRead,
    W: AsyncWrite,
{
    let mut buffer = vec![0; buffer_bytes];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        moved(read as u64);
    }
}
