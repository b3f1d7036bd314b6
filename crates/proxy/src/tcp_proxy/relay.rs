//! Copies bytes between two connections until both sides have ended, or too long nothing has moved.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::sync::Notify;

use super::count;
use crate::generation::listener::ActiveTcpProxy;
use crate::stats::connection::TcpStats;

/// Closed after this long without a byte unless the configuration says otherwise (Envoy's default).
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Bytes under way in one direction, unless the listener allows fewer.
pub const BUFFER_BYTES: usize = 256 * 1024;

thread_local! {
    /// What is read goes here, and from here straight on: a connection has a buffer of its own only while its receiver
    /// does not keep up.
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_BYTES].into());
}

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
) -> io::Result<()>
where
    R: AsyncRead,
    W: AsyncWrite,
{
    let mut way = Way { left: Vec::new(), written: 0, ended: false, buffer_bytes };
    std::future::poll_fn(|cx| way.poll(cx, Pin::new(&mut from), Pin::new(&mut to), &moved)).await
}

/// One direction.
struct Way {
    /// Read, and not taken by the receiver at once; the first `written` bytes of it are on their way.
    left: Vec<u8>,
    written: usize,
    ended: bool,
    buffer_bytes: usize,
}

impl Way {
    /// Ready when the sender has ended and the receiver knows, or when one of them fails.
    fn poll<R: AsyncRead, W: AsyncWrite>(
        &mut self,
        cx: &mut Context<'_>,
        mut from: Pin<&mut ReadHalf<R>>,
        mut to: Pin<&mut WriteHalf<W>>,
        moved: &impl Fn(u64),
    ) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.left.len() {
                let written = ready!(to.as_mut().poll_write(cx, &self.left[self.written..]))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.written += written;
                moved(written as u64);
            }
            self.left = Vec::new();
            self.written = 0;
            if self.ended {
                return to.poll_shutdown(cx);
            }
            let passed = SHARED.with_borrow_mut(|shared| {
                let most = self.buffer_bytes.min(shared.len());
                self.pass(cx, from.as_mut(), to.as_mut(), &mut shared[..most], moved)
            });
            if passed?.is_pending() {
                // What TLS holds back goes out before there is a pause.
                return match to.as_mut().poll_flush(cx) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    _ => Poll::Pending,
                };
            }
        }
    }

    /// Reads once and writes once; keeps what is not taken.
    fn pass<R: AsyncRead, W: AsyncWrite>(
        &mut self,
        cx: &mut Context<'_>,
        from: Pin<&mut ReadHalf<R>>,
        to: Pin<&mut WriteHalf<W>>,
        shared: &mut [u8],
        moved: &impl Fn(u64),
    ) -> io::Result<Poll<()>> {
        let mut buffer = ReadBuf::new(shared);
        if from.poll_read(cx, &mut buffer)?.is_pending() {
            return Ok(Poll::Pending);
        }
        let bytes = buffer.filled();
        if bytes.is_empty() {
            self.ended = true;
            return Ok(Poll::Ready(()));
        }
        let written = match to.poll_write(cx, bytes)? {
            Poll::Ready(written) => written,
            Poll::Pending => 0,
        };
        if written > 0 {
            moved(written as u64);
        }
        self.left.extend_from_slice(&bytes[written..]);
        Ok(Poll::Ready(()))
    }
}
