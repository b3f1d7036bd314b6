//! Resources into a [`World`]: sorted by kind, indexed, no name twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::{SpiffeId, TrustDomain};
use ripstop_yaml::{Problem, Severity};

use crate::resource::{Kind, Mesh, ObjectKey, Origin, Resource, Workload};
use crate::world::{Instance, World, check};

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
    let mut world = World {
        mesh,
        services: BTreeMap::new(),
        instances: BTreeMap::new(),
        by_service: BTreeMap::new(),
        gateways: BTreeMap::new(),
        virtual_services: Vec::new(),
        destination_rules: Vec::new(),
        peer_authentications: Vec::new(),
    };
    for resource in resources {
        match resource {
            Resource::Mesh(_) => {}
            Resource::Service(r) => drop(world.services.insert(r.meta.key.clone(), Arc::new(r))),
            Resource::Workload(r) => add_workload(&mut world, r, &mut problems),
            Resource::VirtualService(r) => world.virtual_services.push(Arc::new(r)),
            Resource::DestinationRule(r) => world.destination_rules.push(Arc::new(r)),
            Resource::PeerAuthentication(r) => world.peer_authentications.push(Arc::new(r)),
            Resource::Gateway(r) => drop(world.gateways.insert(r.meta.key.clone(), Arc::new(r))),
        }
    }
    for instance in world.instances.values() {
        let Workload { meta, service: Some(service), .. } = &instance.workload else { continue };
        let service = ObjectKey::new(meta.namespace().clone(), service.clone());
        world.by_service.entry(service).or_default().push(instance.clone());
    }
    check::check(&world, &mut problems);
    problems.sort_by_key(|problem| (problem.source.clone(), problem.line, problem.column));
    match problems.iter().any(|problem| problem.severity == Severity::Error) {
        true => Err(problems),
        false => Ok((world, problems)),
    }
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
