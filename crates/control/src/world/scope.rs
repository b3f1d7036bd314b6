//! What one workload may know and call: `exportTo` of everything, and the `Sidecar` that applies to it.

use std::sync::Arc;

use ripstop_model::Name;

use crate::resource::{
    EgressHost, EgressNamespace, Sidecar, SidecarEgress, Telemetry, VirtualService, Workload,
};
use crate::world::callee::Callee;
use crate::world::{World, host};

/// A world as one workload sees it.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Everything.
    pub world: &'a World,
    /// Who looks.
    pub viewer: &'a Workload,
    /// What limits it; `None`: nothing, and always for gateways.
    pub sidecar: Option<&'a Sidecar>,
}

impl<'a> Scope<'a> {
    /// What `viewer` sees.
    pub fn of(world: &'a World, viewer: &'a Workload) -> Scope<'a> {
        // A gateway is told by its Gateways; Istio's Sidecars are not about it either.
        let sidecar = viewer.gateway.is_none().then(|| world.sidecar_of(viewer)).flatten();
        Scope { world, viewer, sidecar }
    }

    /// Its namespace.
    pub fn namespace(&self) -> &'a Name {
        self.viewer.meta.namespace()
    }

    /// The hosts that it may call through its general outbound port, each once: of two entries for a host that of its own
    /// namespace, else the earlier one.
    pub fn callees(&self) -> impl Iterator<Item = &'a Arc<Callee>> {
        let Scope { world, .. } = *self;
        let namespace = self.namespace();
        let first = move |callee: &&Arc<Callee>| {
            world.callee_at(&callee.host, namespace).is_some_and(|held| Arc::ptr_eq(held, callee))
        };
        let scope = *self;
        world.callees().filter(first).filter(move |callee| scope.imports(callee.namespace(), &callee.host))
    }

    /// The virtual services that sidecars follow and that it sees, in the order of the documents.
    pub fn mesh_virtual_services(&self) -> impl Iterator<Item = &'a Arc<VirtualService>> {
        let namespace = self.namespace();
        let all = self.world.virtual_services().iter();
        all.filter(move |vs| vs.applies_to_mesh() && vs.export_to.includes(namespace))
    }

    /// Whether its general outbound port leads to `host` of `namespace`. An egress with a port of its own is about that
    /// port alone.
    pub fn imports(&self, namespace: &str, name: &str) -> bool {
        let Some(sidecar) = self.sidecar.filter(|sidecar| !sidecar.egress.is_empty()) else { return true };
        let general = sidecar.egress.iter().filter(|egress| egress.port.is_none());
        general.into_iter().any(|egress| egress.imports(namespace, name))
    }

    /// Whether an access log is kept of what comes in (`server`) or goes out.
    pub fn logs(&self, server: bool) -> bool {
        self.world.telemetry_of(self.viewer).find_map(|telemetry| telemetry.logs(server)).unwrap_or(true)
    }
}

impl SidecarEgress {
    /// Whether one of its hosts is, or covers, `name` of `namespace`.
    pub fn imports(&self, namespace: &str, name: &str) -> bool {
        let covers = |egress: &EgressHost| {
            let here = match &egress.namespace {
                EgressNamespace::Any => true,
                EgressNamespace::None => false,
                EgressNamespace::Named(named) => &**named == namespace,
            };
            here && host::intersection(&egress.host, name).is_some()
        };
        self.hosts.iter().any(covers)
    }
}

impl World {
    /// The Sidecar for a workload: one of its namespace that selects it, else one for the whole namespace, else one for
    /// the mesh; of several the earlier one.
    pub fn sidecar_of(&self, workload: &Workload) -> Option<&Sidecar> {
        let of = |namespace: &str, selected: bool| {
            self.sidecars.iter().map(|sidecar| &**sidecar).find(move |sidecar| {
                let applies = match &sidecar.selector {
                    Some(labels) => selected && workload.meta.has_labels(labels),
                    None => !selected,
                };
                applies && &**sidecar.meta.namespace() == namespace
            })
        };
        let own = workload.meta.namespace();
        of(own, true).or_else(|| of(own, false)).or_else(|| of(&self.mesh.root_namespace, false))
    }

    /// The Telemetries for a workload, the narrowest first.
    fn telemetry_of<'a>(&'a self, workload: &'a Workload) -> impl Iterator<Item = &'a Telemetry> {
        let own = workload.meta.namespace();
        let levels = [(own, true), (own, false), (&self.mesh.root_namespace, false)];
        levels.into_iter().filter_map(move |(namespace, selected)| {
            self.telemetries.iter().map(|telemetry| &**telemetry).find(|telemetry| {
                let applies = match &telemetry.selector {
                    Some(labels) => selected && workload.meta.has_labels(labels),
                    None => !selected,
                };
                applies && telemetry.meta.namespace() == namespace
            })
        })
    }
}
