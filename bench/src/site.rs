//! What a proxy is asked to be: the same for every peer, each of which writes it in its own language.

use std::path::PathBuf;

/// A proxy to be configured.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// Port of the endpoint behind it.
    pub upstream: u16,
    /// What it does.
    pub shape: Shape,
    /// Certificates, where it has any.
    pub tls: TlsFiles,
}

/// What a proxy does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A reverse proxy for HTTP/1.
    Plain,
    /// The same with [`VIRTUAL_HOSTS`] of [`ROUTES`] each, a condition on a header, and an access log in a file.
    Routed,
    /// HTTP/1 from clients, HTTP/2 with mutual TLS to the next hop.
    Front,
    /// HTTP/2 with mutual TLS from the hop before, HTTP/1 to the endpoint.
    Back,
    /// HTTP/2 from clients and to the endpoint, in plaintext.
    Http2,
    /// The same for calls of gRPC.
    Grpc,
    /// Bytes.
    Tcp,
    /// HTTP/1 over TLS from clients.
    Tls,
    /// Clusters from a control plane at this port, chosen by the header `x-cluster`.
    Mesh {
        /// Port of the control plane.
        control: u16,
    },
}

/// Virtual hosts of [`Shape::Routed`].
pub const VIRTUAL_HOSTS: usize = 100;
/// Routes of each of them.
pub const ROUTES: usize = 10;
/// A header that every second route asks for.
pub const ROUTE_HEADER: (&str, &str) = ("x-version", "1");

/// Name of the certificates of the bench.
pub const SERVER_NAME: &str = "bench.example.com";

/// Files with certificates: one key pair that serves both sides, and its root.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Chain.
    pub chain: PathBuf,
    /// Key.
    pub key: PathBuf,
    /// Chain and key in one file.
    pub both: PathBuf,
    /// Root.
    pub root: PathBuf,
}

/// The domain of a virtual host.
pub fn domain(host: usize) -> String {
    format!("service-{host}.example.com")
}
