//! One try of a request at one endpoint, and what lasts until the end of its answer.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::Scheme;
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::{Body, Incoming};
use ripstop_model::route::RoutePriority;
use ripstop_model::upstream_http::{AnswerLimits, UpstreamHttp};
use ripstop_model::{LbPolicy, Name};
use ripstop_policy::grpc;
use ripstop_policy::host::{ActiveRequest, HostEntry};
use ripstop_policy::limits::Permit;
use ripstop_policy::outlier::Outcome;
use ripstop_policy::retry::{Attempt, AttemptOutcome};

use super::expect::{Gate, Word};
use super::leash::{Leash, LeashHolder};
use super::load_report;
use super::request_body::RequestBody;
use super::target::Target;
use super::trial::Trial;
use super::upgrade::Asked;
use crate::error::ProxyError;
use crate::generation::cluster::ActiveCluster;
use crate::health::failing::look_at;
use crate::stats::cluster::ClusterStats;
use crate::stream_info::UpstreamInfo;
use crate::sweep::log_ejection;
use crate::upstream::connect::OpenConnection;
use crate::upstream::error::{ConnectError, SendError};
use crate::upstream::lease::Lease;
use crate::upstream::purpose::{Client, Purpose};
use crate::worker::Worker;
use crate::worker::cluster::WorkerCluster;

/// What is sent.
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Host and path.
    pub target: Target,
    /// Headers, without `host`.
    pub headers: HeaderMap,
    /// Body.
    pub body: RequestBody,
    /// The tunnel that it asks for.
    pub asked: Option<Asked>,
    /// Whom it is sent for, for endpoints that are told.
    pub client: Option<Client>,
    /// The try as the circuit breaker sees it.
    pub trial: Option<Rc<Trial>>,
    /// Which limits of the cluster count.
    pub priority: RoutePriority,
    /// Its place in the retry budget, if it is a retry.
    pub retry: Option<Permit>,
    /// Whether its client speaks HTTP/2.
    pub http2: bool,
    /// How the client wrote the names of its headers, where that is to be kept.
    pub spelling: Extensions,
}

/// A try that got no answer.
pub struct Failed {
    /// For the retry policy; whether the body can be sent again is not known here.
    pub attempt: Attempt,
    /// What becomes of the request if nothing better turns up.
    pub error: ProxyError,
    /// The body, where it was not touched.
    pub body: Option<RequestBody>,
    /// What is known where there was no connection.
    pub refused: Option<NotConnected>,
}

/// A connection that could not be had.
pub struct NotConnected {
    /// What the transport says.
    pub reason: Option<Name>,
    /// How long it was waited for.
    pub waited: Duration,
}

/// The connection that a try went over.
pub struct Sent {
    /// What is known of it.
    pub connection: Rc<UpstreamInfo>,
    /// When sending began.
    pub began: Instant,
    /// How long it was waited for.
    pub waited: Duration,
}

/// That, kept apart from the outcome because a try may also be given up.
#[derive(Default)]
pub struct SentOver(OnceCell<Sent>);

impl SentOver {
    /// It, if it came so far.
    pub fn into_inner(self) -> Option<Sent> {
        self.0.into_inner()
    }
}

/// What lasts from the sending of a request to the end of its answer.
pub struct UpstreamRequest {
    cluster: Rc<WorkerCluster>,
    worker: usize,
    entry: Arc<HostEntry>,
    lease: Lease,
    started: Instant,
    answered: Instant,
    reused: bool,
    leash: LeashHolder,
    _active: ActiveRequest,
    _permit: Permit,
    _retry: Option<Permit>,
    /// Of a connection that becomes a tunnel.
    _open: Option<Rc<OpenConnection>>,
    /// Whether the end of the answer says how it went.
    call: bool,
    /// Where the breaker waits for that.
    trial: Option<Rc<Trial>>,
}

