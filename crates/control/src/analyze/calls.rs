//! Who calls whom, as far as workloads say so by their upstreams and gateways by their routes: timeouts and retries of one
//! hop against those of the hop before it.

use std::collections::BTreeMap;
use std::time::Duration;

use ripstop_model::Name;
use ripstop_yaml::Problem;

use crate::resource::{HttpAction, HttpRoute, ObjectKey, VirtualService};
use crate::world::{Callee, HttpRule, Scope, World};

/// So many tries of one request at the last hop are worth a word.
const MANY_TRIES: u32 = 9;

/// A rule that leads to a service.
struct Leading<'a> {
    found: HttpRule<'a>,
}

impl Leading<'_> {
    fn rule(&self) -> &HttpRoute {
        &self.found.rule
    }

    /// `None`: as long as it takes.
    fn timeout(&self) -> Option<Duration> {
        self.rule().timeout.filter(|timeout| !timeout.is_zero())
    }

    /// Tries that somebody has asked for; the defaults are bounded by their budget.
    fn tries(&self) -> u32 {
        self.rule().retries.as_ref().map_or(1, |retries| retries.attempts.saturating_add(1))
    }
}

pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    for vs in world.virtual_services() {
        vs.http.iter().for_each(|rule| per_try(rule, problems));
    }
    let mut leading: BTreeMap<Name, Vec<Leading<'_>>> = BTreeMap::new();
    for vs in world.virtual_services() {
        // Rules of sidecars count where they are those for the host itself; a gateway's wherever they lead.
        for found in world.http_rules(vs) {
            for host in destinations(world, &found) {
                let is_for_it = is_about(world, vs, &host) || !vs.applies_to_mesh();
                if is_for_it {
                    leading.entry(host).or_default().push(Leading { found: found.clone() });
                }
            }
        }
    }
    for (caller, callee) in calls(world) {
        let Some(outer) = leading.get(&caller) else { continue };
        let Some(inner) = leading.get(&callee) else { continue };
        for rule in inner.iter().filter(|rule| rule.found.document.applies_to_mesh()) {
            compare(&caller, &callee, outer, rule, problems);
        }
    }
}

fn per_try(rule: &HttpRoute, problems: &mut Vec<Problem>) {
    let Some(timeout) = rule.timeout.filter(|timeout| !timeout.is_zero()) else { return };
    let Some(retries) = &rule.retries else { return };
    let Some(per_try) = retries.per_try_timeout.filter(|per_try| *per_try > timeout) else { return };
    let message = format!("one try may take {per_try:?}, but the request as a whole {timeout:?}");
    problems.push(rule.origin.warning(message).with_code("per-try-exceeds-timeout"));
}

/// Full names of the services and the hosts that their workloads say they call.
fn calls(world: &World) -> Vec<(Name, Name)> {
    let mut calls: Vec<(Name, Name)> = Vec::new();
    for instance in world.instances() {
        let workload = &instance.workload;
        let namespace = workload.meta.namespace();
        let (Some(service), Some(sidecar)) = (&workload.service, &workload.sidecar) else { continue };
        let key = ObjectKey::new(namespace.clone(), service.clone());
        let caller = crate::world::host::full_name(&key);
        for upstream in &sidecar.upstreams {
            let Some(callee) = world.callee(&upstream.host, namespace) else { continue };
            let call = (caller.clone(), callee.host.clone());
            if call.0 != call.1 && !calls.contains(&call) {
                calls.push(call);
            }
        }
    }
    calls
}

fn destinations(world: &World, found: &HttpRule<'_>) -> Vec<Name> {
    let HttpAction::Route(destinations) = &found.rule.action else { return Vec::new() };
    let namespace = found.document.meta.namespace();
    let hosts = destinations.iter().filter_map(|one| world.callee(&one.destination.host, namespace));
    let mut hosts: Vec<Name> = hosts.map(|callee| callee.host.clone()).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

fn is_about(world: &World, vs: &VirtualService, host: &str) -> bool {
    let namespace = vs.meta.namespace();
    vs.applies_to_mesh() && vs.hosts.iter().any(|(name, _)| *world.full_name(name, namespace) == *host)
}

/// `inner` against everything that leads to its caller. A caller that somebody may call without a limit has none.
fn compare(
    caller: &str,
    callee: &str,
    outer: &[Leading<'_>],
    inner: &Leading<'_>,
    problems: &mut Vec<Problem>,
) {
    let origin = &inner.rule().origin;
    let limits: Option<Vec<Duration>> = outer.iter().map(Leading::timeout).collect();
    let longest = limits.and_then(|limits| limits.into_iter().max());
    if let (Some(longest), Some(own)) = (longest, inner.timeout())
        && own > longest
    {
        let message =
            format!("it waits {own:?} for {callee}, but whoever calls {caller} waits {longest:?} at most");
        problems.push(origin.warning(message).with_code("timeout-exceeds-caller"));
    }
    let Some(most) = outer.iter().max_by_key(|rule| rule.tries()) else { return };
    let tries = most.tries().saturating_mul(inner.tries());
    if most.tries() > 1 && inner.tries() > 1 && tries >= MANY_TRIES {
        let message = format!(
            "{} tries here and {} on the way to {caller} ({}) can make {tries} of one request",
            inner.tries(),
            most.tries(),
            most.rule().origin.place(),
        );
        problems.push(origin.warning(message).with_code("stacked-retries"));
    }
}

/// What a workload sees of what it says that it calls.
pub(super) fn called<'a>(scope: &Scope<'a>) -> Vec<&'a Callee> {
    let sidecar = scope.viewer.sidecar.as_ref();
    let upstreams = sidecar.map(|sidecar| sidecar.upstreams.as_slice()).unwrap_or_default();
    let found = upstreams.iter().filter_map(|up| scope.world.callee(&up.host, scope.namespace()));
    found.map(|callee| &**callee).collect()
}
