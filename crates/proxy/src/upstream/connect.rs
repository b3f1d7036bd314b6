//! Makes one connection to an endpoint: TCP, TLS where the cluster wants it, HTTP on top.

use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Version;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use ripstop_identity::context::client::{ClientContext, nameless};
use ripstop_identity::context::facts::TlsFacts;
use ripstop_model::Address;
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::http1::HeaderNames;
use ripstop_model::http2::Http2Options;
use ripstop_model::upstream_http::AnswerLimits;
use ripstop_policy::host::Host;
use ripstop_policy::limits::ConnectionPermit;
use ripstop_policy::proxy_header;
use ripstop_runtime::stream::Stream;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::addresses;
use super::error::ConnectError;
use super::last_words::LastWords;
use super::metered::Metered;
use super::purpose::Purpose;
use crate::generation::cluster::ActiveCluster;
use crate::http::local_exec::LocalExec;
use crate::http::request_body::RequestBody;
use crate::listener::connection::next_id;
use crate::refusals;
use crate::stream_info::UpstreamInfo;

/// Bytes of HTTP/2 flow control for one stream and for a connection: what a slow reader can make us hold.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// See [`STREAM_WINDOW_BYTES`].
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Largest buffer of an HTTP/1 connection in one direction. It grows to this only where much comes at once: each reading and
/// each writing wakes somebody, which costs more than what is copied.
pub const HTTP1_BUFFER_BYTES: usize = 256 * 1024;

/// Largest head of an answer, where the cluster says nothing else.
pub const ANSWER_HEAD_BYTES: u32 = AnswerLimits::DEFAULT_MAX_HEADERS_KB * 1024;

/// The smallest buffer that the parser of HTTP/1 works with.
pub const HTTP1_LEAST_BUFFER_BYTES: usize = 8192;

/// Bytes of a stream of HTTP/2 that wait to be sent.
pub const HTTP2_SEND_BUFFER_BYTES: usize = 400 * 1024;

/// A silent HTTP/2 peer is pinged after this long …
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
/// … and given up after this long without an answer.
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// A new connection; its other half runs on the worker until it is closed.
pub enum Connected {
    /// One request at a time; and what lasts as long as the connection.
    Http1(http1::SendRequest<RequestBody>, Weak<OpenConnection>),
    /// Many requests at a time.
    Http2(http2::SendRequest<RequestBody>),
}

/// A connection over which bytes can be sent.
pub enum Transport {
    /// As it is.
    Plain(Stream),
    /// TLS over that.
    Tls(Box<TlsStream<Stream>>),
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl Transport {
    /// What logs tell of it, to `host`.
    pub fn describe(&self, cluster: &ActiveCluster, host: &Host, purpose: &Purpose) -> UpstreamInfo {
        let (stream, session) = match self {
            Transport::Plain(stream) => (stream, None),
            Transport::Tls(stream) => (stream.get_ref().0, Some(stream.get_ref().1)),
        };
        let secured = session.map(|session| {
            let context = cluster.transport(host.address()).tls.as_ref().and_then(|tls| tls.get());
            let local = context.as_ref().and_then(|context| context.local());
            let asked = context.map(|context| server_name(cluster, host, purpose, &context));
            let asked = asked.and_then(|name| match name {
                ServerName::DnsName(name) => Some(name.as_ref().to_owned()),
                _ => None,
            });
            Rc::new(TlsFacts::new(session, local, false).asked_for(asked))
        });
        UpstreamInfo {
            id: next_id(),
            opened: Some(Instant::now()),
            local: stream.local_address().map(Address::from),
            remote: Some(host.address().clone()),
            secured,
            ..UpstreamInfo::default()
        }
    }
}

/// What lasts as long as a connection: its place among those that are counted and limited.
pub struct OpenConnection {
    cluster: Arc<ActiveCluster>,
    worker: usize,
    begun: Instant,
    _permit: ConnectionPermit,
}

impl OpenConnection {
    /// A connection that is begun to be made.
    pub fn begin(cluster: &Arc<ActiveCluster>, worker: usize, permit: ConnectionPermit) -> OpenConnection {
        let stats = cluster.lasting.stats.of(worker);
        stats.cx_total.inc();
        stats.cx_active.inc();
        OpenConnection { cluster: cluster.clone(), worker, begun: Instant::now(), _permit: permit }
    }

    /// It is made.
    pub fn connected(&self) {
        self.cluster.lasting.stats.of(self.worker).cx_connect_ms.record(self.begun.elapsed());
    }

