//! How many requests are let in at once, found out from how long they take: the gradient controller of Envoy's
//! `adaptive_concurrency` filter (Envoy documentation, "Adaptive Concurrency").
//!
//! The response time without load (*minimum RTT*) is measured from time to time with the limit at its lowest. In each
//! interval the limit is multiplied by `minimum RTT × (1 + buffer) / response time`, kept between a half and two, and
//! raised by its own square root as headroom for bursts.
//!
//! A [`Gradient`] is shared by all workers. Unlike Envoy's it never lets in more than its limit, and it has no timers: what
//! is due is done by the next request.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ripstop_model::adaptive_concurrency::{AdaptiveConcurrency, MinRtt};

mod samples;

use samples::Samples;

/// After so many intervals in a row with the limit at its lowest the minimum is measured anew: it may have been wrong.
const LOWEST_IN_A_ROW: u32 = 5;

/// Bounds of the factor by which the limit changes in one interval.
const GRADIENT: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// The controller of one connection manager.
#[derive(Debug)]
pub struct Gradient {
    config: AdaptiveConcurrency,
    begun: Instant,
    under_way: AtomicU32,
    limit: AtomicU32,
    refused: AtomicU64,
    /// Nanoseconds after `begun` at which something is due.
    due_nanos: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    samples: Samples,
    min_rtt: Duration,
    sample_rtt: Duration,
    gradient: f64,
    headroom: u32,
    /// While the minimum is measured: since when, and the limit to go back to.
    measuring: Option<Measuring>,
    next_update: Instant,
    next_measuring: Option<Instant>,
    lowest_in_a_row: u32,
    rng: fastrand::Rng,
}

#[derive(Clone, Copy, Debug)]
struct Measuring {
    since: Instant,
    limit_before: u32,
}

/// The controller for metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientStatus {
    /// How many requests may be under way.
    pub limit: u32,
    /// How many are.
    pub under_way: u32,
    /// How many were refused so far.
    pub refused: u64,
    /// The last factor.
    pub gradient: f64,
    /// The last headroom for bursts.
    pub headroom: u32,
    /// The response time without load.
    pub min_rtt: Duration,
    /// The last response time.
    pub sample_rtt: Duration,
    /// The minimum is being measured.
    pub measuring: bool,
}

/// A request that was let in. Dropped without a word it is one whose time says nothing.
#[derive(Debug)]
#[must_use = "the request counts as over when this is dropped"]
pub struct Admitted {
    gradient: Arc<Gradient>,
    since: Instant,
}

impl Gradient {
    /// A controller that begins with measuring. The dice vary the time between two measurements.
    pub fn new(config: AdaptiveConcurrency, now: Instant, rng: fastrand::Rng) -> Gradient {
        let measuring = match config.min_rtt {
            MinRtt::Fixed(_) => None,
            MinRtt::Measured { .. } => Some(Measuring { since: now, limit_before: config.min_limit }),
        };
        let inner = Inner {
            samples: Samples::default(),
            min_rtt: match config.min_rtt {
                MinRtt::Fixed(rtt) => rtt,
                MinRtt::Measured { .. } => Duration::ZERO,
            },
            sample_rtt: Duration::ZERO,
            gradient: 0.0,
            headroom: 0,
            measuring,
            next_update: now + config.update_interval,
            next_measuring: None,
            lowest_in_a_row: 0,
            rng,
        };
        let gradient = Gradient {
            limit: AtomicU32::new(match config.min_rtt {
                MinRtt::Fixed(_) => config.min_limit,
                MinRtt::Measured { .. } => config.min_concurrency,
            }),
            begun: now,
            under_way: AtomicU32::new(0),
            refused: AtomicU64::new(0),
            due_nanos: AtomicU64::new(0),
            config,
            inner: Mutex::new(inner),
        };
        gradient.set_due(&gradient.lock());
        gradient
    }

    /// What it was made with.
    pub fn config(&self) -> &AdaptiveConcurrency {
        &self.config
    }

