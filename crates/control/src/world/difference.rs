//! What is different in one world from another, as far as it matters for what proxies are told.

use std::collections::BTreeSet;
use std::sync::Arc;

use ripstop_model::Name;

use crate::resource::{Labels, ObjectKey};
use crate::world::{World, host};

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// More than workloads and workload entries may differ: nothing is known to be the same.
    pub(crate) everything: bool,
    /// Workloads that have come, gone, or are other ones.
    pub(crate) workloads: BTreeSet<ObjectKey>,
    /// Hosts whose instances have come, gone, or are other ones.
    pub(crate) hosts: BTreeSet<Name>,
}

impl World {
    /// What differs in `newer`. It takes as long as there are differences, and a pointer for each hundred workloads.
    pub(crate) fn difference(&self, newer: &World) -> Difference {
        if !self.has_rules_of(newer) {
            return Difference { everything: true, ..Difference::default() };
        }
        let mut difference = Difference::default();
        for key in self.instances.differences(&newer.instances, Arc::ptr_eq) {
            for world in [self, newer] {
                let Some(instance) = world.instance(&key) else { continue };
                let meta = &instance.workload.meta;
                let service = instance.workload.service.as_ref();
                let service = service.map(|name| ObjectKey::new(meta.namespace().clone(), name.clone()));
                difference.hosts.extend(service.map(|service| host::full_name(&service)));
                difference.hosts.extend(world.selecting(meta.namespace(), &meta.labels));
            }
            difference.workloads.insert(key);
        }
        for namespace in self.workload_entries.differences(&newer.workload_entries, Arc::ptr_eq) {
            // Which of a namespace's entries differ is not worth finding out: all that select any are looked at again.
            let selecting = self
                .service_entries
                .iter()
                .filter(|entry| entry.selector.is_some() && *entry.meta.namespace() == namespace);
            difference.hosts.extend(selecting.flat_map(|entry| &entry.hosts).map(|(host, _)| host.clone()));
        }
        difference
    }

    /// The hosts of the entries that select workloads with these labels.
    fn selecting<'a>(&'a self, namespace: &'a Name, labels: &'a Labels) -> impl Iterator<Item = Name> + 'a {
        let selects = |selector: &Labels| selector.iter().all(|(key, value)| labels.get(key) == Some(value));
        let entries = self.service_entries.iter().filter(move |entry| {
            entry.meta.namespace() == namespace && entry.selector.as_ref().is_some_and(selects)
        });
        entries.flat_map(|entry| &entry.hosts).map(|(host, _)| host.clone())
    }

    /// Whether everything but workloads and workload entries is the very same.
    fn has_rules_of(&self, other: &World) -> bool {
        Arc::ptr_eq(&self.mesh, &other.mesh)
            && Arc::ptr_eq(&self.services, &other.services)
            && Arc::ptr_eq(&self.callees, &other.callees)
            && Arc::ptr_eq(&self.gateways, &other.gateways)
            && Arc::ptr_eq(&self.credentials, &other.credentials)
            && Arc::ptr_eq(&self.rules_by_host, &other.rules_by_host)
            && Arc::ptr_eq(&self.mesh_routing, &other.mesh_routing)
            && Arc::ptr_eq(&self.virtual_services, &other.virtual_services)
            && Arc::ptr_eq(&self.destination_rules, &other.destination_rules)
            && Arc::ptr_eq(&self.service_entries, &other.service_entries)
            && Arc::ptr_eq(&self.workload_groups, &other.workload_groups)
            && Arc::ptr_eq(&self.sidecars, &other.sidecars)
            && Arc::ptr_eq(&self.peer_authentications, &other.peer_authentications)
            && Arc::ptr_eq(&self.request_authentications, &other.request_authentications)
            && Arc::ptr_eq(&self.authorization_policies, &other.authorization_policies)
            && Arc::ptr_eq(&self.telemetries, &other.telemetries)
    }
}
