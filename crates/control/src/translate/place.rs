//! Where rules of virtual services are applied, and which of them are about that place at all.

use ripstop_model::Name;

use crate::resource::{Destination, GatewayRef, HttpMatch, L4Match, Labels};
use crate::translate::names;
use crate::world::Scope;

/// Where rules are applied.
pub(super) struct Place<'a> {
    /// Whose proxy applies them.
    pub(super) scope: Scope<'a>,
    /// Sidecars, or the proxies of a gateway.
    pub(super) gateway: GatewayRef,
    /// Port that callers address.
    pub(super) port: u16,
    /// Callers speak TLS that ends here.
    pub(super) tls: bool,
}

impl<'a> Place<'a> {
    /// A port of a sidecar.
    pub(super) fn sidecar(scope: Scope<'a>, port: u16) -> Place<'a> {
        Place { scope, gateway: GatewayRef::Mesh, port, tls: false }
    }

    /// Whether the conditions on requests hold here that do not depend on the request.
    pub(super) fn applies(&self, matched: &HttpMatch) -> bool {
        let HttpMatch { gateways, port, source_labels, source_namespace, .. } = matched;
        self.holds(gateways, *port, source_labels, source_namespace.as_ref())
    }

    /// The same of conditions on connections.
    pub(super) fn applies_to_connections(&self, matched: &L4Match) -> bool {
        let L4Match { gateways, port, source_labels, source_namespace, .. } = matched;
        self.holds(gateways, *port, source_labels, source_namespace.as_ref())
    }

    fn holds(
        &self,
        gateways: &[GatewayRef],
        port: Option<u16>,
        labels: &Labels,
        namespace: Option<&Name>,
    ) -> bool {
        let is_sidecar = self.gateway == GatewayRef::Mesh;
        let from = &self.scope.viewer.meta;
        (gateways.is_empty() || gateways.contains(&self.gateway))
            && port.is_none_or(|port| port == self.port)
            && (!is_sidecar || from.has_labels(labels))
            && namespace.is_none_or(|namespace| namespace == from.namespace())
    }

    /// The cluster of a destination that is written in `namespace`.
    pub(super) fn cluster(&self, to: &Destination, namespace: &str) -> Name {
        let world = self.scope.world;
        let callee = world.callee(&to.host, namespace);
        let port = to.port.or_else(|| callee.map(|callee| callee.default_port(Some(self.port))));
        // A name that an entry takes by a pattern is spoken to as itself nowhere: the cluster is the entry's.
        let host = callee.map_or_else(|| world.full_name(&to.host, namespace), |callee| callee.host.clone());
        names::outbound_cluster(port.unwrap_or(self.port), to.subset.as_deref(), &host)
    }
}
