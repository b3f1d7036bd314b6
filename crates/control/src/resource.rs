//! The resources of a mesh as plain values: what operators write, checked and typed. Not how they are written down:
//! reading documents is [`crate::document`], and what they mean together is [`crate::world`].

mod certificates;
mod client_tls;
mod credential;
mod defaults;
mod destination_rule;
mod export_to;
mod gateway;
mod http_route;
mod kind;
mod l4_route;
mod load_balancer;
mod mesh;
mod metadata;
mod origin;
mod peer_authentication;
mod security_policy;
mod service;
mod service_entry;
mod sidecar;
mod telemetry;
mod text_match;
mod virtual_service;
mod workload;

pub use certificates::{BundleEndpoint, Certificates, Federation};
pub use client_tls::{CertificateFiles, ClientTls, ClientTlsMode};
pub use credential::Credential;
pub use defaults::{Defaults, Profile};
pub use destination_rule::{ConnectionPool, DestinationRule, HttpTunnel, Outlier, Subset, TrafficPolicy};
pub use export_to::ExportTo;
pub use gateway::{Gateway, GatewayHost, GatewayServer, ServerProtocol, ServerTls, ServerTlsMode};
pub use http_route::{
    Destination, HeaderChanges, HttpAction, HttpMatch, HttpRedirect, HttpRoute, Mirror, RedirectPort,
    Retries, Rewrite, RouteDestination, UriRewrite,
};
pub use kind::Kind;
pub use l4_route::{L4Destination, L4Match, TcpRoute, TlsMatch, TlsRoute};
pub use load_balancer::{BalancerChoice, Distribute, HashTable, LoadBalancer, LocalitySetting, Warmup};
pub use mesh::{Control, Mesh};
pub use metadata::{Labels, Metadata, ObjectKey};
pub use origin::Origin;
pub use peer_authentication::{MtlsMode, PeerAuthentication};
pub use security_policy::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Condition, Either, Jwks, JwtRule, Operation,
    RequestAuthentication, Source,
};
pub use service::{AppProtocol, Service, ServicePort};
pub use service_entry::{
    EntryAddress, EntryEndpoint, EntryPort, Location, Resolution, ServiceEntry, WorkloadEntry, WorkloadGroup,
};
pub use sidecar::{EgressHost, EgressNamespace, Sidecar, SidecarEgress, SidecarIngress};
pub use telemetry::{AccessLogging, Telemetry};
pub use text_match::TextMatch;
pub use virtual_service::{GatewayRef, VirtualService};
pub use workload::{GatewayRole, Health, Run, SidecarRole, Upstream, Workload, WorkloadPort};

/// Any one resource.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "each is moved once, into its place in the world")]
pub enum Resource {
    /// The mesh as a whole.
    Mesh(Mesh),
    /// What can be called under one name.
    Service(Service),
    /// One running instance.
    Workload(Workload),
    /// A certificate under a name.
    Credential(Credential),
    /// How traffic to hosts is routed.
    VirtualService(VirtualService),
    /// How a destination is spoken to, after routing.
    DestinationRule(DestinationRule),
    /// What listens at the edge.
    Gateway(Gateway),
    /// Hosts that no Service describes.
    ServiceEntry(ServiceEntry),
    /// One endpoint of such a host.
    WorkloadEntry(WorkloadEntry),
    /// What such endpoints have in common.
    WorkloadGroup(WorkloadGroup),
    /// What a sidecar is told and takes.
    Sidecar(Sidecar),
    /// Which connections workloads take.
    PeerAuthentication(PeerAuthentication),
    /// Whose tokens are believed.
    RequestAuthentication(RequestAuthentication),
    /// Who may do what.
    AuthorizationPolicy(AuthorizationPolicy),
    /// What is told about traffic.
    Telemetry(Telemetry),
}

impl Resource {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Resource::Mesh(_) => Kind::Mesh,
            Resource::Service(_) => Kind::Service,
            Resource::Workload(_) => Kind::Workload,
            Resource::Credential(_) => Kind::Credential,
            Resource::VirtualService(_) => Kind::VirtualService,
            Resource::DestinationRule(_) => Kind::DestinationRule,
            Resource::Gateway(_) => Kind::Gateway,
            Resource::ServiceEntry(_) => Kind::ServiceEntry,
            Resource::WorkloadEntry(_) => Kind::WorkloadEntry,
            Resource::WorkloadGroup(_) => Kind::WorkloadGroup,
            Resource::Sidecar(_) => Kind::Sidecar,
            Resource::PeerAuthentication(_) => Kind::PeerAuthentication,
            Resource::RequestAuthentication(_) => Kind::RequestAuthentication,
            Resource::AuthorizationPolicy(_) => Kind::AuthorizationPolicy,
            Resource::Telemetry(_) => Kind::Telemetry,
        }
    }

    /// Its name, labels and place.
    pub fn meta(&self) -> &Metadata {
        match self {
            Resource::Mesh(r) => &r.meta,
            Resource::Service(r) => &r.meta,
            Resource::Workload(r) => &r.meta,
            Resource::Credential(r) => &r.meta,
            Resource::VirtualService(r) => &r.meta,
            Resource::DestinationRule(r) => &r.meta,
            Resource::Gateway(r) => &r.meta,
            Resource::ServiceEntry(r) => &r.meta,
            Resource::WorkloadEntry(r) => &r.meta,
            Resource::WorkloadGroup(r) => &r.meta,
            Resource::Sidecar(r) => &r.meta,
            Resource::PeerAuthentication(r) => &r.meta,
            Resource::RequestAuthentication(r) => &r.meta,
            Resource::AuthorizationPolicy(r) => &r.meta,
            Resource::Telemetry(r) => &r.meta,
        }
    }
}
