//! A circuit breaker: closed, open, half-open. What is broken is left alone for a while and then asked carefully.
//!
//! Closed, everything passes, and outcomes are counted in a rolling [`window`]. When failures or slow answers are too many it
//! opens: nothing passes for a time. Then it is half-open: a few requests pass at once, as probes. When enough of them went
//! well in a row it closes with an empty window; when one fails it opens again, for twice as long up to a maximum.
//!
//! A [`Breaker`] is shared by all workers. Closed, a request costs one atomic load and two atomic additions; a lock is taken
//! where failures are looked at closely, and while it is not closed. Whoever asks gets transitions as values and tells
//! logs and metrics of them. What fails is the caller's to say.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ripstop_model::circuit_breaker::CircuitBreaker;

pub mod window;

use window::{Counts, Window};

/// The states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Requests pass.
    Closed = 0,
    /// None passes.
    Open = 1,
    /// Probes pass.
    HalfOpen = 2,
}

impl State {
    /// For logs and pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half_open",
        }
    }
}

/// What somebody outside has decided, whatever the outcomes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Forced {
    /// Nothing: outcomes decide.
    #[default]
    No = 0,
    /// Nothing passes.
    Open = 1,
    /// Everything passes.
    Closed = 2,
}

impl Forced {
    /// The decision that is called `word`: `open`, `closed`, or `auto` for none.
    pub fn from_word(word: &str) -> Option<Forced> {
        match word {
            "open" => Some(Forced::Open),
            "closed" => Some(Forced::Closed),
            "auto" => Some(Forced::No),
            _ => None,
        }
    }

    /// What it is called.
    pub const fn word(self) -> &'static str {
        match self {
            Forced::No => "auto",
            Forced::Open => "open",
            Forced::Closed => "closed",
        }
    }

    fn from_bits(bits: u8) -> Forced {
        match bits {
            1 => Forced::Open,
            2 => Forced::Closed,
            _ => Forced::No,
        }
    }
}

/// Who forces a breaker. An administrator's word counts before that of a configured value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Somebody on an admin page.
    Administrator,
    /// A value that is set by name.
    Runtime,
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Too many failures.
    Failures(Counts),
    /// Too large a share of failures.
    FailureShare(Counts),
    /// Too large a share of slow answers.
    SlowShare(Counts),
    /// It was open for long enough.
    TimeIsUp,
    /// The probes went well.
    ProbesSucceeded,
    /// A probe failed, or was slow.
    ProbeFailed,
}

impl Cause {
    /// For logs, pages and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Failures(_) => "failures",
            Cause::FailureShare(_) => "failure_percent",
            Cause::SlowShare(_) => "slow_percent",
            Cause::TimeIsUp => "time_is_up",
            Cause::ProbesSucceeded => "probes_succeeded",
            Cause::ProbeFailed => "probe_failed",
        }
    }

    /// What was counted, where that was the cause.
    pub const fn counts(self) -> Option<Counts> {
        match self {
            Cause::Failures(counts) | Cause::FailureShare(counts) | Cause::SlowShare(counts) => Some(counts),
            _ => None,
        }
    }
}

/// That a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "logs and metrics are to be told"]
pub struct Transition {
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// How long nothing passes, if it opened.
    pub open_for: Option<Duration>,
}

/// A request is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is open.
    #[error("the circuit breaker is open for another {} ms", left.as_millis())]
    Open {
        /// For so long still.
        left: Duration,
    },
    /// As many probes are under way as may be.
    #[error("the circuit breaker is half-open, and its probes are under way")]
    Probing,
    /// Somebody wants it so.
    #[error("the circuit breaker is forced open")]
    Forced,
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// It failed.
    pub failed: bool,
    /// How long its answer took.
    pub took: Duration,
}

/// A breaker for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its state by outcomes.
    pub state: State,
    /// What somebody has decided.
    pub forced: Forced,
    /// Since when it is in this state.
    pub since: Instant,
    /// How long nothing passes still.
    pub left: Option<Duration>,
    /// Why it is in this state; `None`: it always was.
    pub cause: Option<Cause>,
    /// What is in the window.
    pub counts: Counts,
    /// How often it opened.
    pub opened: u64,
}

