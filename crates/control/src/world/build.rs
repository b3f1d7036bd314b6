//! Resources into a [`World`]: sorted by kind, indexed, no name twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::{Name, SpiffeId, TrustDomain};
use ripstop_yaml::{Problem, Severity};

use crate::resource::{Kind, Mesh, ObjectKey, Origin, Resource, Workload};
use crate::world::callee::Callee;
use crate::world::host_index::HostIndex;
use crate::world::shared_map::SharedMap;
use crate::world::{Instance, World, check, merge, viewer_labels};

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
        mesh: Arc::new(mesh),
        services: Arc::default(),
        instances: SharedMap::default(),
        by_service: SharedMap::default(),
        by_machine: SharedMap::default(),
        callees: Arc::default(),
        gateways: Arc::default(),
        credentials: Arc::default(),
        rules_by_host: Arc::default(),
        mesh_routing: Arc::default(),
        virtual_services: Arc::default(),
        destination_rules: Arc::default(),
        service_entries: Arc::default(),
        workload_entries: SharedMap::default(),
        workload_groups: Arc::default(),
        sidecars: Arc::default(),
        peer_authentications: Arc::default(),
        request_authentications: Arc::default(),
        authorization_policies: Arc::default(),
        telemetries: Arc::default(),
        viewer_labels: Arc::default(),
    }
}

fn insert(world: &mut World, resource: Resource, problems: &mut Vec<Problem>) {
    match resource {
        Resource::Mesh(_) => {}
        Resource::Service(r) => put(&mut world.services, r.meta.key.clone(), r),
        Resource::Workload(r) => add_workload(world, r, problems),
        Resource::Credential(r) => put(&mut world.credentials, r.meta.key.clone(), r),
        Resource::VirtualService(r) => push(&mut world.virtual_services, r),
        Resource::DestinationRule(r) => push(&mut world.destination_rules, r),
        Resource::Gateway(r) => put(&mut world.gateways, r.meta.key.clone(), r),
        Resource::ServiceEntry(r) => push(&mut world.service_entries, r),
        Resource::WorkloadEntry(r) => world.add_entry(r),
        Resource::WorkloadGroup(r) => push(&mut world.workload_groups, r),
        Resource::Sidecar(r) => push(&mut world.sidecars, r),
        Resource::PeerAuthentication(r) => push(&mut world.peer_authentications, r),
        Resource::RequestAuthentication(r) => push(&mut world.request_authentications, r),
        Resource::AuthorizationPolicy(r) => push(&mut world.authorization_policies, r),
        Resource::Telemetry(r) => push(&mut world.telemetries, r),
    }
}

/// Nobody else has the list yet, so nothing is copied.
fn push<T>(list: &mut Arc<Vec<Arc<T>>>, resource: T) {
    Arc::make_mut(list).push(Arc::new(resource));
}

fn put<T>(map: &mut Arc<BTreeMap<ObjectKey, Arc<T>>>, key: ObjectKey, resource: T) {
    Arc::make_mut(map).insert(key, Arc::new(resource));
}

/// What follows from the resources.
fn index(world: &mut World) {
    let services = world.services.values().map(Callee::of_service);
    let entries = world.service_entries.iter().flat_map(Callee::of_entry);
    let mut callees: BTreeMap<Name, Vec<Arc<Callee>>> = BTreeMap::new();
    for callee in services.chain(entries) {
        callees.entry(callee.host.clone()).or_default().push(Arc::new(callee));
    }
    world.callees = Arc::new(callees);
    world.rules_by_host = Arc::new(merge::destination_rules(world));
    let mut routing = HostIndex::default();
    for vs in world.virtual_services.iter().filter(|vs| vs.applies_to_mesh()) {
        for (host, _) in &vs.hosts {
            routing.insert(world.full_name(host, vs.meta.namespace()), Arc::clone(vs));
        }
    }
    world.mesh_routing = Arc::new(routing);
    world.viewer_labels = Arc::new(viewer_labels::of(world));
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
            world.put_instance(&instance.key().clone(), Some(instance));
        }
        Err(error) => problems.push(workload.meta.origin.error(error.to_string()).with_code("invalid-value")),
    }
}
