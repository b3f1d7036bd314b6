//! Policies that apply to nobody, or name nobody, or ask for less than they look like.

use std::collections::BTreeSet;

use ripstop_model::Name;
use ripstop_yaml::Problem;

use crate::resource::{AuthorizationAction, AuthorizationPolicy, Labels, Metadata};
use crate::world::World;

pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    for policy in world.authorization_policies() {
        selects(world, "AuthorizationPolicy", &policy.meta, policy.selector.as_ref(), problems);
        principals(world, policy, problems);
    }
    for authentication in world.request_authentications() {
        let (meta, selector) = (&authentication.meta, authentication.selector.as_ref());
        selects(world, "RequestAuthentication", meta, selector, problems);
        let required = world
            .authorization_policies()
            .iter()
            .any(|policy| asks_for_tokens(policy) && applies_where(world, policy, meta.namespace()));
        if !required && !authentication.rules.is_empty() {
            let message = "requests without a token pass it";
            problems.push(meta.origin.warning(message).with_code("token-not-required"));
        }
    }
    for rule in world.destination_rules().iter().filter(|rule| rule.selector.is_some()) {
        selects(world, "DestinationRule", &rule.meta, rule.selector.as_ref(), problems);
    }
    for entry in world.workload_entries() {
        let selected = world.service_entries().iter().any(|service| {
            let has = |labels: &Labels, wanted: &Labels| {
                wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
            };
            service.meta.namespace() == entry.meta.namespace()
                && service.selector.as_ref().is_some_and(|wanted| {
                    has(&entry.endpoint.labels, wanted) || has(&entry.meta.labels, wanted)
                })
        });
        if !selected {
            let message = "no ServiceEntry selects it";
            problems.push(entry.meta.origin.warning(message).with_code("unused"));
        }
    }
}

fn selects(
    world: &World,
    kind: &str,
    meta: &Metadata,
    selector: Option<&Labels>,
    problems: &mut Vec<Problem>,
) {
    let Some(selector) = selector else { return };
    let selected = world.instances().any(|instance| {
        let workload = &instance.workload.meta;
        workload.namespace() == meta.namespace() && workload.has_labels(selector)
    });
    if !selected {
        let message = format!("{kind} {} selects no workload", meta.key);
        problems.push(meta.origin.warning(message).with_code("unused"));
    }
}

fn asks_for_tokens(policy: &AuthorizationPolicy) -> bool {
    let denies = policy.action == AuthorizationAction::Deny;
    policy.rules.iter().any(|rule| {
        let from = rule.from.iter().any(|source| match denies {
            true => !source.request_principals.none_of.is_empty(),
            false => !source.request_principals.any_of.is_empty(),
        });
        from || rule.when.iter().any(|condition| condition.key.starts_with("request.auth."))
    })
}

fn applies_where(world: &World, policy: &AuthorizationPolicy, namespace: &str) -> bool {
    let own = policy.meta.namespace();
    **own == *namespace || *own == world.mesh().root_namespace
}

/// Identities and namespaces that are named in full, and that nobody has.
fn principals(world: &World, policy: &AuthorizationPolicy, problems: &mut Vec<Problem>) {
    let identities: BTreeSet<&str> = world
        .instances()
        .map(|instance| instance.identity.as_str())
        .map(|identity| identity.strip_prefix("spiffe://").unwrap_or(identity))
        .collect();
    let namespaces: BTreeSet<&Name> =
        world.instances().map(|instance| instance.workload.meta.namespace()).collect();
    for rule in &policy.rules {
        for source in &rule.from {
            let mut unknown = |what: &str, name: &Name| {
                let message = format!("no workload has the {what} `{name}`");
                problems.push(rule.origin.warning(message).with_code("unknown-principal"));
            };
            for name in source.principals.any_of.iter().filter(|name| !name.contains('*')) {
                if !identities.contains(&**name) {
                    unknown("identity", name);
                }
            }
            for name in source.namespaces.any_of.iter().filter(|name| !name.contains('*')) {
                if !namespaces.contains(name) {
                    unknown("namespace", name);
                }
            }
        }
    }
}
