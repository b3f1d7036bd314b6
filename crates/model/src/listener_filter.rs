//! What looks at a connection before its filter chain is chosen. How the bytes are read is the proxy's.

use std::ops::Range;

use crate::Name;

/// One filter of a listener; they run in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerFilter {
    /// Tells TLS from plaintext, and what a ClientHello asks for.
    TlsInspector(TlsInspector),
    /// Tells which HTTP is spoken in plaintext.
    HttpInspector,
    /// Reads who the client is from what a proxy before us says.
    ProxyProtocol(ProxyProtocol),
    /// Asks the kernel where the client wanted to go before it was redirected.
    OriginalDst,
}

/// Envoy's `TlsInspector`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TlsInspector {
    /// Largest ClientHello in bytes; `None`: 16 KiB, which is also the most.
    pub max_client_hello_bytes: Option<u32>,
    /// Closes a connection whose ClientHello cannot be read, instead of taking it for plaintext.
    pub close_on_parse_error: bool,
}

impl TlsInspector {
    /// Default and upper bound of [`TlsInspector::max_client_hello_bytes`].
    pub const MAX_CLIENT_HELLO_BYTES: u32 = 16 * 1024;
}

/// Envoy's `ProxyProtocol` listener filter.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ProxyProtocol {
    /// Takes connections that begin with something else as they are.
    pub optional: bool,
    /// Version 1 is refused, or taken for something else where headers are optional.
    pub refuses_v1: bool,
    /// The same for version 2.
    pub refuses_v2: bool,
    /// Part of its metric names; may be empty.
    pub stat_prefix: Name,
}

/// A condition on a connection that is known before anything of it is read; Envoy's `ListenerFilterChainMatchPredicate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionPredicate {
    /// Every connection.
    Any,
    /// Connections to a port of the range. The end does not belong to it.
    DestinationPort(Range<u16>),
    /// Connections for which another condition does not hold.
    Not(Box<ConnectionPredicate>),
    /// Connections for which all of these hold; at least two.
    All(Vec<ConnectionPredicate>),
    /// Connections for which one of these holds; at least two.
    OneOf(Vec<ConnectionPredicate>),
}
