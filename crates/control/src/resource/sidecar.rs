//! What a sidecar is told and takes: Istio's `Sidecar`. Not the proxy of a workload: that is [`super::SidecarRole`].

use std::net::IpAddr;

use ripstop_model::{Address, Name};

use super::{AppProtocol, ConnectionPool, Destination, Labels, Metadata, Origin};

/// `Sidecar` of `networking.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sidecar {
    /// Name and place.
    pub meta: Metadata,
    /// Workloads of its namespace that it applies to; `None`: all, or those of the mesh in the root namespace.
    pub selector: Option<Labels>,
    /// What is taken for the application beside the ports of the workload.
    pub ingress: Vec<SidecarIngress>,
    /// What may be called; empty: everything.
    pub egress: Vec<SidecarEgress>,
    /// Who gets requests to hosts that the mesh does not know; `None`: they are answered with 502.
    pub egress_proxy: Option<Destination>,
    /// Limits of connections to the application.
    pub inbound_pool: Option<ConnectionPool>,
}

/// A port that a sidecar takes for its application.
#[derive(Clone, Debug, PartialEq)]
pub struct SidecarIngress {
    /// The port.
    pub port: u16,
    /// What is spoken.
    pub protocol: AppProtocol,
    /// Address that is listened on; `None`: that of the workload.
    pub bind: Option<IpAddr>,
    /// Where the application listens; `None`: at the same port.
    pub endpoint: Option<Address>,
    /// Limits of its connections to the application.
    pub pool: Option<ConnectionPool>,
    /// Where it was written.
    pub origin: Origin,
}

/// What may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct SidecarEgress {
    /// A port of its own for these hosts, on the loopback address unless `bind` says otherwise; `None`: the ports of the
    /// workload document.
    pub port: Option<(u16, AppProtocol)>,
    /// Address that is listened on.
    pub bind: Option<IpAddr>,
    /// Which hosts; at least one.
    pub hosts: Vec<EgressHost>,
    /// Where it was written.
    pub origin: Origin,
}

/// Hosts of namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressHost {
    /// Of which namespace.
    pub namespace: EgressNamespace,
    /// Full name, `*.suffix` or `*`.
    pub host: Name,
}

/// A namespace of [`EgressHost`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EgressNamespace {
    /// Any.
    Any,
    /// None: nothing may be called.
    None,
    /// This one; `.` has become the name of the namespace of the Sidecar.
    Named(Name),
}
