//! Connections of checks. They are not those of requests: they count against no limit, and stay open from one check to the
//! next.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use ripstop_model::Address;
use ripstop_model::tls::ProxyVersion;
use ripstop_policy::proxy_header;
use ripstop_runtime::socket;
use ripstop_runtime::stream::Stream;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::ask::AskError;
use crate::upstream::connect::{ANSWER_HEAD_BYTES, HTTP1_BUFFER_BYTES, Transport};

/// Where a connection leads.
pub struct Destination {
    /// The address.
    pub address: Address,
    /// The version of the PROXY header, where endpoints want one; it says that we speak for ourselves.
    pub proxy_protocol: Option<ProxyVersion>,
    /// How TLS is spoken; `None`: plaintext.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// A connection that can be used for the next check.
pub enum Kept {
    /// HTTP/1.1.
    Http1(http1::SendRequest<Full<Bytes>>),
    /// HTTP/2.
    Http2(http2::SendRequest<Full<Bytes>>),
    /// Bytes.
    Tcp(Box<Transport>),
}

impl Kept {
    /// Whether it is of use no more, as far as is known.
    pub fn is_closed(&self) -> bool {
        match self {
            Kept::Http1(sender) => sender.is_closed(),
            Kept::Http2(sender) => sender.is_closed(),
            Kept::Tcp(_) => false,
        }
    }
}

/// Connects.
pub async fn open(to: &Destination) -> Result<Transport, AskError> {
    let stream = match &to.address {
        Address::Socket(address) => socket::connect(*address).await.map(Stream::Tcp),
        Address::Pipe(path) => socket::connect_unix(path).await.map(Stream::Unix),
    };
    let mut stream = stream.map_err(|error| AskError::of_socket(&error))?;
    if let Some(version) = to.proxy_protocol {
        let header = proxy_header::header(version, None);
        stream.write_all(&header).await.map_err(|error| AskError::of_socket(&error))?;
    }
    let Some((config, name)) = &to.tls else { return Ok(Transport::Plain(stream)) };
    let connecting = TlsConnector::from(config.clone()).connect(name.clone(), stream);
    connecting.await.map(|stream| Transport::Tls(Box::new(stream))).map_err(|_| AskError::Network)
}

/// Connects and begins HTTP.
pub async fn open_http(to: &Destination, http2: bool) -> Result<Kept, AskError> {
    let opened = match (open(to).await?, http2) {
        (Transport::Plain(stream), false) => begin_http1(stream).await,
        (Transport::Tls(stream), false) => begin_http1(stream).await,
        (Transport::Plain(stream), true) => begin_http2(stream).await,
        (Transport::Tls(stream), true) => begin_http2(stream).await,
    };
    opened.map_err(|_| AskError::Network)
}

async fn begin_http1<T>(io: T) -> hyper::Result<Kept>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_header_size(ANSWER_HEAD_BYTES as usize).max_buf_size(HTTP1_BUFFER_BYTES);
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    // How it ended is learned by whoever has a request on it.
    tokio::spawn(connection);
    Ok(Kept::Http1(sender))
}

async fn begin_http2<T>(io: T) -> hyper::Result<Kept>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).max_header_list_size(ANSWER_HEAD_BYTES);
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    tokio::spawn(connection);
    Ok(Kept::Http2(sender))
}

impl AskError {
    /// A lack of our own means says nothing about the endpoint.
    fn of_socket(error: &io::Error) -> AskError {
        // EMFILE, ENFILE, ENOBUFS, ENOMEM and EADDRNOTAVAIL of Linux.
        match error.raw_os_error() {
            Some(24 | 23 | 105 | 12 | 99) => AskError::NoMeans,
            _ => AskError::Network,
        }
    }
}
