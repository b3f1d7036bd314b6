//! Which connections a filter chain takes. The order in which conditions count is the policy's.

use crate::Name;
use crate::cidr::CidrRange;

/// Envoy's `FilterChainMatch`. Empty fields match everything; of a list one value has to match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FilterChainMatch {
    /// The port that the client connected to; not 0.
    pub destination_port: Option<u16>,
    /// The address that the client connected to.
    pub prefix_ranges: Vec<CidrRange>,
    /// The name in the ClientHello.
    pub server_names: Vec<ServerName>,
    /// What the connection speaks, as a listener filter saw it.
    pub transport_protocol: Option<TransportProtocol>,
    /// What the client wants to speak on top, as a listener filter saw it: `h2`, `http/1.1`.
    pub application_protocols: Vec<Name>,
    /// The address of whoever opened the connection, be it only a proxy before us.
    pub direct_source_prefix_ranges: Vec<CidrRange>,
    /// Where the client is.
    pub source_type: SourceType,
    /// The address of the client.
    pub source_prefix_ranges: Vec<CidrRange>,
    /// The port of the client; none is 0.
    pub source_ports: Vec<u16>,
}

/// A name of [`FilterChainMatch::server_names`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerName {
    /// This name.
    Exact(Name),
    /// Every name that ends with this text, which begins with a dot: `*.example.com` is `.example.com`.
    Suffix(Name),
}

/// What a connection speaks below the application protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportProtocol {
    /// `raw_buffer`.
    Plaintext,
    /// `tls`.
    Tls,
}

/// Envoy's `ConnectionSourceType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceType {
    /// Anywhere.
    #[default]
    Any,
    /// On this machine: from a loopback address, or from the address that it connected to.
    SameIpOrLoopback,
    /// On another machine.
    External,
}