    /// The same connection with its bytes counted.
    pub fn metered<T>(&self, io: T) -> Metered<T> {
        Metered::new(io, &self.cluster.lasting.stats, self.worker)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let stats = self.cluster.lasting.stats.of(self.worker);
        stats.cx_active.dec();
        stats.cx_destroy.inc();
        stats.cx_length_ms.record(self.begun.elapsed());
    }
}

/// Connects within the cluster's connect timeout and counts the outcome. With the connection comes what logs tell of it.
pub async fn connect(
    worker: usize,
    cluster: &Arc<ActiveCluster>,
    host: &Arc<Host>,
    purpose: &Purpose,
    permit: ConnectionPermit,
) -> Result<(Connected, Rc<UpstreamInfo>), ConnectError> {
    let stats = cluster.lasting.stats.of(worker);
    let open = OpenConnection::begin(cluster, worker, permit);
    let connected = tokio::time::timeout(cluster.config.connect_timeout, async {
        let transport = open_transport(cluster, host, purpose, |context| &context.http).await?;
        let info = transport.describe(cluster, host, purpose);
        open.connected();
        let connected = handshake(transport, purpose.protocol(cluster.config.protocol), open).await?;
        let protocol = match connected {
            Connected::Http1(..) => Version::HTTP_11,
            Connected::Http2(_) => Version::HTTP_2,
        };
        Ok((connected, Rc::new(UpstreamInfo { protocol: Some(protocol), ..info })))
    });
    let connected = connected.await.unwrap_or(Err(ConnectError::Timeout));
    match &connected {
        Ok((Connected::Http1(..), _)) => stats.cx_http1_total.inc(),
        Ok((Connected::Http2(_), _)) => stats.cx_http2_total.inc(),
        Err(error) => {
            stats.cx_connect_fail.inc();
            if matches!(error, ConnectError::Timeout) {
                stats.cx_connect_timeout.inc();
            }
            if let ConnectError::Tls(error) = error {
                match refusals::reason(error) {
                    Some("identity_not_allowed") => stats.ssl_fail_verify_san.inc(),
                    Some(_) => stats.ssl_fail_verify_error.inc(),
                    None => {}
                }
            }
            host.count_connect_failure();
            refusals::endpoint(cluster.name(), &host.address(), error);
        }
    }
    connected
}

/// Connects without any HTTP.
pub async fn transport(
    cluster: &ActiveCluster,
    host: &Host,
    purpose: &Purpose,
) -> Result<Transport, ConnectError> {
    open_transport(cluster, host, purpose, |context| &context.tcp).await
}

/// Connects, with the protocols on offer that `config` has.
async fn open_transport(
    cluster: &ActiveCluster,
    host: &Host,
    purpose: &Purpose,
    config: fn(&ClientContext) -> &Arc<rustls::ClientConfig>,
) -> Result<Transport, ConnectError> {
    let stream = addresses::connect(cluster, host).await;
    let mut stream = stream.map_err(|error| ConnectError::Tcp(Arc::new(error)))?;
    let way = cluster.transport(host.address());
    if let Some(version) = way.proxy_protocol {
        let header = proxy_header::header(version, purpose.client);
        stream.write_all(&header).await.map_err(|error| ConnectError::Tcp(Arc::new(error)))?;
    }
    let Some(tls) = &way.tls else { return Ok(Transport::Plain(stream)) };
    let Some(context) = tls.get() else { return Err(ConnectError::SecretsNotReady) };
    let stream = TlsConnector::from(config(&context).clone())
        .connect(server_name(cluster, host, purpose, &context), stream)
        .await
        .map_err(|error| ConnectError::Tls(Arc::new(error)))?;
    Ok(Transport::Tls(Box::new(stream)))
}

/// The name that an endpoint is asked for.
fn server_name(
    cluster: &ActiveCluster,
    host: &Host,
    purpose: &Purpose,
    context: &ClientContext,
) -> ServerName<'static> {
    if let Some(asked) = purpose.tls_name() {
        return asked;
    }
    let host_name = cluster.host_name(host.address());
    let host_name = host_name.and_then(|name| ServerName::try_from(name.to_string()).ok());
    let ip = host.address().as_socket().map(|address| address.ip());
    host_name.or_else(|| context.server_name.clone()).unwrap_or_else(|| nameless(ip))
}

