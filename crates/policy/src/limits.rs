//! How much may be under way to one cluster at once, over all workers: Envoy's circuit breaker thresholds.
//!
//! Not the circuit *breaker* that opens on failures. A limit is exact: a counter is raised only where that keeps it
//! within its limit, so it is never above the limit even for a moment (unless the limit was lowered meanwhile).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ripstop_model::Percent;
use ripstop_model::cluster::{BudgetBase, CircuitLimits};

use crate::flags::ResponseFlag;
use crate::host::{ActiveConnection, Host};

/// Stands in [`ClusterLimits::budget_per_million`] for "no budget"; no share of a whole is that large.
const NO_BUDGET: u32 = u32::MAX;

/// The counters and limits of one cluster, shared by all workers. They outlive a change of configuration:
/// [`ClusterLimits::replace`] sets new limits while permits are out.
#[derive(Debug)]
pub struct ClusterLimits {
    connections: Gauge,
    /// `u32::MAX`: no limit.
    connections_per_host: AtomicU32,
    pending: Gauge,
    requests: Gauge,
    retries: Gauge,
    budget_per_million: AtomicU32,
    budget_min_concurrency: AtomicU32,
    /// Retries count among what the budget is a share of.
    budget_of_all: AtomicBool,
}

/// What is counted and how much of it there may be.
#[derive(Debug)]
struct Gauge {
    now: AtomicU32,
    limit: AtomicU32,
}

impl Gauge {
    fn new(limit: u32) -> Gauge {
        Gauge { now: AtomicU32::new(0), limit: AtomicU32::new(limit) }
    }

    fn raise(&self, limit: u32) -> bool {
        let raised = |now: u32| (now < limit).then_some(now.saturating_add(1));
        self.now.fetch_update(Ordering::AcqRel, Ordering::Relaxed, raised).is_ok()
    }

    fn count(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }

    fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }
}

/// Which limit stood in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Overflow {
    /// Too many connections.
    #[error("the cluster has as many connections as max_connections allows")]
    Connections,
    /// Too many requests wait for a connection.
    #[error("as many requests wait for a connection as max_pending_requests allows")]
    Pending,
    /// Too many requests are under way.
    #[error("as many requests are under way as max_requests allows")]
    Requests,
    /// The retry budget is used up (or `max_retries`, without a budget).
    #[error("as many retries are under way as the retry budget allows")]
    Retries,
}

impl Overflow {
    /// What a request that ends for this reason is marked with.
    pub const fn flag(self) -> ResponseFlag {
        ResponseFlag::UpstreamOverflow
    }
}

/// The right to have one more under way; given back when dropped.
#[derive(Debug)]
#[must_use = "the permit is given back when it is dropped"]
pub struct Permit {
    limits: Arc<ClusterLimits>,
    kind: Overflow,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limits.gauge(self.kind).now.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The right to have one more connection, which counts as open from the beginning; given back when dropped.
#[derive(Debug)]
#[must_use = "the permit is given back when it is dropped"]
pub struct ConnectionPermit {
    _of_cluster: Permit,
    _of_host: ActiveConnection,
}

/// What is under way, for `/clusters` and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnderWay {
    /// Connections.
    pub connections: u32,
    /// Requests that wait for a connection.
    pub pending: u32,
    /// Requests sent and not yet answered, retries included.
    pub requests: u32,
    /// Retries, those that wait to be sent included.
    pub retries: u32,
}

impl ClusterLimits {
    /// Nothing under way yet.
    pub fn new(limits: &CircuitLimits) -> Arc<ClusterLimits> {
        let made = ClusterLimits {
            connections: Gauge::new(limits.max_connections),
            connections_per_host: AtomicU32::new(u32::MAX),
            pending: Gauge::new(limits.max_pending_requests),
            requests: Gauge::new(limits.max_requests),
            retries: Gauge::new(limits.max_retries),
            budget_per_million: AtomicU32::new(NO_BUDGET),
            budget_min_concurrency: AtomicU32::new(0),
            budget_of_all: AtomicBool::new(false),
        };
        made.replace(limits);
        Arc::new(made)
    }

