//! Endpoints ← wire.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use ripstop_model::address::HostPort;
use ripstop_model::endpoint::{EndpointExtra, Locality, LocalityEndpoints};
use ripstop_model::{ClusterLoadAssignment, Endpoint, HealthStatus, Name};

use super::common::{
    Context, address, check_metadata_keys, metadata_mark, metadata_value, named_address, often_empty,
};
use super::health_check;
use crate::metadata::{CANARY, ENVOY_LB, TRANSPORT_SOCKET_MATCH, UNWEIGHTED};
use crate::pb;

pub(super) fn load_assignment(
    cx: &mut Context,
    wire: &pb::ClusterLoadAssignment,
) -> Option<ClusterLoadAssignment> {
    assignment(cx, wire, address)
}

/// The same where endpoints may have names instead of addresses.
pub(super) fn named_load_assignment(
    cx: &mut Context,
    wire: &pb::ClusterLoadAssignment,
) -> Option<ClusterLoadAssignment<HostPort>> {
    assignment(cx, wire, named_address)
}

/// How an endpoint is reached, from the wire.
type ReadAddress<A> = fn(&mut Context, Option<&pb::Address>) -> Option<A>;

fn assignment<A>(
    cx: &mut Context,
    wire: &pb::ClusterLoadAssignment,
    address: ReadAddress<A>,
) -> Option<ClusterLoadAssignment<A>> {
    let factor = wire.policy.as_ref().and_then(|policy| policy.overprovisioning_factor.as_ref());
    Some(ClusterLoadAssignment {
        cluster_name: wire.cluster_name.as_str().into(),
        localities: cx.items("endpoints", &wire.endpoints, |cx, wire| locality(cx, wire, address)),
        overprovisioning_percent: factor
            .map_or(ClusterLoadAssignment::DEFAULT_OVERPROVISIONING_PERCENT, |factor| factor.value),
    })
}

fn locality<A>(
    cx: &mut Context,
    wire: &pb::LocalityLbEndpoints,
    address: ReadAddress<A>,
) -> Option<LocalityEndpoints<A>> {
    check_metadata_keys(cx, wire.metadata.as_ref(), &[UNWEIGHTED]);
    let unweighted = metadata_mark(cx, wire.metadata.as_ref(), UNWEIGHTED);
    let weight = wire.load_balancing_weight.as_ref().and_then(|weight| NonZeroU32::new(weight.value));
    let place = wire.locality.as_ref();
    let text = |pick: fn(&pb::Locality) -> &String| {
        place.map_or_else(Name::default, |place| often_empty(pick(place)))
    };
    Some(LocalityEndpoints {
        locality: Locality {
            region: text(|place| &place.region),
            zone: text(|place| &place.zone),
            sub_zone: text(|place| &place.sub_zone),
        },
        priority: wire.priority,
        weight: weight.filter(|_| !unweighted),
        endpoints: cx
            .items("lb_endpoints", &wire.lb_endpoints, |cx, wire| endpoint(cx, wire, address).map(Arc::new)),
    })
}

fn endpoint<A>(cx: &mut Context, wire: &pb::LbEndpoint, address: ReadAddress<A>) -> Option<Endpoint<A>> {
    let target = match &wire.host_identifier {
        Some(pb::lb_endpoint::HostIdentifier::Endpoint(endpoint)) => endpoint,
        _ => return cx.refuse("must hold its endpoint in place"),
    };
    let address = cx.at("endpoint", |cx| cx.at("address", |cx| address(cx, target.address.as_ref())))?;
    let weight = wire.load_balancing_weight.as_ref().map_or(1, |weight| weight.value);
    let Some(weight) = NonZeroU32::new(weight) else {
        return cx.at("load_balancing_weight", |cx| cx.refuse("must be at least 1"));
    };
    let check = cx.at("endpoint", |cx| {
        cx.at("health_check_config", |cx| health_check::of_endpoint(cx, target.health_check_config.as_ref()))
    });
    let additional_addresses = cx.at("endpoint", |cx| {
        cx.items("additional_addresses", &target.additional_addresses, |cx, wire| {
            cx.at("address", |cx| super::common::address(cx, wire.address.as_ref()))
        })
    });
    let extra = EndpointExtra {
        additional_addresses,
        labels: labels(cx, wire.metadata.as_ref(), ENVOY_LB),
        transport_labels: labels(cx, wire.metadata.as_ref(), TRANSPORT_SOCKET_MATCH),
        check: check?,
    };
    Some(Endpoint {
        address,
        hostname: often_empty(&target.hostname),
        health: health(cx, wire.health_status),
        weight,
        canary: matches!(
            metadata_value(wire.metadata.as_ref(), ENVOY_LB, CANARY),
            Some(pb::value::Kind::BoolValue(true))
        ),
        extra: extra.boxed(),
    })
}

/// Numbers of `envoy.config.core.v3.HealthStatus`. A status of the future takes no traffic.
fn health(cx: &mut Context, status: i32) -> HealthStatus {
    match status {
        0 => HealthStatus::Unknown,
        1 => HealthStatus::Healthy,
        2 => HealthStatus::Unhealthy,
        3 => HealthStatus::Draining,
        4 => HealthStatus::Timeout,
        5 => HealthStatus::Degraded,
        other => {
            cx.at("health_status", |cx| cx.warn(format!("{other} is not known and counts as unhealthy")));
            HealthStatus::Unhealthy
        }
    }
}

fn labels(cx: &mut Context, metadata: Option<&pb::Metadata>, namespace: &str) -> BTreeMap<Name, Name> {
    let mut labels = BTreeMap::new();
    let Some(fields) = metadata.and_then(|metadata| metadata.filter_metadata.get(namespace)) else {
        return labels;
    };
    for (key, value) in &fields.fields {
        match &value.kind {
            Some(pb::value::Kind::StringValue(text)) => {
                labels.insert(key.as_str().into(), text.as_str().into());
            }
            Some(pb::value::Kind::BoolValue(_)) if (namespace, key.as_str()) == (ENVOY_LB, CANARY) => {}
            _ => cx.at("metadata", |cx| {
                cx.warn(format!("label '{key}' of {namespace} is not a text and is left out"));
            }),
        }
    }
    labels
}
