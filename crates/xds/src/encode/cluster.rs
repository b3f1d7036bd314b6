//! Clusters → wire.

use prost::Message;
use ripstop_model::cluster::{BudgetBase, CircuitLimits, DnsDiscovery, DnsFamily, DnsKind, UpstreamProtocol};
use ripstop_model::tls::TransportSocketMatch;
use ripstop_model::{Address, Cluster, Discovery, LbPolicy};

use super::balancing::{OrderedSubsets, default_subset, put_load_balancing};
use super::circuit_breaker::circuit_breaker;
use super::common::{
    OrderedMetadata, OrderedStruct, address, ads, any, config_file, duration, metadata, percent, text_struct,
    u32_value,
};
use super::endpoint::{OrderedAssignment, load_assignment, named_load_assignment};
use super::format::put;
use super::load_shedding::load_shedding;
use super::metadata::metadata as encoded_metadata;
use super::upstream_connection::upstream_connection;
use super::upstream_http::http_options;
use super::{health_check, outlier, tls};
use crate::metadata::{
    AUTO_PROTOCOL, CIRCUIT_BREAKER, LEAST_RESPONSE_TIME, LOAD_SHEDDING, MAX_EJECTION_PER_MILLION,
    RETRY_BUDGET_OF_FIRST_TRIES, RIPSTOP,
};
use crate::pb;

/// `Cluster.metadata`
const METADATA: u32 = 25;

/// Key of the HTTP options in `typed_extension_protocol_options`.
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// The fields of `envoy.config.cluster.v3.Cluster` that hold maps. Fields may come in any order on the
/// wire, so these are simply appended.
#[derive(Clone, PartialEq, Message)]
struct OrderedFields {
    #[prost(message, optional, tag = "22")]
    lb_subset_config: Option<OrderedSubsets>,
    #[prost(message, optional, tag = "25")]
    metadata: Option<OrderedMetadata>,
    #[prost(message, optional, tag = "33")]
    load_assignment: Option<OrderedAssignment>,
    #[prost(message, repeated, tag = "43")]
    transport_socket_matches: Vec<OrderedSocketMatch>,
}

/// `envoy.config.cluster.v3.Cluster.TransportSocketMatch`
#[derive(Clone, PartialEq, Message)]
struct OrderedSocketMatch {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    matches: Option<OrderedStruct>,
    #[prost(message, optional, tag = "3")]
    transport_socket: Option<pb::TransportSocket>,
}

pub(super) fn encode(cluster: &Cluster) -> Vec<u8> {
    let assignment = match &cluster.discovery {
        Discovery::Static(assignment) => Some(load_assignment(assignment)),
        Discovery::Dns(dns) => Some(named_load_assignment(&dns.hosts)),
        Discovery::Eds { .. } | Discovery::EdsFile { .. } => None,
    };
    let socket_match = |of: &TransportSocketMatch| OrderedSocketMatch {
        name: of.name.to_string(),
        matches: Some(text_struct(&of.labels)),
        transport_socket: Some(tls::any_upstream_socket(&of.socket)),
    };
    let ordered = OrderedFields {
        transport_socket_matches: cluster.transport_matches.iter().map(socket_match).collect(),
        lb_subset_config: default_subset(&cluster.lb),
        metadata: metadata(RIPSTOP, unsayable(cluster)),
        load_assignment: assignment,
    };
    let mut message = message(cluster);
    if let Discovery::Dns(dns) = &cluster.discovery {
        put_dns(&mut message, dns);
    }
    let mut bytes = message.encode_to_vec();
    bytes.extend(ordered.encode_to_vec());
    bytes.extend(health_check::health_checks(cluster.health.check.as_deref()));
    if let Some(of) = &cluster.metadata {
        put(METADATA, &encoded_metadata(Some(of)), &mut bytes);
    }
    bytes
}

fn eds(
    source: pb::ConfigSource,
    service_name: Option<&str>,
) -> (pb::cluster::DiscoveryType, Option<pb::cluster::EdsClusterConfig>) {
    let config = pb::cluster::EdsClusterConfig {
        eds_config: Some(source),
        service_name: service_name.unwrap_or_default().to_owned(),
    };
    (pb::cluster::DiscoveryType::Eds, Some(config))
}

fn message(cluster: &Cluster) -> pb::Cluster {
    let (kind, eds_cluster_config) = match &cluster.discovery {
        Discovery::Static(_) => (pb::cluster::DiscoveryType::Static, None),
        Discovery::Eds { service_name } => eds(ads(), service_name.as_deref()),
        Discovery::EdsFile { service_name, file } => eds(config_file(file), service_name.as_deref()),
        Discovery::Dns(dns) => match dns.kind {
            DnsKind::Strict => (pb::cluster::DiscoveryType::StrictDns, None),
            DnsKind::Logical => (pb::cluster::DiscoveryType::LogicalDns, None),
        },
    };
    let mut message = pb::Cluster {
        name: cluster.name.to_string(),
        cluster_discovery_type: Some(pb::cluster::ClusterDiscoveryType::Type(kind.into())),
        eds_cluster_config,
        connect_timeout: Some(duration(cluster.connect_timeout)),
        circuit_breakers: Some(circuit_breakers(cluster)),
        per_connection_buffer_limit_bytes: cluster.http.limits.buffer_bytes.map(u32_value),
        outlier_detection: cluster.outlier.as_ref().map(outlier::outlier_detection),
        transport_socket: tls::upstream_socket(&cluster.transport),
        upstream_connection_options: upstream_connection(&cluster.connection),
        typed_extension_protocol_options: http_options(cluster)
            .map(|options| (HTTP_OPTIONS.to_owned(), any(&options)))
            .into_iter()
            .collect(),
        ignore_health_on_host_removal: cluster.health.ignore_on_removal,
        close_connections_on_host_health_failure: cluster.health.close_connections_on_failure,
        track_cluster_stats: cluster
            .endpoint_metrics
            .then(|| pb::TrackClusterStats { per_endpoint_stats: true, ..Default::default() }),
        ..Default::default()
    };
    put_load_balancing(&mut message, &cluster.lb);
    if cluster.health.ignore_until_first_check {
        message.common_lb_config.get_or_insert_default().ignore_new_hosts_until_first_hc = true;
    }
    message
}

