//! How traffic to hosts is routed: Istio's `VirtualService`. Its rules are [`super::http_route`] and [`super::l4_route`].

use std::fmt;

use ripstop_model::Name;

use super::{ExportTo, HttpRoute, Metadata, ObjectKey, Origin, TcpRoute, TlsRoute};

/// `VirtualService` of `networking.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualService {
    /// Name and place.
    pub meta: Metadata,
    /// Hosts whose traffic it routes: short names, full names, `*.suffix` or `*`. None: its rules are for others that
    /// delegate to it.
    pub hosts: Vec<(Name, Origin)>,
    /// Where it applies; empty exactly if it has no hosts.
    pub gateways: Vec<GatewayRef>,
    /// For requests; tried in order.
    pub http: Vec<HttpRoute>,
    /// For TLS that is not terminated; tried in order.
    pub tls: Vec<TlsRoute>,
    /// For bytes; tried in order.
    pub tcp: Vec<TcpRoute>,
    /// Where it can be seen.
    pub export_to: ExportTo,
}

/// Where routes apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayRef {
    /// Every sidecar (the reserved word `mesh`).
    Mesh,
    /// The proxies of one `Gateway`.
    Gateway(ObjectKey),
}

impl fmt::Display for GatewayRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GatewayRef::Mesh => f.write_str("mesh"),
            GatewayRef::Gateway(key) => key.fmt(f),
        }
    }
}

impl VirtualService {
    /// Whether sidecars follow it.
    pub fn applies_to_mesh(&self) -> bool {
        self.gateways.contains(&GatewayRef::Mesh)
    }

    /// Whether the proxies of this gateway follow it.
    pub fn applies_to_gateway(&self, gateway: &ObjectKey) -> bool {
        self.gateways.iter().any(|one| matches!(one, GatewayRef::Gateway(key) if key == gateway))
    }

    /// Whether its rules are only for virtual services that delegate to it.
    pub fn is_delegate(&self) -> bool {
        self.hosts.is_empty()
    }
}
