//! What callers speak against what instances take: TLS modes of destination rules, peer authentications, and what entries
//! say of themselves.

use ripstop_yaml::Problem;

use crate::resource::{
    AppProtocol, ClientTls, ClientTlsMode, DestinationRule, MtlsMode, Resolution, ServicePort, TrafficPolicy,
};
use crate::world::{Callee, Member, World, host};

/// Port of HTTPS.
const HTTPS: u16 = 443;

pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    for rule in world.destination_rules() {
        let namespace = rule.meta.namespace();
        let pattern = world.full_name(&rule.host, namespace);
        for callee in world.callees().filter(|callee| host::covers(&pattern, &callee.host)) {
            for port in &callee.ports {
                check_port(world, rule, callee, port, problems);
            }
        }
        policies(rule).for_each(|policy| failover(rule, policy, problems));
    }
    for entry in world.service_entries().iter().filter(|entry| entry.resolution != Resolution::Static) {
        for port in entry.ports.iter().filter(|one| one.port.port == HTTPS && one.port.protocol.is_http()) {
            let begins_tls = entry.hosts.iter().all(|(name, _)| tls_to(world, name, port.port.port));
            if !begins_tls {
                let message = format!("port {HTTPS} is spoken to in plaintext");
                problems.push(port.port.origin.warning(message).with_code("plaintext-to-https-port"));
            }
        }
    }
    strict(world, problems);
}

fn policies(rule: &DestinationRule) -> impl Iterator<Item = &TrafficPolicy> {
    let whole = std::iter::once(&rule.policy).chain(rule.subsets.iter().map(|subset| &subset.policy));
    whole.flat_map(|policy| std::iter::once(policy).chain(policy.ports.values()))
}

fn check_port(
    world: &World,
    rule: &DestinationRule,
    callee: &Callee,
    port: &ServicePort,
    problems: &mut Vec<Problem>,
) {
    let whole = rule.policy.for_port(port.port);
    let members = world.members(callee, port);
    compare(callee, port, whole.tls.as_ref(), members.iter(), problems);
    for subset in &rule.subsets {
        let own = subset.policy.over(&whole, port.port);
        if own.tls == whole.tls {
            continue;
        }
        let chosen = members.iter().filter(|member| member.has_labels(&subset.labels));
        compare(callee, port, own.tls.as_ref(), chosen, problems);
    }
}

fn compare<'a>(
    callee: &Callee,
    port: &ServicePort,
    tls: Option<&ClientTls>,
    members: impl Iterator<Item = &'a Member<'a>> + Clone,
    problems: &mut Vec<Problem>,
) {
    let Some(tls) = tls else { return };
    let refusing = |mode: MtlsMode| members.clone().find(|member| member.mode == mode);
    let (number, origin) = (port.port, &tls.origin);
    let mut conflict = |message: String| problems.push(origin.error(message).with_code("mtls-conflict"));
    match tls.mode {
        ClientTlsMode::IstioMutual => {
            if let Some(member) = refusing(MtlsMode::Disable) {
                let name = &member.name;
                conflict(format!("mutual TLS to {callee} port {number}, but `{name}` takes none"));
            }
        }
        ClientTlsMode::Disable => {
            if let Some(member) = refusing(MtlsMode::Strict) {
                let name = &member.name;
                conflict(format!("plaintext to {callee} port {number}, but `{name}` takes mutual TLS only"));
            }
        }
        ClientTlsMode::Simple | ClientTlsMode::Mutual => {
            if let Some(member) = members.clone().find(|member| member.mode != MtlsMode::Disable) {
                let name = &member.name;
                conflict(format!("TLS to {callee} port {number}, but before `{name}` stands a sidecar"));
            }
            if port.protocol == AppProtocol::Tls {
                let message = format!("the application speaks TLS to {callee} port {number} itself");
                problems.push(origin.error(message).with_code("double-tls"));
            }
        }
    }
}

/// Whether some rule begins TLS to a port of a host.
fn tls_to(world: &World, name: &str, port: u16) -> bool {
    world.destination_rules().iter().any(|rule| {
        let pattern = world.full_name(&rule.host, rule.meta.namespace());
        let begins = |policy: &TrafficPolicy| {
            let mode = policy.for_port(port).tls.map(|tls| tls.mode);
            matches!(mode, Some(ClientTlsMode::Simple | ClientTlsMode::Mutual))
        };
        let subsets = rule.subsets.iter().map(|subset| &subset.policy);
        host::covers(&pattern, name) && std::iter::once(&rule.policy).chain(subsets).any(begins)
    })
}

/// Preferring near instances needs somebody to notice that they fail.
fn failover(rule: &DestinationRule, policy: &TrafficPolicy, problems: &mut Vec<Problem>) {
    let setting = policy.load_balancer.as_ref().and_then(|balancer| balancer.locality.as_ref());
    let prefers = setting.is_some_and(|setting| {
        setting.enabled != Some(false)
            && (!setting.failover.is_empty() || !setting.failover_priority.is_empty())
    });
    // What a subset or port leaves open it may get from the rule as a whole.
    if prefers && policy.outlier.is_none() && rule.policy.outlier.is_none() {
        let message = "failover is set, but no instance is ever found to fail, so it has no effect";
        problems.push(rule.meta.origin.warning(message).with_code("failover-without-ejection"));
    }
}

/// A workload without a sidecar takes whatever comes.
fn strict(world: &World, problems: &mut Vec<Problem>) {
    for policy in world.peer_authentications() {
        let Some(selector) = policy.selector.as_ref().filter(|_| policy.mode == Some(MtlsMode::Strict))
        else {
            continue;
        };
        let namespace = policy.meta.namespace();
        let bare = world.instances().find(|instance| {
            let workload = &instance.workload;
            workload.meta.namespace() == namespace
                && workload.meta.has_labels(selector)
                && !workload.has_proxy()
                && !workload.ports.is_empty()
        });
        if let Some(instance) = bare {
            let message =
                format!("workload {} has no sidecar, so it takes plaintext as well", instance.key());
            problems.push(policy.meta.origin.warning(message).with_code("strict-without-sidecar"));
        }
        for port in policy.ports.keys() {
            let known = world.instances().any(|instance| {
                let workload = &instance.workload;
                workload.meta.namespace() == namespace
                    && workload.meta.has_labels(selector)
                    && workload.ports.values().any(|one| one.app == *port)
            });
            if !known {
                let message = format!("no workload that it selects has an application port {port}");
                problems.push(policy.meta.origin.warning(message).with_code("unknown-port"));
            }
        }
    }
}
