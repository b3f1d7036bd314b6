//! What is known of a client connection before its first request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use ripstop_identity::context::facts::TlsFacts;
use ripstop_model::{Address, Name};

use super::activity::{Activity, Heard};

/// Connections are numbered from 1, as with Envoy.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The next number; connections to endpoints have numbers among those of clients.
pub fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// A client connection as requests and logs see it.
pub struct ConnectionInfo {
    /// Unique in this process.
    pub id: u64,
    /// Name of the filter chain that serves it.
    pub filter_chain: Option<Name>,
    /// Why the handshake failed, where it did.
    pub transport_failure: Option<Name>,
    /// The client, as far as a proxy before us has told.
    pub remote: Address,
    /// Whoever opened the connection.
    pub direct_remote: Address,
    /// Where the client connected to.
    pub local: Address,
    /// The name in the client's ClientHello, in lower case; empty: none, or nobody looked.
    pub server_name: Name,
    /// Whether the client speaks TLS.
    pub tls: bool,
    /// What is known of its TLS.
    pub secured: Option<Box<TlsFacts>>,
    /// The element that describes the client's certificate in `x-forwarded-client-cert`; `None`: it has shown none.
    pub client_cert: Option<http::HeaderValue>,
    /// When something last happened on it.
    pub activity: Activity,
}

impl ConnectionInfo {
    /// The address that clients are told apart by; that of nobody for a Unix socket.
    pub fn client_ip(&self) -> IpAddr {
        self.remote.ip().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// The client and where it connected to; `None` over a Unix socket.
    pub fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        Some((self.remote.as_socket()?, self.local.as_socket()?))
    }

    /// A connection without TLS.
    pub fn plain(remote: impl Into<Address>, local: impl Into<Address>) -> ConnectionInfo {
        let remote = remote.into();
        ConnectionInfo {
            id: next_id(),
            filter_chain: None,
            transport_failure: None,
            direct_remote: remote.clone(),
            remote,
            local: local.into(),
            server_name: Name::from(""),
            tls: false,
            secured: None,
            client_cert: None,
            activity: Activity::new(Heard::default()),
        }
    }
}
