//! The bytes of a client connection, plain or TLS, with what was read ahead put back in front.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::activity::Heard;
use super::read_ahead::ReadAhead;
use super::traffic::Traffic;

/// How every HTTP/2 connection begins (RFC 9113 §3.4).
pub const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client connection.
pub enum ClientIo {
    /// As it came.
    Plain(ReadAhead),
    /// TLS over that.
    Tls(Box<TlsStream<ReadAhead>>),
}

/// A client connection whose first bytes were read already.
pub struct Rewound {
    ahead: Bytes,
    heard: Heard,
    traffic: Traffic,
    inner: ClientIo,
}

impl Rewound {
    /// A connection of which nothing was read.
    pub fn new(inner: ClientIo) -> Rewound {
        Rewound { ahead: Bytes::new(), heard: Heard::default(), traffic: Traffic::default(), inner }
    }

    /// When the first bytes came since this was last set to nothing.
    pub fn heard(&self) -> Heard {
        self.heard.clone()
    }

    /// How much has passed.
    pub fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    /// The connection itself.
    pub fn get_ref(&self) -> &ClientIo {
        &self.inner
    }

    fn count(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.traffic.send(*bytes);
        }
    }

    fn note(&self) {
        if self.heard.get().is_none() {
            self.heard.set(Some(Instant::now()));
        }
    }

    /// Waits until something comes, with hardly any room for it, and puts it back. `false`: the client has gone.
    pub async fn wait(&mut self) -> io::Result<bool> {
        if !self.ahead.is_empty() {
            return Ok(true);
        }
        let mut first = [0; 16];
        let read = self.inner.read(&mut first).await?;
        self.ahead = Bytes::copy_from_slice(&first[..read]);
        Ok(read > 0)
    }

    /// Reads just enough to tell HTTP/2 from HTTP/1 and puts it back.
    pub async fn speaks_http2(&mut self) -> io::Result<bool> {
        let mut read = BytesMut::with_capacity(HTTP2_PREFACE.len());
        let http2 = loop {
            if !HTTP2_PREFACE.starts_with(&read) {
                break false;
            }
            if read.len() == HTTP2_PREFACE.len() {
                break true;
            }
            let mut rest = (&mut self.inner).take((HTTP2_PREFACE.len() - read.len()) as u64);
            if rest.read_buf(&mut read).await? == 0 {
                break false;
            }
        };
        self.ahead = read.freeze();
        Ok(http2)
    }
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let n = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..n]);
            self.ahead.advance(n);
            self.traffic.receive(n);
            self.note();
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.traffic.receive(buf.filled().len() - before);
            self.note();
        }
        read
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.count(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.count(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(io) => Pin::new(io).poll_read(cx, buf),
            ClientIo::Tls(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientIo::Plain(io) => Pin::new(io).poll_write(cx, buf),
            ClientIo::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientIo::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            ClientIo::Tls(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            ClientIo::Plain(io) => io.is_write_vectored(),
            ClientIo::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(io) => Pin::new(io).poll_flush(cx),
            ClientIo::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(io) => Pin::new(io).poll_shutdown(cx),
            ClientIo::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ripstop_runtime::stream::Stream;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    async fn check(sent: &[&[u8]], http2: bool) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut server = Rewound::new(ClientIo::Plain(ReadAhead::new(Stream::Tcp(server))));
        let send = async {
            for part in sent {
                client.write_all(part).await.unwrap();
            }
            client.shutdown().await.unwrap();
        };
        let (spoken, ()) = tokio::join!(server.speaks_http2(), send);
        assert_eq!(spoken.unwrap(), http2);
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, sent.concat());
    }

    #[tokio::test]
    async fn the_first_bytes_tell_the_protocol_and_are_not_lost() {
        check(&[b"GET / HTTP/1.1\r\n\r\n"], false).await;
        check(&[HTTP2_PREFACE, b"more"], true).await;
        check(&[&HTTP2_PREFACE[..10], &HTTP2_PREFACE[10..]], true).await;
        check(&[b"PRI * HTTP/2.0\r\n\r\nXX"], false).await;
        check(&[b""], false).await;
    }
}
