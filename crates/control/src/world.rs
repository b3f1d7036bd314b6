//! Everything that is known of a mesh at one moment: all resources, indexed and checked against each other. A world never
//! changes; an edit makes another one. What it means for a proxy is [`crate::translate`].

mod build;
mod check;
pub mod host;
mod policy;
mod ports;
mod trust_domain;

pub use ports::LOOPBACK;

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::{Name, SpiffeId};
use ripstop_yaml::Problem;

use crate::resource::{
    DestinationRule, Gateway, Labels, Mesh, ObjectKey, PeerAuthentication, Resource, Service, VirtualService,
    Workload,
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

/// All resources of a mesh, indexed. References that must hold do hold.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    mesh: Mesh,
    services: BTreeMap<ObjectKey, Arc<Service>>,
    instances: BTreeMap<ObjectKey, Arc<Instance>>,
    by_service: BTreeMap<ObjectKey, Vec<Arc<Instance>>>,
    gateways: BTreeMap<ObjectKey, Arc<Gateway>>,
    /// In the order of the documents, as the lists below: of two rules with an equal claim the earlier one holds.
    virtual_services: Vec<Arc<VirtualService>>,
    destination_rules: Vec<Arc<DestinationRule>>,
    peer_authentications: Vec<Arc<PeerAuthentication>>,
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
        self.by_service.get(service).map(Vec::as_slice).unwrap_or_default()
    }

    /// All virtual services in the order of the documents.
    pub fn virtual_services(&self) -> &[Arc<VirtualService>] {
        &self.virtual_services
    }

    /// All destination rules in the order of the documents.
    pub fn destination_rules(&self) -> &[Arc<DestinationRule>] {
        &self.destination_rules
    }

    /// All peer authentications in the order of the documents.
    pub fn peer_authentications(&self) -> &[Arc<PeerAuthentication>] {
        &self.peer_authentications
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

    /// The full name of `host`, written in `namespace`. A name that is no service's stays as it is, except that a name
    /// without a dot is taken to be one of a service in `namespace`.
    pub fn full_name(&self, host: &str, namespace: &str) -> Name {
        match self.service_named(host, namespace) {
            Some(service) => host::full_name(&service.meta.key),
            None if host.contains(['.', '*', ':']) => host.into(),
            None => host::full_name(&ObjectKey::new(namespace, host)),
        }
    }
}