    /// New limits for the same counters. What is above a lowered limit runs to its end.
    pub fn replace(&self, limits: &CircuitLimits) {
        let budget = limits.retry_budget.map_or(NO_BUDGET, |budget| budget.budget.as_per_million());
        let min_concurrency = limits.retry_budget.map_or(0, |budget| budget.min_concurrency);
        self.connections.limit.store(limits.max_connections, Ordering::Relaxed);
        let per_host = limits.max_connections_per_host.unwrap_or(u32::MAX);
        self.connections_per_host.store(per_host, Ordering::Relaxed);
        self.pending.limit.store(limits.max_pending_requests, Ordering::Relaxed);
        self.requests.limit.store(limits.max_requests, Ordering::Relaxed);
        self.retries.limit.store(limits.max_retries, Ordering::Relaxed);
        let of_all = limits.retry_budget.is_some_and(|budget| budget.of == BudgetBase::AllRequests);
        self.budget_of_all.store(of_all, Ordering::Relaxed);
        self.budget_min_concurrency.store(min_concurrency, Ordering::Relaxed);
        self.budget_per_million.store(budget, Ordering::Relaxed);
    }

    /// One more connection to this host, if the limits of the cluster and of each host allow it.
    pub fn try_connection(self: &Arc<Self>, host: &Arc<Host>) -> Result<ConnectionPermit, Overflow> {
        let of_cluster = self.acquire(Overflow::Connections, self.connections.limit())?;
        let per_host = self.connections_per_host.load(Ordering::Relaxed);
        let of_host = host.try_begin_connection(per_host).ok_or(Overflow::Connections)?;
        Ok(ConnectionPermit { _of_cluster: of_cluster, _of_host: of_host })
    }

    /// One more request that waits for a connection.
    pub fn try_pending(self: &Arc<Self>) -> Result<Permit, Overflow> {
        self.acquire(Overflow::Pending, self.pending.limit())
    }

    /// One more request under way. A retry takes one as well, when it is sent.
    pub fn try_request(self: &Arc<Self>) -> Result<Permit, Overflow> {
        self.acquire(Overflow::Requests, self.requests.limit())
    }

    /// The same for a request of a kind that may fill only this share of the limit.
    pub fn try_request_within(self: &Arc<Self>, share: Percent) -> Result<Permit, Overflow> {
        let limit = share.of(self.requests.limit().into());
        self.acquire(Overflow::Requests, u32::try_from(limit).unwrap_or(u32::MAX))
    }

    /// One more retry, from the decision to retry to the end of the try. See [`ClusterLimits::retry_limit`].
    pub fn try_retry(self: &Arc<Self>) -> Result<Permit, Overflow> {
        self.acquire(Overflow::Retries, self.retry_limit())
    }

    /// How many retries may be under way at this moment.
    ///
    /// With a budget: its share of the requests under way and pending, at least its minimum. Envoy counts the retries in,
    /// so that they feed their own budget and 20 % allow a load of 1.25; [`BudgetBase::FirstTries`] leaves them out, and
    /// 20 % mean 1.2. Without a budget: `max_retries`.
    pub fn retry_limit(&self) -> u32 {
        let budget = self.budget_per_million.load(Ordering::Relaxed);
        if budget == NO_BUDGET {
            return self.retries.limit();
        }
        let all = u64::from(self.requests.count()) + u64::from(self.pending.count());
        let base = match self.budget_of_all.load(Ordering::Relaxed) {
            true => all,
            false => all.saturating_sub(u64::from(self.retries.count())),
        };
        let share = Percent::per_million(budget).of(base);
        let least = self.budget_min_concurrency.load(Ordering::Relaxed);
        u32::try_from(share).unwrap_or(u32::MAX).max(least)
    }

    /// How much more there may be of each.
    pub fn remaining(&self) -> UnderWay {
        let left = |gauge: &Gauge, limit: u32| limit.saturating_sub(gauge.count());
        UnderWay {
            connections: left(&self.connections, self.connections.limit()),
            pending: left(&self.pending, self.pending.limit()),
            requests: left(&self.requests, self.requests.limit()),
            retries: left(&self.retries, self.retry_limit()),
        }
    }

    /// What is under way now.
    pub fn under_way(&self) -> UnderWay {
        UnderWay {
            connections: self.connections.count(),
            pending: self.pending.count(),
            requests: self.requests.count(),
            retries: self.retries.count(),
        }
    }

    fn acquire(self: &Arc<Self>, kind: Overflow, limit: u32) -> Result<Permit, Overflow> {
        if self.gauge(kind).raise(limit) { Ok(Permit { limits: Arc::clone(self), kind }) } else { Err(kind) }
    }

