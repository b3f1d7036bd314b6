//! What holds for calls where no rule says otherwise: of a profile, of the mesh, of one service. Each field that is not
//! written is that of the next wider one.

use std::fmt;
use std::time::Duration;

use ripstop_model::cluster::RetryBudget;

use super::{ConnectionPool, LoadBalancer, Origin, Outlier, Retries, TrafficPolicy};

/// `defaults` of a `Mesh` or a `Service`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// From the end of the request to the end of the response; zero: no limit.
    pub timeout: Option<Duration>,
    /// When and how a request is tried again.
    pub retries: Option<Retries>,
    /// How an instance is chosen.
    pub load_balancer: Option<LoadBalancer>,
    /// Limits on connections and requests.
    pub connection_pool: ConnectionPool,
    /// When instances are ejected; `None`: never.
    pub outlier: Option<Outlier>,
    /// Retries as a share of what is under way.
    pub retry_budget: Option<RetryBudget>,
    /// Where it was written.
    pub origin: Origin,
}

impl Defaults {
    /// These, with what they leave open as `base` has it.
    pub fn over(&self, base: &Defaults) -> Defaults {
        Defaults {
            timeout: self.timeout.or(base.timeout),
            retries: self.retries.clone().or_else(|| base.retries.clone()),
            load_balancer: self.load_balancer.clone().or_else(|| base.load_balancer.clone()),
            connection_pool: self.connection_pool.over(&base.connection_pool),
            outlier: match (&self.outlier, &base.outlier) {
                (Some(own), Some(base)) => Some(own.over(base)),
                (own, base) => own.or(*base),
            },
            retry_budget: self.retry_budget.or(base.retry_budget),
            origin: self.origin.clone(),
        }
    }

    /// The part that clusters are made from.
    pub fn policy(&self) -> TrafficPolicy {
        let limited = self.connection_pool != ConnectionPool::default();
        TrafficPolicy {
            load_balancer: self.load_balancer.clone(),
            connection_pool: limited.then_some(self.connection_pool),
            outlier: self.outlier,
            retry_budget: self.retry_budget,
            ..TrafficPolicy::default()
        }
    }
}

impl ConnectionPool {
    /// This one, with what it leaves open as `base` has it.
    fn over(&self, base: &ConnectionPool) -> ConnectionPool {
        ConnectionPool {
            max_connections: self.max_connections.or(base.max_connections),
            connect_timeout: self.connect_timeout.or(base.connect_timeout),
            tcp_idle_timeout: self.tcp_idle_timeout.or(base.tcp_idle_timeout),
            max_pending_requests: self.max_pending_requests.or(base.max_pending_requests),
            max_requests: self.max_requests.or(base.max_requests),
            max_requests_per_connection: self
                .max_requests_per_connection
                .or(base.max_requests_per_connection),
            max_retries: self.max_retries.or(base.max_retries),
            idle_timeout: self.idle_timeout.or(base.idle_timeout),
            http2: self.http2.or(base.http2),
            max_concurrent_streams: self.max_concurrent_streams.or(base.max_concurrent_streams),
            keepalive: self.keepalive.or(base.keepalive),
            max_connection_duration: self.max_connection_duration.or(base.max_connection_duration),
            use_client_protocol: self.use_client_protocol.or(base.use_client_protocol),
        }
    }
}

impl Outlier {
    /// This one, with what it leaves open as `base` has it.
    fn over(&self, base: &Outlier) -> Outlier {
        Outlier {
            consecutive_5xx: self.consecutive_5xx.or(base.consecutive_5xx),
            consecutive_gateway_errors: self.consecutive_gateway_errors.or(base.consecutive_gateway_errors),
            split_local_origin: self.split_local_origin || base.split_local_origin,
            consecutive_local_origin: self.consecutive_local_origin.or(base.consecutive_local_origin),
            interval: self.interval.or(base.interval),
            base_ejection_time: self.base_ejection_time.or(base.base_ejection_time),
            max_ejection_percent: self.max_ejection_percent.or(base.max_ejection_percent),
            min_health_percent: self.min_health_percent.or(base.min_health_percent),
        }
    }
}

/// A set of defaults that comes with Ripstop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Patient: what is slow or fails now and then under a debugger goes through.
    Development,
    /// As in production, with shorter times, so that what is too slow shows early.
    Staging,
    /// Bounded in everything, and quick to put aside what fails.
    Production,
}

impl Profile {
    /// The words in documents.
    pub const WORDS: [(&'static str, Profile); 3] = [
        ("development", Profile::Development),
        ("staging", Profile::Staging),
        ("production", Profile::Production),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Development => "development",
            Profile::Staging => "staging",
            Profile::Production => "production",
        }
    }

    /// What it says. The tries of a request fit into its timeout.
    pub fn defaults(self) -> Defaults {
        let s = Duration::from_secs;
        let (timeout, attempts, per_try) = match self {
            Profile::Development => (s(60), 1, None),
            Profile::Staging => (s(10), 2, Some(s(3))),
            Profile::Production => (s(15), 2, Some(s(5))),
        };
        let (failures, interval, ejection) = match self {
            Profile::Development => (20, s(10), s(10)),
            Profile::Staging => (5, s(5), s(15)),
            Profile::Production => (5, s(10), s(30)),
        };
        let most = (self == Profile::Production).then_some(1024);
        Defaults {
            timeout: Some(timeout),
            retries: Some(Retries {
                attempts,
                per_try_timeout: per_try,
                on: None,
                statuses: Vec::new(),
                backoff: None,
                ignore_previous_hosts: false,
                remote_localities: false,
            }),
            load_balancer: Some(LoadBalancer::default()),
            connection_pool: ConnectionPool {
                connect_timeout: Some(if self == Profile::Development { s(10) } else { s(2) }),
                max_pending_requests: most,
                max_requests: most,
                ..ConnectionPool::default()
            },
            outlier: Some(Outlier {
                consecutive_5xx: Some(failures),
                interval: Some(interval),
                base_ejection_time: Some(ejection),
                max_ejection_percent: Some(ripstop_model::Percent::whole(50)),
                ..Outlier::default()
            }),
            retry_budget: None,
            origin: Origin::default(),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
