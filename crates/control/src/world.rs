//! Everything that is known of a mesh at one moment: all resources, indexed and checked against each other. A world never
//! changes; an edit makes another one. What it means for a proxy is [`crate::translate`].

mod amend;
mod build;
mod callee;
mod check;
mod delegate;
mod difference;
mod effective;
pub mod host;
mod host_index;
mod members;
mod merge;
mod policy;
mod ports;
mod scope;
mod shared_map;
mod trust_domain;
mod viewer_labels;

pub(crate) use amend::Amendment;
pub use callee::{Callee, CalleeSource};
pub use delegate::HttpRule;
pub(crate) use difference::Difference;
pub use effective::{EffectiveValue, Layer};
pub use members::{Member, MemberAddress};
pub use ports::LOOPBACK;
pub use scope::Scope;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ripstop_model::{Name, SpiffeId};
use ripstop_yaml::Problem;

use host_index::HostIndex;
use shared_map::SharedMap;

use crate::resource::{
    AuthorizationPolicy, Credential, DestinationRule, Gateway, Kind, Labels, Mesh, Metadata, ObjectKey,
    PeerAuthentication, RequestAuthentication, Resource, Service, ServiceEntry, Sidecar, Telemetry,
    VirtualService, Workload, WorkloadEntry, WorkloadGroup,
};

/// A workload and the identity that follows from its mesh, namespace and service account.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// What was written.
    pub workload: Workload,
    /// Who it is.
    pub identity: SpiffeId,
}

impl Instance {
    /// Namespace and name of the workload.
    pub fn key(&self) -> &ObjectKey {
        &self.workload.meta.key
    }
}

/// All resources of a mesh, indexed. References that must hold do hold. Copies share everything; what changes most often,
/// workloads and entries, is in maps of which a copy can differ in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    mesh: Arc<Mesh>,
    services: Arc<BTreeMap<ObjectKey, Arc<Service>>>,
    instances: SharedMap<ObjectKey, Arc<Instance>>,
    /// By name.
    by_service: SharedMap<ObjectKey, Arc<Vec<Arc<Instance>>>>,
    /// By the machine that a workload is on, the keys in order; all loopback addresses are on one, `None`.
    by_machine: SharedMap<Option<IpAddr>, Arc<Vec<ObjectKey>>>,
    /// Everything that can be called, by host.
    callees: Arc<BTreeMap<Name, Vec<Arc<Callee>>>>,
    gateways: Arc<BTreeMap<ObjectKey, Arc<Gateway>>>,
    credentials: Arc<BTreeMap<ObjectKey, Arc<Credential>>>,
    /// Those that hold, merged from the documents.
    rules_by_host: Arc<HostIndex<DestinationRule>>,
    /// Those that sidecars follow.
    mesh_routing: Arc<HostIndex<VirtualService>>,
    /// In the order of the documents, as the lists below: of two rules with an equal claim the earlier one holds.
    virtual_services: Arc<Vec<Arc<VirtualService>>>,
    destination_rules: Arc<Vec<Arc<DestinationRule>>>,
    service_entries: Arc<Vec<Arc<ServiceEntry>>>,
    /// By namespace.
    workload_entries: SharedMap<Name, Arc<Vec<Arc<WorkloadEntry>>>>,
    workload_groups: Arc<Vec<Arc<WorkloadGroup>>>,
    sidecars: Arc<Vec<Arc<Sidecar>>>,
    peer_authentications: Arc<Vec<Arc<PeerAuthentication>>>,
    request_authentications: Arc<Vec<Arc<RequestAuthentication>>>,
    authorization_policies: Arc<Vec<Arc<AuthorizationPolicy>>>,
    telemetries: Arc<Vec<Arc<Telemetry>>>,
    /// Labels of a caller on which it depends what it is told of others.
    viewer_labels: Arc<BTreeSet<Name>>,
}

impl World {
    /// Indexes the resources and checks what refers to what. With the world come warnings: what can run, but hardly as
    /// its author expects.
    ///
    /// # Errors
    /// Every problem, the warnings among them, if at least one of them means that the mesh cannot run so.
    pub fn build(resources: Vec<Resource>) -> Result<(World, Vec<Problem>), Vec<Problem>> {
        build::build(resources)
    }

    /// The mesh as a whole.
    pub fn mesh(&self) -> &Mesh {
        &self.mesh
    }

    /// All services by namespace and name.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// One service.
    pub fn service(&self, key: &ObjectKey) -> Option<&Arc<Service>> {
        self.services.get(key)
    }