/// Sends the request to `entry` and waits for the head of the answer; tells `sent_over` when it has a connection.
pub async fn attempt(
    cluster: &Rc<WorkerCluster>,
    on: &Worker,
    entry: &Arc<HostEntry>,
    mut outgoing: Outgoing,
    sent_over: &SentOver,
) -> Result<(Response<Incoming>, UpstreamRequest), Failed> {
    let (active, worker) = (&cluster.active, on.id);
    let stats = active.lasting.stats.of(worker);
    let (trial, retry) = (outgoing.trial.take(), outgoing.retry.take());
    let trial = trial.as_ref();
    let limits = active.lasting.limits_of(outgoing.priority);
    let room = match &active.shedder {
        Some(shedder) => limits.try_request_within(shedder.share(&outgoing.headers)),
        None => limits.try_request(),
    };
    let Ok(permit) = room else {
        stats.rq_pending_overflow.inc();
        let failed = unsent(ProxyError::Overflow, outgoing.body);
        // As in Envoy, where nothing may wait for a connection either, that is what it fails for.
        let waits_in_vain = limits.remaining().pending == 0;
        let refused = waits_in_vain.then_some(NotConnected { reason: None, waited: Duration::ZERO });
        return Err(Failed { refused, ..failed });
    };
    let host_request = entry.host.begin_request();
    let options = &active.config.http.server_name;
    let purpose = Purpose::of(options, outgoing.target.authority.as_str(), &outgoing.headers);
    let purpose = purpose.for_client(outgoing.client.filter(|_| active.tells_clients()));
    let purpose = purpose.of_client(active.config.protocol, outgoing.http2);
    let asked_at = Instant::now();
    let mut lease = match cluster.pools.lease(on, active, limits, &entry.host, purpose).await {
        Ok(lease) => lease,
        Err(error) => {
            let refused = Some(NotConnected { reason: error.reason(), waited: asked_at.elapsed() });
            let nobody_there = matches!(error, ConnectError::Tcp(_));
            let error = error.proxy_error();
            if error == ProxyError::Overflow {
                stats.rq_pending_overflow.inc();
            } else {
                record(cluster, entry, Outcome::ConnectFailure, trial);
            }
            let failed = unsent(error, outgoing.body);
            let attempt = Attempt { nobody_there, ..failed.attempt };
            return Err(Failed { attempt, refused, ..failed });
        }
    };
    let reused = lease.is_reused();
    let asked = outgoing.asked.clone();
    let open = asked.as_ref().and_then(|_| lease.hold());
    let (leash, holder) = Leash::new();
    let Some(request) = request(&lease, active, entry, outgoing, leash) else {
        return Err(unsent(ProxyError::MissingHost, RequestBody::empty()));
    };
    stats.rq_total.inc();
    stats.rq_active.inc();
    let mut under_way = Sending { stats, decided: false };
    let started = Instant::now();
    // It is told once.
    let waited = started.duration_since(asked_at);
    let _ = sent_over.0.set(Sent { connection: lease.info().clone(), began: started, waited });
    let answer = lease.send(request).await;
    under_way.decided = true;
    match answer {
        Ok(response) if unacceptable(&response, asked.as_ref(), &active.config.http).is_some() => {
            stats.rq_rx_reset.inc();
            record(cluster, entry, Outcome::Reset, trial);
            let error = unacceptable(&response, asked.as_ref(), &active.config.http);
            let error = error.unwrap_or(ProxyError::UpstreamProtocol);
            let attempt = Attempt::new(AttemptOutcome::Reset);
            Err(Failed { attempt, error, body: None, refused: None })
        }
        Ok(response) => {
            let status = response.status().as_u16();
            stats.rq_status.inc(status);
            look_at(active, entry, response.headers());
            load_report::look_at(active, entry, response.headers());
            // How a call went is said at its end, unless there is nothing but an end.
            let call = grpc::is_grpc(response.headers()) && response.status() == StatusCode::OK;
            let ended = grpc::status(response.headers());
            if !call || ended.is_some() {
                let status = ended.filter(|_| call).map_or(status, grpc::http_of_status);
                record(cluster, entry, Outcome::Status(status), trial);
            }
            let now = Instant::now();
            remember_time(active, entry, now.duration_since(started), now);
            let request = UpstreamRequest {
                cluster: cluster.clone(),
                worker,
                entry: entry.clone(),
                lease,
                started,
                answered: now,
                reused,
                leash: holder,
                _active: host_request,
                _permit: permit,
                _retry: retry,
                _open: open,
                call: call && ended.is_none(),
                trial: trial.filter(|_| call && ended.is_none()).cloned(),
            };
            // The request stays under way until its answer has ended.
            stats.rq_active.inc();
            Ok((response, request))
        }
        Err(failure) => Err(unanswered(cluster, worker, entry, failure, reused, trial)),
    }
}

/// Takes note of how long an endpoint took to answer.
fn remember_time(cluster: &ActiveCluster, entry: &HostEntry, took: Duration, now: Instant) {
    entry.host.record_latency(took);
    if let LbPolicy::LeastResponseTime { decay } = cluster.config.lb.policy {
        entry.host.record_response_time(took, decay, now);
    }
}

