//! Where the instances of a cluster are. Not how one is chosen: that is `ripstop-policy`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::health_check::EndpointHealthCheck;
use crate::{Address, Name};

/// All endpoints of one cluster, as EDS delivers them. `A` is what an endpoint is reached by: an address, or a name that is
/// still to be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterLoadAssignment<A = Address> {
    /// The EDS service name, or the cluster's name.
    pub cluster_name: Name,
    /// Endpoints by locality and priority.
    pub localities: Vec<LocalityEndpoints<A>>,
    /// How many percent of its share a priority level can take over; 140 unless told.
    pub overprovisioning_percent: u32,
}

impl ClusterLoadAssignment {
    /// Envoy's default for [`ClusterLoadAssignment::overprovisioning_percent`].
    pub const DEFAULT_OVERPROVISIONING_PERCENT: u32 = 140;

    /// An assignment with all endpoints in one nameless locality at the highest priority.
    pub fn flat(cluster_name: impl Into<Name>, endpoints: Vec<Endpoint>) -> ClusterLoadAssignment {
        ClusterLoadAssignment {
            cluster_name: cluster_name.into(),
            localities: vec![LocalityEndpoints {
                locality: Locality::default(),
                priority: 0,
                weight: NonZeroU32::new(1),
                endpoints: endpoints.into_iter().map(Arc::new).collect(),
            }],
            overprovisioning_percent: Self::DEFAULT_OVERPROVISIONING_PERCENT,
        }
    }
}

impl<A> ClusterLoadAssignment<A> {
    /// Every endpoint, whatever its locality.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint<A>> {
        self.localities.iter().flat_map(|l| l.endpoints.iter()).map(|endpoint| &**endpoint)
    }
}

/// Where in the world something runs. Empty text: unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locality {
    /// For instance `eu-west-1`.
    pub region: Name,
    /// For instance `eu-west-1a`.
    pub zone: Name,
    /// For instance a rack.
    pub sub_zone: Name,
}

/// The endpoints of one locality at one priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalityEndpoints<A = Address> {
    /// Where they are.
    pub locality: Locality,
    /// 0 is the highest priority. At most 128.
    pub priority: u32,
    /// Share of the locality among those of its priority; `None` when localities are not weighted.
    pub weight: Option<NonZeroU32>,
    /// The instances, each shared with whatever balances over it.
    pub endpoints: Vec<Arc<Endpoint<A>>>,
}

/// One instance. Small, because meshes have very many: what few of them have is in [`EndpointExtra`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint<A = Address> {
    /// Where it is reached.
    pub address: A,
    /// Host name for `host_rewrite: auto` and for people; may be empty.
    pub hostname: Name,
    /// What the source of the endpoint knows of its health.
    pub health: HealthStatus,
    /// Share among the endpoints of its locality.
    pub weight: NonZeroU32,
    /// It runs a version on trial (`canary` in `filter_metadata["envoy.lb"]`).
    pub canary: bool,
    /// `None` where it has nothing of it; see [`EndpointExtra::boxed`].
    pub extra: Option<Box<EndpointExtra>>,
}

/// What few endpoints have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointExtra {
    /// Where it is reached as well, for instance over the other version of IP.
    pub additional_addresses: Vec<Address>,
    /// Labels of the load balancer (`filter_metadata["envoy.lb"]`), text values only.
    pub labels: BTreeMap<Name, Name>,
    /// What chooses how it is reached (`filter_metadata["envoy.transport_socket_match"]`), text values only.
    pub transport_labels: BTreeMap<Name, Name>,
    /// How it is checked, where it differs from the others.
    pub check: Option<Box<EndpointHealthCheck>>,
}

impl EndpointExtra {
    /// Nothing.
    const NONE: &EndpointExtra = &EndpointExtra {
        additional_addresses: Vec::new(),
        labels: BTreeMap::new(),
        transport_labels: BTreeMap::new(),
        check: None,
    };

    /// What [`Endpoint::extra`] is to be: equal endpoints are equal there, too.
    pub fn boxed(self) -> Option<Box<EndpointExtra>> {
        (self != *EndpointExtra::NONE).then(|| Box::new(self))
    }
}

impl<A> Endpoint<A> {
    /// What few endpoints have; empty where it has nothing of it.
    pub fn extra(&self) -> &EndpointExtra {
        self.extra.as_deref().unwrap_or(EndpointExtra::NONE)
    }

    /// Whether active health checks leave it alone.
    pub fn is_unchecked(&self) -> bool {
        self.extra().check.as_ref().is_some_and(|check| check.disabled)
    }
}

impl Endpoint {
    /// A healthy endpoint of weight 1 without labels.
    pub fn new(address: impl Into<Address>) -> Endpoint {
        Endpoint {
            address: address.into(),
            hostname: Name::default(),
            health: HealthStatus::Unknown,
            weight: NonZeroU32::MIN,
            canary: false,
            extra: None,
        }
    }
}

/// Envoy's `HealthStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HealthStatus {
    /// Nobody has said; counts as healthy.
    #[default]
    Unknown,
    /// Takes traffic.
    Healthy,
    /// Takes no traffic.
    Unhealthy,
    /// Going away: no new requests, running ones may finish.
    Draining,
    /// Did not answer in time: no traffic.
    Timeout,
    /// Takes traffic when healthy ones are short.
    Degraded,
}

impl HealthStatus {
    /// Whether new requests may go there in the ordinary case.
    pub fn is_available(self) -> bool {
        matches!(self, HealthStatus::Unknown | HealthStatus::Healthy)
    }

    /// Envoy's word for `/clusters`.
    pub fn as_str(self) -> &'static str {
        match self {
            HealthStatus::Unknown | HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
            HealthStatus::Draining => "draining",
            HealthStatus::Timeout => "timeout",
            HealthStatus::Degraded => "degraded",
        }
    }
}
