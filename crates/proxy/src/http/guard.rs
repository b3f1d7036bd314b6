//! Stands between a client that speaks HTTP/1 and the parser: whole heads and sound bodies are passed on, anything else is
//! refused in an answer of its own. What is HTTP and what is not is decided by [`ripstop_policy::http1`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use ripstop_policy::http1::head::{HeadRules, Refusal};
use ripstop_policy::http1::scan::{Scanner, Verdict};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::linger::Linger;
use super::unreadable::KEPT_HEAD_BYTES;
use crate::listener::activity::Heard;

/// The bytes of one client that speaks HTTP/1.
pub struct Guarded<I> {
    inner: I,
    scanner: Scanner,
    /// The beginning of a head; no longer than a head may be, and one reading.
    held: BytesMut,
    /// Passed, and not given to the parser yet.
    passed: Bytes,
    refusal: Option<Refusal>,
    broken: bool,
    /// The answer that refuses, as far as it is not written; `None`: it has not been made yet.
    answer: Option<Bytes>,
    linger: Linger,
    /// Everything that was written was flushed too, so that an answer may follow.
    flushed: bool,
    heard: Heard,
    /// What is answered to a head that takes too long.
    late: Refusal,
}

impl<I> Guarded<I> {
    /// Guards a connection of which nothing was read.
    pub fn new(
        inner: I,
        rules: HeadRules,
        heard: Heard,
        late: Refusal,
        delayed_close: Duration,
    ) -> Guarded<I> {
        Guarded {
            inner,
            scanner: Scanner::new(rules),
            held: BytesMut::new(),
            passed: Bytes::new(),
            refusal: None,
            broken: false,
            answer: None,
            flushed: true,
            heard,
            late,
            linger: Linger::new(delayed_close),
        }
    }

    /// The connection behind it.
    pub fn get_mut(&mut self) -> &mut I {
        &mut self.inner
    }

    /// Tells whether nothing is under way: neither bytes of a head or body, nor an answer.
    fn tell_if_settled(&self) {
        let nothing_here = self.held.is_empty() && self.passed.is_empty();
        self.heard
            .settle(self.flushed && nothing_here && self.refusal.is_none() && self.scanner.is_in_head());
    }

    /// How many of the bytes that were looked at may be passed on.
    fn judge(&mut self, bytes: &[u8], verdict: Verdict) -> usize {
        match verdict {
            Verdict::Pass(bytes) => bytes,
            Verdict::Broken(bytes) => {
                self.broken = true;
                bytes
            }
            Verdict::Refuse(passed, refusal) => {
                self.refuse(refusal, &bytes[passed..]);
                passed
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal, head: &[u8]) {
        self.refusal = Some(refusal);
        let kept = if refusal.is_readable() { &head[..head.len().min(KEPT_HEAD_BYTES)] } else { &[] };
        self.heard.refuse(refusal, kept);
        self.held = BytesMut::new();
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guarded<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.passed.is_empty() {
                let bytes = this.passed.len().min(buf.remaining());
                buf.put_slice(&this.passed[..bytes]);
                this.passed.advance(bytes);
                return Poll::Ready(Ok(()));
            }
            if this.broken {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the body is broken")));
            }
            if this.refusal.is_none() && this.heard.is_late() && this.scanner.is_in_head() {
                this.refuse(this.late, &[]);
            }
            if this.refusal.is_some() {
                // To the parser the connection ends here, behind the answers to what came before.
                return this.heard.poll_ended(this.scanner.heads(), cx).map(Ok);
            }
            let start = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            let read = buf.filled().len() - start;
            if read == 0 {
                return Poll::Ready(Ok(()));
            }
            this.heard.settle(false);
            if this.held.is_empty() {
                let verdict = this.scanner.take(&buf.filled()[start..]);
                let bytes = this.judge(&buf.filled()[start..], verdict);
                if this.refusal.is_none() && !this.broken {
                    this.held.extend_from_slice(&buf.filled()[start + bytes..]);
                    this.heard.hold(!this.held.is_empty());
                }
                buf.set_filled(start + bytes);
                if bytes > 0 {
                    return Poll::Ready(Ok(()));
                }
            } else {
                this.held.extend_from_slice(&buf.filled()[start..]);
                buf.set_filled(start);
                let verdict = this.scanner.take(&this.held);
                let mut held = std::mem::take(&mut this.held);
                let bytes = this.judge(&held, verdict);
                this.passed = held.split_to(bytes).freeze();
                if this.refusal.is_none() && !this.broken {
                    this.held = held;
                    this.heard.hold(!this.held.is_empty());
                }
            }
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.flushed = false;
        this.heard.settle(false);
        Pin::new(&mut this.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.flushed = false;
        this.heard.settle(false);
        Pin::new(&mut this.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        this.flushed = true;
        this.tell_if_settled();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refusal.is_some() {
            if this.flushed && this.answer.is_none() {
                this.answer = Some(ready!(this.heard.poll_answer(cx)));
            }
            if let Some(answer) = &mut this.answer {
                while !answer.is_empty() {
                    let written = ready!(Pin::new(&mut this.inner).poll_write(cx, answer))?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    answer.advance(written);
                }
                ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
            }
        }
        ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
        // How a tunnel ends is up to its ends.
        if this.scanner.is_tunnel() && this.refusal.is_none() {
            return Poll::Ready(Ok(()));
        }
        this.linger.poll_gone(&mut this.inner, cx)
    }
}
