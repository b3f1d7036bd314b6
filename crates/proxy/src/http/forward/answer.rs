//! What the client is told: the answer of an upstream, or that its tunnel is open.

use std::rc::Rc;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use ripstop_policy::grpc;

use super::Forwarding;
use crate::error::ProxyError;
use crate::http::attempt::UpstreamRequest;
use crate::http::deadline::{Clock, ClockLimits};
use crate::http::headers::{self, X_ENVOY_ATTEMPT_COUNT, X_ENVOY_UPSTREAM_SERVICE_TIME};
use crate::http::response_body::ResponseBody;
use crate::http::terminate::RawConnection;
use crate::http::tunnel::{Tunnel, Upstream};
use crate::http::upgrade::{Granting, TunnelRequest};
use crate::http::{reply, sanitise};

impl Forwarding<'_> {
    /// Opens the tunnel that an answer grants, or passes the answer on.
    pub(super) fn answer(
        mut self,
        response: Response<Incoming>,
        request: UpstreamRequest,
        clock: Clock,
    ) -> Response<ResponseBody> {
        let Some(tunnel) = self.tunnel.take() else { return self.respond(response, request, clock) };
        if tunnel.asked.is_misunderstood_by(&response) {
            request.end_tunnel();
            let details = "websocket_handshake_unsuccessful";
            return reply::refuse(self.stream, self.manager, StatusCode::OK, details);
        }
        if !tunnel.asked.is_granted_by(&response) {
            return self.respond(response, request, clock);
        }
        let (mut parts, _) = response.into_parts();
        let granting = Granting::of(&parts.headers, &mut parts.extensions);
        let Some(upstream) = granting.upstream.clone() else {
            return self.fail(ProxyError::UpstreamProtocol);
        };
        headers::remove_hop_by_hop(&mut parts.headers);
        parts.status = tunnel.asked.grant(tunnel.http2, granting, &mut parts.headers);
        self.open(parts, tunnel, Upstream::Upgraded(upstream, Box::new(request)))
    }

    /// Tells the client that its tunnel is open, and opens it.
    fn open(mut self, mut head: Parts, tunnel: TunnelRequest, upstream: Upstream) -> Response<ResponseBody> {
        self.stream.facts.status = head.status.as_u16();
        self.stream.change_response(&mut head.headers);
        head.status = sanitise::answer::response(&mut head.headers, head.status, self.manager, &self.stream);
        head.version = http::Version::default();
        self.stream.keep_response(head.status.as_u16(), &head.headers);
        self.stream.log_tunnel();
        self.stream.progress.touch();
        // Its route's timeout means answers, not tunnels.
        let limits = ClockLimits { timeout: None, until: None, try_idle: None, whole: None, ..self.limits() };
        let clock = Clock::new(limits, &self.stream.progress);
        let TunnelRequest { client, http2, .. } = tunnel;
        Tunnel { client, half_close: http2, upstream, stream: self.stream, clock }.open();
        Response::from_parts(head, ResponseBody::empty())
    }

    /// Connects a tunnel that ends here to an endpoint.
    pub async fn terminate(mut self, tunnel: TunnelRequest) -> Response<ResponseBody> {
        let entry = match self.pick_any() {
            Ok(entry) => entry,
            Err(error) => return self.fail(error),
        };
        self.stream.facts.attempts = 1;
        self.stream.goes_to(&entry);
        let client = self.stream.client_ends();
        match RawConnection::to(&self.cluster, self.worker.id, &entry, client).await {
            Ok(connection) => {
                if self.stream.is_logged() {
                    self.stream.facts.upstream = Some(Rc::new(connection.describe(&entry.host)));
                }
                let (head, ()) = Response::new(()).into_parts();
                self.open(head, tunnel, Upstream::Raw(Box::new(connection)))
            }
            Err((error, reason)) => {
                self.stream.facts.upstream_failure = reason;
                self.fail(error)
            }
        }
    }

    /// Passes an answer on.
    fn respond(
        mut self,
        response: Response<Incoming>,
        request: UpstreamRequest,
        mut clock: Clock,
    ) -> Response<ResponseBody> {
        clock.begin_answer();
        let (mut parts, body) = response.into_parts();
        headers::remove_hop_by_hop(&mut parts.headers);
        // The words of a status are ours, whatever the upstream's were.
        parts.extensions.remove::<hyper::ext::ReasonPhrase>();
        // Of an answer that came before the request was whole, nobody can say how long it took.
        if let Some(whole) = self.stream.progress.forwarded_at()
            && !self.manager.config.router.suppress_envoy_headers
        {
            let waited_ms = u64::try_from(request.answered().saturating_duration_since(whole).as_millis())
                .unwrap_or(u64::MAX);
            parts.headers.insert(X_ENVOY_UPSTREAM_SERVICE_TIME, HeaderValue::from(waited_ms));
        }
        for cookie in self.affinity.cookies.drain(..) {
            parts.headers.append(http::header::SET_COOKIE, cookie);
        }
        if self.route.response_attempt_count {
            parts.headers.insert(X_ENVOY_ATTEMPT_COUNT, HeaderValue::from(self.stream.facts.attempts));
        }
        self.stream.facts.status = parts.status.as_u16();
        self.stream.facts.details = "via_upstream";
        self.stream.change_response(&mut parts.headers);
        parts.status =
            sanitise::answer::response(&mut parts.headers, parts.status, self.manager, &self.stream);
        // The client's connection decides the version of its answer.
        parts.version = http::Version::default();
        self.stream.keep_response(parts.status.as_u16(), &parts.headers);
        self.stream.facts.grpc_status = grpc::status(&parts.headers);
        self.stream.progress.touch_at(request.answered());
        let bodiless = self.stream.is_head()
            || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let body = if bodiless {
            let now = request.answered();
            request.complete(now);
            ResponseBody::local(Bytes::new(), self.stream)
        } else {
            ResponseBody::upstream(self.worker, body, request, clock, self.stream)
        };
        Response::from_parts(parts, body)
    }
}
