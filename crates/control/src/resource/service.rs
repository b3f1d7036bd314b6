//! What can be called under one name. Who answers is [`super::Workload`].

use ripstop_model::Name;

use super::{Defaults, Metadata, Origin};

/// `Service` of `ripstop.io/v1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Name and place.
    pub meta: Metadata,
    /// At least one; names and numbers are unique.
    pub ports: Vec<ServicePort>,
    /// What holds for calls to it in the place of what the mesh says.
    pub defaults: Option<Defaults>,
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
    /// TLS that the mesh does not end: bytes whose destination the server name can decide.
    Tls,
}

impl AppProtocol {
    /// The words in our own documents.
    pub const WORDS: [(&'static str, AppProtocol); 5] = [
        ("HTTP", AppProtocol::Http),
        ("HTTP2", AppProtocol::Http2),
        ("GRPC", AppProtocol::Grpc),
        ("TCP", AppProtocol::Tcp),
        ("TLS", AppProtocol::Tls),
    ];
    /// The words in Istio's documents.
    pub const ISTIO_WORDS: [(&'static str, AppProtocol); 12] = [
        ("HTTP", AppProtocol::Http),
        ("HTTP2", AppProtocol::Http2),
        ("GRPC", AppProtocol::Grpc),
        ("GRPC-WEB", AppProtocol::Http),
        ("GRPC-Web", AppProtocol::Http),
        ("HTTPS", AppProtocol::Tls),
        ("TLS", AppProtocol::Tls),
        ("TCP", AppProtocol::Tcp),
        ("MONGO", AppProtocol::Tcp),
        ("Mongo", AppProtocol::Tcp),
        ("MYSQL", AppProtocol::Tcp),
        ("REDIS", AppProtocol::Tcp),
    ];

    /// Whether requests can be told apart.
    pub fn is_http(self) -> bool {
        !matches!(self, AppProtocol::Tcp | AppProtocol::Tls)
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
