//! Forwards a request: picks endpoints and tries, within the time and the retries that the route gives.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::{Body, Incoming};
use ripstop_policy::balance::{NoHost, Pick, PickContext};
use ripstop_policy::host::{Host, HostEntry};
use ripstop_policy::limits::Permit;
use ripstop_policy::outlier::Outcome;
use ripstop_policy::request_times::RequestTimes;
use ripstop_policy::retry::asked::asked;
use ripstop_policy::retry::{Attempt, AttemptOutcome, NoRetry, RequestFacts, RetryDecision, RetryState};
use ripstop_policy::timeout::deadline;

use super::affinity::Affinity;
use super::attempt::{Failed, Outgoing, SentOver, UpstreamRequest, attempt, record};
use super::deadline::{Clock, ClockLimits, Deadline, stream_idle_timeout};
use super::headers::{self, X_ENVOY_ATTEMPT_COUNT, X_ENVOY_UPSTREAM_SERVICE_TIME, X_RIPSTOP_ATTEMPT};
use super::mirror::{self, Original, Wanted};
use super::request_body::{Counted, Replayable, RequestBody};
use super::response_body::ResponseBody;
use super::rewrite::endpoint_host;
use super::stream::ActiveStream;
use super::target::Target;
use super::tee::Tee;
use super::terminate::RawConnection;
use super::tunnel::{Tunnel, Upstream};
use super::upgrade::{Granting, TunnelRequest};
use super::{reply, sanitise};
use crate::error::ProxyError;
use crate::generation::listener::ActiveManager;
use crate::generation::routes::CompiledForward;
use crate::stats::cell::Cell;
use crate::stream_info::UpstreamInfo;
use crate::worker::Worker;
use crate::worker::cluster::WorkerCluster;

/// A request on its way to a cluster.
pub struct Forwarding<'a> {
    /// The worker it is on.
    pub worker: &'a Rc<Worker>,
    /// The connection manager it came through.
    pub manager: &'a ActiveManager,
    /// What its route says.
    pub route: &'a CompiledForward,
    /// The cluster it goes to.
    pub cluster: Rc<WorkerCluster>,
    /// Host and path to send.
    pub target: Target,
    /// Method.
    pub method: Method,
    /// Headers to send, without `host`.
    pub headers: HeaderMap,
    /// What the endpoint is chosen by, where the cluster wants that.
    pub affinity: Affinity,
    /// The tunnel that it may become.
    pub tunnel: Option<TunnelRequest>,
    /// Its time limits.
    pub times: RequestTimes,
    /// The copies to be made of it.
    pub copies: Vec<Wanted>,
    /// The request for log and counters.
    pub stream: ActiveStream,
}

/// What one try came to.
type Tried = Result<(Response<Incoming>, UpstreamRequest), Failed>;

