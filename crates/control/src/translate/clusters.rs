//! Every port of every service, and every subset of it, as a cluster with its endpoints.

use std::num::NonZeroU32;
use std::time::Duration;

use ripstop_model::LbPolicy;
use ripstop_model::cluster::{CircuitLimits, RetryBudget, UpstreamProtocol};
use ripstop_model::outlier::{OutlierDetection, Streak};
use ripstop_model::tls::TransportSocket;
use ripstop_model::{Cluster, ClusterLoadAssignment, Discovery, Percent};
use ripstop_yaml::Problem;

use super::{endpoints, mtls, names};
use crate::resource::{
    AppProtocol, ConnectionPool, LoadBalancer, Outlier, Service, ServicePort, Subset, TrafficPolicy,
};
use crate::world::{World, host};

/// How long making a connection may take unless told, as in Istio.
pub(super) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What Istio sets where nobody says: no limit on anything.
pub(super) const NO_LIMITS: CircuitLimits = CircuitLimits {
    max_connections: u32::MAX,
    max_pending_requests: u32::MAX,
    max_requests: u32::MAX,
    max_retries: u32::MAX,
    retry_budget: None,
};

/// The clusters for callers in `client_namespace`, and what could not be said as it was meant.
pub(super) fn of_all_services(
    world: &World,
    client_namespace: &str,
) -> (Vec<(Cluster, ClusterLoadAssignment)>, Vec<Problem>) {
    let (mut clusters, mut warnings) = (Vec::new(), Vec::new());
    for service in world.services() {
        let rule = world.destination_rule(&service.meta.key, client_namespace);
        let whole = rule.map(|rule| rule.policy.clone()).unwrap_or_default();
        for port in &service.ports {
            let scope = Scope { world, service, port };
            let (cluster, assignment, warning) = scope.cluster(None, &whole);
            clusters.push((cluster, assignment));
            warnings.extend(warning);
            for subset in rule.map(|rule| rule.subsets.as_slice()).unwrap_or_default() {
                // A warning for the whole service covers its subsets.
                let (cluster, assignment, _) = scope.cluster(Some(subset), &subset.policy.over(&whole));
                clusters.push((cluster, assignment));
            }
        }
    }
    (clusters, warnings)
}

struct Scope<'a> {
    world: &'a World,
    service: &'a Service,
    port: &'a ServicePort,
}

impl Scope<'_> {
    fn cluster(
        &self,
        subset: Option<&Subset>,
        policy: &TrafficPolicy,
    ) -> (Cluster, ClusterLoadAssignment, Option<Problem>) {
        let Scope { world, service, port } = *self;
        let full_name = host::full_name(&service.meta.key);
        let subset_name = subset.map(|subset| &*subset.name);
        let name = names::outbound_cluster(port.port, subset_name, &full_name);
        let all = world.instances_of(&service.meta.key);
        let chosen = all
            .iter()
            .map(|instance| &**instance)
            .filter(|instance| subset.is_none_or(|one| instance.workload.meta.has_labels(&one.labels)));
        let reach = mtls::reach(world, service, port, chosen);
        let assignment = endpoints::assignment(&name, &reach.endpoints);
        let pool = policy.connection_pool.unwrap_or_default();
        let cluster = Cluster {
            lb: ripstop_model::LoadBalancing {
                panic_threshold: panic_threshold(policy.outlier.as_ref()),
                ..ripstop_model::LoadBalancing::new(balancer(policy.load_balancer))
            },
            connect_timeout: pool.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT),
            transport: match reach.mtls {
                true => {
                    let server_name = names::server_name(port.port, subset_name, &full_name);
                    let allowed = mtls::identities(all);
                    TransportSocket::tls(mtls::client(port.protocol, allowed, server_name))
                }
                false => TransportSocket::default(),
            },
            protocol: protocol(port.protocol, &pool, reach.mtls),
            limits: limits(&pool),
            outlier: policy.outlier.as_ref().map(outlier),
            max_requests_per_connection: pool.max_requests_per_connection.and_then(NonZeroU32::new),
            idle_timeout: pool.idle_timeout,
            ..Cluster::new(name, Discovery::Eds { service_name: None })
        };
        (cluster, assignment, reach.warning)
    }
}

fn balancer(load_balancer: Option<LoadBalancer>) -> LbPolicy {
    match load_balancer {
        Some(LoadBalancer::RoundRobin) => LbPolicy::RoundRobin,
        Some(LoadBalancer::Random) => LbPolicy::Random,
        Some(LoadBalancer::LeastRequest) | None => LbPolicy::LEAST_REQUEST,
    }
}

/// Between proxies of the mesh always HTTP/2; in plaintext what the application speaks.
fn protocol(app: AppProtocol, pool: &ConnectionPool, mtls: bool) -> UpstreamProtocol {
    match app {
        AppProtocol::Tcp => UpstreamProtocol::Http1,
        _ if mtls => UpstreamProtocol::Http2,
        AppProtocol::Http2 | AppProtocol::Grpc => UpstreamProtocol::Http2,
        AppProtocol::Http if pool.http2 == Some(true) => UpstreamProtocol::Http2,
        AppProtocol::Http => UpstreamProtocol::Http1,
    }
}

fn limits(pool: &ConnectionPool) -> CircuitLimits {
    CircuitLimits {
        max_connections: pool.max_connections.unwrap_or(NO_LIMITS.max_connections),
        max_pending_requests: pool.max_pending_requests.unwrap_or(NO_LIMITS.max_pending_requests),
        max_requests: pool.max_requests.unwrap_or(NO_LIMITS.max_requests),
        max_retries: pool.max_retries.unwrap_or(NO_LIMITS.max_retries),
        // A number that somebody has written holds instead of the budget.
        retry_budget: pool.max_retries.is_none().then(RetryBudget::default),
    }
}

fn outlier(outlier: &Outlier) -> OutlierDetection {
    let default = OutlierDetection::default();
    let base_ejection_time = outlier.base_ejection_time.unwrap_or(default.base_ejection_time);
    OutlierDetection {
        consecutive_5xx: outlier.consecutive_5xx.map_or(default.consecutive_5xx, Streak::always),
        consecutive_gateway_failure: outlier.consecutive_gateway_errors.and_then(Streak::always),
        // As with Istio, only what is asked for ejects.
        success_rate: None,
        interval: outlier.interval.unwrap_or(default.interval),
        base_ejection_time,
        max_ejection_time: default.max_ejection_time.max(base_ejection_time),
        max_ejection_percent: outlier.max_ejection_percent.unwrap_or(default.max_ejection_percent),
        ..default
    }
}

/// With outlier detection Istio turns panic off unless `minHealthPercent` says otherwise.
fn panic_threshold(outlier: Option<&Outlier>) -> Percent {
    match outlier {
        Some(outlier) => outlier.min_health_percent.unwrap_or(Percent::ZERO),
        None => Percent::whole(50),
    }
}
