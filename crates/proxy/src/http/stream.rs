//! The life of one request, from its head to the last byte of its answer: what is known of it for the log and
//! the counters. It ends when it is dropped, however that comes about.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::{HeaderMap, Method, Version};
use ripstop_policy::adaptive::Admitted;
use ripstop_policy::admission::AdmissionController;
use ripstop_policy::flags::ResponseFlag;
use ripstop_policy::grpc::is_grpc;
use tokio::time::Sleep;

use super::calls::{Call, counted_as};
use super::deadline::Progress;
use super::filtered::Filtered;
use super::mutation::Levels;
use super::session::Session;
use crate::error::ProxyError;
use crate::format::Wanted;
use crate::format::context::Context;
use crate::generation::listener::ActiveManager;
use crate::listener::connection::ConnectionInfo;
use crate::stats::cluster::ClusterStats;
use crate::stream_info::StreamInfo;

/// One request under way.
pub struct ActiveStream {
    manager: Arc<ActiveManager>,
    worker: usize,
    connection: Rc<ConnectionInfo>,
    /// Filled in while the request moves on. It is large, and what holds it moves often.
    pub facts: Box<StreamInfo>,
    /// How far the request has come.
    pub progress: Rc<Progress>,
    /// What its route changes in headers.
    pub levels: Levels,
    /// The answer was given whole.
    complete: bool,
    /// It was allowed to become a tunnel.
    upgraded: bool,
    /// It was sent to some upstream, or was about to be.
    sent: bool,
    /// Something of the table of errors happened to it.
    failed: bool,
    /// It is a call of gRPC.
    pub is_grpc: bool,
    /// What is told how it went.
    pub admission: Option<Arc<AdmissionController>>,
    /// Its place among those that are let in at once.
    pub admitted: Option<Admitted>,
    /// What filters have done to it, if anything.
    filtered: Option<Box<Filtered>>,
    /// Where its messages are counted, if it is a call and that is wanted.
    call: Option<Rc<Call>>,
    /// Its answer says how often it was tried, whoever gives it.
    pub answers_attempts: bool,
    /// What its log line shows besides what was known when it was answered.
    late_flag: Option<ResponseFlag>,
    /// When its next line is due, where lines are written at intervals.
    tick: RefCell<Option<Pin<Box<Sleep>>>>,
}

/// Keeps the connection of a client as long as a tunnel on it.
pub struct TunnelGuard(Rc<ConnectionInfo>);

impl Drop for TunnelGuard {
    fn drop(&mut self) {
        self.0.activity.end_tunnel();
    }
}

