//! What can be called under one host name, whoever describes it: a `Service`, or one host of a `ServiceEntry`.

use std::fmt;
use std::sync::Arc;

use ripstop_model::Name;

use crate::resource::{ExportTo, Kind, ObjectKey, Origin, Service, ServiceEntry, ServicePort};
use crate::world::{World, host};

/// One host that can be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Callee {
    /// Full name; of an entry it may be `*.suffix`.
    pub host: Name,
    /// Names and numbers are unique; at least one.
    pub ports: Vec<ServicePort>,
    /// Who describes it.
    pub source: CalleeSource,
    /// Where that was written.
    pub origin: Origin,
}

/// Who describes a host.
#[derive(Clone, Debug, PartialEq)]
pub enum CalleeSource {
    /// A service of ours; its workloads answer.
    Service(Arc<Service>),
    /// An entry of Istio's; who answers, it says itself.
    Entry(Arc<ServiceEntry>),
}

impl Callee {
    pub(super) fn of_service(service: &Arc<Service>) -> Callee {
        Callee {
            host: host::full_name(&service.meta.key),
            ports: service.ports.clone(),
            source: CalleeSource::Service(Arc::clone(service)),
            origin: service.meta.origin.clone(),
        }
    }

    /// One for each host of the entry.
    pub(super) fn of_entry(entry: &Arc<ServiceEntry>) -> impl Iterator<Item = Callee> {
        entry.hosts.iter().map(move |(host, origin)| Callee {
            host: host.clone(),
            ports: entry.ports.iter().map(|port| port.port.clone()).collect(),
            source: CalleeSource::Entry(Arc::clone(entry)),
            origin: origin.clone(),
        })
    }

    /// Kind of the document that describes it.
    pub fn kind(&self) -> Kind {
        match &self.source {
            CalleeSource::Service(_) => Kind::Service,
            CalleeSource::Entry(_) => Kind::ServiceEntry,
        }
    }

    /// Namespace and name of that document.
    pub fn key(&self) -> &ObjectKey {
        match &self.source {
            CalleeSource::Service(service) => &service.meta.key,
            CalleeSource::Entry(entry) => &entry.meta.key,
        }
    }

    /// Namespace of that document.
    pub fn namespace(&self) -> &Name {
        &self.key().namespace
    }

    /// The service, where it is one.
    pub fn service(&self) -> Option<&Arc<Service>> {
        match &self.source {
            CalleeSource::Service(service) => Some(service),
            CalleeSource::Entry(_) => None,
        }
    }

    /// The entry, where it is one.
    pub fn entry(&self) -> Option<&Arc<ServiceEntry>> {
        match &self.source {
            CalleeSource::Service(_) => None,
            CalleeSource::Entry(entry) => Some(entry),
        }
    }

    /// Whether workloads of `namespace` may know of it.
    pub fn is_visible_to(&self, namespace: &str) -> bool {
        match &self.source {
            CalleeSource::Service(_) => ExportTo::Everywhere.includes(namespace),
            CalleeSource::Entry(entry) => entry.export_to.includes(namespace),
        }
    }

    /// The port with this number.
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.port == number)
    }

    /// The port that is meant where none is named: the only one, the one that the caller addressed, 80, or the first.
    pub fn default_port(&self, addressed: Option<u16>) -> u16 {
        let wanted = [addressed, Some(80)].into_iter().flatten().find(|port| self.port(*port).is_some());
        match self.ports.as_slice() {
            [only] => only.port,
            ports => wanted.or_else(|| ports.first().map(|port| port.port)).unwrap_or(80),
        }
    }
}

/// `service default/users`, as messages call it.
impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            CalleeSource::Service(service) => write!(f, "service {}", service.meta.key),
            CalleeSource::Entry(_) => write!(f, "ServiceEntry {} ({})", self.key(), self.host),
        }
    }
}

impl World {
    /// Everything that can be called, by host; of one host, in the order of the documents.
    pub fn callees(&self) -> impl Iterator<Item = &Arc<Callee>> {
        self.callees.values().flatten()
    }

    /// What can be called under this full name or pattern, whoever sees it, in the order of the documents.
    pub(crate) fn callees_at(&self, host: &str) -> &[Arc<Callee>] {
        self.callees.get(host).map(Vec::as_slice).unwrap_or_default()
    }

    /// What `host`, written in `namespace`, names there: a service by `service`, `service.namespace`,
    /// `service.namespace.svc` or its full name, an entry by its host. An entry of the own namespace goes before others;
    /// a host that no entry has is taken by the longest pattern.
    pub fn callee(&self, host: &str, namespace: &str) -> Option<&Arc<Callee>> {
        let service = host::service_key(host, namespace).map(|key| host::full_name(&key));
        let by_name = |name: &str| self.callee_at(name, namespace);
        service.and_then(|name| by_name(&name)).or_else(|| by_name(host)).or_else(|| {
            // `a.b.example.org` is taken by `*.b.example.org` before `*.example.org`.
            let mut rest = host;
            while let Some(at) = rest.find('.') {
                if let Some(found) = by_name(&format!("*{}", &rest[at..])) {
                    return Some(found);
                }
                rest = &rest[at + 1..];
            }
            None
        })
    }

    /// What exactly this full name or pattern names in `namespace`.
    pub(super) fn callee_at(&self, name: &str, namespace: &str) -> Option<&Arc<Callee>> {
        let visible = || self.callees.get(name).into_iter().flatten().filter(|c| c.is_visible_to(namespace));
        visible().find(|callee| &**callee.namespace() == namespace).or_else(|| visible().next())
    }
}
