//! The two doors: accepting, limits, and who may come in. What is behind them is `page`'s.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tower_service::Service;

use super::{Api, host, page, reply};

/// Most connections at once through one door; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;
/// A request head that takes longer, and a connection that is idle for longer, is given up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Where requests come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    /// A TCP port with this address: reading only, and only under a name of its own.
    Network(SocketAddr),
    /// The Unix socket: whoever can open it is the administrator.
    Administrator,
}

/// Answers on `listener` until the future is dropped, and every connection with it.
pub(crate) async fn serve<L: Listener>(mut listener: L, door: Door, api: Arc<Api>) {
    let router = page::router(&door, api);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            (stream, _) = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                connections.spawn(serve_connection(TokioIo::new(stream), door, router.clone()));
            }
        }
    }
}

async fn serve_connection<S>(stream: S, door: Door, router: Router)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            if let Some(refused) = door.refuse(request.method(), request.uri(), request.headers()) {
                return Ok::<_, Infallible>(refused);
            }
            router.call(request).await
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(stream, service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "API connection ended");
    }
}

impl Door {
    /// The answer to a request that may not come in.
    fn refuse(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        let Door::Network(listen) = self else { return None };
        let mut hosts = headers.get_all(header::HOST).iter();
        // An absolute target goes before the header (RFC 9112 section 3.2.2).
        let host = match (uri.authority(), hosts.next(), hosts.next()) {
            (_, _, Some(_)) => None,
            (Some(authority), _, None) => Some(authority.as_str()),
            (None, Some(value), None) => value.to_str().ok(),
            (None, None, None) => None,
        };
        if !host.is_some_and(|host| host::is_ours(host, *listen)) {
            return Some(reply::error(
                StatusCode::FORBIDDEN,
                "the Host of the request is not an address of this control plane",
                &format!(
                    "ask for http://{listen}/; other names are refused, so that no web page can read this API"
                ),
            ));
        }
        if *method != Method::GET && *method != Method::HEAD && !uri.path().starts_with("/api/v1/tokens") {
            let error = "the API only reads over the network";
            return Some(reply::error(StatusCode::METHOD_NOT_ALLOWED, error, "GET / lists the pages"));
        }
        None
    }
}