impl Forwarding<'_> {
    /// Forwards it, and gives the answer, whosever that is.
    pub async fn run(mut self, body: Incoming) -> Response<ResponseBody> {
        let facts = RequestFacts::of(&self.method, &self.headers);
        let asked = asked(self.route.retry.as_ref(), &mut self.headers);
        let mut retry = RetryState::new(asked.as_ref().or(self.route.retry.as_ref()), facts);
        // A request for a tunnel is never whole, so that its route's timeout never begins.
        let mut source = match self.tunnel.is_some() && body.is_end_stream() {
            true => BodySource::Empty,
            false => {
                let tee = self.mirror(&body);
                BodySource::new(body, &self.stream, &retry, tee)
            }
        };
        let mut clock = Clock::new(self.limits(), &self.stream.progress);
        let mut tried = Vec::new();
        let mut permit: Option<Permit> = None;
        loop {
            let Some(entry) = self.pick(&tried) else {
                return self.fail(ProxyError::NoHealthyUpstream);
            };
            self.stream.facts.attempts = retry.attempt_number();
            if self.stream.is_logged() {
                self.describe(&entry);
            }
            let sent_over = SentOver::default();
            let sent =
                self.try_once(&entry, &mut retry, &mut source, permit.take(), &mut clock, &sent_over).await;
            self.note(sent_over);
            let (response, attempted, error) = match sent {
                Err(RequestOver(error)) => return self.fail(error),
                Ok(Ok((response, request))) => {
                    self.stream.facts.details = "via_upstream";
                    self.stream.facts.times.response_begin = Some(Instant::now());
                    let mut attempted = request.as_attempt();
                    attempted.grpc_status = grpc_status(response.headers());
                    attempted.overloaded = is_overloaded(response.headers());
                    (Some((response, request)), attempted, ProxyError::UpstreamReset)
                }
                Ok(Err(failed)) => {
                    if failed.error.is_clients() || failed.error == ProxyError::Overflow {
                        return self.fail(failed.error);
                    }
                    source.put_back(failed.body);
                    (None, failed.attempt, failed.error)
                }
            };
            let attempted = Attempt { body_replayable: source.is_replayable(), ..attempted };
            match self.decide(&mut retry, &attempted, &clock) {
                RetryDecision::Retry { after, permit: granted } => {
                    permit = Some(granted);
                    if let Some((response, request)) = response {
                        request.discard(response);
                    }
                    tried.push(entry.host.clone());
                    if !after.is_zero()
                        && let Err(RequestOver(error)) = wait(after, &mut clock).await
                    {
                        return self.fail(error);
                    }
                }
                RetryDecision::No(reason) => {
                    if let Some(flag) = reason.flag().filter(|_| retry.attempt_number() > 1) {
                        self.stream.facts.flags.insert(flag);
                    }
                    return match response {
                        Some((response, request)) => self.answer(response, request, clock),
                        None => self.fail(error),
                    };
                }
            }
        }
    }

    /// Sends the copies of it.
    fn mirror(&mut self, body: &Incoming) -> Option<Tee> {
        if self.copies.is_empty() {
            return None;
        }
        let mut headers = self.headers.clone();
        let expected = !self.manager.config.router.suppress_envoy_headers;
        self.times.announce(&mut headers, Duration::ZERO, expected);
        let original = Original {
            method: &self.method,
            headers: &headers,
            target: &self.target,
            timeout: self.times.timeout,
            body: (!body.is_end_stream()).then(|| body.size_hint().exact()),
        };
        mirror::send(self.worker, std::mem::take(&mut self.copies), &original)
    }

    fn limits(&self) -> ClockLimits {
        ClockLimits {
            timeout: self.times.timeout,
            idle: stream_idle_timeout(&self.manager.config, self.route.times.idle_timeout),
            try_idle: self.route.retry.as_ref().and_then(|retry| retry.per_try_idle_timeout),
            end: deadline(self.stream.started(), self.times.max_stream),
            whole: deadline(self.stream.started(), self.manager.config.times.request_timeout),
        }
    }

    /// An endpoint, if possible one that was not tried.
    fn pick(&self, tried: &[Arc<Host>]) -> Option<Arc<HostEntry>> {
        let avoid = self.route.retry.as_ref().is_some_and(|retry| retry.avoid_previous_hosts);
        let tried = if avoid { tried } else { &[] };
        let mut balancer = self.cluster.balancer.borrow_mut();
        let stats = self.cluster.active.lasting.stats.of(self.worker.id);
        let now = Instant::now();
        let hash = self.affinity.hash;
        let mut pick = |tried: &[Arc<Host>]| {
            let context = PickContext { hash, ..PickContext::avoiding(tried, now) };
            self.worker.dice(|rng| balancer.pick(&context, rng))
        };
        let picked = match pick(tried) {
            Pick::None(NoHost::AllTried) => pick(&[]),
            picked => picked,
        };
        match picked {
            Pick::Host { entry, panic } => {
                if panic {
                    stats.lb_healthy_panic.inc();
                }
                Some(entry)
            }
            Pick::None(_) => {
                stats.cx_none_healthy.inc();
                None
            }
        }
    }

    /// One try, within its own time and that of the request.
    async fn try_once(
        &self,
        entry: &Arc<HostEntry>,
        retry: &mut RetryState,
        source: &mut BodySource,
        permit: Option<Permit>,
        clock: &mut Clock,
        sent_over: &SentOver,
    ) -> Result<Tried, RequestOver> {
        let mut headers = self.headers.clone();
        // The first try has all the time there is; the others what is left, in whole milliseconds.
        let whole = self.stream.progress.ended_at().filter(|_| retry.attempt_number() > 1);
        let elapsed = whole.map_or(0, |whole| whole.elapsed().as_millis());
        let elapsed = Duration::from_millis(u64::try_from(elapsed).unwrap_or(u64::MAX));
        let expected = !self.manager.config.router.suppress_envoy_headers;
        self.times.announce(&mut headers, elapsed, expected);
        self.stream.progress.touch();
        let mut target = self.target.clone();
        if let Some(number) = retry.attempt_header() {
            headers.insert(X_RIPSTOP_ATTEMPT, HeaderValue::from(number));
        }
        if self.route.request_attempt_count {
            headers.insert(X_ENVOY_ATTEMPT_COUNT, HeaderValue::from(retry.attempt_number()));
        }
        endpoint_host(&mut target, &mut headers, self.route, &entry.endpoint.hostname, expected);
        let asked = self.tunnel.as_ref().map(|tunnel| tunnel.asked.clone());
        let client = self.stream.client_ends();
        let outgoing = Outgoing { method: self.method.clone(), headers, body: source.take(), asked, client };
        let worker = self.worker.id;
        let sending = attempt(&self.cluster, self.worker, entry, &target, outgoing, permit, sent_over);
        let stats = self.cluster.active.lasting.stats.of(worker);
        let mut try_limit = Deadline::new(self.times.per_try, &self.stream.progress);
        // A try that begins after the request was whole has its time from its own beginning.
        try_limit.restart();
        let timed_out = |counter: &Cell| {
            counter.inc();
            record(&self.cluster, entry, Outcome::Timeout);
        };
        tokio::select! {
            biased;
            tried = sending => Ok(tried),
            error = clock.over() => {
                if error == ProxyError::PerTryIdle {
                    timed_out(&stats.rq_per_try_idle_timeout);
                    let attempt = Attempt::new(AttemptOutcome::PerTryTimeout);
                    return Ok(Err(Failed { attempt, error, body: None }));
                }
                // A client that stopped sending is no fault of the endpoint.
                if error == ProxyError::RequestTimeout {
                    timed_out(&stats.rq_timeout);
                }
                Err(RequestOver(error))
            }
            () = try_limit.over() => {
                timed_out(&stats.rq_per_try_timeout);
                let attempt = Attempt::new(AttemptOutcome::PerTryTimeout);
                Ok(Err(Failed { attempt, error: ProxyError::PerTryTimeout, body: None }))
            }
        }
    }

    fn decide(&self, retry: &mut RetryState, attempted: &Attempt, clock: &Clock) -> RetryDecision {
        let stats = self.cluster.active.lasting.stats.of(self.worker.id);
        let left = clock.left(Instant::now());
        let limits = &self.cluster.active.lasting.limits;
        let decision = self.worker.dice(|rng| retry.decide(attempted, left, limits, rng));
        match &decision {
            RetryDecision::Retry { .. } => stats.rq_retry.inc(),
            RetryDecision::No(NoRetry::Exhausted) => stats.rq_retry_limit_exceeded.inc(),
            RetryDecision::No(NoRetry::Budget) => stats.rq_retry_overflow.inc(),
            RetryDecision::No(NoRetry::Body) => stats.rq_retry_body_too_large.inc(),
            RetryDecision::No(_) => {
                let answered = matches!(attempted.outcome, AttemptOutcome::Status(_));
                if answered && retry.attempt_number() > 1 {
                    stats.rq_retry_success.inc();
                }
            }
        }
        decision
    }

    /// Opens the tunnel that an answer grants, or passes the answer on.
    fn answer(
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
        sanitise::answer::response(&mut head.headers, self.manager, &self.stream);
        head.version = http::Version::default();
        self.stream.keep_response(head.status.as_u16(), &head.headers);
        self.stream.progress.touch();
        // Its route's timeout means answers, not tunnels.
        let limits = ClockLimits { timeout: None, try_idle: None, ..self.limits() };
        let clock = Clock::new(limits, &self.stream.progress);
        let TunnelRequest { client, http2, .. } = tunnel;
        Tunnel { client, half_close: http2, upstream, stream: self.stream, clock }.open();
        Response::from_parts(head, ResponseBody::empty())
    }

    /// Keeps for the log what it went over.
    fn note(&mut self, sent_over: SentOver) {
        if let Some((connection, began)) = sent_over.into_inner()
            && self.stream.is_logged()
        {
            self.stream.facts.upstream = UpstreamInfo::clone(&connection);
            self.stream.facts.times.upstream_send = Some(began);
        }
    }

    /// Keeps for the log where it goes.
    fn describe(&mut self, entry: &HostEntry) {
        let (facts, name) = (&mut self.stream.facts, &entry.endpoint.hostname);
        facts.host = Some(entry.host.address().to_string().into());
        facts.host_name = (!name.is_empty()).then(|| name.clone());
    }

    /// Connects a tunnel that ends here to an endpoint.
    pub async fn terminate(mut self, tunnel: TunnelRequest) -> Response<ResponseBody> {
        let Some(entry) = self.pick(&[]) else { return self.fail(ProxyError::NoHealthyUpstream) };
        self.stream.facts.attempts = 1;
        if self.stream.is_logged() {
            self.describe(&entry);
        }
        let client = self.stream.client_ends();
        match RawConnection::to(&self.cluster, self.worker.id, &entry, client).await {
            Ok(connection) => {
                if self.stream.is_logged() {
                    self.stream.facts.upstream = connection.describe(&entry.host);
                }
                let (head, ()) = Response::new(()).into_parts();
                self.open(head, tunnel, Upstream::Raw(Box::new(connection)))
            }
            Err(error) => self.fail(error),
        }
    }

    /// Passes an answer on.
    fn respond(
        mut self,
        response: Response<Incoming>,
        request: UpstreamRequest,
        clock: Clock,
    ) -> Response<ResponseBody> {
        let (mut parts, body) = response.into_parts();
        headers::remove_hop_by_hop(&mut parts.headers);
        // The words of a status are ours, whatever the upstream's were.
        parts.extensions.remove::<hyper::ext::ReasonPhrase>();
        // Of an answer that came before the request was whole, nobody can say how long it took.
        if let Some(whole) = self.stream.progress.ended_at()
            && !self.manager.config.router.suppress_envoy_headers
        {
            let waited_ms = u64::try_from(whole.elapsed().as_millis()).unwrap_or(u64::MAX);
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
        sanitise::answer::response(&mut parts.headers, self.manager, &self.stream);
        // The client's connection decides the version of its answer.
        parts.version = http::Version::default();
        self.stream.keep_response(parts.status.as_u16(), &parts.headers);
        self.stream.facts.grpc_status = grpc_status(&parts.headers);
        self.stream.progress.touch();
        let bodiless = self.stream.is_head()
            || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let body = if bodiless {
            request.complete();
            ResponseBody::local(Bytes::new(), self.stream)
        } else {
            ResponseBody::upstream(self.worker, body, request, clock, self.stream)
        };
        Response::from_parts(parts, body)
    }

    fn fail(self, error: ProxyError) -> Response<ResponseBody> {
        reply::error(self.stream, self.manager, error)
    }
}

