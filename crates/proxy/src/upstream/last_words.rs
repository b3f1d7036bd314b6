//! A connection whose other end may answer before it has read everything, and hang up: what it said is read even though it
//! takes no more.
//!
//! Sending to it fails then, and whoever writes and reads in turns would give up with the answer unread. The kernel keeps
//! what came before the end of a connection, so a write that fails passes for a write that was lost on the way; reading
//! tells what there is to tell, and then that the connection is gone.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// See the top of this file.
pub struct LastWords<T> {
    io: T,
    /// Nothing that is written arrives any more.
    deaf: bool,
}

impl<T> LastWords<T> {
    /// A connection both of whose ends listen.
    pub fn new(io: T) -> LastWords<T> {
        LastWords { io, deaf: false }
    }

    /// What a write came to, of `length` bytes.
    fn wrote(&mut self, written: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(error)) if has_hung_up(&error) => {
                self.deaf = true;
                Poll::Ready(Ok(length))
            }
            other => other,
        }
    }

    fn flushed(&mut self, flushed: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        match flushed {
            Poll::Ready(Err(error)) if has_hung_up(&error) => {
                self.deaf = true;
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

fn has_hung_up(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

impl<T: AsyncRead + Unpin> AsyncRead for LastWords<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for LastWords<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(written, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if self.deaf {
            return Poll::Ready(Ok(length));
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.flushed(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
