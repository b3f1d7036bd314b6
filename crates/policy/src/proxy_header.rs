//! Headers of the PROXY protocol as they are written, versions 1 and 2 (haproxy's `proxy-protocol.txt`, 2.1 and 2.2).
//! Reading them is [`crate::inspect::proxy_protocol`].

use std::net::{IpAddr, SocketAddr};

use ripstop_model::tls::ProxyVersion;

/// How version 2 begins.
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2 and the command `LOCAL`.
const LOCAL: u8 = 0x20;
/// Version 2 and the command `PROXY`.
const PROXY: u8 = 0x21;

/// The header for a client and the address that it connected to; `None`: nobody is spoken for.
pub fn header(version: ProxyVersion, addresses: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let addresses = addresses.map(|(source, destination)| alike(source, destination));
    match version {
        ProxyVersion::V1 => first(addresses),
        ProxyVersion::V2 => second(addresses),
    }
}

/// Both of one family: where they differ, IPv4 is written as IPv6 can.
fn alike(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    if source.is_ipv4() == destination.is_ipv4() {
        return (source, destination);
    }
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    (mapped(source), mapped(destination))
}

fn first(addresses: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let Some((source, destination)) = addresses else { return b"PROXY UNKNOWN\r\n".to_vec() };
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}

fn second(addresses: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let mut out = V2_SIGNATURE.to_vec();
    let Some((source, destination)) = addresses else {
        out.extend([LOCAL, 0, 0, 0]);
        return out;
    };
    // Address family above, a stream below.
    let family = if source.is_ipv4() { 0x11 } else { 0x21 };
    let mut body = Vec::new();
    for address in [source, destination] {
        match address.ip() {
            IpAddr::V4(ip) => body.extend(ip.octets()),
            IpAddr::V6(ip) => body.extend(ip.octets()),
        }
    }
    body.extend(source.port().to_be_bytes());
    body.extend(destination.port().to_be_bytes());
    // 36 bytes at most.
    let length = body.len() as u16;
    out.extend([PROXY, family]);
    out.extend(length.to_be_bytes());
    out.extend(body);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::inspect::Progress;
    use crate::inspect::proxy_protocol::parse;

    #[test]
    fn what_is_written_is_read() {
        let check = |source: &str, destination: &str| {
            let addresses = (source.parse().unwrap(), destination.parse().unwrap());
            for version in [ProxyVersion::V1, ProxyVersion::V2] {
                let written = header(version, Some(addresses));
                let Progress::Done(header) = parse(&written).unwrap() else { panic!("{written:?}") };
                assert_eq!((header.length, header.addresses), (written.len(), Some(addresses)));
            }
        };
        check("10.0.0.1:1234", "192.168.0.1:80");
        check("[2001:db8::1]:1234", "[::1]:80");
        assert_eq!(header(ProxyVersion::V1, None), b"PROXY UNKNOWN\r\n");
        let mixed =
            header(ProxyVersion::V1, Some(("10.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap())));
        assert_eq!(mixed, b"PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n");
        let Progress::Done(local) = parse(&header(ProxyVersion::V2, None)).unwrap() else { panic!() };
        assert_eq!(local.addresses, None);
    }
}