impl ActiveStream {
    /// The client and where it connected to; `None` over a Unix socket.
    pub fn client_ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.connection.ends()
    }

    /// A request whose head has just been read.
    pub fn begin(
        manager: &Arc<ActiveManager>,
        worker: usize,
        connection: &Rc<ConnectionInfo>,
        method: Option<&Method>,
        protocol: Version,
    ) -> ActiveStream {
        let stats = manager.stats.of(worker);
        stats.rq_total.inc();
        stats.rq_active.inc();
        connection.activity.begin();
        if protocol == Version::HTTP_2 { &stats.rq_http2_total } else { &stats.rq_http1_total }.inc();
        let mut facts = Box::new(StreamInfo::begin());
        facts.method = method.cloned();
        facts.protocol = Some(protocol);
        facts.scheme = Some(if connection.tls { "https" } else { "http" });
        let progress = Rc::new(Progress::begin(facts.times.begun));
        ActiveStream {
            manager: manager.clone(),
            worker,
            connection: connection.clone(),
            facts,
            progress,
            levels: Levels::default(),
            complete: false,
            upgraded: false,
            sent: false,
            failed: false,
            is_grpc: false,
            admission: None,
            admitted: None,
            filtered: None,
            call: None,
            answers_attempts: false,
            late_flag: None,
            tick: RefCell::new(None),
        }
    }

    /// When its head had been read.
    pub fn started(&self) -> Instant {
        self.facts.times.begun
    }

    /// Whether some log shows response headers or anything else of the request.
    pub fn is_logged(&self) -> bool {
        !self.manager.access_logs.is_empty()
            || !self.levels.is_empty()
            || self.manager.local_replies.is_some()
    }

    /// Whether every try is to be remembered.
    pub fn wants_attempts(&self) -> bool {
        self.manager.wanted.attempts
    }

    /// Keeps of the request what logs want, from the headers as they are now.
    pub fn keep_request(&mut self, headers: &HeaderMap) {
        let kept = &mut self.facts.request_headers;
        Wanted::keep(&self.manager.wanted.request, headers, kept);
        for name in self.levels.wanted_of_request() {
            if !kept.contains_key(name) {
                for value in headers.get_all(name) {
                    kept.append(name.clone(), value.clone());
                }
            }
        }
    }

    /// It goes to a cluster, in whose cells calls are counted if that is wanted.
    pub fn count_call(&mut self, stats: &ClusterStats, path: &str) {
        let Some(config) = self.manager.config.grpc_stats.as_ref().filter(|_| self.is_grpc) else { return };
        let Some(name) = counted_as(config, path) else { return };
        let call = Rc::new(Call::begin(stats.grpc.of(&name), config));
        self.progress.count_call(&call);
        self.call = Some(call);
    }

    /// A part of the upstream's answer has come.
    pub fn count_answer(&self, bytes: &[u8]) {
        if let Some(call) = &self.call {
            call.answered(bytes);
        }
    }

    /// What filters have done to it, if anything.
    pub fn was_filtered(&self) -> Option<&Filtered> {
        self.filtered.as_deref()
    }

    /// The same, for a filter that does something.
    pub fn filtered(&mut self) -> &mut Filtered {
        self.filtered.get_or_insert_default()
    }

    /// The session that it belongs to, if filters have found one.
    pub fn session(&self) -> Option<&Session> {
        self.filtered.as_ref()?.session.as_ref()
    }

    /// The same, to note where it goes.
    pub fn session_mut(&mut self) -> Option<&mut Session> {
        self.filtered.as_mut()?.session.as_mut()
    }

    /// Counts it among those that are under a fault.
    pub fn begin_fault(&mut self) {
        self.filtered().under_fault = true;
        self.manager.stats.of(self.worker).faults.active.inc();
    }

    /// It is under no fault any more.
    pub fn end_fault(&mut self) {
        let under_fault = self.filtered.as_mut().map(|filtered| &mut filtered.under_fault);
        if under_fault.is_some_and(std::mem::take) {
            self.manager.stats.of(self.worker).faults.active.dec();
        }
    }

    /// Changes the headers of the request as its route says.
    pub fn change_request(&mut self, headers: &mut HeaderMap) {
        if self.levels.is_empty() {
            return;
        }
        // Values may say which try this is; it is about to become the first.
        let attempts = std::mem::replace(&mut self.facts.attempts, 1);
        let none = HeaderMap::new();
        self.levels.change_request(headers, &Context::of(&self.connection, &self.facts, &none));
        self.facts.attempts = attempts;
    }

    /// Changes the headers of the response as the route of the request says.
    pub fn change_response(&mut self, headers: &mut HeaderMap) {
        if self.levels.is_empty() {
            return;
        }
        self.facts.bytes_received.set(self.progress.bytes());
        self.facts.times.request_end.set(self.progress.ended_at());
        let facts = &self.facts;
        let base = Context::of(&self.connection, facts, &facts.request_headers);
        self.levels.change_response(headers, &base);
    }

    /// Writes a line when it is known where the request goes, if that is wanted.
    pub fn log_start(&self) {
        if self.manager.config.log_moments.at_start {
            self.log("DownstreamStart", None);
        }
    }

    /// Writes a line when the request has become a tunnel, if that is wanted.
    pub fn log_tunnel(&self) {
        if self.manager.config.log_moments.at_tunnel {
            self.log("DownstreamTunnelSuccessfullyEstablished", None);
        }
    }

    /// Writes a line at intervals while this is polled, if that is wanted.
    pub fn poll_ticks(&self, cx: &mut std::task::Context<'_>) {
        let Some(interval) = self.manager.config.log_moments.interval else { return };
        let mut tick = self.tick.borrow_mut();
        let tick = tick.get_or_insert_with(|| Box::pin(tokio::time::sleep(interval)));
        while tick.as_mut().poll(cx).is_ready() {
            self.log("DownstreamPeriodic", None);
            tick.as_mut().reset(tokio::time::Instant::now() + interval);
        }
    }

    /// The same for who waits; it never ends.
    pub async fn ticks(&self) -> Infallible {
        std::future::poll_fn(|cx| {
            self.poll_ticks(cx);
            Poll::Pending
        })
        .await
    }

    fn log(&self, log_type: &'static str, ended: Option<Instant>) {
        if self.manager.access_logs.is_empty() {
            return;
        }
        self.facts.bytes_received.set(self.progress.bytes());
        self.facts.times.request_end.set(self.progress.ended_at());
        let facts = &self.facts;
        self.manager.access_logs.write(&Context {
            response: Some(&facts.response_headers),
            trailers: Some(&facts.trailers),
            log_type,
            ended,
            ..Context::of(&self.connection, facts, &facts.request_headers)
        });
    }

    /// Keeps of the response what logs want, and the moment.
    pub fn keep_response(&mut self, status: u16, headers: &HeaderMap) {
        self.facts.status = status;
        if let Some(call) = self.call.as_ref().filter(|_| status == 200 && is_grpc(headers)) {
            call.answer_begins();
        }
        if self.is_logged() {
            self.facts.times.send_begin = Some(Instant::now());
            Wanted::keep(&self.manager.wanted.response, headers, &mut self.facts.response_headers);
        }
    }

    /// Keeps of the trailers what logs want.
    pub fn keep_trailers(&mut self, trailers: &HeaderMap) {
        Wanted::keep(&self.manager.wanted.trailers, trailers, &mut self.facts.trailers);
    }

    /// Whether trailers pass from and to its client.
    pub fn passes_trailers(&self) -> bool {
        self.facts.protocol == Some(Version::HTTP_2) || self.manager.config.http1_trailers
    }

    /// Whether its answer has no body whatever its headers say.
    pub fn is_head(&self) -> bool {
        self.facts.method == Some(Method::HEAD)
    }

    /// Whether its connection carries one request after the other.
    pub fn is_http1(&self) -> bool {
        self.facts.protocol.is_some_and(|version| version < Version::HTTP_2)
    }

    /// Whether an HTTP/1 request has not come to its end, so that nothing can follow it on its connection.
    pub fn is_unread_http1(&self) -> bool {
        self.is_http1() && self.progress.ended_at().is_none()
    }

    /// Sets a flag when everything else is over.
    pub fn flag_at_end(&mut self, flag: ResponseFlag) {
        self.late_flag = Some(flag);
    }

    /// What can be said of it while an answer of ours is made, with the headers of that and the body so far.
    pub fn reply<'a>(&'a self, headers: &'a HeaderMap, body: &'a [u8]) -> Context<'a> {
        Context {
            response: Some(headers),
            local_reply_body: body,
            ..Context::of(&self.connection, &self.facts, &self.facts.request_headers)
        }
    }

    /// Whether nothing was sent to an upstream.
    pub fn is_unsent(&self) -> bool {
        !self.sent
    }

    /// It is about to be sent.
    pub fn mark_sent(&mut self) {
        self.sent = true;
    }

    /// The client reads no more of an answer that was given up.
    pub fn stall(&self) {
        self.connection.activity.stall();
    }

    /// Its answer is an error of ours, or was broken off for one.
    pub fn fail(&mut self, error: ProxyError) {
        let consequence = error.consequence();
        if let Some(flag) = consequence.flag {
            self.facts.flags.insert(flag);
        }
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
        if let Some(admitted) = self.admitted.take() {
            admitted.answered(Instant::now());
        }
    }
}

