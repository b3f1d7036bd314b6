//! Clusters ← wire.

use ripstop_model::cluster::{BudgetBase, CircuitLimits, DnsKind, RetryBudget};
use ripstop_model::tls::{TransportSocket, TransportSocketMatch};
use ripstop_model::{Cluster, Discovery};

use super::balancing::load_balancing;
use super::circuit_breaker::circuit_breaker;
use super::common::{Context, check_metadata_keys, metadata_mark, percent, positive_duration, text_labels};
use super::config_source::{ConfigOrigin, config_source};
use super::load_shedding::load_shedding;
use super::metadata::metadata;
use super::{dns, endpoint, health_check, outlier, tls, upstream_http};
use crate::metadata::{
    AUTO_PROTOCOL, CIRCUIT_BREAKER, LEAST_RESPONSE_TIME, LOAD_SHEDDING, MAX_EJECTION_PER_MILLION,
    RETRY_BUDGET_OF_FIRST_TRIES,
};
use crate::pb;

pub(super) fn cluster(cx: &mut Context, wire: &pb::Cluster) -> Option<Cluster> {
    check_metadata_keys(
        cx,
        wire.metadata.as_ref(),
        &[
            AUTO_PROTOCOL,
            CIRCUIT_BREAKER,
            LEAST_RESPONSE_TIME,
            LOAD_SHEDDING,
            MAX_EJECTION_PER_MILLION,
            RETRY_BUDGET_OF_FIRST_TRIES,
        ],
    );
    let discovery = discovery(cx, wire);
    let lb = load_balancing(cx, wire);
    let http = upstream_http::http_options(cx, wire);
    let connect_timeout = positive_duration(cx, "connect_timeout", wire.connect_timeout.as_ref());
    let transport = match &wire.transport_socket {
        Some(socket) => cx.at("transport_socket", |cx| tls::upstream(cx, socket)),
        None => TransportSocket::default(),
    };
    let transport_matches =
        cx.items("transport_socket_matches", &wire.transport_socket_matches, transport_match);
    let of_first = metadata_mark(cx, wire.metadata.as_ref(), RETRY_BUDGET_OF_FIRST_TRIES);
    let of = if of_first { BudgetBase::FirstTries } else { BudgetBase::AllRequests };
    let mut limits = |priority| {
        cx.at("circuit_breakers", |cx| circuit_limits(cx, wire.circuit_breakers.as_ref(), priority, of))
    };
    let (limits, high_limits) = (limits(pb::RoutingPriority::Default), limits(pb::RoutingPriority::High));
    let outlier = wire.outlier_detection.as_ref().map(|outlier| {
        let exact = outlier::max_ejection(cx, wire.metadata.as_ref());
        cx.at("outlier_detection", |cx| outlier::outlier_detection(cx, outlier, exact))
    });
    let health = health_check::rules(cx, wire);
    let metadata = metadata(cx, wire.metadata.as_ref());
    Some(Cluster {
        name: wire.name.as_str().into(),
        discovery: discovery?,
        lb: lb?,
        connect_timeout: connect_timeout.unwrap_or(Cluster::DEFAULT_CONNECT_TIMEOUT),
        transport,
        transport_matches,
        protocol: http.protocol,
        http: http.http,
        connection: http.connection,
        limits,
        high_limits,
        breaker: circuit_breaker(cx, wire.metadata.as_ref()).map(Box::new),
        shedding: load_shedding(cx, wire.metadata.as_ref()).map(Box::new),
        outlier,
        health: health?,
        max_requests_per_connection: http.max_requests_per_connection,
        idle_timeout: http.idle_timeout,
        endpoint_metrics: wire.track_cluster_stats.as_ref().is_some_and(|track| track.per_endpoint_stats),
        metadata,
    })
}

fn transport_match(
    cx: &mut Context,
    wire: &pb::cluster::TransportSocketMatch,
) -> Option<TransportSocketMatch> {
    let labels = wire.r#match.as_ref().map(|labels| cx.at("match", |cx| text_labels(cx, labels)));
    let socket = match &wire.transport_socket {
        Some(socket) => cx.at("transport_socket", |cx| tls::upstream(cx, socket)),
        None => TransportSocket::default(),
    };
    Some(TransportSocketMatch { name: wire.name.as_str().into(), labels: labels.unwrap_or_default(), socket })
}

