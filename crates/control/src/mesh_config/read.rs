//! Reads `mesh-config.yml` into values. What has no counterpart yet is reported by its path.

use std::net::{IpAddr, Ipv4Addr};

use ripstop_yaml::{Document, Field, Node, Problems, Reader, Span};

use super::tree::At;

/// Longest of all times in the file, in seconds: a day.
const MAX_SECONDS: f64 = 86_400.0;

/// The file as values.
pub(super) struct MeshConfig {
    /// Where the file begins.
    pub(super) span: Span,
    pub(super) services: Vec<ServiceConfig>,
    /// Certificate and key of the gateway.
    pub(super) ssl: Option<(At<String>, At<String>)>,
    pub(super) strategy: Option<At<Strategy>>,
    /// 5xx in a row that put an instance aside; `None`: switched off.
    pub(super) failures: Option<At<u32>>,
    /// For how long; used where an instance does not say.
    pub(super) circuit_timeout: Option<At<f64>>,
    /// Tries in all; `None`: switched off.
    pub(super) attempts: Option<At<u32>>,
    pub(super) retry_delay: Option<At<f64>>,
    /// `None`: switched off.
    pub(super) timeout: Option<At<f64>>,
}

/// One service.
pub(super) struct ServiceConfig {
    pub(super) name: String,
    pub(super) span: Span,
    /// At least one.
    pub(super) instances: Vec<InstanceConfig>,
}

/// One instance of a service.
pub(super) struct InstanceConfig {
    pub(super) span: Span,
    pub(super) host: Host,
    pub(super) port: At<u16>,
    pub(super) tls: bool,
    pub(super) health_check: Option<At<String>>,
    pub(super) circuit_timeout: Option<At<f64>>,
    pub(super) retry_count: Option<At<u32>>,
    pub(super) retry_delay: Option<At<f64>>,
    pub(super) timeout: Option<At<f64>>,
}

/// Host of the URL of an instance.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Host {
    Ip(IpAddr),
    Name(String),
}

/// How an instance is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    RoundRobin,
    LeastConnections,
    Random,
    IpHash,
}

pub(super) fn read(document: &Document, problems: &Problems) -> Option<MeshConfig> {
    let root = Reader::new(&document.root, "", problems);
    let mesh = root.required("mesh").and_then(|field| field.map())?;
    root.finish();
    let entries = mesh.required("services").map(|field| field.entries()).unwrap_or_default();
    if entries.is_empty() && mesh.has("services") {
        mesh.error("services", "a mesh has at least one service");
    }
    let services = entries.iter().filter_map(|(name, field)| service(name, field)).collect();
    let ssl = mesh.map("security").and_then(security);
    if let Some(reader) = mesh.map("observability") {
        observability(reader);
    }
    let mut config = MeshConfig {
        span: document.root.span,
        services,
        ssl,
        strategy: None,
        failures: None,
        circuit_timeout: None,
        attempts: None,
        retry_delay: None,
        timeout: None,
    };
    if let Some(reader) = mesh.map("resilience") {
        resilience(reader, &mut config);
    }
    if let Some(reader) = mesh.map("load_balancing") {
        config.strategy = load_balancing(reader);
    }
    mesh.finish();
    Some(config)
}

fn at<T>(reader: &Reader<'_>, key: &str, read: impl FnOnce(&Field<'_>) -> Option<T>) -> Option<At<T>> {
    let field = reader.field(key)?;
    let value = read(&field)?;
    Some(At { value, span: field.node().span })
}

/// A number of seconds.
fn seconds(reader: &Reader<'_>, key: &str) -> Option<At<f64>> {
    at(reader, key, |field| {
        let number = field.f64()?;
        if !(0.001..=MAX_SECONDS).contains(&number) {
            field.error(format!("a time is 0.001 to {MAX_SECONDS} seconds"));
            return None;
        }
        Some(number)
    })
}

fn count(reader: &Reader<'_>, key: &str) -> Option<At<u32>> {
    at(reader, key, |field| field.u32())
}

/// Sections are on unless they say `enabled: false`.
fn enabled(reader: &Reader<'_>) -> bool {
    reader.bool("enabled").unwrap_or(true)
}

