//! What cannot be seen from where it is used: `exportTo`, and the egress of Sidecars.

use std::collections::BTreeMap;

use ripstop_model::Name;
use ripstop_yaml::Problem;

use super::calls;
use crate::resource::{Destination, HttpAction, Sidecar};
use crate::world::{Scope, World};

pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    for vs in world.virtual_services() {
        let namespace = vs.meta.namespace();
        for rule in &vs.http {
            if let HttpAction::Route(destinations) = &rule.action {
                let hosts = destinations.iter().map(|one| &one.destination);
                for to in hosts.chain(rule.mirrors.iter().map(|mirror| &mirror.destination)) {
                    hidden(world, to, namespace, problems);
                }
            }
        }
    }
    for instance in world.instances() {
        let scope = Scope::of(world, &instance.workload);
        let Some(sidecar) = scope.sidecar else { continue };
        for callee in calls::called(&scope) {
            let imported = sidecar.egress.is_empty()
                || sidecar.egress.iter().any(|egress| egress.imports(callee.namespace(), &callee.host));
            if !imported {
                let message = format!(
                    "workload {} calls {callee}, which Sidecar {} ({}) does not let it",
                    instance.key(),
                    sidecar.meta.key,
                    sidecar.meta.origin.place()
                );
                problems.push(instance.workload.meta.origin.warning(message).with_code("out-of-scope"));
            }
        }
    }
    sidecars(world, problems);
}

/// A host that is described, but not for this namespace.
fn hidden(world: &World, to: &Destination, namespace: &str, problems: &mut Vec<Problem>) {
    if world.callee(&to.host, namespace).is_some() {
        return;
    }
    let elsewhere = world.callees().find(|callee| *callee.host == *to.host);
    if let Some(callee) = elsewhere {
        let message = format!("{callee} is not exported to namespace `{namespace}`");
        problems.push(to.origin.warning(message).with_code("not-exported"));
    }
}

/// Of two Sidecars for the same workloads the earlier one holds.
fn sidecars(world: &World, problems: &mut Vec<Problem>) {
    let mut whole: BTreeMap<&Name, &Sidecar> = BTreeMap::new();
    for sidecar in world.sidecars() {
        let namespace = sidecar.meta.namespace();
        let Some(selector) = &sidecar.selector else {
            if let Some(other) = whole.get(namespace) {
                let message = format!("Sidecar {} is already there for all of {namespace}", other.meta.key);
                problems.push(sidecar.meta.origin.warning(message).with_code("conflict"));
            } else {
                whole.insert(namespace, sidecar);
            }
            continue;
        };
        let mut selected = world.instances().filter(|instance| {
            instance.workload.meta.namespace() == namespace && instance.workload.meta.has_labels(selector)
        });
        let Some(first) = selected.next() else {
            let message = format!("Sidecar {} selects no workload", sidecar.meta.key);
            problems.push(sidecar.meta.origin.warning(message).with_code("unused"));
            continue;
        };
        let taken = std::iter::once(first).chain(selected).find_map(|instance| {
            let held = world.sidecar_of(&instance.workload)?;
            (held.meta.key != sidecar.meta.key).then_some((instance, held))
        });
        if let Some((instance, held)) = taken {
            let message = format!("Sidecar {} already holds for workload {}", held.meta.key, instance.key());
            problems.push(sidecar.meta.origin.warning(message).with_code("conflict"));
        }
    }
}