#[allow(deprecated, reason = "every version of Envoy reads it here")]
fn put_dns(message: &mut pb::Cluster, dns: &DnsDiscovery) {
    use pb::cluster::DnsLookupFamily;
    let family = match dns.family {
        DnsFamily::Auto => DnsLookupFamily::Auto,
        DnsFamily::V4Only => DnsLookupFamily::V4Only,
        DnsFamily::V6Only => DnsLookupFamily::V6Only,
        DnsFamily::V4Preferred => DnsLookupFamily::V4Preferred,
        DnsFamily::All => DnsLookupFamily::All,
    };
    message.dns_lookup_family = family.into();
    message.dns_refresh_rate = Some(duration(dns.refresh));
    message.respect_dns_ttl = dns.respect_ttl;
    let resolvers = dns.resolvers.iter().map(|server| address(&Address::from(*server))).collect();
    message.typed_dns_resolver_config = (!dns.resolvers.is_empty()).then(|| pb::TypedExtensionConfig {
        name: "envoy.network.dns_resolver.cares".to_owned(),
        typed_config: Some(any(&pb::CaresDnsResolverConfig { resolvers, ..Default::default() })),
    });
    message.dns_jitter = (!dns.jitter.is_zero()).then(|| duration(dns.jitter));
    message.dns_failure_refresh_rate = dns.after_failure.map(|rate| pb::cluster::RefreshRate {
        base_interval: Some(duration(rate.base)),
        max_interval: Some(duration(rate.max)),
    });
}

fn circuit_breakers(cluster: &Cluster) -> pb::CircuitBreakers {
    let mut thresholds = vec![thresholds(&cluster.limits, pb::RoutingPriority::Default)];
    if cluster.high_limits != CircuitLimits::default() {
        thresholds.push(self::thresholds(&cluster.high_limits, pb::RoutingPriority::High));
    }
    let per_host = [
        (cluster.limits.max_connections_per_host, pb::RoutingPriority::Default),
        (cluster.high_limits.max_connections_per_host, pb::RoutingPriority::High),
    ];
    let per_host = per_host.into_iter().filter_map(|(limit, priority)| {
        Some(pb::circuit_breakers::Thresholds {
            priority: priority.into(),
            max_connections: Some(u32_value(limit?)),
            ..Default::default()
        })
    });
    pb::CircuitBreakers { thresholds, per_host_thresholds: per_host.collect() }
}

fn thresholds(limits: &CircuitLimits, priority: pb::RoutingPriority) -> pb::circuit_breakers::Thresholds {
    let retry_budget = limits.retry_budget.map(|budget| pb::circuit_breakers::thresholds::RetryBudget {
        budget_percent: Some(percent(budget.budget)),
        min_retry_concurrency: Some(u32_value(budget.min_concurrency)),
        ..Default::default()
    });
    pb::circuit_breakers::Thresholds {
        priority: priority.into(),
        max_connections: Some(u32_value(limits.max_connections)),
        max_pending_requests: Some(u32_value(limits.max_pending_requests)),
        max_requests: Some(u32_value(limits.max_requests)),
        max_retries: Some(u32_value(limits.max_retries)),
        retry_budget,
        track_remaining: limits.track_remaining,
        ..Default::default()
    }
}

/// What Envoy has no field for.
fn unsayable(cluster: &Cluster) -> Vec<(String, pb::value::Kind)> {
    let mut values = Vec::new();
    if cluster.protocol == UpstreamProtocol::Auto && cluster.transport.tls.is_none() {
        values.push((AUTO_PROTOCOL.to_owned(), pb::value::Kind::BoolValue(true)));
    }
    if let Some(breaker) = &cluster.breaker {
        values.push((CIRCUIT_BREAKER.to_owned(), circuit_breaker(breaker)));
    }
    if let Some(shedding) = &cluster.shedding {
        values.push((LOAD_SHEDDING.to_owned(), load_shedding(shedding)));
    }
    if let LbPolicy::LeastResponseTime { decay } = cluster.lb.policy {
        let seconds = pb::value::Kind::NumberValue(decay.as_secs_f64());
        values.push((LEAST_RESPONSE_TIME.to_owned(), seconds));
    }
    // Limits that are not sent say nothing.
    let high = Some(cluster.high_limits).filter(|high| *high != CircuitLimits::default());
    let budgets = [cluster.limits.retry_budget, high.and_then(|high| high.retry_budget)];
    if budgets.into_iter().flatten().any(|budget| budget.of == BudgetBase::FirstTries) {
        values.push((RETRY_BUDGET_OF_FIRST_TRIES.to_owned(), pb::value::Kind::BoolValue(true)));
    }
    if let Some(outlier) = &cluster.outlier {
        let exact = outlier.max_ejection_percent.as_per_million();
        if exact % 10_000 != 0 {
            values.push((MAX_EJECTION_PER_MILLION.to_owned(), pb::value::Kind::NumberValue(exact.into())));
        }
    }
    values
}
