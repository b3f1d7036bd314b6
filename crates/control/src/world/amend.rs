//! A world with other workloads or workload entries, made of the one before: instances come and go all the time, and everything
//! else stays. Only what looks right is done here; whatever has to be refused or warned of is left to a look at the whole, which
//! tells it as always.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ripstop_model::SpiffeId;

use crate::resource::{Labels, ObjectKey, Workload, WorkloadEntry};
use crate::world::{Instance, World, check, host, ports};

/// What becomes of one resource; `None`: it goes.
#[derive(Clone, Debug)]
pub(crate) enum Amendment {
    /// A workload.
    Workload(Option<Workload>),
    /// A workload entry.
    Entry(Option<WorkloadEntry>),
}

impl World {
    /// The world with these changes. `None`: there would be warnings or errors about it that are not there now, or the
    /// other way round, or what proxies do would change in more than endpoints, so that the whole has to be built.
    pub(crate) fn amended(&self, changes: Vec<(ObjectKey, Amendment)>) -> Option<World> {
        let mut next = self.clone();
        let mut workloads = BTreeSet::new();
        for (key, change) in changes {
            match change {
                Amendment::Workload(workload) => {
                    let instance = match workload {
                        Some(workload) => Some(self.instance_of(workload)?),
                        None => None,
                    };
                    next.put_instance(&key, instance);
                    workloads.insert(key);
                }
                Amendment::Entry(entry) => next.put_entry(&key, entry),
            }
        }
        workloads.iter().all(|key| is_told_alike(self, &next, key)).then_some(next)
    }

    fn instance_of(&self, workload: Workload) -> Option<Instance> {
        let (domain, namespace) = (&self.mesh.trust_domain, workload.meta.namespace());
        let identity = SpiffeId::workload(domain, namespace, &workload.service_account).ok()?;
        Some(Instance { workload, identity })
    }

    /// Puts a workload in the place of another, or takes it away.
    pub(super) fn put_instance(&mut self, key: &ObjectKey, instance: Option<Instance>) {
        let before = self.instance(key).cloned();
        if let Some(before) = &before {
            self.unlist(before);
        }
        let Some(instance) = instance.map(Arc::new) else { return self.instances.remove(key) };
        self.instances.insert(key.clone(), Arc::clone(&instance));
        if let Some(service) = service_of(&instance) {
            match self.by_service.get_mut(&service).map(Arc::make_mut) {
                Some(list) => {
                    let place = list.partition_point(|other| other.key() < key);
                    list.insert(place, Arc::clone(&instance));
                }
                None => self.by_service.insert(service, Arc::new(vec![Arc::clone(&instance)])),
            }
        }
        let machine = machine_of(&instance);
        match self.by_machine.get_mut(&machine).map(Arc::make_mut) {
            Some(here) => here.insert(here.partition_point(|other| other < key), key.clone()),
            None => self.by_machine.insert(machine, Arc::new(vec![key.clone()])),
        }
    }

    /// Takes a workload out of the lists that lead to it.
    fn unlist(&mut self, instance: &Instance) {
        let key = instance.key();
        if let Some(service) = service_of(instance)
            && let Some(list) = self.by_service.get_mut(&service).map(Arc::make_mut)
        {
            list.retain(|other| other.key() != key);
            if list.is_empty() {
                self.by_service.remove(&service);
            }
        }
        let machine = machine_of(instance);
        if let Some(here) = self.by_machine.get_mut(&machine).map(Arc::make_mut) {
            here.retain(|other| other != key);
            if here.is_empty() {
                self.by_machine.remove(&machine);
            }
        }
    }

    /// Puts a workload entry in the place of another, or behind all of its namespace, or takes it away.
    fn put_entry(&mut self, key: &ObjectKey, entry: Option<WorkloadEntry>) {
        let entries = self.workload_entries_in(&key.namespace);
        let place = entries.iter().position(|other| other.meta.key == *key);
        let Some(place) = place else { return entry.into_iter().for_each(|entry| self.add_entry(entry)) };
        let Some(entries) = self.workload_entries.get_mut(&key.namespace).map(Arc::make_mut) else { return };
        match entry {
            Some(entry) => entries[place] = Arc::new(entry),
            None => drop(entries.remove(place)),
        }
        if entries.is_empty() {
            self.workload_entries.remove(&key.namespace);
        }
    }

    /// Puts a workload entry that is not there behind all of its namespace.
    pub(super) fn add_entry(&mut self, entry: WorkloadEntry) {
        let namespace = entry.meta.namespace().clone();
        match self.workload_entries.get_mut(&namespace).map(Arc::make_mut) {
            Some(entries) => entries.push(Arc::new(entry)),
            None => self.workload_entries.insert(namespace, Arc::new(vec![Arc::new(entry)])),
        }
    }
}

fn service_of(instance: &Instance) -> Option<ObjectKey> {
    let workload = &instance.workload;
    let service = workload.service.as_ref()?;
    Some(ObjectKey::new(workload.meta.namespace().clone(), service.clone()))
}

fn machine_of(instance: &Instance) -> Option<IpAddr> {
    ports::machine(instance.workload.address)
}

/// Whether nothing is to be said about a workload, neither before nor after, and nothing else that is said changes with it.
fn is_told_alike(before: &World, after: &World, key: &ObjectKey) -> bool {
    [before, after].into_iter().all(|world| {
        let Some(instance) = world.instance(key) else { return true };
        instance.workload.gateway.is_none() && is_clean(world, instance) && {
            let service = service_of(instance);
            service.is_none_or(|service| service_is_told_alike(before, after, &service))
                && selections_are_told_alike(before, after, instance)
        }
    })
}

fn is_clean(world: &World, instance: &Instance) -> bool {
    let mut problems = Vec::new();
    check::instances::check_one(world, instance, &mut problems);
    ports::check_machine(world, machine_of(instance), &mut problems);
    problems.is_empty()
}

/// Whether a service, and each of its subsets, has instances in both worlds or in neither.
fn service_is_told_alike(before: &World, after: &World, service: &ObjectKey) -> bool {
    let some = |world: &World| !world.instances_of(service).is_empty();
    if some(before) != some(after) {
        return false;
    }
    let full_name = host::full_name(service);
    before.rules_by_host.about(&full_name).flat_map(|(_, rule)| &rule.subsets).all(|subset| {
        let some = |world: &World| {
            world.callees_at(&full_name).iter().any(|callee| {
                let mut members = callee.ports.iter().flat_map(|port| world.members(callee, port));
                members.any(|member| member.has_labels(&subset.labels))
            })
        };
        some(before) == some(after)
    })
}

/// Whether each policy that selects the workload selects somebody in both worlds or in neither.
fn selections_are_told_alike(before: &World, after: &World, instance: &Instance) -> bool {
    let meta = &instance.workload.meta;
    let of_namespace =
        before.peer_authentications.iter().filter(|one| one.meta.namespace() == meta.namespace());
    let mut selectors = of_namespace.filter_map(|one| one.selector.as_ref());
    selectors.all(|selector: &Labels| {
        let selects = |world: &World| {
            world.instances_in(meta.namespace()).any(|one| one.workload.meta.has_labels(selector))
        };
        !meta.has_labels(selector) || selects(before) == selects(after)
    })
}
