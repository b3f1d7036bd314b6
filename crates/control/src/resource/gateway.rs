//! What listens at the edge of the mesh: Istio's `Gateway`.

use ripstop_model::Name;

use super::{Labels, Metadata, Origin};

/// `Gateway` of `networking.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// Name and place.
    pub meta: Metadata,
    /// Labels of the gateway workloads that serve it; empty: all of them.
    pub selector: Labels,
    /// What listens.
    pub servers: Vec<GatewayServer>,
}

/// One plaintext HTTP port. Servers of other protocols are reported when they are read and are not here.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayServer {
    /// Port on the address of the gateway workload.
    pub port: u16,
    /// Name of the port.
    pub port_name: Name,
    /// Hosts that are served. At least one.
    pub hosts: Vec<GatewayHost>,
    /// Where it was written.
    pub origin: Origin,
}

/// A host that a server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayHost {
    /// Namespace of the VirtualServices that may route it; `None`: any.
    pub namespace: Option<Name>,
    /// Full name, `*.suffix` or `*`.
    pub host: Name,
}