    /// All workloads by namespace and name.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.instances.values()
    }

    /// One workload.
    pub fn instance(&self, key: &ObjectKey) -> Option<&Arc<Instance>> {
        self.instances.get(key)
    }

    /// The workloads of a service by name.
    pub fn instances_of(&self, service: &ObjectKey) -> &[Arc<Instance>] {
        self.by_service.get(service).map(|instances| instances.as_slice()).unwrap_or_default()
    }

    /// The workloads of a namespace by name.
    pub(crate) fn instances_in<'a>(&'a self, namespace: &'a Name) -> impl Iterator<Item = &'a Arc<Instance>> {
        let first = ObjectKey { namespace: namespace.clone(), name: "".into() };
        let from = self.instances.values_from(&first);
        from.take_while(move |instance| instance.key().namespace == *namespace)
    }

    /// All virtual services in the order of the documents.
    pub fn virtual_services(&self) -> &[Arc<VirtualService>] {
        &self.virtual_services
    }

    /// All destination rules as they were written, in the order of the documents.
    pub fn destination_rules(&self) -> &[Arc<DestinationRule>] {
        &self.destination_rules
    }

    /// All service entries in the order of the documents.
    pub fn service_entries(&self) -> &[Arc<ServiceEntry>] {
        &self.service_entries
    }

    /// All workload entries by namespace, in the order of the documents.
    pub fn workload_entries(&self) -> impl Iterator<Item = &Arc<WorkloadEntry>> {
        self.workload_entries.values().flat_map(|entries| entries.iter())
    }

    /// Those of a namespace.
    pub(crate) fn workload_entries_in(&self, namespace: &Name) -> &[Arc<WorkloadEntry>] {
        self.workload_entries.get(namespace).map(|entries| entries.as_slice()).unwrap_or_default()
    }

    /// All Sidecar documents in their order.
    pub fn sidecars(&self) -> &[Arc<Sidecar>] {
        &self.sidecars
    }

    /// All peer authentications in the order of the documents.
    pub fn peer_authentications(&self) -> &[Arc<PeerAuthentication>] {
        &self.peer_authentications
    }

    /// All authorization policies in the order of the documents.
    pub fn authorization_policies(&self) -> &[Arc<AuthorizationPolicy>] {
        &self.authorization_policies
    }

    /// All request authentications in the order of the documents.
    pub fn request_authentications(&self) -> &[Arc<RequestAuthentication>] {
        &self.request_authentications
    }

    /// One credential.
    pub fn credential(&self, key: &ObjectKey) -> Option<&Arc<Credential>> {
        self.credentials.get(key)
    }

    /// Every resource, with the mesh first and the others by kind.
    pub fn resources(&self) -> Vec<(Kind, &Metadata)> {
        let mut found = vec![(Kind::Mesh, &self.mesh.meta)];
        found.extend(self.services.values().map(|r| (Kind::Service, &r.meta)));
        found.extend(self.instances.values().map(|r| (Kind::Workload, &r.workload.meta)));
        found.extend(self.credentials.values().map(|r| (Kind::Credential, &r.meta)));
        found.extend(self.gateways.values().map(|r| (Kind::Gateway, &r.meta)));
        found.extend(self.virtual_services.iter().map(|r| (Kind::VirtualService, &r.meta)));
        found.extend(self.destination_rules.iter().map(|r| (Kind::DestinationRule, &r.meta)));
        found.extend(self.service_entries.iter().map(|r| (Kind::ServiceEntry, &r.meta)));
        found.extend(self.workload_entries().map(|r| (Kind::WorkloadEntry, &r.meta)));
        found.extend(self.workload_groups.iter().map(|r| (Kind::WorkloadGroup, &r.meta)));
        found.extend(self.sidecars.iter().map(|r| (Kind::Sidecar, &r.meta)));
        found.extend(self.peer_authentications.iter().map(|r| (Kind::PeerAuthentication, &r.meta)));
        found.extend(self.request_authentications.iter().map(|r| (Kind::RequestAuthentication, &r.meta)));
        found.extend(self.authorization_policies.iter().map(|r| (Kind::AuthorizationPolicy, &r.meta)));
        found.extend(self.telemetries.iter().map(|r| (Kind::Telemetry, &r.meta)));
        found
    }

    /// All gateways by namespace and name.
    pub fn gateways(&self) -> impl Iterator<Item = &Arc<Gateway>> {
        self.gateways.values()
    }

    /// The gateways that a workload with these labels serves, by namespace and name.
    pub fn gateways_served_by<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a Arc<Gateway>> {
        let served = |selector: &Labels| selector.iter().all(|(key, value)| labels.get(key) == Some(value));
        self.gateways.values().filter(move |gateway| served(&gateway.selector))
    }

    /// The service that `host`, written in `namespace`, names: `service`, `service.namespace`,
    /// `service.namespace.svc` or the full name.
    pub fn service_named(&self, host: &str, namespace: &str) -> Option<&Arc<Service>> {
        self.services.get(&host::service_key(host, namespace)?)
    }

    /// Labels of a caller on which it depends what it is told of others: callers that agree in them, and in their namespace
    /// and locality, are told the same.
    pub(crate) fn viewer_labels(&self) -> &BTreeSet<Name> {
        &self.viewer_labels
    }

    /// The full name of `host`, written in `namespace`. A name that nothing has stays as it is, except that a name
    /// without a dot is taken to be one of a service in `namespace`.
    pub fn full_name(&self, host: &str, namespace: &str) -> Name {
        if let Some(service) = self.service_named(host, namespace) {
            return host::full_name(&service.meta.key);
        }
        match host.contains(['.', '*', ':']) || self.callees.contains_key(host) {
            true => host.into(),
            false => host::full_name(&ObjectKey::new(namespace, host)),
        }
    }
}