/// A circuit breaker, shared by all workers.
#[derive(Debug)]
pub struct Breaker {
    config: CircuitBreaker,
    /// A copy of the one under the lock, for who only wants to pass.
    state: AtomicU8,
    forced_by_administrator: AtomicU8,
    forced_by_runtime: AtomicU8,
    window: Window,
    inner: Mutex<Inner>,
}

/// What changes with its state.
#[derive(Debug)]
struct Inner {
    state: State,
    since: Instant,
    cause: Option<Cause>,
    /// How long it stays open, if it is; how long it waits for probes, if it is half-open.
    open_for: Duration,
    /// Counts rounds of probes. What belongs to an earlier round counts no more.
    round: u64,
    probes: u32,
    successes: u32,
    opened: u64,
}

/// The right to send one request; told how it went, or dropped when nobody knows.
#[derive(Debug)]
#[must_use = "the outcome is to be recorded"]
pub struct Pass {
    breaker: Arc<Breaker>,
    /// The round that it is a probe of.
    probe: Option<u64>,
}

impl Breaker {
    /// A closed one.
    pub fn new(config: CircuitBreaker, now: Instant) -> Breaker {
        let inner = Inner {
            state: State::Closed,
            since: now,
            cause: None,
            open_for: config.open,
            round: 0,
            probes: 0,
            successes: 0,
            opened: 0,
        };
        Breaker {
            window: Window::new(config.window, now),
            config,
            state: AtomicU8::new(State::Closed as u8),
            forced_by_administrator: AtomicU8::new(0),
            forced_by_runtime: AtomicU8::new(0),
            inner: Mutex::new(inner),
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &CircuitBreaker {
        &self.config
    }

    /// Forces it open or closed, or lets outcomes decide again.
    pub fn force(&self, by: By, forced: Forced) {
        let whose = match by {
            By::Administrator => &self.forced_by_administrator,
            By::Runtime => &self.forced_by_runtime,
        };
        whose.store(forced as u8, Ordering::Relaxed);
    }

    /// What somebody has decided.
    pub fn forced(&self) -> Forced {
        match Forced::from_bits(self.forced_by_administrator.load(Ordering::Relaxed)) {
            Forced::No => Forced::from_bits(self.forced_by_runtime.load(Ordering::Relaxed)),
            forced => forced,
        }
    }

    /// Whether one more request may be sent; and the transition that came of the question.
    pub fn admit(self: &Arc<Self>, now: Instant) -> (Result<Pass, Refused>, Option<Transition>) {
        let pass = |probe| Pass { breaker: Arc::clone(self), probe };
        match self.forced() {
            Forced::Open => return (Err(Refused::Forced), None),
            Forced::Closed => return (Ok(pass(None)), None),
            Forced::No => {}
        }
        if self.state.load(Ordering::Acquire) == State::Closed as u8 {
            return (Ok(pass(None)), None);
        }
        let mut inner = self.lock();
        let mut transition = None;
        match inner.state {
            State::Closed => return (Ok(pass(None)), None),
            State::Open => {
                let left = inner.left(now);
                if !left.is_zero() {
                    return (Err(Refused::Open { left }), None);
                }
                transition = Some(self.enter(&mut inner, State::HalfOpen, Cause::TimeIsUp, now));
            }
            // Probes that never end must not hold it half-open for ever.
            State::HalfOpen if inner.left(now).is_zero() => {
                inner.since = now;
                inner.begin_round();
            }
            State::HalfOpen => {}
        }
        if inner.probes >= self.config.probes.get() {
            return (Err(Refused::Probing), transition);
        }
        inner.probes += 1;
        (Ok(pass(Some(inner.round))), transition)
    }

    /// Its state by outcomes, whoever forces it.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            1 => State::Open,
            2 => State::HalfOpen,
            _ => State::Closed,
        }
    }

    /// How it is, for pages.
    pub fn status(&self, now: Instant) -> Status {
        let inner = self.lock();
        Status {
            state: inner.state,
            forced: self.forced(),
            since: inner.since,
            left: (inner.state == State::Open).then(|| inner.left(now)),
            cause: inner.cause,
            counts: self.window.counts(now),
            opened: inner.opened,
        }
    }

