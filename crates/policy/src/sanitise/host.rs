//! The host of a request without what does not count.

use ripstop_model::http_manager::paths::{HostRules, StripPort};

/// What of `host` counts, on a connection to `local_port`. A part of what it was given.
///
/// The dot goes from in front of the port too, for which the name has to be put together anew: then that is the second
/// part of the answer.
pub fn cut(rules: HostRules, host: &str, local_port: u16) -> (&str, Option<&str>) {
    let (name, port) = split(host);
    let stripped = match (rules.strip_port, port) {
        (StripPort::Any, Some(port)) => is_number(port),
        (StripPort::Matching, Some(port)) => port.parse() == Ok(local_port),
        _ => false,
    };
    let short = if rules.strip_trailing_dot { name.strip_suffix('.').unwrap_or(name) } else { name };
    match port {
        None => (short, None),
        Some(_) if stripped => (short, None),
        Some(_) if short.len() == name.len() => (host, None),
        Some(port) => (short, Some(port)),
    }
}

/// Name and port. The colons of an IPv6 address are not those of a port.
fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && (!name.contains(':') || name.ends_with(']')) => {
            (name, Some(port))
        }
        _ => (host, None),
    }
}

fn is_number(port: &str) -> bool {
    port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(strip_port: StripPort, strip_trailing_dot: bool, host: &str, expected: &str) {
        let (name, port) = cut(HostRules { strip_port, strip_trailing_dot }, host, 8080);
        let cut = port.map_or(name.to_owned(), |port| format!("{name}:{port}"));
        assert_eq!(cut, expected, "{host} {strip_port:?} {strip_trailing_dot}");
    }

    #[test]
    fn ports_and_dots_are_left_out_as_envoy_does() {
        for (host, matching, any, dot, both) in [
            ("a", "a", "a", "a", "a"),
            ("a:8080", "a", "a", "a:8080", "a"),
            ("a:80", "a:80", "a", "a:80", "a"),
            ("a.", "a.", "a.", "a", "a"),
            ("a.:80", "a.:80", "a.", "a:80", "a"),
            ("a..", "a..", "a..", "a.", "a."),
            ("[::1]:8080", "[::1]", "[::1]", "[::1]:8080", "[::1]"),
            ("[::1]:80", "[::1]:80", "[::1]", "[::1]:80", "[::1]"),
            ("[::1]", "[::1]", "[::1]", "[::1]", "[::1]"),
            ("a:", "a:", "a:", "a:", "a:"),
            ("a:xx", "a:xx", "a:xx", "a:xx", "a:xx"),
        ] {
            check(StripPort::Keep, false, host, host);
            check(StripPort::Matching, false, host, matching);
            check(StripPort::Any, false, host, any);
            check(StripPort::Keep, true, host, dot);
            check(StripPort::Any, true, host, both);
        }
    }
}
