//! What a traffic policy is in the words of clusters, with Istio's defaults where it says nothing.

use std::time::Duration;

use ripstop_model::cluster::{CircuitLimits, RetryBudget, UpstreamProtocol};
use ripstop_model::load_balancing::{ConsistentHashing, HashFunction, SlowStart};
use ripstop_model::outlier::{OutlierDetection, Streak};
use ripstop_model::upstream_connection::UpstreamConnection;
use ripstop_model::{LbPolicy, LoadBalancing, Percent};

use crate::resource::{
    AppProtocol, BalancerChoice, ConnectionPool, HashTable, Outlier, TrafficPolicy, Warmup,
};
use crate::world::{Callee, Scope};

/// How long making a connection may take unless told, as in Istio.
pub(super) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What Istio sets where nobody says: no limit on anything.
pub(super) const NO_LIMITS: CircuitLimits = CircuitLimits {
    max_connections: u32::MAX,
    max_connections_per_host: None,
    max_pending_requests: u32::MAX,
    max_requests: u32::MAX,
    max_retries: u32::MAX,
    retry_budget: None,
    track_remaining: false,
};

/// How an endpoint is chosen.
pub(super) fn balancing(policy: &TrafficPolicy) -> LoadBalancing {
    let balancer = policy.load_balancer.as_ref();
    let choice = match balancer.map(|balancer| &balancer.choice) {
        None | Some(BalancerChoice::LeastRequest) => LbPolicy::LEAST_REQUEST,
        Some(BalancerChoice::RoundRobin) => LbPolicy::RoundRobin,
        Some(BalancerChoice::Random) => LbPolicy::Random,
        Some(BalancerChoice::Hash { table, .. }) => hash(*table),
    };
    let slow = matches!(choice, LbPolicy::RoundRobin | LbPolicy::LeastRequest { .. });
    LoadBalancing {
        panic_threshold: panic_threshold(policy.outlier.as_ref()),
        slow_start: balancer.and_then(|balancer| balancer.warmup).filter(|_| slow).map(slow_start),
        ..LoadBalancing::new(choice)
    }
}

fn hash(table: HashTable) -> LbPolicy {
    let hashing = ConsistentHashing::default();
    match table {
        HashTable::Ring(min_ring_size) => LbPolicy::RingHash {
            min_ring_size,
            max_ring_size: LbPolicy::MAX_RING_SIZE,
            function: HashFunction::default(),
            hashing,
        },
        HashTable::Maglev(table_size) => LbPolicy::Maglev { table_size, hashing },
    }
}

fn slow_start(warmup: Warmup) -> SlowStart {
    SlowStart {
        window: warmup.duration,
        aggression_milli: warmup.aggression_milli,
        min_weight: warmup.minimum,
    }
}

/// With outlier detection Istio turns panic off unless `minHealthPercent` says otherwise.
fn panic_threshold(outlier: Option<&Outlier>) -> Percent {
    match outlier {
        Some(outlier) => outlier.min_health_percent.unwrap_or(Percent::ZERO),
        None => LoadBalancing::DEFAULT_PANIC_THRESHOLD,
    }
}

/// Between proxies of the mesh always HTTP/2; in plaintext what the application speaks.
pub(super) fn protocol(app: AppProtocol, pool: &ConnectionPool, mtls: bool) -> UpstreamProtocol {
    match app {
        AppProtocol::Tcp | AppProtocol::Tls => UpstreamProtocol::Http1,
        _ if mtls => UpstreamProtocol::Http2,
        _ if pool.use_client_protocol == Some(true) => UpstreamProtocol::Downstream,
        AppProtocol::Http2 | AppProtocol::Grpc => UpstreamProtocol::Http2,
        AppProtocol::Http if pool.http2 == Some(true) => UpstreamProtocol::Http2,
        AppProtocol::Http => UpstreamProtocol::Http1,
    }
}

/// What holds for a destination by the rule that the caller sees; `None`: there is none.
pub(super) fn of_destination(
    scope: &Scope<'_>,
    callee: &Callee,
    port: u16,
    subset: Option<&str>,
) -> Option<TrafficPolicy> {
    let rule = scope.destination_rule(callee)?;
    let whole = rule.policy.for_port(port);
    let subset = rule.subsets.iter().find(|one| Some(&*one.name) == subset);
    Some(subset.map_or_else(|| whole.clone(), |one| one.policy.over(&whole, port)))
}

/// How long connections are kept, and how it is found out that a peer is gone.
pub(super) fn connection(pool: &ConnectionPool) -> UpstreamConnection {
    UpstreamConnection {
        keepalive: pool.keepalive,
        max_age: pool.max_connection_duration,
        ..UpstreamConnection::default()
    }
}

/// What may be under way at once.
pub(super) fn limits(pool: &ConnectionPool, budget: Option<RetryBudget>) -> CircuitLimits {
    CircuitLimits {
        max_connections: pool.max_connections.unwrap_or(NO_LIMITS.max_connections),
        max_connections_per_host: None,
        max_pending_requests: pool.max_pending_requests.unwrap_or(NO_LIMITS.max_pending_requests),
        max_requests: pool.max_requests.unwrap_or(NO_LIMITS.max_requests),
        max_retries: pool.max_retries.unwrap_or(NO_LIMITS.max_retries),
        // A number that somebody has written holds instead of the budget that nobody has.
        retry_budget: budget.or_else(|| pool.max_retries.is_none().then(RetryBudget::default)),
        track_remaining: false,
    }
}

/// When endpoints are ejected.
pub(super) fn outlier(outlier: &Outlier) -> OutlierDetection {
    let default = OutlierDetection::default();
    let base_ejection_time = outlier.base_ejection_time.unwrap_or(default.base_ejection_time);
    let local_origin = outlier.consecutive_local_origin.map(Streak::always);
    OutlierDetection {
        consecutive_5xx: outlier.consecutive_5xx.map_or(default.consecutive_5xx, Streak::always),
        consecutive_gateway_failure: outlier.consecutive_gateway_errors.and_then(Streak::always),
        split_local_origin: outlier.split_local_origin,
        consecutive_local_origin_failure: local_origin.unwrap_or(default.consecutive_local_origin_failure),
        // As with Istio, only what is asked for ejects.
        success_rate: None,
        failure_percentage: None,
        enforcing_local_origin_success_rate: Percent::ZERO,
        interval: outlier.interval.unwrap_or(default.interval),
        base_ejection_time,
        max_ejection_time: default.max_ejection_time.max(base_ejection_time),
        max_ejection_percent: outlier.max_ejection_percent.unwrap_or(default.max_ejection_percent),
        ..default
    }
}
