//! The two doors: accepting, limits, and who comes in. What is behind them is `page`'s.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tower_service::Service;

use super::auth::Caller;
use super::{Api, host, page, reply};
use crate::role::Role;

/// Most connections at once through one door; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;
/// A request head that takes longer, and a connection that is idle for longer, is given up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Where requests come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    /// A TCP port with this address.
    Network(SocketAddr),
    /// The Unix socket: whoever can open it is the administrator.
    Administrator,
}

/// Answers on `listener` until the future is dropped, and every connection with it. `peer` says from where a connection
/// comes, if it comes over a network.
pub(crate) async fn serve<L: Listener>(
    mut listener: L,
    door: Door,
    api: Arc<Api>,
    peer: fn(&L::Addr) -> Option<SocketAddr>,
) {
    let router = page::router(Arc::clone(&api));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            (stream, address) = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                let entry = Entry { door, peer: peer(&address), api: Arc::clone(&api) };
                connections.spawn(serve_connection(TokioIo::new(stream), entry, router.clone()));
            }
        }
    }
}

async fn serve_connection<S>(stream: S, entry: Entry, router: Router)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        let mut router = router.clone();
        let admitted = entry.admit(request.method(), request.uri(), request.headers());
        async move {
            match admitted {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    router.call(request).await
                }
                Err(refused) => Ok::<_, Infallible>(*refused),
            }
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

/// What is known of everybody who comes through one connection.
struct Entry {
    door: Door,
    peer: Option<SocketAddr>,
    api: Arc<Api>,
}

impl Entry {
    /// Who calls, or the answer to a request that may not come in.
    fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Box<Response>> {
        let Door::Network(listen) = self.door else {
            return Ok(Caller { role: Some(Role::Admin), name: None });
        };
        if let Some(presented) = headers.get(header::AUTHORIZATION) {
            let token = presented.to_str().ok().and_then(bearer);
            let caller = token.and_then(|token| self.api.api_tokens.caller(token, self.api.clock.now()));
            return caller.ok_or_else(|| Box::new(unknown_token()));
        }
        if !is_addressed_to(listen, uri, headers) {
            return Err(Box::new(reply::error(
                StatusCode::FORBIDDEN,
                "the Host of the request is not an address of this control plane",
                &format!(
                    "ask for http://{listen}/, or show a token; other names are refused, so that no web page can read this API"
                ),
            )));
        }
        let is_near = self.peer.is_some_and(|peer| peer.ip().is_loopback());
        let role = self.api.loopback.filter(|_| is_near);
        // A web page can send what it cannot read the answer of.
        let is_page =
            headers.contains_key(header::ORIGIN) && *method != Method::GET && *method != Method::HEAD;
        if is_page && !headers.get(header::ORIGIN).is_some_and(|origin| is_own_origin(origin, listen)) {
            let error = "the request comes from a web page of another origin";
            return Err(Box::new(reply::error(StatusCode::FORBIDDEN, error, "show a token")));
        }
        Ok(Caller { role, name: None })
    }
}

/// The token of `Bearer TOKEN`; the scheme in any case (RFC 9110 section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unknown_token() -> Response {
    let error = "the token is not known, or its time is over";
    unauthorized(error, "an administrator makes tokens with `ripstop api-token create`")
}

/// 401, as RFC 6750 wants it.
pub(super) fn unauthorized(error: &str, help: &str) -> Response {
    let mut response = reply::error(StatusCode::UNAUTHORIZED, error, help);
    let challenge = HeaderValue::from_static("Bearer realm=\"ripstop\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn is_addressed_to(listen: SocketAddr, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    // An absolute target goes before the header (RFC 9112 section 3.2.2).
    let host = match (uri.authority(), hosts.next(), hosts.next()) {
        (_, _, Some(_)) => None,
        (Some(authority), _, None) => Some(authority.as_str()),
        (None, Some(value), None) => value.to_str().ok(),
        (None, None, None) => None,
    };
    host.is_some_and(|host| host::is_ours(host, listen))
}

fn is_own_origin(origin: &HeaderValue, listen: SocketAddr) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
    let is_port = |authority: &str| authority.ends_with(&format!(":{}", listen.port()));
    authority.is_some_and(|authority| is_port(authority) && host::is_ours(authority, listen))
}
