//! Requests that ask for their connection, or their stream of it, to become a tunnel: upgrades such as WebSocket, and
//! CONNECT. Whether they get it is decided here; what becomes of the bytes is [`super::tunnel`].

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Extensions, Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use ripstop_model::upgrade::{TerminateConnect, Upgrade};

use crate::generation::routes::CompiledForward;

/// What comes with an upgrade to HTTP/2, which nobody needs (RFC 9113 §3.1).
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// What a request wants.
#[derive(Clone)]
pub enum Asked {
    /// To go on in another protocol.
    Upgrade {
        /// The protocol as the client wrote it.
        protocol: HeaderValue,
        /// The header `connection` that came with it.
        connection: HeaderValue,
    },
    /// To be connected to somebody.
    Connect,
}

/// A request for a tunnel, and the bytes of the client once it is granted.
pub struct TunnelRequest {
    /// What it wants.
    pub asked: Asked,
    /// The client's end.
    pub client: OnUpgrade,
    /// Whether the client speaks HTTP/2.
    pub http2: bool,
}

impl TunnelRequest {
    /// Whether `request` is one. If so, its method becomes what it would be without any tunnel, as Envoy has it: GET for
    /// upgrades, however they were asked for. An upgrade to HTTP/2 is ignored.
    pub fn of(request: &mut Parts) -> Option<TunnelRequest> {
        let http2 = request.version == Version::HTTP_2;
        let asked = if request.method == Method::CONNECT {
            match request.extensions.remove::<Protocol>() {
                Some(protocol) => {
                    request.method = Method::GET;
                    let protocol = HeaderValue::from_str(protocol.as_str()).ok()?;
                    Asked::Upgrade { protocol, connection: HeaderValue::from_static("upgrade") }
                }
                None => Asked::Connect,
            }
        } else {
            upgrade_of(request)?
        };
        let client = request.extensions.remove::<OnUpgrade>()?;
        Some(TunnelRequest { asked, client, http2 })
    }

    /// How an answer has to be marked that does not open the tunnel.
    pub fn refusal(&self) -> Refusal {
        Refusal { http2: self.http2, connect: matches!(self.asked, Asked::Connect) }
    }

    /// Whether `route` lets it through, or else `manager` does; and if the tunnel ends here, how.
    pub fn allowed(&self, manager: &[Upgrade], route: &CompiledForward) -> Option<Granted> {
        let named = |upgrade: &&Upgrade| self.asked.is_for(&upgrade.protocol);
        let upgrade = route.upgrades.iter().find(named).or_else(|| manager.iter().find(named))?;
        upgrade.enabled.then_some(Granted { terminate: upgrade.terminate })
    }
}

/// Marks the answers that do not open a tunnel.
pub struct Refusal {
    http2: bool,
    connect: bool,
}

