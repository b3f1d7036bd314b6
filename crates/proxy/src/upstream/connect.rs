//! Makes one connection to an endpoint: TCP, TLS where the cluster wants it, HTTP on top.

use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Version;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use ripstop_identity::context::client::{ClientContext, nameless};
use ripstop_model::Address;
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_policy::host::{ActiveConnection, Host};
use ripstop_policy::limits::Permit;
use ripstop_policy::proxy_header;
use ripstop_runtime::stream::Stream;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::addresses;
use super::error::ConnectError;
use super::metered::Metered;
use super::purpose::Purpose;
use crate::generation::cluster::ActiveCluster;
use crate::http::local_exec::LocalExec;
use crate::http::request_body::RequestBody;
use crate::stream_info::UpstreamInfo;

/// Bytes of HTTP/2 flow control for one stream and for a connection: what a slow reader can make us hold.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// See [`STREAM_WINDOW_BYTES`].
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Largest buffer of an HTTP/1 connection in one direction.
pub const HTTP1_BUFFER_BYTES: usize = 64 * 1024;

/// Largest head of an answer over HTTP/2; over HTTP/1 it has to fit the buffer.
pub const ANSWER_HEAD_BYTES: u32 = 64 * 1024;

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

impl Transport {
    /// What logs tell of it, to `host`.
    pub fn describe(&self, host: &Host) -> UpstreamInfo {
        let stream = match self {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => stream.get_ref().0,
        };
        UpstreamInfo {
            local: stream.local_address().map(Address::from),
            remote: Some(host.address().clone()),
            ..UpstreamInfo::default()
        }
    }
}

/// What lasts as long as a connection: its place among those that are counted and limited.
pub struct OpenConnection {
    cluster: Arc<ActiveCluster>,
    worker: usize,
    begun: Instant,
    _permit: Permit,
    _host: ActiveConnection,
}

impl OpenConnection {
    /// A connection that is begun to be made.
    pub fn begin(
        cluster: &Arc<ActiveCluster>,
        worker: usize,
        permit: Permit,
        host: ActiveConnection,
    ) -> OpenConnection {
        let stats = cluster.lasting.stats.of(worker);
        stats.cx_total.inc();
        stats.cx_active.inc();
        OpenConnection {
            cluster: cluster.clone(),
            worker,
            begun: Instant::now(),
            _permit: permit,
            _host: host,
        }
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
    permit: Permit,
) -> Result<(Connected, Rc<UpstreamInfo>), ConnectError> {
    let stats = cluster.lasting.stats.of(worker);
    let open = OpenConnection::begin(cluster, worker, permit, host.begin_connection());
    let connected = tokio::time::timeout(cluster.config.connect_timeout, async {
        let transport = open_transport(cluster, host, purpose, |context| &context.http).await?;
        let info = transport.describe(host);
        open.connected();
        let connected = handshake(transport, cluster.config.protocol, open).await?;
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
            host.count_connect_failure();
            tracing::debug!(cluster = %cluster.name(), host = %host.address(), %error, "cannot connect");
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
            UpstreamProtocol::Http1 | UpstreamProtocol::Auto => http1(stream, open).await,
        },
        Transport::Tls(stream) => {
            let agreed_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            match protocol {
                UpstreamProtocol::Http2 => http2(stream, open).await,
                UpstreamProtocol::Auto if agreed_http2 => http2(stream, open).await,
                UpstreamProtocol::Http1 | UpstreamProtocol::Auto => http1(stream, open).await,
            }
        }
    }
}

async fn http1<T>(io: T, open: OpenConnection) -> Result<Connected, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HTTP1_BUFFER_BYTES)
        .handshake(TokioIo::new(open.metered(io)))
        .await
        .map_err(|error| ConnectError::Http(Arc::new(error)))?;
    let open = Rc::new(open);
    let held = Rc::downgrade(&open);
    tokio::task::spawn_local(async move {
        // How it ended is learned by whoever has a request on it.
        let _ = connection.with_upgrades().await;
        drop(open);
    });
    Ok(Connected::Http1(sender, held))
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
        .initial_stream_window_size(options.initial_stream_window_size.unwrap_or(STREAM_WINDOW_BYTES))
        .initial_connection_window_size(
            options.initial_connection_window_size.unwrap_or(CONNECTION_WINDOW_BYTES),
        )
        .header_table_size(options.hpack_table_size)
        .max_header_list_size(ANSWER_HEAD_BYTES)
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
