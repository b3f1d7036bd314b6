//! Resources into a [`World`]: sorted by kind, indexed, no name twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::{Name, SpiffeId, TrustDomain};
use ripstop_yaml::{Problem, Severity};

use crate::resource::{Kind, Mesh, ObjectKey, Origin, Resource, Workload};
use crate::world::callee::Callee;
use crate::world::host_index::HostIndex;
use crate::world::{Instance, World, check, merge};

pub(super) fn build(resources: Vec<Resource>) -> Result<(World, Vec<Problem>), Vec<Problem>> {
    let mut problems = Vec::new();
    let resources = without_duplicates(resources, &mut problems);
    let mesh = match mesh(&resources, &mut problems) {
        Ok(mesh) => mesh,
        Err(problem) => {
            problems.push(problem);
            return Err(problems);
        }
    };
    let mut world = empty(mesh);
    for resource in resources {
        insert(&mut world, resource, &mut problems);
    }
    index(&mut world);
    check::check(&world, &mut problems);
    problems.sort_by_key(|problem| (problem.source.clone(), problem.line, problem.column));
    match problems.iter().any(|problem| problem.severity == Severity::Error) {
        true => Err(problems),
        false => Ok((world, problems)),
    }
}

fn empty(mesh: Mesh) -> World {
    World {
        mesh,
        services: BTreeMap::new(),
        instances: BTreeMap::new(),
        by_service: BTreeMap::new(),
        callees: BTreeMap::new(),
        gateways: BTreeMap::new(),
        credentials: BTreeMap::new(),
        rules_by_host: HostIndex::default(),
        mesh_routing: HostIndex::default(),
        virtual_services: Vec::new(),
        destination_rules: Vec::new(),
        service_entries: Vec::new(),
        workload_entries: Vec::new(),
        workload_groups: Vec::new(),
        sidecars: Vec::new(),
        peer_authentications: Vec::new(),
        request_authentications: Vec::new(),
        authorization_policies: Vec::new(),
        telemetries: Vec::new(),
    }
}

fn insert(world: &mut World, resource: Resource, problems: &mut Vec<Problem>) {
    match resource {
        Resource::Mesh(_) => {}
        Resource::Service(r) => drop(world.services.insert(r.meta.key.clone(), Arc::new(r))),
        Resource::Workload(r) => add_workload(world, r, problems),
        Resource::Credential(r) => drop(world.credentials.insert(r.meta.key.clone(), Arc::new(r))),
        Resource::VirtualService(r) => world.virtual_services.push(Arc::new(r)),
        Resource::DestinationRule(r) => world.destination_rules.push(Arc::new(r)),
        Resource::Gateway(r) => drop(world.gateways.insert(r.meta.key.clone(), Arc::new(r))),
        Resource::ServiceEntry(r) => world.service_entries.push(Arc::new(r)),
        Resource::WorkloadEntry(r) => world.workload_entries.push(Arc::new(r)),
        Resource::WorkloadGroup(r) => world.workload_groups.push(Arc::new(r)),
        Resource::Sidecar(r) => world.sidecars.push(Arc::new(r)),
        Resource::PeerAuthentication(r) => world.peer_authentications.push(Arc::new(r)),
        Resource::RequestAuthentication(r) => world.request_authentications.push(Arc::new(r)),
        Resource::AuthorizationPolicy(r) => world.authorization_policies.push(Arc::new(r)),
        Resource::Telemetry(r) => world.telemetries.push(Arc::new(r)),
    }
}

/// What follows from the resources.
fn index(world: &mut World) {
    for instance in world.instances.values() {
        let Workload { meta, service: Some(service), .. } = &instance.workload else { continue };
        let service = ObjectKey::new(meta.namespace().clone(), service.clone());
        world.by_service.entry(service).or_default().push(instance.clone());
    }
    let services = world.services.values().map(Callee::of_service);
    let entries = world.service_entries.iter().flat_map(Callee::of_entry);
    let mut callees: BTreeMap<Name, Vec<Arc<Callee>>> = BTreeMap::new();
    for callee in services.chain(entries) {
        callees.entry(callee.host.clone()).or_default().push(Arc::new(callee));
    }
    world.callees = callees;
    world.rules_by_host = merge::destination_rules(world);
    let mut routing = HostIndex::default();
    for vs in world.virtual_services.iter().filter(|vs| vs.applies_to_mesh()) {
        for (host, _) in &vs.hosts {
            routing.insert(world.full_name(host, vs.meta.namespace()), Arc::clone(vs));
        }
    }
    world.mesh_routing = routing;
}

/// The resources whose kind, namespace and name are new; the others are reported with both places.
fn without_duplicates(resources: Vec<Resource>, problems: &mut Vec<Problem>) -> Vec<Resource> {
    let mut first: BTreeMap<(Kind, ObjectKey), Origin> = BTreeMap::new();
    let mut kept = Vec::with_capacity(resources.len());
    for resource in resources {
        let (kind, meta) = (resource.kind(), resource.meta());
        if let Some(earlier) = first.get(&(kind, meta.key.clone())) {
            let message = format!("{kind} {} is written twice", meta.key);
            let help = format!("the first is at {}", earlier.place());
            problems.push(meta.origin.error(message).with_help(help).with_code("duplicate"));
            continue;
        }
        first.insert((kind, meta.key.clone()), meta.origin.clone());
        kept.push(resource);
    }
    kept
}

/// The one mesh that is written, or the default one.
fn mesh(resources: &[Resource], problems: &mut Vec<Problem>) -> Result<Mesh, Problem> {
    let mut written = resources.iter().filter_map(|resource| match resource {
        Resource::Mesh(mesh) => Some(mesh),
        _ => None,
    });
    let Some(mesh) = written.next() else {
        let domain = TrustDomain::new(Mesh::DEFAULT_TRUST_DOMAIN);
        return domain.map(Mesh::new).map_err(|error| Origin::default().error(error.to_string()));
    };
    for other in written {
        let message = format!("there is already the Mesh {}", mesh.meta.key);
        let help = format!("it is at {}; keep one of them", mesh.meta.origin.place());
        problems.push(other.meta.origin.error(message).with_help(help).with_code("duplicate"));
    }
    Ok(mesh.clone())
}

fn add_workload(world: &mut World, workload: Workload, problems: &mut Vec<Problem>) {
    let domain = &world.mesh.trust_domain;
    match SpiffeId::workload(domain, workload.meta.namespace(), &workload.service_account) {
        Ok(identity) => {
            let instance = Instance { workload, identity };
            world.instances.insert(instance.key().clone(), Arc::new(instance));
        }
        Err(error) => problems.push(workload.meta.origin.error(error.to_string()).with_code("invalid-value")),
    }
}
