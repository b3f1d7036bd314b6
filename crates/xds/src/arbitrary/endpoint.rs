//! Endpoints, at random.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use ripstop_model::endpoint::{EndpointExtra, Locality, LocalityEndpoints};
use ripstop_model::{ClusterLoadAssignment, Endpoint, HealthStatus, Name};

use super::{address, count, health_check, list, name, option};

pub(super) fn endpoint<A>(rng: &mut Rng, address: fn(&mut Rng) -> A) -> Endpoint<A> {
    let healths = [
        HealthStatus::Unknown,
        HealthStatus::Healthy,
        HealthStatus::Unhealthy,
        HealthStatus::Draining,
        HealthStatus::Timeout,
        HealthStatus::Degraded,
    ];
    let labels = |rng: &mut Rng| -> BTreeMap<Name, Name> {
        list(rng, 6, |rng| (name(rng), if rng.bool() { name(rng) } else { "".into() })).into_iter().collect()
    };
    let extra = |rng: &mut Rng| EndpointExtra {
        additional_addresses: list(rng, 2, super::address),
        labels: labels(rng),
        transport_labels: labels(rng),
        check: health_check::of_endpoint(rng),
    };
    Endpoint {
        address: address(rng),
        hostname: if rng.bool() { name(rng) } else { "".into() },
        health: healths[rng.usize(0..healths.len())],
        weight: count(rng),
        canary: rng.bool(),
        extra: extra(rng).boxed(),
    }
}

/// The endpoints of a cluster.
pub(crate) fn load_assignment(rng: &mut Rng) -> ClusterLoadAssignment {
    assignment(rng, address)
}

pub(super) fn assignment<A>(rng: &mut Rng, address: fn(&mut Rng) -> A) -> ClusterLoadAssignment<A> {
    let text = |rng: &mut Rng| if rng.bool() { name(rng) } else { Name::from("") };
    ClusterLoadAssignment {
        cluster_name: name(rng),
        localities: list(rng, 3, |rng| LocalityEndpoints {
            locality: Locality { region: text(rng), zone: text(rng), sub_zone: text(rng) },
            priority: rng.u32(0..=128),
            weight: option(rng, count),
            endpoints: list(rng, 3, |rng| Arc::new(endpoint(rng, address))),
        }),
        overprovisioning_percent: if rng.bool() { 140 } else { rng.u32(1..1000) },
    }
}
