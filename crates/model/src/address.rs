//! Where something listens or can be reached. Not a resolved host name: names are [`HostPort`].

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::Name;

/// An address that a socket can be bound or connected to without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// TCP over IPv4 or IPv6.
    Socket(SocketAddr),
    /// A Unix domain socket at this path, or in the abstract namespace of Linux where it begins with `@`.
    Pipe(Name),
}

impl Address {
    /// A TCP address.
    pub fn socket(ip: impl Into<IpAddr>, port: u16) -> Address {
        Address::Socket(SocketAddr::new(ip.into(), port))
    }

    /// The IP address, where there is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.as_socket().map(|socket| socket.ip())
    }

    /// The TCP address, where it is one.
    pub fn as_socket(&self) -> Option<SocketAddr> {
        match self {
            Address::Socket(addr) => Some(*addr),
            Address::Pipe(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Address {
        Address::Socket(addr)
    }
}

/// `127.0.0.1:80`, `[::1]:80` or the path of the pipe, as Envoy prints addresses.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Socket(addr) => write!(f, "{addr}"),
            Address::Pipe(path) => f.write_str(path),
        }
    }
}

/// Where a listener takes connections: an address and what only binding needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BindAddress {
    /// The address.
    pub address: Address,
    /// An IPv6 socket takes IPv4 as well.
    pub ipv4_compat: bool,
    /// Permission bits of a Unix socket; 0: what the process gives to new files.
    pub pipe_mode: u16,
}

impl From<Address> for BindAddress {
    fn from(address: Address) -> BindAddress {
        BindAddress { address, ipv4_compat: false, pipe_mode: 0 }
    }
}

impl From<SocketAddr> for BindAddress {
    fn from(address: SocketAddr) -> BindAddress {
        Address::Socket(address).into()
    }
}

/// The address alone.
impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// A host name with a port, still to be resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// DNS name or literal address, without brackets.
    pub host: Name,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    #[test]
    fn addresses_print_as_envoy_prints_them() {
        assert_eq!(Address::socket([127, 0, 0, 1], 80).to_string(), "127.0.0.1:80");
        assert_eq!(Address::socket(Ipv6Addr::LOCALHOST, 80).to_string(), "[::1]:80");
        assert_eq!(Address::Pipe("/run/x.sock".into()).to_string(), "/run/x.sock");
        assert_eq!(HostPort { host: "::1".into(), port: 8 }.to_string(), "[::1]:8");
    }
}
