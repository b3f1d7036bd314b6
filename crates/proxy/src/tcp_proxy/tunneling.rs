//! Bytes through an HTTP tunnel: a CONNECT or POST opens it at whatever proxy the endpoint is.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use ripstop_model::network_filter::Tunneling;
use ripstop_model::route::{HeaderMutations, Mutations};
use ripstop_policy::host::Host;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, WriteHalf};

use crate::format::CompiledFormat;
use crate::format::context::Context;
use crate::http::mutation::{Levels, level};
use crate::http::request_body::RequestBody;
use crate::stream_info::UpstreamInfo;
use crate::upstream::connect::OpenConnection;
use crate::upstream::error::ConnectError;
use crate::upstream::lease::Lease;
use crate::upstream::purpose::Purpose;
use crate::worker::Worker;
use crate::worker::cluster::WorkerCluster;

/// Bytes of a POST tunnel under way in one direction.
const TUNNEL_BUFFER_BYTES: usize = 16 * 1024;

/// A compiled [`Tunneling`].
pub struct TunnelRequest {
    hostname: CompiledFormat,
    /// `None`: CONNECT.
    post_path: Option<http::uri::PathAndQuery>,
    headers: Levels,
}

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The name that the tunnel should lead to is none.
    #[error("the hostname of tunneling_config comes to '{0}', which is not HOST:PORT")]
    Hostname(String),
    /// The request got no answer.
    #[error("the request for the tunnel was not answered: {0}")]
    Unanswered(hyper::Error),
    /// The other proxy says no.
    #[error("the tunnel was refused with status {0}")]
    Refused(u16),
}

/// An open tunnel.
pub struct Tunnel {
    io: TunnelIo,
    /// What logs tell of the connection that it goes over.
    pub info: Rc<UpstreamInfo>,
    // What has to last as long as the tunnel.
    _lease: Lease,
    _open: Option<Rc<OpenConnection>>,
}

enum TunnelIo {
    Upgraded(TokioIo<Upgraded>),
    Post(DuplexStream),
}

impl TunnelRequest {
    /// Compiles the request.
    pub fn compile(config: &Tunneling) -> TunnelRequest {
        let request = Mutations { remove: Vec::new(), add: config.headers.clone() };
        let mutations = HeaderMutations { request, response: Mutations::default() };
        TunnelRequest {
            hostname: CompiledFormat::compile(&config.hostname),
            // The reader has seen that it begins with a slash; what else is no path, is the root.
            post_path: config
                .post_path
                .as_ref()
                .map(|path| path.parse().unwrap_or(http::uri::PathAndQuery::from_static("/"))),
            headers: Levels { share: level(Some(&mutations)), route: None },
        }
    }

    /// Opens a tunnel at `host`.
    pub async fn open(
        &self,
        worker: &Worker,
        cluster: &WorkerCluster,
        host: &Arc<Host>,
        context: &Context<'_>,
        purpose: Purpose,
    ) -> Result<Tunnel, TunnelError> {
        let limits = &cluster.active.lasting.limits;
        let mut lease = cluster.pools.lease(worker, &cluster.active, limits, host, purpose).await?;
        let open = lease.hold();
        let tls = cluster.active.transport(host.address()).tls.is_some();
        let (near, far) = tokio::io::duplex(TUNNEL_BUFFER_BYTES);
        let (from_client, to_client) = tokio::io::split(far);
        let mut request = self.request(&lease, tls, context)?;
        if self.post_path.is_some() {
            *request.body_mut() = RequestBody::tunnel(from_client);
        }
        let response = lease.send(request).await.map_err(|error| TunnelError::Unanswered(error.cause))?;
        if !response.status().is_success() {
            return Err(TunnelError::Refused(response.status().as_u16()));
        }
        let info = lease.info().clone();
        let io = if self.post_path.is_some() {
            tokio::task::spawn_local(pass_on(response.into_body(), to_client));
            TunnelIo::Post(near)
        } else {
            let upgraded = hyper::upgrade::on(response).await.map_err(TunnelError::Unanswered)?;
            TunnelIo::Upgraded(TokioIo::new(upgraded))
        };
        Ok(Tunnel { io, info, _lease: lease, _open: open })
    }

    fn request(
        &self,
        lease: &Lease,
        tls: bool,
        context: &Context<'_>,
    ) -> Result<Request<RequestBody>, TunnelError> {
        let mut name = Vec::new();
        self.hostname.write(context, "", &mut name);
        let name = String::from_utf8_lossy(&name).into_owned();
        let Ok(authority) = name.parse::<Authority>() else { return Err(TunnelError::Hostname(name)) };
        let mut request = Request::new(RequestBody::empty());
        let mut uri = http::uri::Parts::default();
        match &self.post_path {
            None => {
                *request.method_mut() = Method::CONNECT;
                uri.authority = Some(authority);
            }
            Some(path) => {
                *request.method_mut() = Method::POST;
                if lease.is_http2() {
                    uri.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
                    uri.authority = Some(authority);
                }
                uri.path_and_query = Some(path.clone());
            }
        }
        let wrong = || TunnelError::Hostname(name.clone());
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_| wrong())?;
        let mut headers = HeaderMap::new();
        self.headers.change_request(&mut headers, context);
        if !lease.is_http2() {
            headers.insert(HOST, HeaderValue::from_str(&name).map_err(|_| wrong())?);
        }
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Passes on what a POST is answered with.
async fn pass_on(mut body: Incoming, mut to: WriteHalf<DuplexStream>) {
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        if to.write_all(&data).await.is_err() {
            return;
        }
    }
    // Whether the client still listens concerns nobody.
    let _ = to.shutdown().await;
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Task<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match &mut self.io {
            TunnelIo::Upgraded(io) => Pin::new(io).poll_read(cx, buf),
            TunnelIo::Post(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match &mut self.io {
            TunnelIo::Upgraded(io) => Pin::new(io).poll_write(cx, buf),
            TunnelIo::Post(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.io {
            TunnelIo::Upgraded(io) => Pin::new(io).poll_flush(cx),
            TunnelIo::Post(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.io {
            TunnelIo::Upgraded(io) => Pin::new(io).poll_shutdown(cx),
            TunnelIo::Post(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
