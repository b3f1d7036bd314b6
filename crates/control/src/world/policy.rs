//! Which policy holds where several claim to: Istio's precedence.

use std::sync::Arc;

use crate::resource::{DestinationRule, MtlsMode, ObjectKey, PeerAuthentication, VirtualService, Workload};
use crate::world::{World, host};

impl World {
    /// The rule for calls to `service` from workloads of `client_namespace`: one of the client's namespace, else of the
    /// service's, else of the root namespace; in each the most specific host, then the earlier document.
    pub fn destination_rule(
        &self,
        service: &ObjectKey,
        client_namespace: &str,
    ) -> Option<&Arc<DestinationRule>> {
        let full_name = host::full_name(service);
        [client_namespace, &service.namespace, &self.mesh.root_namespace].into_iter().find_map(|namespace| {
            let rules = self.destination_rules.iter().filter(|rule| &**rule.meta.namespace() == namespace);
            let matching = rules.filter_map(|rule| {
                let pattern = self.full_name(&rule.host, namespace);
                host::covers(&pattern, &full_name).then(|| (host::specificity(&pattern), rule))
            });
            first_best(matching)
        })
    }

    /// The virtual service that routes `full_name` in sidecars: the most specific host, then the earlier document.
    pub fn mesh_virtual_service(&self, full_name: &str) -> Option<&Arc<VirtualService>> {
        let claims = self.virtual_services.iter().filter(|vs| vs.applies_to_mesh()).flat_map(|vs| {
            vs.hosts.iter().map(move |(pattern, _)| (self.full_name(pattern, vs.meta.namespace()), vs))
        });
        let matching = claims.filter_map(|(pattern, vs)| {
            host::covers(&pattern, full_name).then(|| (host::specificity(&pattern), vs))
        });
        first_best(matching)
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
fn first_best<'a, T>(candidates: impl Iterator<Item = (usize, &'a T)>) -> Option<&'a T> {
    let mut best: Option<(usize, &T)> = None;
    for (rank, candidate) in candidates {
        if best.is_none_or(|(so_far, _)| rank > so_far) {
            best = Some((rank, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}
