//! Protection against DNS rebinding: a web page can make a browser ask a local address under the page's own host name, and
//! could then read the answer. So only names that cannot be anybody's web site are taken.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;

/// Whether `host` (with or without port) means this machine: a loopback address, `localhost`, or the address that is
/// listened on; any address if all are listened on.
pub(super) fn is_ours(host: &str, listen: SocketAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match address.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || ip == listen.ip() || listen.ip().is_unspecified(),
        Err(_) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_ours() {
        let check = |host: &str, listen: &str, ours: bool| {
            assert_eq!(is_ours(host, listen.parse().unwrap()), ours, "{host} on {listen}");
        };
        for host in
            ["127.0.0.1", "127.0.0.1:15014", "localhost:15014", "LOCALHOST", "[::1]:15014", "127.1.2.3"]
        {
            check(host, "127.0.0.1:15014", true);
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example", "a@b c"]
        {
            check(host, "127.0.0.1:15014", false);
        }
        check("10.0.0.1:15014", "10.0.0.1:15014", true);
        check("10.0.0.2:15014", "10.0.0.1:15014", false);
        check("10.0.0.2:15014", "0.0.0.0:15014", true);
        check("mesh.example", "0.0.0.0:15014", false);
    }
}
