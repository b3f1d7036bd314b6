//! The PROXY protocol, versions 1 and 2: what a proxy before us says of the client. What may not be said by whom is the
//! configuration's to decide; what is well-formed is decided as Envoy does, which is stricter than the specification.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Progress;

/// How version 1 begins.
const V1_SIGNATURE: &[u8] = b"PROXY ";
/// Longest header of version 1, with its line end.
const V1_MAX_BYTES: usize = 108;
/// How version 2 begins.
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family and length.
const V2_HEADER_BYTES: usize = 16;
/// Longest header there can be: version 2 with the longest addresses and extensions.
pub const MAX_HEADER_BYTES: usize = V2_HEADER_BYTES + u16::MAX as usize;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many bytes it takes.
    pub length: usize,
    /// Client and where it connected to; `None`: the connection speaks for itself (`UNKNOWN`, `LOCAL`).
    pub addresses: Option<(SocketAddr, SocketAddr)>,
}

/// A header that is not well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyProtocolError {
    /// It begins like no header.
    #[error("no PROXY protocol header")]
    Absent,
    /// It is longer than it may be.
    #[error("the line of version 1 does not end within {V1_MAX_BYTES} bytes")]
    Line,
    /// The protocol is not one of `TCP4`, `TCP6` and `UNKNOWN`, or a word is missing or too much.
    #[error("the line of version 1 is not PROXY, protocol, two addresses and two ports")]
    Words,
    /// An address or port is none, or not one of a single host.
    #[error("an address or a port is none that a connection can have")]
    Address,
    /// A header of version 2 says that it is another version.
    #[error("the binary header says that its version is {0}")]
    Version(u8),
    /// Neither `LOCAL` nor `PROXY`.
    #[error("command {0} is not known")]
    Command(u8),
    /// Not IPv4 or IPv6 over a stream or datagrams.
    #[error("address family and transport {0:#04x} are not supported")]
    Family(u8),
    /// The length is too short for the addresses.
    #[error("the header is too short for its addresses")]
    Short,
    /// The extensions behind the addresses do not fit their lengths.
    #[error("the extensions of the header are cut off")]
    Extensions,
}

/// Which version begins here.
///
/// # Errors
/// [`ProxyProtocolError::Absent`] where neither does.
pub fn version(bytes: &[u8]) -> Result<Progress<Version>, ProxyProtocolError> {
    for (signature, version) in [(V1_SIGNATURE, Version::V1), (V2_SIGNATURE, Version::V2)] {
        if bytes.starts_with(signature) {
            return Ok(Progress::Done(version));
        }
        if signature.starts_with(bytes) {
            return Ok(Progress::NeedMore);
        }
    }
    Err(ProxyProtocolError::Absent)
}

/// Reads a header from the beginning of a connection.
///
/// # Errors
/// If there is none, or it is not well-formed.
pub fn parse(bytes: &[u8]) -> Result<Progress<Header>, ProxyProtocolError> {
    match version(bytes)? {
        Progress::NeedMore => Ok(Progress::NeedMore),
        Progress::Done(Version::V1) => v1(bytes),
        Progress::Done(Version::V2) => v2(bytes),
    }
}

fn v1(bytes: &[u8]) -> Result<Progress<Header>, ProxyProtocolError> {
    let line = &bytes[..bytes.len().min(V1_MAX_BYTES)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        let may_end = bytes.len() < V1_MAX_BYTES;
        return if may_end { Ok(Progress::NeedMore) } else { Err(ProxyProtocolError::Line) };
    };
    let text = std::str::from_utf8(&line[V1_SIGNATURE.len()..end]).map_err(|_| ProxyProtocolError::Words)?;
    let mut words = text.split(' ');
    let family = words.next().unwrap_or_default();
    let length = end + 2;
    if family == "UNKNOWN" {
        return Ok(Progress::Done(Header { length, addresses: None }));
    }
    let words: Vec<&str> = words.collect();
    let &[source, destination, source_port, destination_port] = words.as_slice() else {
        return Err(ProxyProtocolError::Words);
    };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    if !matches!(family, "TCP4" | "TCP6") {
        return Err(ProxyProtocolError::Words);
    }
    let both = address(source).zip(port(source_port)).zip(address(destination).zip(port(destination_port)));
    let ((source, source_port), (destination, destination_port)) = both.ok_or(ProxyProtocolError::Address)?;
    let addresses =
        of_hosts(SocketAddr::new(source, source_port), SocketAddr::new(destination, destination_port))?;
    Ok(Progress::Done(Header { length, addresses: Some(addresses) }))
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn v2(bytes: &[u8]) -> Result<Progress<Header>, ProxyProtocolError> {
    let Some(&[command, family, high, low]) = bytes.get(V2_SIGNATURE.len()..V2_HEADER_BYTES) else {
        return Ok(Progress::NeedMore);
    };
    if command >> 4 != 2 {
        return Err(ProxyProtocolError::Version(command >> 4));
    }
    let length = V2_HEADER_BYTES + usize::from(u16::from_be_bytes([high, low]));
    let local = match command & 0xf {
        0 => true,
        1 => false,
        other => return Err(ProxyProtocolError::Command(other)),
    };
    let address_bytes = match family {
        _ if local => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        other => return Err(ProxyProtocolError::Family(other)),
    };
    if length < V2_HEADER_BYTES + address_bytes {
        return Err(ProxyProtocolError::Short);
    }
    let Some(body) = bytes.get(V2_HEADER_BYTES..length) else { return Ok(Progress::NeedMore) };
    if local {
        return Ok(Progress::Done(Header { length, addresses: None }));
    }
    let (addresses, extensions) = body.split_at(address_bytes);
    let addresses = binary_addresses(addresses).ok_or(ProxyProtocolError::Short)?;
    check_extensions(extensions)?;
    let addresses = of_hosts(addresses.0, addresses.1)?;
    Ok(Progress::Done(Header { length, addresses: Some(addresses) }))
}

/// Source and destination address, then source and destination port.
fn binary_addresses(bytes: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (addresses, ports) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    let (source, destination) = addresses.split_at(addresses.len() / 2);
    let ip = |bytes: &[u8]| match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        _ => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    let &[a, b, c, d] = ports else { return None };
    let source = SocketAddr::new(ip(source)?, u16::from_be_bytes([a, b]));
    Some((source, SocketAddr::new(ip(destination)?, u16::from_be_bytes([c, d]))))
}

/// Type, length in two bytes, value; their meaning is not looked at.
fn check_extensions(mut rest: &[u8]) -> Result<(), ProxyProtocolError> {
    while !rest.is_empty() {
        let &[_, high, low, ref values @ ..] = rest else { return Err(ProxyProtocolError::Extensions) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = values.get(length..).ok_or(ProxyProtocolError::Extensions)?;
    }
    Ok(())
}

/// The addresses, if each is that of a single host.
fn of_hosts(
    source: SocketAddr,
    destination: SocketAddr,
) -> Result<(SocketAddr, SocketAddr), ProxyProtocolError> {
    let is_host = |ip: IpAddr| {
        let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        !ip.is_unspecified() && !ip.is_multicast() && !broadcast
    };
    if is_host(source.ip()) && is_host(destination.ip()) {
        Ok((source, destination))
    } else {
        Err(ProxyProtocolError::Address)
    }
}

#[cfg(test)]
mod tests;