impl Refusal {
    /// After any other answer the connection is closed: what the client has sent already may be in the other protocol.
    pub fn mark<B>(&self, response: &mut Response<B>) {
        let status = response.status();
        let opens = status == StatusCode::SWITCHING_PROTOCOLS || self.connect && status.is_success();
        if !self.http2 && !opens {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// A tunnel that may be opened.
pub struct Granted {
    /// The cluster gets the bytes without any HTTP.
    pub terminate: Option<TerminateConnect>,
}

fn upgrade_of(request: &mut Parts) -> Option<Asked> {
    if request.version != Version::HTTP_11 {
        return None;
    }
    let protocol = request.headers.get(header::UPGRADE)?.clone();
    let connection = request.headers.get(header::CONNECTION)?.clone();
    if !has_token(&connection, "upgrade") {
        return None;
    }
    if protocol.as_bytes().eq_ignore_ascii_case(b"h2c") {
        request.headers.remove(HTTP2_SETTINGS);
        return None;
    }
    Some(Asked::Upgrade { protocol, connection })
}

fn has_token(list: &HeaderValue, wanted: &str) -> bool {
    let list = list.to_str().unwrap_or_default();
    list.split(',').any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

impl Asked {
    fn is_for(&self, protocol: &str) -> bool {
        match self {
            Asked::Upgrade { protocol: asked, .. } => {
                asked.as_bytes().eq_ignore_ascii_case(protocol.as_bytes())
            }
            Asked::Connect => protocol.eq_ignore_ascii_case(Upgrade::CONNECT),
        }
    }

    /// Asks an HTTP/1 upstream.
    pub fn ask_http1(&self, headers: &mut HeaderMap) {
        if let Asked::Upgrade { protocol, connection } = self {
            headers.insert(header::CONNECTION, connection.clone());
            headers.insert(header::UPGRADE, protocol.clone());
        }
    }

    /// Asks an HTTP/2 upstream (RFC 8441).
    pub fn ask_http2<B>(&self, request: &mut Request<B>) {
        *request.method_mut() = Method::CONNECT;
        if let Asked::Upgrade { protocol, .. } = self
            && let Ok(protocol) = protocol.to_str()
        {
            request.extensions_mut().insert(Protocol::from(protocol));
        }
    }

    /// Whether the head of an answer opens the tunnel.
    pub fn is_granted_by<B>(&self, response: &Response<B>) -> bool {
        let status = response.status();
        match self {
            Asked::Connect => status.is_success(),
            Asked::Upgrade { .. } if response.version() == Version::HTTP_2 => status == StatusCode::OK,
            Asked::Upgrade { .. } => is_switch(response),
        }
    }

    /// Whether an answer is the one that says yes to WebSocket in HTTP/2 and means nothing in HTTP/1.
    pub fn is_misunderstood_by<B>(&self, response: &Response<B>) -> bool {
        self.is_for(Upgrade::WEBSOCKET)
            && response.version() != Version::HTTP_2
            && response.status() == StatusCode::OK
    }

    /// Makes `headers` of a granting answer what the client is to see, and gives the status of it. `before` has the headers
    /// that only mean one connection.
    pub fn grant(&self, http2: bool, before: Granting, headers: &mut HeaderMap) -> StatusCode {
        headers.remove(header::CONTENT_LENGTH);
        match self {
            Asked::Connect => StatusCode::OK,
            Asked::Upgrade { .. } if http2 => StatusCode::OK,
            Asked::Upgrade { protocol, .. } => {
                let connection = before.connection.unwrap_or(HeaderValue::from_static("upgrade"));
                headers.insert(header::CONNECTION, connection);
                headers.insert(header::UPGRADE, before.upgrade.unwrap_or_else(|| protocol.clone()));
                StatusCode::SWITCHING_PROTOCOLS
            }
        }
    }
}

/// What an answer that opens a tunnel brings besides its headers.
pub struct Granting {
    /// The upstream's end.
    pub upstream: Option<OnUpgrade>,
    connection: Option<HeaderValue>,
    upgrade: Option<HeaderValue>,
}

impl Granting {
    /// Takes it out of the head of the answer.
    pub fn of(headers: &HeaderMap, extensions: &mut Extensions) -> Granting {
        Granting {
            upstream: extensions.remove::<OnUpgrade>(),
            connection: headers.get(header::CONNECTION).cloned(),
            upgrade: headers.get(header::UPGRADE).cloned(),
        }
    }
}

/// A 101 that says what it switches to.
pub fn is_switch<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        && headers.contains_key(header::UPGRADE)
        && headers.get(header::CONNECTION).is_some_and(|connection| has_token(connection, "upgrade"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asks(connection: &str, upgrade: &str) -> bool {
        let request = Request::get("/").header("connection", connection).header("upgrade", upgrade);
        let (mut parts, ()) = request.header("http2-settings", "x").body(()).unwrap().into_parts();
        let asked = upgrade_of(&mut parts);
        assert_eq!(parts.headers.contains_key("http2-settings"), upgrade != "h2c");
        asked.is_some_and(|asked| asked.is_for("WebSocket"))
    }

    #[test]
    fn an_upgrade_is_asked_for_by_two_headers() {
        assert!(asks("keep-alive, Upgrade", "websocket"));
        assert!(asks("upgrade", "WEBSOCKET"));
        assert!(!asks("keep-alive", "websocket"));
        assert!(!asks("upgrade", "h2c"));
        assert!(!asks("upgrade", "other"));
    }

    #[test]
    fn a_switch_says_what_to() {
        let response = |connection: &str, status: u16| {
            let response = Response::builder().status(status).header("connection", connection);
            is_switch(&response.header("upgrade", "x").body(()).unwrap())
        };
        assert!(response("Upgrade", 101));
        assert!(!response("close", 101));
        assert!(!response("upgrade", 200));
    }
}