async fn handshake(
    transport: Transport,
    protocol: UpstreamProtocol,
    open: OpenConnection,
) -> Result<Connected, ConnectError> {
    match transport {
        Transport::Plain(stream) => match protocol {
            UpstreamProtocol::Http2 => http2(stream, open).await,
            UpstreamProtocol::Http1 | UpstreamProtocol::Auto | UpstreamProtocol::Downstream => {
                http1(stream, open).await
            }
        },
        Transport::Tls(stream) => {
            let agreed_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            match protocol {
                UpstreamProtocol::Http2 => http2(stream, open).await,
                UpstreamProtocol::Auto if agreed_http2 => http2(stream, open).await,
                UpstreamProtocol::Http1 | UpstreamProtocol::Auto | UpstreamProtocol::Downstream => {
                    http1(stream, open).await
                }
            }
        }
    }
}

async fn http1<T>(io: T, open: OpenConnection) -> Result<Connected, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let http = &open.cluster.config.http;
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(head_bytes(&open.cluster) as usize)
        .max_buf_size(http1_buffer_bytes(&open.cluster))
        .title_case_headers(http.http1.names == HeaderNames::ProperCase)
        .preserve_header_case(http.http1.names == HeaderNames::Preserve);
    if let Some(most) = http.limits.max_headers_count {
        builder.max_headers(most as usize);
    }
    let io = TokioIo::new(LastWords::new(open.metered(io)));
    let (sender, connection) =
        builder.handshake(io).await.map_err(|error| ConnectError::Http(Arc::new(error)))?;
    let open = Rc::new(open);
    let held = Rc::downgrade(&open);
    tokio::task::spawn_local(async move {
        // How it ended is learned by whoever has a request on it.
        let _ = connection.with_upgrades().await;
        drop(open);
    });
    Ok(Connected::Http1(sender, held))
}

/// How large the head of an answer may be.
fn head_bytes(cluster: &ActiveCluster) -> u32 {
    let kb = cluster.config.http.limits.max_headers_kb;
    kb.unwrap_or(AnswerLimits::DEFAULT_MAX_HEADERS_KB).saturating_mul(1024)
}

/// How much of one connection may be held, as far as that is written.
fn buffer_bytes(cluster: &ActiveCluster) -> Option<usize> {
    cluster.config.http.limits.buffer_bytes.map(|limit| limit.max(1) as usize)
}

/// A head has to fit the buffer of a connection, which is not made smaller than the parser can do with.
fn http1_buffer_bytes(cluster: &ActiveCluster) -> usize {
    let wanted = buffer_bytes(cluster).map_or(HTTP1_BUFFER_BYTES, |limit| limit.min(HTTP1_BUFFER_BYTES));
    wanted.max(head_bytes(cluster) as usize).max(HTTP1_LEAST_BUFFER_BYTES)
}

fn stream_window_bytes(cluster: &ActiveCluster) -> u32 {
    let written = cluster.config.http.http2.initial_stream_window_size;
    let most = cluster.config.http.limits.buffer_bytes.unwrap_or(u32::MAX).max(1);
    written.unwrap_or(STREAM_WINDOW_BYTES.min(most.max(Http2Options::LEAST_WINDOW_BYTES)))
}

async fn http2<T>(io: T, open: OpenConnection) -> Result<Connected, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let options = &open.cluster.config.http.http2;
    let (interval, timeout) = match &options.keepalive {
        Some(keepalive) => (keepalive.interval, keepalive.timeout),
        None => (Some(HTTP2_PING_INTERVAL), HTTP2_PING_TIMEOUT),
    };
    let (sender, connection) = http2::Builder::new(LocalExec)
        .timer(TokioTimer::new())
        .initial_stream_window_size(stream_window_bytes(&open.cluster))
        .initial_connection_window_size(
            options.initial_connection_window_size.unwrap_or(CONNECTION_WINDOW_BYTES),
        )
        .header_table_size(options.hpack_table_size)
        .max_header_list_size(head_bytes(&open.cluster))
        .max_send_buf_size(buffer_bytes(&open.cluster).unwrap_or(HTTP2_SEND_BUFFER_BYTES))
        .keep_alive_interval(interval)
        .keep_alive_timeout(timeout)
        .handshake(TokioIo::new(open.metered(io)))
        .await
        .map_err(|error| ConnectError::Http(Arc::new(error)))?;
    tokio::task::spawn_local(async move {
        let _ = connection.await;
        drop(open);
    });
    Ok(Connected::Http2(sender))
}
