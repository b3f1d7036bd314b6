//! Which policy holds where several claim to: Istio's precedence.

use std::sync::Arc;

use crate::resource::{DestinationRule, MtlsMode, PeerAuthentication, Subset, VirtualService, Workload};
use crate::world::World;
use crate::world::callee::Callee;
use crate::world::scope::Scope;

impl Scope<'_> {
    /// The rule for calls to `callee`: one of the caller's namespace, else of the callee's, else of the root namespace; in
    /// each one that selects the caller before others, then the most specific host, then the earlier document.
    pub fn destination_rule(&self, callee: &Callee) -> Option<&Arc<DestinationRule>> {
        let (world, client) = (self.world, self.namespace());
        let applies = |rule: &DestinationRule| {
            let selected = |labels| rule.meta.namespace() == client && self.viewer.meta.has_labels(labels);
            rule.export_to.includes(client) && rule.selector.as_ref().is_none_or(selected)
        };
        [client, callee.namespace(), &world.mesh.root_namespace].into_iter().find_map(|namespace| {
            let about = world.rules_by_host.about(&callee.host);
            let about = about.filter(|(_, rule)| rule.meta.namespace() == namespace && applies(rule));
            first_best(about.map(|(rank, rule)| ((rule.selector.is_some(), rank), rule)))
        })
    }

    /// The virtual service that routes `full_name` in sidecars: the most specific host, then the earlier document.
    pub fn mesh_virtual_service(&self, full_name: &str) -> Option<&Arc<VirtualService>> {
        let namespace = self.namespace();
        let about = self.world.mesh_routing.about(full_name);
        first_best(about.filter(|(_, vs)| vs.export_to.includes(namespace)))
    }
}

impl World {
    /// Every subset of `callee` that callers in `namespace` may find defined, whichever of them a rule selects.
    pub fn subsets_of(&self, callee: &Callee, namespace: &str) -> Vec<&Subset> {
        let reachable = |rule: &DestinationRule| {
            let own = rule.meta.namespace();
            let of_interest = [namespace, callee.namespace(), &self.mesh.root_namespace];
            of_interest.contains(&&**own) && rule.export_to.includes(namespace)
        };
        let about = self.rules_by_host.about(&callee.host);
        about.filter(|(_, rule)| reachable(rule)).flat_map(|(_, rule)| &rule.subsets).collect()
    }

    /// Which connections a workload takes on an application port: what policies for the workload say, else those of
    /// its namespace, else those of the mesh, else permissive. Of two policies of equal reach the earlier one holds.
    pub fn mtls_mode(&self, workload: &Workload, app_port: u16) -> MtlsMode {
        let root = &self.mesh.root_namespace;
        let own = workload.meta.namespace();
        let chosen = self.peer_authentications.iter().find(|policy| {
            policy.meta.namespace() == own
                && policy.selector.as_ref().is_some_and(|selector| workload.meta.has_labels(selector))
        });
        let by_port = chosen.and_then(|policy| policy.ports.get(&app_port).copied().flatten());
        by_port
            .or_else(|| chosen.and_then(|policy| policy.mode))
            .or_else(|| self.namespace_mode(own))
            .or_else(|| self.namespace_mode(root))
            .unwrap_or(MtlsMode::Permissive)
    }

    fn namespace_mode(&self, namespace: &str) -> Option<MtlsMode> {
        let whole = |policy: &&Arc<PeerAuthentication>| {
            policy.selector.is_none() && &**policy.meta.namespace() == namespace
        };
        self.peer_authentications.iter().find(whole)?.mode
    }
}

/// The first of those with the greatest rank.
fn first_best<'a, R: PartialOrd, T>(candidates: impl Iterator<Item = (R, &'a T)>) -> Option<&'a T> {
    let mut best: Option<(R, &T)> = None;
    for (rank, candidate) in candidates {
        if best.as_ref().is_none_or(|(so_far, _)| rank > *so_far) {
            best = Some((rank, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}