fn service(name: &str, field: &Field<'_>) -> Option<ServiceConfig> {
    let reader = field.map()?;
    let fields = reader.required("instances").map(|field| field.list());
    if fields.as_ref().is_some_and(Vec::is_empty) {
        reader.error("instances", "a service has at least one instance");
    }
    let instances: Vec<InstanceConfig> = fields.unwrap_or_default().iter().filter_map(instance).collect();
    reader.finish();
    if let Some(first) = instances.first() {
        for other in &instances[1..] {
            differing(field, first, other);
        }
    }
    Some(ServiceConfig { name: name.to_owned(), span: field.node().span, instances })
}

/// Policies are those of a service: of instances that differ the first counts.
fn differing(field: &Field<'_>, first: &InstanceConfig, other: &InstanceConfig) {
    let policies = |one: &InstanceConfig| {
        (
            one.circuit_timeout.map(|at| at.value),
            one.retry_count.map(|at| at.value),
            one.retry_delay.map(|at| at.value),
            one.timeout.map(|at| at.value),
        )
    };
    if policies(first) != policies(other) {
        field.warn("instances have different times or retries; those of the first one hold for all");
    }
    if first.tls != other.tls {
        field.error("some instances are reached by http and some by https");
    }
}

fn instance(field: &Field<'_>) -> Option<InstanceConfig> {
    let reader = field.map()?;
    let url = reader.required("url").and_then(|field| url(&field));
    let health_check = at(&reader, "health_check", |field| field.str());
    let instance = (
        seconds(&reader, "circuit_timeout"),
        count(&reader, "retry_count"),
        seconds(&reader, "retry_delay"),
        seconds(&reader, "timeout"),
    );
    reader.u32("rate_limit");
    reader.known_but_unsupported("rate_limit", "requests are not counted by instance");
    reader.finish();
    let (tls, host, port) = url?;
    let (circuit_timeout, retry_count, retry_delay, timeout) = instance;
    let span = field.node().span;
    Some(InstanceConfig {
        span,
        host,
        port,
        tls,
        health_check,
        circuit_timeout,
        retry_count,
        retry_delay,
        timeout,
    })
}

fn url(field: &Field<'_>) -> Option<(bool, Host, At<u16>)> {
    let text = field.str()?;
    let parsed = parse_url(&text);
    if parsed.is_none() {
        field.error_with_help(format!("`{text}` is not the URL of an instance"), "write http://host:port");
    }
    let (tls, host, port) = parsed?;
    Some((tls, host, At { value: port, span: field.node().span }))
}