/// A time limit of the request is exceeded.
struct RequestOver(ProxyError);

/// Waits before a retry, but not beyond the end of the request.
async fn wait(after: Duration, clock: &mut Clock) -> Result<(), RequestOver> {
    tokio::select! {
        () = tokio::time::sleep(after) => Ok(()),
        error = clock.over() => Err(RequestOver(error)),
    }
}

/// Where the body of each try comes from.
enum BodySource {
    Empty,
    /// Not read yet, or handed back unread.
    Once(Option<RequestBody>),
    Replay(Replayable),
}

impl BodySource {
    fn new(body: Incoming, stream: &ActiveStream, retry: &RetryState, tee: Option<Tee>) -> BodySource {
        if body.is_end_stream() {
            stream.progress.end();
            return BodySource::Empty;
        }
        let counted = Counted::new(body, stream.progress.clone(), stream.passes_trailers(), tee);
        if retry.may_retry() {
            BodySource::Replay(Replayable::new(counted))
        } else {
            BodySource::Once(Some(RequestBody::once(counted)))
        }
    }

    fn take(&mut self) -> RequestBody {
        match self {
            BodySource::Empty => RequestBody::empty(),
            BodySource::Once(body) => body.take().unwrap_or_else(RequestBody::empty),
            BodySource::Replay(replayable) => replayable.read(),
        }
    }

    fn put_back(&mut self, unsent: Option<RequestBody>) {
        if let BodySource::Once(body) = self {
            *body = unsent;
        }
    }

    fn is_replayable(&self) -> bool {
        match self {
            BodySource::Empty => true,
            BodySource::Once(body) => body.is_some(),
            BodySource::Replay(replayable) => replayable.is_whole(),
        }
    }
}

/// `grpc-status` of an answer without a body.
fn grpc_status(headers: &HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

fn is_overloaded(headers: &HeaderMap) -> bool {
    headers.contains_key("x-envoy-overloaded") || headers.contains_key("x-envoy-ratelimited")
}
