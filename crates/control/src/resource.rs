//! The resources of a mesh as plain values: what operators write, checked and typed. Not how they are written down:
//! reading documents is [`crate::document`], and what they mean together is [`crate::world`].

mod destination_rule;
mod gateway;
mod mesh;
mod metadata;
mod origin;
mod peer_authentication;
mod service;
mod text_match;
mod virtual_service;
mod workload;

pub use destination_rule::{ConnectionPool, DestinationRule, LoadBalancer, Outlier, Subset, TrafficPolicy};
pub use gateway::{Gateway, GatewayHost, GatewayServer};
pub use mesh::{Control, Mesh};
pub use metadata::{Labels, Metadata, ObjectKey};
pub use origin::Origin;
pub use peer_authentication::{MtlsMode, PeerAuthentication};
pub use service::{AppProtocol, Service, ServicePort};
pub use text_match::TextMatch;
pub use virtual_service::{
    Destination, GatewayRef, HttpAction, HttpMatch, HttpRoute, Retries, Rewrite, RouteDestination,
    VirtualService,
};
pub use workload::{GatewayRole, Health, Run, SidecarRole, Upstream, Workload, WorkloadPort};

use std::fmt;

/// Any one resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Resource {
    /// The mesh as a whole.
    Mesh(Mesh),
    /// What can be called under one name.
    Service(Service),
    /// One running instance.
    Workload(Workload),
    /// How requests to hosts are routed.
    VirtualService(VirtualService),
    /// How a destination is spoken to, after routing.
    DestinationRule(DestinationRule),
    /// Which connections workloads take.
    PeerAuthentication(PeerAuthentication),
    /// What listens at the edge.
    Gateway(Gateway),
}

/// The kinds of [`Resource`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// See [`Resource::Mesh`].
    Mesh,
    /// See [`Resource::Service`].
    Service,
    /// See [`Resource::Workload`].
    Workload,
    /// See [`Resource::VirtualService`].
    VirtualService,
    /// See [`Resource::DestinationRule`].
    DestinationRule,
    /// See [`Resource::PeerAuthentication`].
    PeerAuthentication,
    /// See [`Resource::Gateway`].
    Gateway,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 7] = [
        Kind::Mesh,
        Kind::Service,
        Kind::Workload,
        Kind::VirtualService,
        Kind::DestinationRule,
        Kind::PeerAuthentication,
        Kind::Gateway,
    ];

    /// The word in the field `kind` of a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Mesh => "Mesh",
            Kind::Service => "Service",
            Kind::Workload => "Workload",
            Kind::VirtualService => "VirtualService",
            Kind::DestinationRule => "DestinationRule",
            Kind::PeerAuthentication => "PeerAuthentication",
            Kind::Gateway => "Gateway",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Resource {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Resource::Mesh(_) => Kind::Mesh,
            Resource::Service(_) => Kind::Service,
            Resource::Workload(_) => Kind::Workload,
            Resource::VirtualService(_) => Kind::VirtualService,
            Resource::DestinationRule(_) => Kind::DestinationRule,
            Resource::PeerAuthentication(_) => Kind::PeerAuthentication,
            Resource::Gateway(_) => Kind::Gateway,
        }
    }

    /// Its name, labels and place.
    pub fn meta(&self) -> &Metadata {
        match self {
            Resource::Mesh(r) => &r.meta,
            Resource::Service(r) => &r.meta,
            Resource::Workload(r) => &r.meta,
            Resource::VirtualService(r) => &r.meta,
            Resource::DestinationRule(r) => &r.meta,
            Resource::PeerAuthentication(r) => &r.meta,
            Resource::Gateway(r) => &r.meta,
        }
    }
}