/// What is wrong with the head of an answer that the parser takes: it could be read in two ways, is larger than the cluster
/// allows, or switches to a protocol that nobody asked for. (hyper keeps other interim answers to itself.)
fn unacceptable(
    response: &Response<Incoming>,
    asked: Option<&Asked>,
    http: &UpstreamHttp,
) -> Option<ProxyError> {
    let headers = response.headers();
    let http2 = response.version() == Version::HTTP_2;
    // Over HTTP/1 the parser counts them.
    let most = http.limits.max_headers_count.unwrap_or(AnswerLimits::DEFAULT_MAX_HEADERS_COUNT) as usize;
    let large = http.limits.max_headers_kb.is_some_and(|kb| head_bytes(headers) > kb as usize * 1024);
    if http2 && (large || headers.len() > most) {
        return Some(ProxyError::UpstreamReset);
    }
    let coding = headers.get(header::TRANSFER_ENCODING);
    let lengths = headers.get_all(header::CONTENT_LENGTH).iter().count();
    let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let ambiguous = lengths > 1
        || coding.is_some_and(|coding| !chunked(coding) || lengths > 0 && !http.http1.allow_chunked_length);
    let switches =
        response.status().is_informational() && !asked.is_some_and(|asked| asked.is_granted_by(response));
    (large || ambiguous || switches).then_some(ProxyError::UpstreamProtocol)
}

/// The bytes of a head, without its first line.
fn head_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}

/// Counts a request that is being sent; if it is given up before there is an answer, that is counted too.
struct Sending<'a> {
    stats: &'a ClusterStats,
    decided: bool,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.stats.rq_active.dec();
        if !self.decided {
            self.stats.rq_cancelled.inc();
        }
    }
}

/// What becomes of a request that was sent and got no answer.
fn unanswered(
    cluster: &WorkerCluster,
    worker: usize,
    entry: &HostEntry,
    failure: SendError,
    reused: bool,
    trial: Option<&Rc<Trial>>,
) -> Failed {
    let active = &cluster.active;
    tracing::debug!(cluster = %active.name(), host = %entry.host.address(), error = %failure.cause, "no answer");
    if !failure.proxy_error.is_clients() {
        active.lasting.stats.of(worker).rq_rx_reset.inc();
        record(cluster, entry, Outcome::Reset, trial);
    }
    let attempt = Attempt {
        // A stream that is reset says nothing against its connection.
        reused_connection: reused && failure.proxy_error == ProxyError::UpstreamClosed,
        request_sent: failure.request_sent,
        ..Attempt::new(failure.outcome)
    };
    Failed { attempt, error: failure.proxy_error, body: failure.body, refused: None }
}

fn unsent(error: ProxyError, body: RequestBody) -> Failed {
    let attempt = Attempt::new(AttemptOutcome::ConnectFailure);
    Failed { attempt, error, body: Some(body), refused: None }
}

fn request(
    lease: &Lease,
    cluster: &ActiveCluster,
    entry: &HostEntry,
    outgoing: Outgoing,
    leash: Rc<Leash>,
) -> Option<Request<RequestBody>> {
    let Outgoing { method, target, mut headers, mut body, asked, spelling, .. } = outgoing;
    let connect = matches!(asked, Some(Asked::Connect));
    if !lease.is_http2() && !cluster.config.http.http1_trailers {
        body.leave_out_trailers();
    }
    let (uri, version): (Uri, Version) = if lease.is_http2() {
        let tls = cluster.transport(entry.host.address()).tls.is_some();
        let scheme = if tls { Scheme::HTTPS } else { Scheme::HTTP };
        let scheme = target.scheme.clone().unwrap_or(scheme);
        (if connect { target.authority_form()? } else { target.absolute(scheme)? }, Version::HTTP_2)
    } else {
        headers.insert(header::HOST, target.host()?);
        if body.is_end_stream() && method_has_body(&method) && !headers.contains_key(header::CONTENT_LENGTH) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        // hyper takes it that a GET has no body unless a header says so.
        if !body.is_end_stream() && body.size_hint().exact().is_none() {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if let Some(asked) = &asked {
            asked.ask_http1(&mut headers);
        }
        (if connect { target.authority_form()? } else { target.origin() }, Version::HTTP_11)
    };
    let word = headers.contains_key(header::EXPECT).then(Arc::<Word>::default);
    let word = word.filter(|_| !body.is_end_stream() && !lease.is_http2());
    if let Some(word) = &word {
        body.hold_back(Gate::new(word.clone()));
    }
    if !body.is_end_stream() {
        body.attach(leash);
    }
    let mut request = Request::new(body);
    *request.extensions_mut() = spelling;
    if let Some(word) = word {
        hyper::ext::on_informational(&mut request, move |said| {
            if said.status() == StatusCode::CONTINUE {
                word.give();
            }
        });
    }
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = version;
    *request.headers_mut() = headers;
    if let Some(asked) = asked.filter(|_| lease.is_http2()) {
        asked.ask_http2(&mut request);
    }
    Some(request)
}

/// Whether a request of this method is expected to have a body, so that one without says so.
fn method_has_body(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::CONNECT | Method::TRACE)
}

