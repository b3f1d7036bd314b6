//! A POST whose body is a tunnel: it goes to an endpoint as it is, and what comes back is the body of the answer. For clients
//! of proxies that turn CONNECT into POST.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use ripstop_model::upgrade::Upgrade;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

use super::deadline::{Clock, ClockLimits};
use super::forward::Forwarding;
use super::request_body::{Counted, RequestBody};
use super::response_body::ResponseBody;
use super::sanitise;
use super::terminate::RawConnection;
use super::tunnel::TUNNEL_BUFFER_BYTES;
use crate::error::ProxyError;
use crate::generation::routes::CompiledForward;
use crate::upstream::connect::Transport;

/// What comes back from the endpoint.
pub struct RawAnswer {
    from: ReadHalf<Transport>,
    buffer: BytesMut,
    /// Ready when no more is sent; false: the client has left.
    sending: Option<JoinHandle<bool>>,
    _connection: RawConnection,
}

impl Drop for RawAnswer {
    fn drop(&mut self) {
        if let Some(sending) = &self.sending {
            sending.abort();
        }
    }
}

impl RawAnswer {
    /// The next bytes; `None` when there are no more. An error means that the client has left.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ProxyError>> {
        if let Some(sending) = &mut self.sending
            && let Poll::Ready(sent) = Pin::new(sending).poll(cx)
        {
            self.sending = None;
            if !sent.unwrap_or(false) {
                return Poll::Ready(Err(ProxyError::ClientGone));
            }
        }
        self.buffer.resize(TUNNEL_BUFFER_BYTES, 0);
        let mut buf = ReadBuf::new(&mut self.buffer);
        // However the endpoint ends, more does not come.
        let ended = ready!(Pin::new(&mut self.from).poll_read(cx, &mut buf)).is_err();
        let read = if ended { 0 } else { buf.filled().len() };
        Poll::Ready(Ok((read > 0).then(|| self.buffer.split_to(read).freeze())))
    }
}

/// Whether the route takes a POST as a tunnel.
pub fn takes_post(route: &CompiledForward) -> bool {
    let connect = |upgrade: &&Upgrade| upgrade.protocol.eq_ignore_ascii_case(Upgrade::CONNECT);
    let connect = route.upgrades.iter().find(connect).filter(|upgrade| upgrade.enabled);
    connect.and_then(|upgrade| upgrade.terminate).is_some_and(|terminate| terminate.allow_post)
}

impl Forwarding<'_> {
    /// Connects the body of the request to an endpoint.
    pub async fn tunnel_post(mut self, body: Incoming) -> Response<ResponseBody> {
        let entry = match self.pick_any() {
            Ok(entry) => entry,
            Err(error) => return self.fail(error),
        };
        self.stream.facts.attempts = 1;
        self.stream.goes_to(&entry);
        let client = self.stream.client_ends();
        let mut connection = match RawConnection::to(&self.cluster, self.worker.id, &entry, client).await {
            Ok(connection) => connection,
            Err((error, reason)) => {
                self.stream.facts.upstream_failure = reason;
                return self.fail(error);
            }
        };
        if self.stream.is_logged() {
            self.stream.facts.upstream = Some(Rc::new(connection.describe(&entry.host)));
        }
        let Some(transport) = connection.transport() else { return self.fail(ProxyError::UpstreamClosed) };
        let (from, to) = tokio::io::split(transport);
        let body = RequestBody::once(Counted::new(body, self.stream.progress.clone(), false, None));
        let sending = Some(tokio::task::spawn_local(send(body, to)));
        let answer = RawAnswer { from, buffer: BytesMut::new(), sending, _connection: connection };
        let mut headers = HeaderMap::new();
        self.stream.facts.details = "via_upstream";
        self.stream.change_response(&mut headers);
        if self.stream.is_unread_http1() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let status = sanitise::answer::response(&mut headers, StatusCode::OK, self.manager, &self.stream);
        self.stream.keep_response(status.as_u16(), &headers);
        let clock =
            Clock::new(ClockLimits { timeout: None, whole: None, ..self.limits() }, &self.stream.progress);
        let mut response = Response::new(ResponseBody::raw(self.worker, answer, clock, self.stream));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// Sends the body, and ends our half behind it. False: the client has left before its end.
async fn send(mut body: RequestBody, mut to: WriteHalf<Transport>) -> bool {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        if let Ok(bytes) = frame.into_data()
            && (to.write_all(&bytes).await.is_err() || to.flush().await.is_err())
        {
            break;
        }
    }
    // An endpoint that has gone needs no end.
    let _ = to.shutdown().await;
    true
}
