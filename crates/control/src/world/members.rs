//! Who answers for a host: workloads, or the endpoints of an entry, wherever they are described.

use std::net::SocketAddr;

use ripstop_model::address::HostPort;
use ripstop_model::endpoint::Locality;
use ripstop_model::{Address, Name, SpiffeId};

use crate::resource::{
    EntryAddress, EntryEndpoint, Labels, Location, MtlsMode, ObjectKey, Resolution, ServiceEntry, ServicePort,
};
use crate::world::callee::{Callee, CalleeSource};
use crate::world::{Instance, World};

/// Label by which an endpoint of an entry says that a proxy of the mesh is before it, as in Istio.
const TLS_MODE_LABEL: &str = "security.istio.io/tlsMode";

/// One that answers on a port.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    /// For people: name of the workload or entry, or the address.
    pub name: Name,
    /// What subsets look at.
    pub labels: &'a Labels,
    /// Where in the world it is.
    pub locality: &'a Locality,
    /// Its share among those of its locality.
    pub weight: u32,
    /// Where it is reached.
    pub address: MemberAddress,
    /// Which connections it takes.
    pub mode: MtlsMode,
    /// Who it is; `None`: nobody knows.
    pub identity: Option<SpiffeId>,
}

/// Where a member is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberAddress {
    /// At an address.
    At(Address),
    /// At what DNS says.
    Name(HostPort),
}

impl Member<'_> {
    /// Whether it has everything that `selector` asks for.
    pub fn has_labels(&self, selector: &Labels) -> bool {
        selector.iter().all(|(key, value)| self.labels.get(key) == Some(value))
    }
}

impl World {
    /// Those that answer for `callee` on its port, in a fixed order.
    pub fn members<'a>(&'a self, callee: &'a Callee, port: &ServicePort) -> Vec<Member<'a>> {
        match &callee.source {
            CalleeSource::Service(service) => {
                let instances = self.instances_of(&service.meta.key).iter();
                instances.filter_map(|instance| self.workload_member(instance, port)).collect()
            }
            CalleeSource::Entry(entry) => self.entry_members(callee, entry, port),
        }
    }

    /// Whether anybody has been named who answers for `callee`, on whatever port.
    pub fn has_members(&self, callee: &Callee) -> bool {
        callee.ports.iter().any(|port| !self.members(callee, port).is_empty())
    }

    fn workload_member<'a>(&self, instance: &'a Instance, port: &ServicePort) -> Option<Member<'a>> {
        let workload = &instance.workload;
        let at = workload.ports.get(&port.name)?;
        let mode = at.sidecar.map(|_| self.mtls_mode(workload, at.app)).unwrap_or(MtlsMode::Disable);
        let address = SocketAddr::new(workload.address, at.sidecar.unwrap_or(at.app));
        Some(Member {
            name: workload.meta.name().clone(),
            labels: &workload.meta.labels,
            locality: &workload.locality,
            weight: workload.weight,
            address: MemberAddress::At(address.into()),
            mode,
            identity: Some(instance.identity.clone()),
        })
    }

    fn entry_members<'a>(
        &'a self,
        callee: &Callee,
        entry: &'a ServiceEntry,
        port: &ServicePort,
    ) -> Vec<Member<'a>> {
        let target = entry.ports.iter().find(|one| one.port.port == port.port).and_then(|one| one.target);
        let fallback = target.unwrap_or(port.port);
        if let Some(selector) = &entry.selector {
            return self.selected_members(entry, selector, port, fallback);
        }
        if entry.endpoints.is_empty() {
            return own_name(callee, entry, fallback).into_iter().collect();
        }
        let member = |endpoint| self.endpoint_member(entry, endpoint, &endpoint.labels, None, port, fallback);
        entry.endpoints.iter().filter_map(member).collect()
    }

    /// WorkloadEntries and Workloads of the namespace with these labels.
    fn selected_members<'a>(
        &'a self,
        entry: &'a ServiceEntry,
        selector: &Labels,
        port: &ServicePort,
        fallback: u16,
    ) -> Vec<Member<'a>> {
        let namespace = entry.meta.namespace();
        let entries = self.workload_entries_in(namespace).iter();
        let has = |labels: &Labels| selector.iter().all(|(key, value)| labels.get(key) == Some(value));
        let mut members: Vec<Member<'a>> = entries
            .filter_map(|one| {
                let labels =
                    [&one.endpoint.labels, &one.meta.labels].into_iter().find(|labels| has(labels))?;
                self.endpoint_member(entry, &one.endpoint, labels, Some(&one.meta.key), port, fallback)
            })
            .collect();
        let workloads = self.instances_in(namespace).filter(|instance| has(&instance.workload.meta.labels));
        members.extend(workloads.filter_map(|instance| self.workload_member(instance, port)));
        members
    }

    fn endpoint_member<'a>(
        &self,
        entry: &ServiceEntry,
        endpoint: &'a EntryEndpoint,
        labels: &'a Labels,
        key: Option<&ObjectKey>,
        port: &ServicePort,
        fallback: u16,
    ) -> Option<Member<'a>> {
        let number = endpoint.ports.get(&port.name).copied().unwrap_or(fallback);
        let (address, shown) = match endpoint.address.as_ref()? {
            EntryAddress::Ip(ip) => {
                (MemberAddress::At(Address::Socket(SocketAddr::new(*ip, number))), ip.to_string())
            }
            EntryAddress::Name(name) => {
                (MemberAddress::Name(HostPort { host: name.clone(), port: number }), name.to_string())
            }
            EntryAddress::Pipe(path) => (MemberAddress::At(Address::Pipe(path.clone())), path.to_string()),
        };
        let has_proxy = entry.location == Location::Internal
            && labels.get(TLS_MODE_LABEL).is_some_and(|mode| &**mode == "istio");
        let account = endpoint.service_account.as_ref();
        let identity = account.and_then(|account| {
            SpiffeId::workload(&self.mesh.trust_domain, entry.meta.namespace(), account).ok()
        });
        Some(Member {
            name: key.map_or_else(|| shown.into(), |key| key.name.clone()),
            labels,
            locality: &endpoint.locality,
            weight: endpoint.weight,
            address,
            mode: if has_proxy { MtlsMode::Permissive } else { MtlsMode::Disable },
            identity: identity.filter(|_| has_proxy),
        })
    }
}

/// An entry without endpoints is reached by its own name. A pattern has none; and with `NONE` a name is all that is known
/// where no original destination is.
fn own_name<'a>(callee: &Callee, entry: &'a ServiceEntry, port: u16) -> Option<Member<'a>> {
    static NO_LABELS: Labels = Labels::new();
    static NOWHERE: std::sync::LazyLock<Locality> = std::sync::LazyLock::new(Locality::default);
    if callee.host.starts_with('*') || entry.resolution == Resolution::Static {
        return None;
    }
    Some(Member {
        name: callee.host.clone(),
        labels: &NO_LABELS,
        locality: &NOWHERE,
        weight: 1,
        address: match callee.host.parse() {
            Ok(ip) => MemberAddress::At(Address::Socket(SocketAddr::new(ip, port))),
            Err(_) => MemberAddress::Name(HostPort { host: callee.host.clone(), port }),
        },
        mode: MtlsMode::Disable,
        identity: None,
    })
}