impl Drop for ActiveStream {
    fn drop(&mut self) {
        let waited = ResponseFlag::DelayInjected;
        if !self.complete && !self.failed && self.facts.flags.iter().all(|flag| flag == waited) {
            self.fail(ProxyError::ClientGone);
        }
        if let Some(flag) = self.late_flag {
            self.facts.flags.insert(flag);
        }
        let stats = self.manager.stats.of(self.worker);
        stats.rq_active.dec();
        if self.filtered.as_ref().is_some_and(|filtered| filtered.under_fault) {
            stats.faults.active.dec();
        }
        if self.upgraded {
            stats.cx_upgrades_active.dec();
        }
        let now = Instant::now();
        self.connection.activity.end(now);
        if self.facts.flags.contains(ResponseFlag::StreamIdleTimeout) {
            stats.rq_idle_timeout.inc();
        }
        if self.facts.flags.contains(ResponseFlag::DownstreamConnectionTermination) {
            stats.rq_rx_reset.inc();
        }
        if let Some(admission) = self.admission.take().filter(|_| self.facts.status != 0) {
            admission.record(self.facts.status, self.facts.grpc_status.filter(|_| self.is_grpc), now);
        }
        if let (Some(call), Some(status)) = (&self.call, self.facts.grpc_status) {
            call.end(status, self.progress.ended_at().map(|whole| now.saturating_duration_since(whole)));
        }
        if self.facts.status != 0 {
            stats.rq_status.inc(self.facts.status);
            stats.rq_time.record(now.saturating_duration_since(self.facts.times.begun));
        }
        self.log("DownstreamEnd", Some(now));
    }
}