fn discovery(cx: &mut Context, wire: &pb::Cluster) -> Option<Discovery> {
    use pb::cluster::{ClusterDiscoveryType, DiscoveryType};
    let kind = match &wire.cluster_discovery_type {
        None => Ok(DiscoveryType::Static),
        Some(ClusterDiscoveryType::Type(kind)) => {
            DiscoveryType::try_from(*kind).map_err(|_| kind.to_string())
        }
        Some(ClusterDiscoveryType::ClusterType(custom)) => {
            return cx.at("cluster_type", |cx| dns::of_extension(cx, wire, custom));
        }
    };
    match kind {
        Ok(DiscoveryType::Static) => match &wire.load_assignment {
            Some(assignment) => cx
                .at("load_assignment", |cx| endpoint::load_assignment(cx, assignment))
                .map(Discovery::Static),
            // A cluster that nobody has endpoints for yet.
            None => endpoint::load_assignment(
                cx,
                &pb::ClusterLoadAssignment { cluster_name: wire.name.clone(), ..Default::default() },
            )
            .map(Discovery::Static),
        },
        Ok(DiscoveryType::Eds) => {
            if wire.load_assignment.is_some() {
                cx.at("load_assignment", |cx| cx.warn("has no effect: the endpoints come from EDS"));
            }
            let config = wire.eds_cluster_config.as_ref();
            let origin = cx.at("eds_cluster_config", |cx| {
                config_source(cx, "eds_config", config.and_then(|config| config.eds_config.as_ref()))
            })?;
            let service_name =
                config.map(|config| config.service_name.as_str()).filter(|name| !name.is_empty());
            let service_name = service_name.map(Into::into);
            Some(match origin {
                ConfigOrigin::Ads => Discovery::Eds { service_name },
                ConfigOrigin::File(file) => Discovery::EdsFile { service_name, file },
            })
        }
        Ok(DiscoveryType::StrictDns) => dns::of_cluster(cx, wire, DnsKind::Strict),
        Ok(DiscoveryType::LogicalDns) => dns::of_cluster(cx, wire, DnsKind::Logical),
        Ok(other) => cx.at("type", |cx| cx.refuse(format!("{} {ONLY}", other.as_str_name()))),
        Err(other) => cx.at("type", |cx| cx.refuse(format!("{other} {ONLY}"))),
    }
}

/// Why a type is refused.
const ONLY: &str = "is not supported (only STATIC, STRICT_DNS, LOGICAL_DNS and EDS)";

/// The limits of one priority. As in Envoy, the first thresholds of it count.
fn circuit_limits(
    cx: &mut Context,
    wire: Option<&pb::CircuitBreakers>,
    priority: pb::RoutingPriority,
    of: BudgetBase,
) -> CircuitLimits {
    let defaults = CircuitLimits::default();
    let thresholds = wire.map_or(&[][..], |wire| wire.thresholds.as_slice());
    let mut thresholds = thresholds.iter().enumerate();
    let max_connections_per_host = per_host(cx, wire, priority);
    let Some((index, limits)) = thresholds.find(|(_, limits)| limits.priority() == priority) else {
        return CircuitLimits { max_connections_per_host, ..defaults };
    };
    let or = |wire: Option<&pb::UInt32Value>, default| wire.map_or(default, |limit| limit.value);
    let retry_budget = match &limits.retry_budget {
        Some(budget) => {
            let share = cx.item("thresholds", index, |cx| {
                cx.at("retry_budget", |cx| percent(cx, "budget_percent", budget.budget_percent.as_ref()))
            });
            let default = RetryBudget::default();
            Some(RetryBudget {
                budget: share.unwrap_or(default.budget),
                min_concurrency: or(budget.min_retry_concurrency.as_ref(), default.min_concurrency),
                of,
            })
        }
        // Whoever limits retries by number does not want them limited by a share as well.
        None if limits.max_retries.is_some() => None,
        None => defaults.retry_budget,
    };
    CircuitLimits {
        max_connections: or(limits.max_connections.as_ref(), defaults.max_connections),
        max_connections_per_host,
        max_pending_requests: or(limits.max_pending_requests.as_ref(), defaults.max_pending_requests),
        max_requests: or(limits.max_requests.as_ref(), defaults.max_requests),
        max_retries: or(limits.max_retries.as_ref(), defaults.max_retries),
        retry_budget,
        track_remaining: limits.track_remaining,
    }
}

/// The limit of each endpoint. As in Envoy, there is none but that of connections.
fn per_host(
    cx: &mut Context,
    wire: Option<&pb::CircuitBreakers>,
    priority: pb::RoutingPriority,
) -> Option<u32> {
    let all = wire.map_or(&[][..], |wire| wire.per_host_thresholds.as_slice());
    let (index, limits) = all.iter().enumerate().find(|(_, limits)| limits.priority() == priority)?;
    let others = limits.max_pending_requests.is_some()
        || limits.max_requests.is_some()
        || limits.max_retries.is_some()
        || limits.max_connection_pools.is_some()
        || limits.retry_budget.is_some()
        || limits.track_remaining;
    if others {
        cx.item("per_host_thresholds", index, |cx| {
            cx.reject("of one endpoint only max_connections can be limited")
        });
    }
    limits.max_connections.as_ref().map(|limit| limit.value)
}