    /// Lets a request in, if there is room.
    pub fn admit(self: &Arc<Self>, now: Instant) -> Option<Admitted> {
        self.do_what_is_due(now);
        let limit = self.limit.load(Ordering::Relaxed);
        let raised = |count: u32| (count < limit).then_some(count + 1);
        if self.under_way.fetch_update(Ordering::AcqRel, Ordering::Relaxed, raised).is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Admitted { gradient: Arc::clone(self), since: now })
    }

    /// How it is, for metrics.
    pub fn status(&self) -> GradientStatus {
        let inner = self.lock();
        GradientStatus {
            limit: self.limit.load(Ordering::Relaxed),
            under_way: self.under_way.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            gradient: inner.gradient,
            headroom: inner.headroom,
            min_rtt: inner.min_rtt,
            sample_rtt: inner.sample_rtt,
            measuring: inner.measuring.is_some(),
        }
    }

    fn do_what_is_due(&self, now: Instant) {
        if self.nanos(now) < self.due_nanos.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.lock();
        if inner.next_measuring.is_some_and(|at| at <= now) {
            self.begin_measuring(&mut inner, now);
        } else if inner.measuring.is_none() && inner.next_update <= now {
            inner.next_update = now + self.config.update_interval;
            if let Some(rtt) = inner.samples.take(self.config.percentile) {
                inner.sample_rtt = rtt;
                let limit = self.next_limit(&mut inner);
                self.change_limit(&mut inner, limit, now);
            }
        }
        self.set_due(&inner);
    }

    /// A request has been answered.
    fn sample(&self, since: Instant, now: Instant) {
        let mut inner = self.lock();
        // What began under the limit before says nothing about the time without load.
        if inner.measuring.is_some_and(|measuring| since < measuring.since) {
            return;
        }
        inner.samples.add(now.saturating_duration_since(since));
        let (Some(measuring), MinRtt::Measured { interval, requests, jitter }) =
            (inner.measuring, self.config.min_rtt)
        else {
            return;
        };
        if inner.samples.count() < requests {
            return;
        }
        inner.min_rtt = inner.samples.take(self.config.percentile).unwrap_or_default();
        inner.measuring = None;
        let most = interval.mul_f64(f64::from(jitter.as_per_million()) / 1e6);
        let more = most.mul_f64(inner.rng.f64());
        inner.next_measuring = Some(now + interval + more);
        inner.next_update = now + self.config.update_interval;
        self.change_limit(&mut inner, measuring.limit_before, now);
        self.set_due(&inner);
    }

    fn begin_measuring(&self, inner: &mut Inner, now: Instant) {
        let limit_before = self.limit.load(Ordering::Relaxed);
        inner.measuring = Some(Measuring { since: now, limit_before });
        inner.next_measuring = None;
        inner.lowest_in_a_row = 0;
        inner.samples.clear();
        self.limit.store(self.config.min_concurrency, Ordering::Relaxed);
    }

    fn next_limit(&self, inner: &mut Inner) -> u32 {
        let buffered = inner.min_rtt.as_secs_f64() * (1.0 + f64::from(self.config.buffer_percent) / 100.0);
        let raw = buffered / inner.sample_rtt.as_secs_f64().max(1e-9);
        inner.gradient = raw.clamp(*GRADIENT.start(), *GRADIENT.end());
        let limit = f64::from(self.limit.load(Ordering::Relaxed)) * inner.gradient;
        let headroom = limit.sqrt();
        inner.headroom = headroom as u32;
        // A float beyond the range becomes the largest number.
        let limit = (limit + headroom) as u32;
        let (least, most) = (self.config.min_limit, self.config.max_limit);
        limit.clamp(least, most.max(least))
    }

    fn change_limit(&self, inner: &mut Inner, limit: u32, now: Instant) {
        let before = self.limit.swap(limit, Ordering::Relaxed);
        let lowest = self.config.min_limit;
        inner.lowest_in_a_row = match (before, limit) {
            (before, after) if before == lowest && after == lowest => inner.lowest_in_a_row + 1,
            _ => 0,
        };
        let measured = matches!(self.config.min_rtt, MinRtt::Measured { .. });
        if measured && inner.lowest_in_a_row >= LOWEST_IN_A_ROW {
            self.begin_measuring(inner, now);
        }
    }

    /// While measuring there is nothing to do at a certain time.
    fn set_due(&self, inner: &Inner) {
        let update = inner.measuring.is_none().then_some(inner.next_update);
        let due = [update, inner.next_measuring].into_iter().flatten().min();
        let nanos = due.map_or(u64::MAX, |due| self.nanos(due));
        self.due_nanos.store(nanos, Ordering::Relaxed);
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.begun).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The data are valid whenever the lock is free, so a panic of another holder does no harm.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted {
    /// The request has been answered whole.
    pub fn answered(self, now: Instant) {
        self.gradient.sample(self.since, now);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.gradient.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
