//! Members as endpoints: of a list, or of names that DNS is asked for. Which go before others is [`super::locality`].

use std::num::NonZeroU32;
use std::sync::Arc;

use ripstop_model::address::HostPort;
use ripstop_model::endpoint::{EndpointExtra, LocalityEndpoints};
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, HealthStatus, Name};

use super::locality::Group;
use crate::world::{Member, MemberAddress};

/// Members that are at addresses. What is at a name is left out: a cluster is of one kind.
pub(super) fn assignment(cluster: &Name, groups: Vec<Group<'_>>) -> ClusterLoadAssignment {
    of(cluster, groups, |address| match address {
        MemberAddress::At(address) => Some(address.clone()),
        MemberAddress::Name(_) => None,
    })
}

/// Members that DNS is asked for; an address stands for itself.
pub(super) fn names(cluster: &Name, groups: Vec<Group<'_>>) -> ClusterLoadAssignment<HostPort> {
    of(cluster, groups, |address| match address {
        MemberAddress::Name(name) => Some(name.clone()),
        MemberAddress::At(Address::Socket(socket)) => {
            Some(HostPort { host: socket.ip().to_string().into(), port: socket.port() })
        }
        MemberAddress::At(Address::Pipe(_)) => None,
    })
}

/// No instances.
pub(super) fn none(cluster: &Name) -> ClusterLoadAssignment {
    ClusterLoadAssignment::flat(cluster.clone(), Vec::new())
}

fn of<A>(
    cluster: &Name,
    groups: Vec<Group<'_>>,
    address: impl Fn(&MemberAddress) -> Option<A>,
) -> ClusterLoadAssignment<A> {
    let endpoint = |member: &Member<'_>| {
        Some(Arc::new(Endpoint {
            address: address(&member.address)?,
            hostname: member.name.clone(),
            health: HealthStatus::Unknown,
            weight: NonZeroU32::new(member.weight).unwrap_or(NonZeroU32::MIN),
            canary: false,
            extra: EndpointExtra { labels: member.labels.clone(), ..EndpointExtra::default() }.boxed(),
        }))
    };
    let localities = groups.into_iter().map(|group| LocalityEndpoints {
        locality: group.locality,
        priority: group.priority,
        weight: Some(group.weight),
        endpoints: group.members.iter().filter_map(endpoint).collect(),
    });
    ClusterLoadAssignment {
        cluster_name: cluster.clone(),
        localities: localities.collect(),
        overprovisioning_percent: ClusterLoadAssignment::DEFAULT_OVERPROVISIONING_PERCENT,
    }
}
