//! One running instance: where it is, who it is, and the proxy beside it, if any.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ripstop_model::Name;
use ripstop_model::endpoint::Locality;

use super::{Metadata, Origin};

/// `Workload` of `ripstop.io/v1`: an instance of a service, or a gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Name, labels and place.
    pub meta: Metadata,
    /// Service that it is an instance of, in its own namespace.
    pub service: Option<Name>,
    /// Name of its identity within the namespace.
    pub service_account: Name,
    /// Address at which it is reached.
    pub address: IpAddr,
    /// Ports by the names that the service gives them.
    pub ports: BTreeMap<Name, WorkloadPort>,
    /// Where in the world it runs.
    pub locality: Locality,
    /// Its share among the instances of its locality; at least 1.
    pub weight: u32,
    /// How to see whether the application is ready.
    pub health: Option<Health>,
    /// The proxy beside the application.
    pub sidecar: Option<SidecarRole>,
    /// It is itself a proxy, at the edge. Not together with a sidecar.
    pub gateway: Option<GatewayRole>,
    /// How the application is started; `None`: somebody else starts it.
    pub run: Option<Run>,
}

/// One port of a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadPort {
    /// Where the application listens.
    pub app: u16,
    /// Where the sidecar listens for it; there exactly if the workload has a sidecar.
    pub sidecar: Option<u16>,
    /// Where it was written.
    pub origin: Origin,
}

/// How to see whether an application is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Path that answers 200 on the first application port.
    pub path: Name,
}

/// The proxy beside an application. Its admin and outbound ports are on the loopback address.
#[derive(Clone, Debug, PartialEq)]
pub struct SidecarRole {
    /// Admin port.
    pub admin: u16,
    /// Port that routes by host, usable as `http_proxy`.
    pub outbound: Option<u16>,
    /// A port of its own for each service that the application calls.
    pub upstreams: Vec<Upstream>,
    /// Worker threads; `None`: the proxy decides.
    pub concurrency: Option<u32>,
    /// Where it was written.
    pub origin: Origin,
}

/// A service that an application reaches through a local port.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// `service`, `service.namespace` or the full name.
    pub host: Name,
    /// Port of the service; `None`: its only one.
    pub port: Option<u16>,
    /// Port on the loopback address.
    pub local_port: u16,
    /// Where it was written.
    pub origin: Origin,
}

/// A workload that is itself a proxy. Its admin port is on the loopback address.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayRole {
    /// Admin port.
    pub admin: u16,
    /// Worker threads; `None`: the proxy decides.
    pub concurrency: Option<u32>,
    /// Where it was written.
    pub origin: Origin,
}

/// How an application is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Program and arguments; not empty.
    pub command: Vec<String>,
    /// Environment beyond the inherited one.
    pub env: BTreeMap<String, String>,
    /// Working directory; `None`: that of whoever starts it.
    pub cwd: Option<String>,
}

impl Workload {
    /// Whether a proxy of the mesh takes its connections or makes them.
    pub fn has_proxy(&self) -> bool {
        self.sidecar.is_some() || self.gateway.is_some()
    }

    /// Admin port of its proxy.
    pub fn admin_port(&self) -> Option<u16> {
        self.sidecar.as_ref().map(|s| s.admin).or(self.gateway.as_ref().map(|g| g.admin))
    }

    /// Worker threads of its proxy, where somebody has said.
    pub fn concurrency(&self) -> Option<u32> {
        let sidecar = self.sidecar.as_ref().and_then(|s| s.concurrency);
        sidecar.or(self.gateway.as_ref().and_then(|g| g.concurrency))
    }
}
