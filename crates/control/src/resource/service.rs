//! What can be called under one name. Who answers is [`super::Workload`].

use ripstop_model::Name;

use super::{Metadata, Origin};

/// `Service` of `ripstop.io/v1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Name and place.
    pub meta: Metadata,
    /// At least one; names and numbers are unique.
    pub ports: Vec<ServicePort>,
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePort {
    /// Name by which workloads refer to it.
    pub name: Name,
    /// Number that callers use. Not zero.
    pub port: u16,
    /// What is spoken.
    pub protocol: AppProtocol,
    /// Where it was written.
    pub origin: Origin,
}

/// What an application speaks on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AppProtocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2 by prior knowledge.
    Http2,
    /// gRPC, hence HTTP/2.
    Grpc,
    /// Anything; the mesh carries bytes.
    Tcp,
}

impl AppProtocol {
    /// The words in documents.
    pub const WORDS: [(&'static str, AppProtocol); 4] = [
        ("HTTP", AppProtocol::Http),
        ("HTTP2", AppProtocol::Http2),
        ("GRPC", AppProtocol::Grpc),
        ("TCP", AppProtocol::Tcp),
    ];

    /// Whether requests can be told apart.
    pub fn is_http(self) -> bool {
        self != AppProtocol::Tcp
    }
}

impl Service {
    /// The port with this number.
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.port == number)
    }

    /// The port with this name.
    pub fn port_named(&self, name: &str) -> Option<&ServicePort> {
        self.ports.iter().find(|port| &*port.name == name)
    }
}
