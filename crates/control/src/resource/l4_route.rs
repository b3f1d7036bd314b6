//! Rules for connections: Istio's `TLSRoute` and `TCPRoute`.

use ripstop_model::Name;
use ripstop_model::cidr::CidrRange;

use super::{Destination, GatewayRef, Labels, Origin};

/// Which TLS connections, by the name in their ClientHello, and where they go.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsRoute {
    /// Any of these; at least one.
    pub matches: Vec<TlsMatch>,
    /// Where to; at least one, weights not all zero.
    pub route: Vec<L4Destination>,
    /// Where it was written.
    pub origin: Origin,
}

/// Conditions on a TLS connection; all must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsMatch {
    /// One of these names is asked for: full names or `*.suffix`. At least one.
    pub sni_hosts: Vec<Name>,
    /// The others.
    pub connection: L4Match,
}

/// Which connections, and where they go.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpRoute {
    /// Any of these; empty: every connection.
    pub matches: Vec<L4Match>,
    /// Where to; at least one, weights not all zero.
    pub route: Vec<L4Destination>,
    /// Where it was written.
    pub origin: Origin,
}

/// Conditions on a connection; all must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct L4Match {
    /// The address that the client connected to is in one of these; empty: any.
    pub destination_subnets: Vec<CidrRange>,
    /// The port that it addressed.
    pub port: Option<u16>,
    /// Labels of the calling workload. Holds in sidecars only.
    pub source_labels: Labels,
    /// Namespace of the calling workload.
    pub source_namespace: Option<Name>,
    /// Where it applies; empty: where the VirtualService does.
    pub gateways: Vec<GatewayRef>,
    /// Where it was written.
    pub origin: Origin,
}

/// One share of the connections.
#[derive(Clone, Debug, PartialEq)]
pub struct L4Destination {
    /// Where to.
    pub destination: Destination,
    /// Its share of the sum of all weights.
    pub weight: u32,
}