    /// A request that was not a probe is over.
    fn count(&self, outcome: Outcome, now: Instant) -> Option<Transition> {
        let slow = self.config.slow.is_some_and(|slow| outcome.took > slow.threshold);
        self.window.add(outcome.failed, slow, now);
        if !(outcome.failed || slow) || self.state.load(Ordering::Acquire) != State::Closed as u8 {
            return None;
        }
        let cause = self.too_many(self.window.counts(now))?;
        let mut inner = self.lock();
        // Another one may have been faster.
        (inner.state == State::Closed && self.forced() == Forced::No)
            .then(|| self.enter(&mut inner, State::Open, cause, now))
    }

    /// Why it would open, if it would.
    fn too_many(&self, counts: Counts) -> Option<Cause> {
        let reached = |count: u32, share: ripstop_model::Percent| {
            // Without rounding: count / total >= share, share being in millionths.
            count > 0
                && u64::from(count) * 1_000_000 >= u64::from(share.as_per_million()) * u64::from(counts.total)
        };
        if self.config.failures.is_some_and(|most| counts.failed >= most.get()) {
            return Some(Cause::Failures(counts));
        }
        if counts.total < self.config.min_requests.get() {
            return None;
        }
        if self.config.failure_percent.is_some_and(|share| reached(counts.failed, share)) {
            return Some(Cause::FailureShare(counts));
        }
        let slow = self.config.slow.is_some_and(|slow| reached(counts.slow, slow.percent));
        slow.then_some(Cause::SlowShare(counts))
    }

    /// A probe is over.
    fn probed(&self, round: u64, outcome: Outcome, now: Instant) -> Option<Transition> {
        let mut inner = self.lock();
        if inner.state != State::HalfOpen || inner.round != round {
            return None;
        }
        inner.probes = inner.probes.saturating_sub(1);
        let slow = self.config.slow.is_some_and(|slow| outcome.took > slow.threshold);
        if outcome.failed || slow {
            return Some(self.enter(&mut inner, State::Open, Cause::ProbeFailed, now));
        }
        inner.successes += 1;
        (inner.successes >= self.config.successes.get())
            .then(|| self.enter(&mut inner, State::Closed, Cause::ProbesSucceeded, now))
    }

    fn enter(&self, inner: &mut Inner, to: State, cause: Cause, now: Instant) -> Transition {
        let from = inner.state;
        inner.open_for = match (from, to) {
            (State::HalfOpen, State::Open) => inner.open_for.saturating_mul(2).min(self.config.max_open),
            (State::Closed, _) => self.config.open,
            _ => inner.open_for,
        };
        inner.begin_round();
        (inner.state, inner.since, inner.cause) = (to, now, Some(cause));
        inner.opened += u64::from(to == State::Open);
        if to == State::Closed {
            // What was before says nothing about what is now.
            self.window.clear();
        }
        self.state.store(to as u8, Ordering::Release);
        Transition { from, to, cause, open_for: (to == State::Open).then_some(inner.open_for) }
    }

    /// The data are valid whenever the lock is free, so a panic of another holder does no harm.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// How long it stays as it is.
    fn left(&self, now: Instant) -> Duration {
        self.open_for.saturating_sub(now.saturating_duration_since(self.since))
    }

    fn begin_round(&mut self) {
        self.round += 1;
        self.probes = 0;
        self.successes = 0;
    }
}

impl Pass {
    /// Tells how the request went.
    pub fn record(mut self, outcome: Outcome, now: Instant) -> Option<Transition> {
        match self.probe.take() {
            Some(round) => self.breaker.probed(round, outcome, now),
            None => self.breaker.count(outcome, now),
        }
    }
}

impl Drop for Pass {
    /// A probe of which nobody knows how it went lets another one take its place.
    fn drop(&mut self) {
        if let Some(round) = self.probe {
            let mut inner = self.breaker.lock();
            if inner.round == round {
                inner.probes = inner.probes.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
