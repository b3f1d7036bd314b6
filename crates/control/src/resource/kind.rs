//! The kinds of resources, and what they are called.

use std::fmt;

/// The kinds of [`super::Resource`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// See [`super::Resource::Mesh`].
    Mesh,
    /// See [`super::Resource::Service`].
    Service,
    /// See [`super::Resource::Workload`].
    Workload,
    /// See [`super::Resource::Credential`].
    Credential,
    /// See [`super::Resource::VirtualService`].
    VirtualService,
    /// See [`super::Resource::DestinationRule`].
    DestinationRule,
    /// See [`super::Resource::Gateway`].
    Gateway,
    /// See [`super::Resource::ServiceEntry`].
    ServiceEntry,
    /// See [`super::Resource::WorkloadEntry`].
    WorkloadEntry,
    /// See [`super::Resource::WorkloadGroup`].
    WorkloadGroup,
    /// See [`super::Resource::Sidecar`].
    Sidecar,
    /// See [`super::Resource::PeerAuthentication`].
    PeerAuthentication,
    /// See [`super::Resource::RequestAuthentication`].
    RequestAuthentication,
    /// See [`super::Resource::AuthorizationPolicy`].
    AuthorizationPolicy,
    /// See [`super::Resource::Telemetry`].
    Telemetry,
}

/// API versions of our own kinds.
const OWN: &[&str] = &["ripstop.io/v1"];
/// API versions of Istio's traffic kinds.
const NETWORKING: &[&str] =
    &["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"];
/// API versions of Istio's security kinds.
const SECURITY: &[&str] =
    &["security.istio.io/v1", "security.istio.io/v1beta1", "security.istio.io/v1alpha3"];
/// API versions of Istio's telemetry kind.
const TELEMETRY: &[&str] = &["telemetry.istio.io/v1", "telemetry.istio.io/v1alpha1"];

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 15] = [
        Kind::Mesh,
        Kind::Service,
        Kind::Workload,
        Kind::Credential,
        Kind::VirtualService,
        Kind::DestinationRule,
        Kind::Gateway,
        Kind::ServiceEntry,
        Kind::WorkloadEntry,
        Kind::WorkloadGroup,
        Kind::Sidecar,
        Kind::PeerAuthentication,
        Kind::RequestAuthentication,
        Kind::AuthorizationPolicy,
        Kind::Telemetry,
    ];

    /// The word in the field `kind` of a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Mesh => "Mesh",
            Kind::Service => "Service",
            Kind::Workload => "Workload",
            Kind::Credential => "Credential",
            Kind::VirtualService => "VirtualService",
            Kind::DestinationRule => "DestinationRule",
            Kind::Gateway => "Gateway",
            Kind::ServiceEntry => "ServiceEntry",
            Kind::WorkloadEntry => "WorkloadEntry",
            Kind::WorkloadGroup => "WorkloadGroup",
            Kind::Sidecar => "Sidecar",
            Kind::PeerAuthentication => "PeerAuthentication",
            Kind::RequestAuthentication => "RequestAuthentication",
            Kind::AuthorizationPolicy => "AuthorizationPolicy",
            Kind::Telemetry => "Telemetry",
        }
    }

    /// The API versions in which it is accepted, the newest first.
    pub fn api_versions(self) -> &'static [&'static str] {
        match self {
            Kind::Mesh | Kind::Service | Kind::Workload | Kind::Credential => OWN,
            Kind::VirtualService
            | Kind::DestinationRule
            | Kind::Gateway
            | Kind::ServiceEntry
            | Kind::WorkloadEntry
            | Kind::WorkloadGroup
            | Kind::Sidecar => NETWORKING,
            Kind::PeerAuthentication | Kind::RequestAuthentication | Kind::AuthorizationPolicy => SECURITY,
            Kind::Telemetry => TELEMETRY,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
