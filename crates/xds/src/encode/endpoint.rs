//! Endpoints → wire.
//!
//! The messages are written out here, field for field as in `envoy/config/endpoint/v3`, because the labels
//! of an endpoint are a map, and the generated type would write it in a different order every time.

use prost::Message;
use ripstop_model::address::HostPort;
use ripstop_model::endpoint::LocalityEndpoints;
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, HealthStatus};

use super::common::{OrderedMetadata, address, both, metadata, named_address, texts, u32_value};
use super::health_check;
use crate::metadata::{CANARY, ENVOY_LB, RIPSTOP, TRANSPORT_SOCKET_MATCH, UNWEIGHTED};
use crate::pb;

/// `envoy.config.endpoint.v3.ClusterLoadAssignment`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OrderedAssignment {
    #[prost(string, tag = "1")]
    cluster_name: String,
    #[prost(message, repeated, tag = "2")]
    endpoints: Vec<OrderedLocality>,
    #[prost(message, optional, tag = "4")]
    policy: Option<pb::cluster_load_assignment::Policy>,
}

/// `envoy.config.endpoint.v3.LocalityLbEndpoints`
#[derive(Clone, PartialEq, Message)]
struct OrderedLocality {
    #[prost(message, optional, tag = "1")]
    locality: Option<pb::Locality>,
    #[prost(message, repeated, tag = "2")]
    lb_endpoints: Vec<OrderedEndpoint>,
    #[prost(message, optional, tag = "3")]
    load_balancing_weight: Option<pb::UInt32Value>,
    #[prost(uint32, tag = "5")]
    priority: u32,
    #[prost(message, optional, tag = "9")]
    metadata: Option<OrderedMetadata>,
}

/// `envoy.config.endpoint.v3.LbEndpoint`
#[derive(Clone, PartialEq, Message)]
struct OrderedEndpoint {
    #[prost(message, optional, tag = "1")]
    endpoint: Option<pb::Endpoint>,
    #[prost(int32, tag = "2")]
    health_status: i32,
    #[prost(message, optional, tag = "3")]
    metadata: Option<OrderedMetadata>,
    #[prost(message, optional, tag = "4")]
    load_balancing_weight: Option<pb::UInt32Value>,
}

pub(super) fn load_assignment(of: &ClusterLoadAssignment) -> OrderedAssignment {
    assignment(of, address)
}

/// The same for endpoints that have names.
pub(super) fn named_load_assignment(of: &ClusterLoadAssignment<HostPort>) -> OrderedAssignment {
    assignment(of, named_address)
}

fn assignment<A>(assignment: &ClusterLoadAssignment<A>, address: fn(&A) -> pb::Address) -> OrderedAssignment {
    let percent = assignment.overprovisioning_percent;
    let policy = (percent != ClusterLoadAssignment::DEFAULT_OVERPROVISIONING_PERCENT).then(|| {
        pb::cluster_load_assignment::Policy {
            overprovisioning_factor: Some(u32_value(percent)),
            ..Default::default()
        }
    });
    OrderedAssignment {
        cluster_name: assignment.cluster_name.to_string(),
        endpoints: assignment.localities.iter().map(|of| locality(of, address)).collect(),
        policy,
    }
}

/// Locality and weight are always there: gRPC refuses a locality without the one and skips it without the other.
fn locality<A>(endpoints: &LocalityEndpoints<A>, address: fn(&A) -> pb::Address) -> OrderedLocality {
    let place = &endpoints.locality;
    let unweighted = endpoints.weight.is_none();
    OrderedLocality {
        locality: Some(pb::Locality {
            region: place.region.to_string(),
            zone: place.zone.to_string(),
            sub_zone: place.sub_zone.to_string(),
        }),
        lb_endpoints: endpoints.endpoints.iter().map(|of| endpoint(of, address)).collect(),
        load_balancing_weight: Some(u32_value(endpoints.weight.map_or(1, |weight| weight.get()))),
        priority: endpoints.priority,
        metadata: metadata(
            RIPSTOP,
            unweighted.then(|| (UNWEIGHTED.to_owned(), pb::value::Kind::BoolValue(true))),
        ),
    }
}

fn endpoint<A>(endpoint: &Endpoint<A>, address: fn(&A) -> pb::Address) -> OrderedEndpoint {
    let extra = endpoint.extra();
    let canary = endpoint.canary.then(|| (CANARY.to_owned(), pb::value::Kind::BoolValue(true)));
    OrderedEndpoint {
        endpoint: Some(pb::Endpoint {
            address: Some(address(&endpoint.address)),
            hostname: endpoint.hostname.to_string(),
            additional_addresses: extra.additional_addresses.iter().map(additional_address).collect(),
            health_check_config: extra.check.as_deref().map(health_check::of_endpoint),
            ..Default::default()
        }),
        health_status: health_status(endpoint.health),
        metadata: both(
            metadata(ENVOY_LB, texts(&extra.labels).chain(canary)),
            metadata(TRANSPORT_SOCKET_MATCH, texts(&extra.transport_labels)),
        ),
        load_balancing_weight: Some(u32_value(endpoint.weight.get())),
    }
}

fn additional_address(of: &Address) -> pb::endpoint::AdditionalAddress {
    pb::endpoint::AdditionalAddress { address: Some(address(of)) }
}

/// Numbers of `envoy.config.core.v3.HealthStatus`.
fn health_status(health: HealthStatus) -> i32 {
    match health {
        HealthStatus::Unknown => 0,
        HealthStatus::Healthy => 1,
        HealthStatus::Unhealthy => 2,
        HealthStatus::Draining => 3,
        HealthStatus::Timeout => 4,
        HealthStatus::Degraded => 5,
    }
}
