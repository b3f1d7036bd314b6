//! A connection between being accepted and getting its filter chain: what is known of it so far.

use std::net::SocketAddr;

use ripstop_model::chain_match::TransportProtocol;
use ripstop_model::{Address, Name};
use ripstop_policy::filter_chain::Facts;
use ripstop_runtime::listen::canonical;
use ripstop_runtime::stream::Stream;

use super::connection::ConnectionInfo;
use super::read_ahead::ReadAhead;

/// What listener filters look at and change.
pub struct Incoming {
    /// The bytes.
    pub io: ReadAhead,
    /// The client.
    pub remote: Address,
    /// Whoever opened the connection.
    pub direct_remote: Address,
    /// Where the client connected to.
    pub local: Address,
    /// Whether [`Incoming::local`] is not where the connection really came in.
    pub local_restored: bool,
    /// What the connection speaks; `None`: nobody has looked, so it counts as plaintext.
    pub transport: Option<TransportProtocol>,
    /// The name in the ClientHello, in lower case.
    pub server_name: Name,
    /// What the client wants to speak on top.
    pub application_protocols: Vec<Name>,
}

impl Incoming {
    /// A connection that nobody has looked at, taken at `at`. `None`: it is over already.
    pub fn new(stream: Stream, remote: Option<SocketAddr>, at: &Address) -> Option<Incoming> {
        let local = match &stream {
            Stream::Tcp(stream) => Address::Socket(canonical(stream.local_addr().ok()?)),
            Stream::Unix(_) => at.clone(),
        };
        // Clients of a Unix socket have no address; Envoy shows that of the socket.
        let remote = remote.map_or_else(|| local.clone(), Address::Socket);
        Some(Incoming {
            io: ReadAhead::new(stream),
            direct_remote: remote.clone(),
            remote,
            local,
            local_restored: false,
            transport: None,
            server_name: Name::from(""),
            application_protocols: Vec::new(),
        })
    }

    /// The bytes, and what is known of the connection if no TLS is spoken.
    pub fn into_plain(self) -> (ReadAhead, ConnectionInfo) {
        let info = ConnectionInfo {
            direct_remote: self.direct_remote,
            server_name: self.server_name,
            ..ConnectionInfo::plain(self.remote, self.local)
        };
        (self.io, info)
    }

    /// What decides about the filter chain.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            destination: self.local.as_socket(),
            direct_source: self.direct_remote.as_socket(),
            source: self.remote.as_socket(),
            server_name: &self.server_name,
            transport_protocol: self.transport.unwrap_or(TransportProtocol::Plaintext),
            application_protocols: &self.application_protocols,
        }
    }
}
