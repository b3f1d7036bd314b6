//! What the HTTP filters before the router do with a request, in their order: whether it goes on, and how long it waits before.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Response};
use ripstop_model::Name;
use ripstop_policy::cors::CorsRules;
use ripstop_policy::fault::{Abort, FaultRules};
use ripstop_policy::flags::ResponseFlag;
use ripstop_policy::timeout::deadline;

use super::deadline::{Clock, ClockLimits, stream_idle_timeout};
use super::manager::Clean;
use super::mutation::Levels;
use super::reply;
use super::response_body::ResponseBody;
use crate::error::ProxyError;
use crate::generation::filters::{ActiveHttpFilterKind, RouteFilters};
use crate::generation::routes::{CompiledAction, CompiledForward, CompiledRoute, Target};

/// Why a request goes no further.
pub(super) enum Stopped {
    /// A page has asked what it may do; this is the answer.
    Preflight(HeaderMap),
    /// A fault was made up.
    Aborted(Abort, Bytes),
    /// It took too long.
    Failed(ProxyError),
}

impl Clean {
    /// Takes the request through the filters. Without a route they do what they do by themselves.
    pub(super) async fn pass_filters(&mut self, route: Option<&CompiledRoute>) -> Option<Stopped> {
        let manager = self.manager.clone();
        let forward = route.and_then(|route| match &route.action {
            CompiledAction::Forward(forward) => Some(&**forward),
            _ => None,
        });
        let (cluster, of_share) = forward.map_or((None, None), |forward| self.goes_to(forward));
        if let Some(name) =
            cluster.as_ref().filter(|name| self.worker.current().shared.slots.contains_key(*name))
        {
            self.stream.facts.cluster = Some(name.clone());
        }
        let said = of_share.or(route.and_then(|route| route.filters.as_deref()));
        for filter in &manager.filters {
            let to = said.and_then(|said| said.to(&filter.name));
            if to.map_or(filter.disabled, |to| to.disabled) {
                continue;
            }
            let stopped = match &filter.kind {
                // As in Envoy, what is answered here is for everybody.
                ActiveHttpFilterKind::Cors if forward.is_none() => None,
                ActiveHttpFilterKind::Cors => said.and_then(|said| self.cors(said.cors(to)?)),
                ActiveHttpFilterKind::Session(own) => {
                    let rules = to.and_then(|to| to.session.as_ref()).unwrap_or(own);
                    let (head, now) = (self.head(), SystemTime::now());
                    let session =
                        rules.as_ref().and_then(|rules| rules.of_request(head.headers, head.path, now));
                    if session.is_some() {
                        self.stream.filtered().session = session;
                    }
                    None
                }
                ActiveHttpFilterKind::Fault(own) => {
                    let rules = to.and_then(|to| to.fault.as_ref()).unwrap_or(own);
                    let idle = forward.and_then(|forward| forward.times.idle_timeout);
                    self.fault(rules, cluster.as_deref(), idle).await
                }
            };
            if stopped.is_some() {
                if forward.is_none() {
                    // As in Envoy, only routes that forward change answers of filters.
                    self.stream.levels = Levels::default();
                }
                return stopped;
            }
        }
        None
    }

    /// Answers a request that goes no further.
    pub(super) fn stop(self, stopped: Stopped) -> Response<ResponseBody> {
        self.stream.log_start();
        match stopped {
            Stopped::Preflight(headers) => reply::preflight(self.stream, &self.manager, headers),
            Stopped::Aborted(abort, body) => reply::aborted(self.stream, &self.manager, abort, body),
            Stopped::Failed(error) => reply::error(self.stream, &self.manager, error),
        }
    }

    /// The cluster that the request will go to, and what its share of a split says to filters.
    fn goes_to<'r>(&self, forward: &'r CompiledForward) -> (Option<Name>, Option<&'r RouteFilters>) {
        match forward.target(&self.head(), self.connection.client_ip()) {
            Target::Share(share) => (Some(share.slot.name().clone()), share.filters.as_deref()),
            Target::Named(name) => (Some(name.into()), None),
            Target::Nowhere => (None, None),
        }
    }

    fn cors(&mut self, rules: &Arc<CorsRules>) -> Option<Stopped> {
        let verdict = self.worker.dice(|rng| rules.judge(&self.method, &self.headers, rng));
        let stats = self.manager.stats.of(self.worker.id);
        match verdict.origin_valid {
            Some(true) => stats.cors_origin_valid.inc(),
            Some(false) => stats.cors_origin_invalid.inc(),
            None => {}
        }
        let answer = verdict.answered.then(|| rules.preflight(verdict.allowed.as_ref(), &self.headers));
        if let Some(origin) = verdict.allowed {
            self.stream.filtered().cors = Some((rules.clone(), origin));
        }
        answer.map(Stopped::Preflight)
    }

    async fn fault(
        &mut self,
        rules: &FaultRules,
        cluster: Option<&str>,
        idle: Option<Duration>,
    ) -> Option<Stopped> {
        if !rules.concerns(&self.head(), cluster) {
            return None;
        }
        let rate = self.worker.dice(|rng| rules.rate_kib(&self.headers, rng));
        if rate.is_some() && self.begin_fault(rules) {
            self.manager.stats.of(self.worker.id).faults.answers_slowed.inc();
            self.stream.filtered().rate_kib = rate;
        }
        let delay = self.worker.dice(|rng| rules.delay(&self.headers, rng));
        if let Some(delay) = delay.filter(|_| self.begin_fault(rules)) {
            let caller = rules.counted_caller(&self.headers);
            self.manager.stats.of(self.worker.id).faults.delayed(caller);
            self.stream.facts.flags.insert(ResponseFlag::DelayInjected);
            if let Err(error) = self.wait(delay, idle).await {
                return Some(Stopped::Failed(error));
            }
            self.stream.progress.resume(Instant::now());
        }
        let abort = self.worker.dice(|rng| rules.abort(&self.headers, rng));
        if let Some(abort) = abort.filter(|_| self.begin_fault(rules)) {
            let caller = rules.counted_caller(&self.headers);
            self.manager.stats.of(self.worker.id).faults.aborted(caller);
            self.stream.facts.flags.insert(ResponseFlag::FaultInjected);
            return Some(Stopped::Aborted(abort, Bytes::copy_from_slice(rules.body().as_bytes())));
        }
        if delay.is_some() && !rules.slows_answers() {
            // It has waited, and nothing else will happen to it.
            self.stream.end_fault();
        }
        None
    }

    /// Counts the request among those that are under a fault, unless there are too many. It counts once, whatever happens to it.
    fn begin_fault(&mut self, rules: &FaultRules) -> bool {
        if self.stream.filtered().under_fault {
            return true;
        }
        let active = || self.manager.stats.sum(|worker| worker.faults.active.get());
        if rules.max_active().is_some_and(|max| active() >= u64::from(max)) {
            self.manager.stats.of(self.worker.id).faults.overflow.inc();
            return false;
        }
        self.stream.begin_fault();
        true
    }

    /// Waits, but not beyond what limits the whole stream.
    async fn wait(&self, delay: Duration, idle: Option<Duration>) -> Result<(), ProxyError> {
        let config = &self.manager.config;
        let limits = ClockLimits {
            idle: stream_idle_timeout(config, idle),
            end: deadline(self.stream.started(), config.times.max_stream_duration),
            ..ClockLimits::default()
        };
        let mut clock = Clock::new(limits, &self.stream.progress);
        tokio::select! {
            () = tokio::time::sleep(delay) => Ok(()),
            error = clock.over() => Err(error),
        }
    }
}
