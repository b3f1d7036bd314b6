//! The life of one request, from its head to the last byte of its answer: what is known of it for the log and
//! the counters. It ends when it is dropped, however that comes about.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use ripstop_model::{Address, Name};
use ripstop_policy::flags::ResponseFlag;

use super::deadline::Progress;
use crate::access_log::record::Record;
use crate::error::ProxyError;
use crate::generation::listener::ActiveManager;
use crate::listener::connection::ConnectionInfo;

/// One request under way.
pub struct ActiveStream {
    manager: Arc<ActiveManager>,
    worker: usize,
    started: Instant,
    started_wall: SystemTime,
    connection: Rc<ConnectionInfo>,
    method: Method,
    protocol: Version,
    /// Filled in while the request moves on.
    pub facts: Facts,
    /// How far the request has come.
    pub progress: Rc<Progress>,
    /// Bytes of response body given to the client.
    pub bytes_sent: u64,
    /// The answer was given whole.
    complete: bool,
    /// It was allowed to become a tunnel.
    upgraded: bool,
    /// Something of the table of errors happened to it.
    failed: bool,
    /// It is a call of gRPC.
    pub is_grpc: bool,
}

/// Keeps the connection of a client as long as a tunnel on it.
pub struct TunnelGuard(Rc<ConnectionInfo>);

impl Drop for TunnelGuard {
    fn drop(&mut self) {
        self.0.activity.end_tunnel();
    }
}

/// What becomes known on the way.
#[derive(Default)]
pub struct Facts {
    /// Host as received.
    pub authority: Option<Name>,
    /// Path and query as forwarded.
    pub path: Option<Name>,
    /// Path and query as received, if they were rewritten.
    pub original_path: Option<Name>,
    /// Where the request comes from, if that is not the other end of the connection.
    pub client: Option<Address>,
    /// The id of the request, if the answer is to hold it.
    pub request_id: Option<HeaderValue>,
    /// Request headers that a log format shows.
    pub request_headers: Vec<(HeaderName, HeaderValue)>,
    /// Response headers, if a log wants any.
    pub response_headers: Option<Rc<HeaderMap>>,
    /// Status sent; 0: none yet.
    pub status: u16,
    /// How a call of gRPC ended, as far as is known.
    pub grpc_status: Option<u32>,
    /// What went wrong.
    pub flag: Option<ResponseFlag>,
    /// The same in words.
    pub details: &'static str,
    /// Where it went.
    pub cluster: Option<Name>,
    /// The endpoint that was tried last.
    pub host: Option<Arc<str>>,
    /// The route taken.
    pub route: Option<Name>,
    /// How many times it was sent.
    pub attempts: u32,
}

impl ActiveStream {
    /// A request whose head has just been read.
    pub fn begin(
        manager: &Arc<ActiveManager>,
        worker: usize,
        connection: &Rc<ConnectionInfo>,
        method: &Method,
        protocol: Version,
    ) -> ActiveStream {
        let stats = manager.stats.of(worker);
        stats.rq_total.inc();
        stats.rq_active.inc();
        connection.activity.begin();
        if protocol == Version::HTTP_2 { &stats.rq_http2_total } else { &stats.rq_http1_total }.inc();
        ActiveStream {
            manager: manager.clone(),
            worker,
            started: Instant::now(),
            started_wall: SystemTime::now(),
            connection: connection.clone(),
            method: method.clone(),
            protocol,
            facts: Facts::default(),
            progress: Rc::default(),
            bytes_sent: 0,
            complete: false,
            upgraded: false,
            failed: false,
            is_grpc: false,
        }
    }

    /// When its head had been read.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Whether some log shows response headers or anything else of the request.
    pub fn is_logged(&self) -> bool {
        !self.manager.access_logs.is_empty()
    }

    /// Whether its answer has no body whatever its headers say.
    pub fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// Whether an HTTP/1 request has not come to its end, so that nothing can follow it on its connection.
    pub fn is_unread_http1(&self) -> bool {
        self.protocol < Version::HTTP_2 && self.progress.ended_at().is_none()
    }

    /// Whether nothing was sent to an upstream.
    pub fn is_unsent(&self) -> bool {
        self.facts.attempts == 0
    }

    /// The client reads no more of an answer that was given up.
    pub fn stall(&self) {
        self.connection.activity.stall();
    }

    /// Its answer is an error of ours, or was broken off for one.
    pub fn fail(&mut self, error: ProxyError) {
        let consequence = error.consequence();
        self.facts.flag = consequence.flag;
        self.failed = true;
        if matches!(error, ProxyError::MaxDuration | ProxyError::MaxDurationAnswer) {
            self.manager.stats.of(self.worker).rq_max_duration_reached.inc();
        }
        self.facts.details = consequence.details;
    }

    /// It may become a tunnel.
    pub fn allow_upgrade(&mut self) {
        let stats = self.manager.stats.of(self.worker);
        stats.cx_upgrades_total.inc();
        stats.cx_upgrades_active.inc();
        self.upgraded = true;
    }

    /// Keeps the connection of the client until the guard is dropped.
    pub fn begin_tunnel(&self) -> TunnelGuard {
        self.connection.activity.begin_tunnel();
        TunnelGuard(self.connection.clone())
    }

    /// Its answer had begun and cannot be ended.
    pub fn break_off(&mut self, error: ProxyError) {
        self.fail(error);
        self.facts.details = error.consequence().details_after_begin();
    }

    /// Its answer was given whole.
    pub fn finish(&mut self) {
        self.complete = true;
    }
}

impl Drop for ActiveStream {
    fn drop(&mut self) {
        if !self.complete && !self.failed && self.facts.flag.is_none() {
            self.fail(ProxyError::ClientGone);
        }
        let stats = self.manager.stats.of(self.worker);
        stats.rq_active.dec();
        if self.upgraded {
            stats.cx_upgrades_active.dec();
        }
        self.connection.activity.end();
        if self.facts.flag == Some(ResponseFlag::StreamIdleTimeout) {
            stats.rq_idle_timeout.inc();
        }
        if self.facts.flag == Some(ResponseFlag::DownstreamConnectionTermination) {
            stats.rq_rx_reset.inc();
        }
        let duration = self.started.elapsed();
        if self.facts.status != 0 {
            stats.rq_status.inc(self.facts.status);
            stats.rq_time.record(duration);
        }
        if self.manager.access_logs.is_empty() {
            return;
        }
        let facts = std::mem::take(&mut self.facts);
        let empty = || Name::from("");
        self.manager.access_logs.write(&Record {
            start: self.started_wall,
            duration,
            connection: self.connection.clone(),
            client: facts.client,
            method: self.method.clone(),
            path: facts.path.unwrap_or_else(empty),
            original_path: facts.original_path,
            authority: facts.authority.unwrap_or_else(empty),
            protocol: self.protocol,
            request_headers: facts.request_headers,
            response_headers: facts.response_headers,
            status: facts.status,
            flag: facts.flag,
            details: facts.details,
            bytes_sent: self.bytes_sent,
            bytes_received: self.progress.bytes(),
            upstream_cluster: facts.cluster,
            upstream_host: facts.host,
            route_name: facts.route,
            attempts: facts.attempts,
        });
    }
}