    fn gauge(&self, kind: Overflow) -> &Gauge {
        match kind {
            Overflow::Connections => &self.connections,
            Overflow::Pending => &self.pending,
            Overflow::Requests => &self.requests,
            Overflow::Retries => &self.retries,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ripstop_model::cluster::RetryBudget;

    fn host(port: u16) -> Arc<Host> {
        Arc::new(Host::new(ripstop_model::Address::socket([10, 0, 0, 1], port), std::time::Instant::now()))
    }

    fn limits(max_requests: u32) -> CircuitLimits {
        CircuitLimits { max_requests, ..CircuitLimits::default() }
    }

    #[test]
    fn each_kind_has_its_own_limit_and_permits_give_back() {
        let limits = ClusterLimits::new(&CircuitLimits {
            max_connections: 1,
            max_connections_per_host: None,
            max_pending_requests: 0,
            max_requests: 2,
            max_retries: 1,
            retry_budget: None,
            track_remaining: false,
        });
        let connection = limits.try_connection(&host(1)).unwrap();
        assert_eq!(limits.try_connection(&host(1)).unwrap_err(), Overflow::Connections);
        assert_eq!(limits.try_pending().unwrap_err(), Overflow::Pending);
        let _requests = (limits.try_request().unwrap(), limits.try_request().unwrap());
        assert_eq!(limits.try_request().unwrap_err(), Overflow::Requests);
        let _retry = limits.try_retry().unwrap();
        assert_eq!(limits.try_retry().unwrap_err(), Overflow::Retries);
        assert_eq!(limits.under_way(), UnderWay { connections: 1, pending: 0, requests: 2, retries: 1 });
        assert_eq!(limits.remaining(), UnderWay::default());
        drop(connection);
        assert!(limits.try_connection(&host(1)).is_ok());
    }

    #[test]
    fn each_host_has_its_own_number_of_connections() {
        let config = CircuitLimits { max_connections_per_host: Some(2), max_connections: 3, ..limits(1) };
        let limits = ClusterLimits::new(&config);
        let (one, other) = (host(1), host(2));
        let held = [limits.try_connection(&one).unwrap(), limits.try_connection(&one).unwrap()];
        assert_eq!(limits.try_connection(&one).unwrap_err(), Overflow::Connections);
        assert_eq!(
            (one.active_connections(), limits.under_way().connections),
            (2, 2),
            "nothing is left behind"
        );
        let _third = limits.try_connection(&other).unwrap();
        assert!(limits.try_connection(&other).is_err(), "the limit of the cluster");
        assert_eq!(other.active_connections(), 1);
        drop(held);
        assert!(limits.try_connection(&one).is_ok());
        limits.replace(&CircuitLimits { max_connections_per_host: None, ..config });
        let _many: Vec<_> = (0..2).map(|_| limits.try_connection(&one).unwrap()).collect();
    }

    #[test]
    fn limits_change_while_permits_are_out() {
        let shared = ClusterLimits::new(&limits(2));
        let held = [shared.try_request().unwrap(), shared.try_request().unwrap()];
        shared.replace(&limits(1));
        assert!(shared.try_request().is_err());
        drop(held);
        let _one = shared.try_request().unwrap();
        assert!(shared.try_request().is_err());
        shared.replace(&limits(2));
        assert!(shared.try_request().is_ok());
    }

    #[test]
    fn the_budget_is_a_share_of_first_tries_and_at_least_three() {
        let shared = ClusterLimits::new(&limits(1000));
        assert_eq!(shared.retry_limit(), 3);
        let mut requests: Vec<_> = (0..100).map(|_| shared.try_request().unwrap()).collect();
        assert_eq!(shared.retry_limit(), 20);
        let mut retries = Vec::new();
        while let Ok(permit) = shared.try_retry() {
            retries.push(permit);
            requests.push(shared.try_request().unwrap());
            assert!(retries.len() <= 20);
        }
        assert_eq!(retries.len(), 20);
        let envoys = RetryBudget { of: BudgetBase::AllRequests, ..RetryBudget::default() };
        shared.replace(&CircuitLimits { retry_budget: Some(envoys), ..limits(1000) });
        while let Ok(permit) = shared.try_retry() {
            retries.push(permit);
            requests.push(shared.try_request().unwrap());
        }
        assert_eq!(retries.len(), 24, "retries feed their own budget");
        shared.replace(&CircuitLimits {
            retry_budget: Some(RetryBudget {
                budget: Percent::ZERO,
                min_concurrency: 0,
                ..RetryBudget::default()
            }),
            ..limits(1000)
        });
        drop(retries);
        assert_eq!(shared.try_retry().unwrap_err(), Overflow::Retries);
    }

    #[test]
    fn no_thread_ever_sees_more_than_the_limit() {
        let shared = ClusterLimits::new(&limits(3));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let permit = shared.try_request();
                        assert!(shared.under_way().requests <= 3);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(shared.under_way().requests, 0);
    }
}
