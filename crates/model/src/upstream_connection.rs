//! How connections to the endpoints of a cluster are made and how long they are kept, whatever is spoken over them.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::Percent;

/// What Envoy's `UpstreamConnectionOptions` and `HttpProtocolOptions` of a cluster say of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamConnection {
    /// Silent peers are probed by the kernel; `None`: they are not.
    pub keepalive: Option<TcpKeepalive>,
    /// In which order the addresses of an endpoint are tried.
    pub happy_eyeballs: HappyEyeballs,
    /// A connection takes no more requests when it is this old; `None`: however old. Not zero.
    pub max_age: Option<Duration>,
    /// Each connection may grow older than that by up to this share of it, so that those made together do not end together.
    pub max_age_jitter: Percent,
}

/// Envoy's `TcpKeepalive`; `None` is the kernel's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// Probes without an answer after which the peer counts as gone.
    pub probes: Option<u32>,
    /// Silence before the first probe.
    pub time: Option<Duration>,
    /// Time between two probes.
    pub interval: Option<Duration>,
}

/// Envoy's `HappyEyeballsConfig`: how the addresses of an endpoint are interleaved by family (RFC 8305, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HappyEyeballs {
    /// The family that comes first; `None`: that of the first address.
    pub first: Option<AddressFamily>,
    /// How many addresses of that family come before the first of another.
    pub count: NonZeroU32,
}

impl Default for HappyEyeballs {
    /// One of each family in turn, as they come.
    fn default() -> HappyEyeballs {
        HappyEyeballs { first: None, count: NonZeroU32::MIN }
    }
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// A Unix socket.
    Pipe,
}
