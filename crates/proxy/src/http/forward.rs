//! Forwards a request: picks endpoints and tries, within the time and the retries that the route gives.
//!
//! The tries follow one another (`sequence`), or a slow one is raced by the next (`race`). One try is in `once`, the
//! choice of its endpoint in `choose` and `pick`, its body in `body_source`, and what the client is told in `answer`.

mod answer;
mod body_source;
mod choose;
mod log;
mod once;
mod pick;
mod race;
mod sequence;
mod tries;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Extensions, HeaderMap, Method, Response};
use hyper::body::{Body, Incoming};
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::load_balancing::Labels;
use ripstop_policy::request_times::RequestTimes;
use ripstop_policy::retry::asked::{asked, asked_to_hedge};
use ripstop_policy::retry::rules::RetryRules;
use ripstop_policy::retry::{RequestFacts, RetryState};
use ripstop_policy::route::RequestHead;
use ripstop_policy::timeout::deadline;

use self::body_source::BodySource;
use self::tries::Tries;
use super::affinity::Affinity;
use super::attempt::{Failed, UpstreamRequest};
use super::deadline::{Clock, ClockLimits, stream_idle_timeout};
use super::mirror::{self, Original, Wanted};
use super::response_body::ResponseBody;
use super::stream::ActiveStream;
use super::target::Target;
use super::tee::Tee;
use super::upgrade::TunnelRequest;
use crate::error::ProxyError;
use crate::generation::listener::ActiveManager;
use crate::generation::routes::CompiledForward;
use crate::worker::Worker;
use crate::worker::cluster::WorkerCluster;
use crate::worker::generation::WorkerGeneration;

/// A request on its way to a cluster.
pub struct Forwarding<'a> {
    /// The worker it is on.
    pub worker: &'a Rc<Worker>,
    /// The generation that it is served by.
    pub generation: &'a WorkerGeneration,
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
    /// The labels that the endpoint must have.
    pub subset: Option<&'a Labels>,
    /// The tunnel that it may become.
    pub tunnel: Option<TunnelRequest>,
    /// Its time limits.
    pub times: RequestTimes,
    /// The time that its sender gives it.
    pub told: Option<Duration>,
    /// The copies to be made of it.
    pub copies: Vec<Wanted>,
    /// The cluster is not the one of the route, but what takes its place.
    pub fell_back: bool,
    /// The request for log and counters.
    pub stream: ActiveStream,
    /// How the client wrote the names of its headers, where that is to be kept.
    pub spelling: Extensions,
}

/// What one try came to.
type Tried = Result<(Response<Incoming>, UpstreamRequest), Failed>;

/// What all of them came to: an answer to pass on, or an error.
type Ending = Result<(Response<Incoming>, UpstreamRequest), ProxyError>;

/// A time limit of the request is exceeded.
struct RequestOver(ProxyError);

impl Forwarding<'_> {
    /// Forwards it, and gives the answer, whosever that is.
    pub async fn run(mut self: Box<Self>, body: Incoming) -> Response<ResponseBody> {
        if self.told.is_some_and(|told| told.is_zero()) {
            // Nobody waits for it any more.
            return self.fail(ProxyError::RequestTimeout);
        }
        let mut tries = self.begin(body);
        let ending = match tries.hedged {
            // Racing is rare and takes more room than the rest.
            true => Box::pin(self.race(&mut tries)).await,
            false => self.one_after_the_other(&mut tries).await,
        };
        match ending {
            Ok((response, request)) => self.answer(response, request, tries.clock),
            Err(error) => self.fail(error),
        }
    }

    /// What is known before the first try.
    fn begin(&mut self, body: Incoming) -> Tries {
        let facts = RequestFacts::of(&self.method, &self.headers);
        let hedged = asked_to_hedge(&mut self.headers).unwrap_or(self.route.hedge.on_per_try_timeout);
        let asked = asked(self.route.retry.as_deref(), &mut self.headers).map(Arc::new);
        let rules = asked.or_else(|| self.route.retry.clone()).filter(|rules| self.is_concerned(rules));
        let retry = RetryState::new(rules, facts);
        // A request for a tunnel is never whole, so that its route's timeout never begins.
        let source = match self.tunnel.is_some() && body.is_end_stream() {
            true => BodySource::Empty,
            false => {
                let tee = self.mirror(&body);
                let multiplexed = self.cluster.active.config.protocol != UpstreamProtocol::Http1;
                let keep = retry.keeps_bytes(multiplexed, self.route.body_buffer_bytes);
                BodySource::new(body, &self.stream, keep, tee)
            }
        };
        Tries {
            hedged: hedged
                && self.times.per_try.is_some()
                && self.tunnel.is_none()
                && retry.rules().is_some(),
            retry,
            source,
            clock: Clock::new(self.limits(), &self.stream.progress),
            tried: Vec::new(),
            permit: None,
            abandoned: false,
        }
    }

    /// Whether the request has the headers that its route retries only with.
    fn is_concerned(&self, rules: &RetryRules) -> bool {
        let path = self.target.path.as_str();
        let head = RequestHead::get(self.target.authority.as_str(), path, &self.headers);
        rules.concerns(&RequestHead { method: self.method.as_str(), ..head })
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
            http2: !self.stream.is_http1(),
            method: &self.method,
            headers: &headers,
            target: &self.target,
            timeout: self.times.timeout,
            body: (!body.is_end_stream()).then(|| body.size_hint().exact()),
        };
        mirror::send(self.worker, std::mem::take(&mut self.copies), &original)
    }

    /// Its time limits.
    pub(super) fn limits(&self) -> ClockLimits {
        ClockLimits {
            until: deadline(self.stream.started(), self.told),
            timeout: self.times.timeout,
            idle: stream_idle_timeout(&self.manager.config, self.route.times.idle_timeout),
            try_idle: self.route.retry.as_ref().and_then(|rules| rules.policy().per_try_idle_timeout),
            end: deadline(self.stream.started(), self.times.max_stream),
            whole: deadline(self.stream.started(), self.manager.config.times.request_timeout),
        }
    }
}

/// Waits before a retry, but not beyond the end of the request.
async fn wait(after: Duration, clock: &mut Clock) -> Result<(), RequestOver> {
    if after.is_zero() {
        return Ok(());
    }
    tokio::select! {
        () = tokio::time::sleep(after) => Ok(()),
        error = clock.over() => Err(RequestOver(error)),
    }
}

/// What is left of the time of the request.
fn left(clock: &Clock) -> Option<Duration> {
    clock.left(Instant::now())
}