/// Tells outlier detection, the circuit breaker and the counters of the endpoint how a request to it went.
pub fn record(cluster: &WorkerCluster, entry: &HostEntry, outcome: Outcome, trial: Option<&Rc<Trial>>) {
    if let Some(trial) = trial {
        trial.ended(outcome);
    }
    entry.host.count_outcome(outcome);
    let active = &cluster.active;
    let Some(detector) = &active.lasting.outlier else { return };
    // Dice are thrown on an ejection only, so there is nothing to be seeded.
    let mut dice = fastrand::Rng::new();
    if let Some(ejection) = detector.record(&entry.host, outcome, &active.hosts, Instant::now(), &mut dice) {
        log_ejection(active.name(), &ejection);
    }
}

impl UpstreamRequest {
    /// The endpoint that answered.
    pub fn entry(&self) -> &Arc<HostEntry> {
        &self.entry
    }

    /// Whether trailers pass from and to the endpoint.
    pub fn passes_trailers(&self) -> bool {
        self.lease.is_http2() || self.cluster.active.config.http.http1_trailers
    }

    /// When the request was sent.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// When the head of its answer had come.
    pub fn answered(&self) -> Instant {
        self.answered
    }

    /// Whether its connection had carried requests before.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// What the trailers of the answer say of the endpoint.
    pub fn look_at_trailers(&self, trailers: &HeaderMap) {
        load_report::look_at(&self.cluster.active, &self.entry, trailers);
    }

    /// The answer to a call has ended in this way.
    pub fn call_ended(&mut self, status: Option<u32>) {
        if std::mem::take(&mut self.call) {
            let status = status.map_or(500, grpc::http_of_status);
            record(&self.cluster, &self.entry, Outcome::Status(status), self.trial.as_ref());
        }
    }

    /// The answer was read to its end now.
    pub fn complete(mut self, now: Instant) {
        self.call_ended(None);
        let stats = self.cluster.active.lasting.stats.of(self.worker);
        stats.rq_active.dec();
        stats.rq_time.record(now.saturating_duration_since(self.started));
        // An answer that was over before the request was: nothing else can go over that connection.
        if !self.leash.is_read() {
            self.lease.give_back(now);
        }
    }

    /// The answer was not read to its end: given up by the client, or broken off by the upstream.
    pub fn fail(self, error: ProxyError) {
        let stats = self.cluster.active.lasting.stats.of(self.worker);
        stats.rq_active.dec();
        match error {
            ProxyError::ClientGone
            | ProxyError::StreamIdle
            | ProxyError::AnswerIdle
            | ProxyError::MaxDuration
            | ProxyError::MaxDurationAnswer => stats.rq_cancelled.inc(),
            ProxyError::PerTryIdle => {
                stats.rq_per_try_idle_timeout.inc();
                record(&self.cluster, &self.entry, Outcome::Timeout, self.trial.as_ref());
            }
            ProxyError::RequestTimeout => {
                stats.rq_timeout.inc();
                record(&self.cluster, &self.entry, Outcome::Timeout, self.trial.as_ref());
            }
            _ => {
                stats.rq_rx_reset.inc();
                record(&self.cluster, &self.entry, Outcome::Reset, self.trial.as_ref());
            }
        }
    }

    /// The connection or stream was a tunnel, and is over.
    pub fn end_tunnel(self) {
        self.cluster.active.lasting.stats.of(self.worker).rq_active.dec();
    }

    /// The answer is thrown away because the request is tried again.
    pub fn discard(self, response: Response<Incoming>) {
        let stats = self.cluster.active.lasting.stats.of(self.worker);
        stats.rq_active.dec();
        // A short answer that has come whole already leaves the connection usable; anything else is not worth waiting for.
        if response.body().is_end_stream() && !self.leash.is_read() {
            self.lease.give_back(Instant::now());
        }
    }
}