fn parse_url(text: &str) -> Option<(bool, Host, u16)> {
    let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return None,
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let default = if tls { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok().filter(|port| *port != 0)?),
        _ => (authority, default),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = match bare.parse() {
        Ok(ip) => Host::Ip(ip),
        // Names of this machine need no DNS.
        Err(_) if bare.eq_ignore_ascii_case("localhost") => Host::Ip(Ipv4Addr::LOCALHOST.into()),
        Err(_) if is_name(bare) => Host::Name(bare.to_ascii_lowercase()),
        Err(_) => return None,
    };
    Some((tls, host, port))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

fn security(reader: Reader<'_>) -> Option<(At<String>, At<String>)> {
    reader.str("jwt_secret");
    reader.known_but_unsupported("jwt_secret", "tokens are not looked at");
    let mut files = None;
    if let Some(ssl) = reader.map("ssl") {
        let on = enabled(&ssl);
        let certificate = at(&ssl, "cert_file", |field| field.str());
        let key = at(&ssl, "key_file", |field| field.str());
        if on && (certificate.is_none() || key.is_none()) {
            ssl.error_here("with `ssl` there are a `cert_file` and a `key_file`");
        }
        ssl.finish();
        files = certificate.zip(key).filter(|_| on);
    }
    if let Some(cors) = reader.map("cors") {
        let on = enabled(&cors);
        for key in ["allow_origins", "allow_methods", "allow_headers", "expose_headers"] {
            cors.strings(key);
        }
        cors.bool("allow_credentials");
        cors.f64("max_age");
        cors.finish();
        if on {
            reader.known_but_unsupported("cors", "no CORS headers are sent");
        }
    }
    if let Some(limits) = reader.map("rate_limiting") {
        let on = enabled(&limits);
        limits.u32("default_limit");
        limits.f64("window");
        limits.finish();
        if on {
            reader.known_but_unsupported("rate_limiting", "requests are not counted");
        }
    }
    if let Some(authentication) = reader.map("authentication") {
        let on = enabled(&authentication);
        authentication.strings("protected_paths");
        authentication.finish();
        if on {
            reader.known_but_unsupported("authentication", "nobody is asked for a token");
        }
    }
    reader.finish();
    files
}

fn observability(reader: Reader<'_>) {
    if let Some(metrics) = reader.map("metrics") {
        enabled(&metrics);
        metrics.str("path");
        metrics.known_but_unsupported("path", "metrics are at /stats/prometheus of each admin port");
        metrics.f64("interval");
        metrics.finish();
    }
    if let Some(tracing) = reader.map("tracing") {
        let on = enabled(&tracing);
        tracing.str("jaeger_host");
        if tracing.u32("jaeger_port") == Some(6831) {
            tracing.known_but_unsupported(
                "jaeger_port",
                "6831 is the agent of Jaeger that was retired: OTLP is 4317",
            );
        }
        tracing.finish();
        if on {
            reader.known_but_unsupported("tracing", "no spans are sent");
        }
    }
    if let Some(logging) = reader.map("logging") {
        for key in ["level", "format", "output"] {
            logging.str(key);
        }
        logging.finish();
        reader
            .known_but_unsupported("logging", "proxies take --log-level, and write a line for each request");
    }
    reader.finish();
}

fn resilience(reader: Reader<'_>, config: &mut MeshConfig) {
    if let Some(breaker) = reader.map("circuit_breaker") {
        let on = enabled(&breaker);
        let failures = count(&breaker, "failure_threshold");
        config.circuit_timeout = seconds(&breaker, "timeout");
        let default = At { value: 5, span: breaker.here().span };
        config.failures = on.then(|| failures.unwrap_or(default));
        breaker.finish();
    }
    if let Some(retry) = reader.map("retry") {
        let on = enabled(&retry);
        config.attempts = count(&retry, "max_attempts").filter(|_| on);
        config.retry_delay = seconds(&retry, "delay");
        retry.finish();
    }
    if let Some(timeout) = reader.map("timeout") {
        let on = enabled(&timeout);
        config.timeout = seconds(&timeout, "default").filter(|_| on);
        timeout.finish();
    }
    reader.finish();
}

fn load_balancing(reader: Reader<'_>) -> Option<At<Strategy>> {
    let words = [
        ("round_robin", Strategy::RoundRobin),
        ("weighted_round_robin", Strategy::RoundRobin),
        ("least_connections", Strategy::LeastConnections),
        ("least_response_time", Strategy::LeastConnections),
        ("random", Strategy::Random),
        ("ip_hash", Strategy::IpHash),
    ];
    let strategy = at(&reader, "strategy", |field| field.one_of(&words));
    if reader.node("strategy").and_then(Node::as_str) == Some("least_response_time") {
        reader.known_but_unsupported("strategy", "the instance with fewer requests under way is taken");
    }
    if let Some(check) = reader.map("health_check") {
        let on = enabled(&check);
        seconds(&check, "interval");
        seconds(&check, "timeout");
        check.finish();
        if on {
            reader.known_but_unsupported("health_check", "instances are judged by what they answer");
        }
    }
    reader.finish();
    strategy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_instances_are_taken_apart() {
        let check =
            |text: &str, expected: Option<(bool, Host, u16)>| assert_eq!(parse_url(text), expected, "{text}");
        let name = |name: &str| Host::Name(name.to_owned());
        check("http://localhost:8001", Some((false, Host::Ip(Ipv4Addr::LOCALHOST.into()), 8001)));
        check("https://Users.example.org/", Some((true, name("users.example.org"), 443)));
        check("http://[::1]:80", Some((false, Host::Ip(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)), 80)));
        check("http://10.0.0.1", Some((false, Host::Ip(IpAddr::from([10, 0, 0, 1])), 80)));
        for bad in
            ["localhost:8001", "ftp://a", "http://", "http://a:0", "http://a/b", "http://a b", "http://a:x"]
        {
            check(bad, None);
        }
    }
}
