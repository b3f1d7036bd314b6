//! Random valid model values for tests: every field takes its default, its limits and values between.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ripstop_model::access_log::{AccessLogFormat, AccessLogSink};
use ripstop_model::address::HostPort;
use ripstop_model::cluster::{
    CircuitLimits, DnsDiscovery, DnsFamily, DnsKind, LbPolicy, OutlierDetection, RetryBudget,
    UpstreamProtocol,
};
use ripstop_model::endpoint::{Locality, LocalityEndpoints};
use ripstop_model::http_manager::{Codec, ForwardClientCert, RouteSource};
use ripstop_model::listener::{FilterChainMatch, TcpProxy, TrafficDirection, TransportProtocol};
use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch, QueryMatch, StringMatch, StringPattern};
use ripstop_model::route::{
    Backoff, ClusterChoice, DirectResponse, Forward, PathMatch, PathRewrite, RetryOn, RetryPolicy,
    RouteAction, RouteMatch, WeightedCluster,
};
use ripstop_model::tls::{CertificateSource, PeerCheck};
use ripstop_model::{
    AccessLog, Address, Cluster, ClusterLoadAssignment, Discovery, Endpoint, FilterChain, HealthStatus,
    HttpConnectionManager, Listener, Name, NetworkFilter, Percent, Route, RouteConfiguration, Snapshot,
    SpiffeId, TlsClient, TlsServer, VirtualHost,
};

/// A name that is nowhere empty.
pub(crate) fn name(rng: &mut Rng) -> Name {
    let length = rng.usize(1..12);
    (0..length).map(|_| rng.alphanumeric()).collect::<String>().into()
}

fn option<T>(rng: &mut Rng, value: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    rng.bool().then(|| value(rng))
}

fn list<T>(rng: &mut Rng, most: usize, mut value: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    (0..rng.usize(0..=most)).map(|_| value(rng)).collect()
}

/// Zero is among them.
fn duration(rng: &mut Rng) -> Duration {
    match rng.u8(0..4) {
        0 => Duration::ZERO,
        1 => Duration::new(rng.u64(0..10_000_000), rng.u32(0..1_000_000_000)),
        _ => Duration::from_millis(rng.u64(0..100_000)),
    }
}

fn positive(rng: &mut Rng) -> Duration {
    duration(rng).max(Duration::from_millis(1))
}

fn percent(rng: &mut Rng) -> Percent {
    if rng.bool() { Percent::whole(rng.u32(0..=100)) } else { Percent::per_million(rng.u32(0..=1_000_000)) }
}

fn count(rng: &mut Rng) -> NonZeroU32 {
    NonZeroU32::new(rng.u32(1..)).unwrap_or(NonZeroU32::MIN)
}

fn address(rng: &mut Rng) -> Address {
    match rng.u8(0..3) {
        0 => Address::Pipe(format!("/run/{}", name(rng)).into()),
        1 => Address::socket(rng.u128(..).to_be_bytes(), rng.u16(..)),
        _ => Address::socket(rng.u32(..).to_be_bytes(), rng.u16(..)),
    }
}

fn spiffe_id(rng: &mut Rng) -> SpiffeId {
    SpiffeId::new(&format!("spiffe://mesh.test/ns/{}/sa/{}", name(rng), name(rng)))
        .expect("made of plain letters")
}

fn peer_check(rng: &mut Rng) -> PeerCheck {
    PeerCheck { allowed: list(rng, 3, spiffe_id) }
}

fn alpn(rng: &mut Rng) -> Vec<Name> {
    if rng.bool() { vec!["h2".into(), "http/1.1".into()] } else { Vec::new() }
}

fn tls_client(rng: &mut Rng) -> TlsClient {
    TlsClient {
        certificate: option(rng, |_| CertificateSource::WorkloadIdentity),
        peer: peer_check(rng),
        sni: if rng.bool() { name(rng) } else { "".into() },
        alpn: alpn(rng),
    }
}

fn tls_server(rng: &mut Rng) -> TlsServer {
    TlsServer {
        certificate: CertificateSource::WorkloadIdentity,
        peer: option(rng, peer_check),
        alpn: alpn(rng),
    }
}

fn access_log(rng: &mut Rng) -> AccessLog {
    let sink = match rng.u8(0..3) {
        0 => AccessLogSink::Stdout,
        1 => AccessLogSink::Stderr,
        _ => AccessLogSink::File(format!("/var/log/{}", name(rng)).into()),
    };
    let format = match rng.bool() {
        true => AccessLogFormat::Default,
        false => AccessLogFormat::Text(format!("[%START_TIME%] {}\n", name(rng)).into()),
    };
    AccessLog { sink, format }
}

fn string_match(rng: &mut Rng) -> StringMatch {
    let text = name(rng);
    let pattern = match rng.u8(0..5) {
        0 => StringPattern::Exact(text),
        1 => StringPattern::Prefix(text),
        2 => StringPattern::Suffix(text),
        3 => StringPattern::Contains(text),
        _ => StringPattern::Regex(text),
    };
    let ignore_case = rng.bool() && !matches!(pattern, StringPattern::Regex(_));
    StringMatch { pattern, ignore_case }
}

fn header_match(rng: &mut Rng) -> HeaderMatch {
    let value = match rng.u8(0..3) {
        0 => HeaderValueMatch::Present(rng.bool()),
        1 => HeaderValueMatch::String(string_match(rng)),
        _ => HeaderValueMatch::Range { start: rng.i64(..), end: rng.i64(..) },
    };
    HeaderMatch {
        name: name(rng).to_ascii_lowercase().into(),
        value,
        invert: rng.bool(),
        treat_missing_as_empty: rng.bool(),
    }
}

fn route_match(rng: &mut Rng) -> RouteMatch {
    let path = Name::from(format!("/{}", name(rng)));
    let path = match rng.u8(0..4) {
        0 => PathMatch::Prefix(path),
        1 => PathMatch::Exact(path),
        2 => PathMatch::Regex(path),
        _ => PathMatch::PathSeparatedPrefix(path),
    };
    RouteMatch {
        path,
        case_sensitive: rng.bool(),
        headers: list(rng, 2, header_match),
        query: list(rng, 2, |rng| QueryMatch { name: name(rng), value: option(rng, string_match) }),
    }
}

fn retry_policy(rng: &mut Rng) -> RetryPolicy {
    let words: Vec<&str> = RetryOn::all_words().collect();
    let on = list(rng, 4, |rng| words[rng.usize(0..words.len())]);
    let base = positive(rng);
    RetryPolicy {
        on: on.into_iter().filter_map(RetryOn::from_word).fold(RetryOn::default(), RetryOn::and),
        num_retries: rng.u32(..),
        per_try_timeout: option(rng, duration),
        backoff: Backoff { base, max: base + duration(rng) },
        avoid_previous_hosts: rng.bool(),
        host_selection_attempts: rng.u32(1..),
        any_method: rng.bool(),
        retriable_statuses: list(rng, 3, |rng| rng.u16(100..600)),
    }
}

fn forward(rng: &mut Rng) -> Forward {
    let cluster = match rng.bool() {
        true => ClusterChoice::Single(name(rng)),
        false => {
            let share = |weight, rng: &mut Rng| WeightedCluster { name: name(rng), weight };
            ClusterChoice::Weighted(vec![share(rng.u32(1..1000), rng), share(rng.u32(0..1000), rng)])
        }
    };
    Forward {
        cluster,
        rewrite: option(rng, |rng| PathRewrite::Prefix(format!("/{}", name(rng)).into())),
        host_rewrite: option(rng, name),
        timeout: option(rng, duration),
        retry: option(rng, retry_policy),
    }
}

fn route(rng: &mut Rng) -> Route {
    let action = match rng.u8(0..4) {
        0 => {
            let body = if rng.bool() { name(rng) } else { "".into() };
            RouteAction::DirectResponse(DirectResponse { status: rng.u16(200..600), body })
        }
        _ => RouteAction::Forward(Box::new(forward(rng))),
    };
    Route { name: if rng.bool() { name(rng) } else { "".into() }, matches: route_match(rng), action }
}

/// A route configuration.
pub(crate) fn route_configuration(rng: &mut Rng) -> RouteConfiguration {
    let virtual_hosts = list(rng, 3, |rng| VirtualHost {
        name: name(rng),
        domains: vec![name(rng), format!("*.{}", name(rng)).into()],
        routes: list(rng, 4, route),
    });
    RouteConfiguration { name: name(rng), virtual_hosts }
}

fn http_manager(rng: &mut Rng) -> HttpConnectionManager {
    let codecs = [Codec::Auto, Codec::Http1, Codec::Http2];
    let modes = [
        ForwardClientCert::Sanitize,
        ForwardClientCert::ForwardOnly,
        ForwardClientCert::AppendForward,
        ForwardClientCert::SanitizeSet,
        ForwardClientCert::AlwaysForwardOnly,
    ];
    HttpConnectionManager {
        stat_prefix: name(rng),
        codec: codecs[rng.usize(0..codecs.len())],
        routes: match rng.bool() {
            true => RouteSource::Rds(name(rng)),
            false => RouteSource::Inline(route_configuration(rng)),
        },
        access_logs: list(rng, 2, access_log),
        use_remote_address: rng.bool(),
        forward_client_cert: modes[rng.usize(0..modes.len())],
        generate_request_id: rng.bool(),
        stream_idle_timeout: option(rng, duration),
        request_headers_timeout: option(rng, duration),
        idle_timeout: option(rng, duration),
        max_request_headers_kb: option(rng, |rng| rng.u32(1..=8192)),
        max_headers_count: option(rng, |rng| rng.u32(1..)),
        http2_max_concurrent_streams: option(rng, |rng| rng.u32(1..=2_147_483_647)),
    }
}

fn filter_chain(rng: &mut Rng, transport_protocol: Option<TransportProtocol>) -> FilterChain {
    let filter = match rng.u8(0..4) {
        0 => NetworkFilter::Tcp(TcpProxy {
            stat_prefix: name(rng),
            cluster: name(rng),
            idle_timeout: option(rng, duration),
            access_logs: list(rng, 2, access_log),
        }),
        _ => NetworkFilter::Http(Box::new(http_manager(rng))),
    };
    FilterChain {
        name: if rng.bool() { name(rng) } else { "".into() },
        matches: FilterChainMatch { transport_protocol },
        tls: option(rng, tls_server),
        filter,
    }
}

/// A listener.
pub(crate) fn listener(rng: &mut Rng) -> Listener {
    let directions = [TrafficDirection::Unspecified, TrafficDirection::Inbound, TrafficDirection::Outbound];
    let split = rng.bool();
    let matches = match split {
        true => vec![Some(TransportProtocol::Tls), Some(TransportProtocol::Plaintext)],
        false => vec![None],
    };
    Listener {
        name: name(rng),
        address: address(rng),
        direction: directions[rng.usize(0..directions.len())],
        tls_inspector: split || rng.bool(),
        listener_filters_timeout: option(rng, duration),
        filter_chains: matches.into_iter().map(|protocol| filter_chain(rng, protocol)).collect(),
    }
}

fn outlier(rng: &mut Rng) -> OutlierDetection {
    let base = positive(rng);
    OutlierDetection {
        consecutive_5xx: option(rng, count),
        consecutive_gateway_failure: option(rng, count),
        interval: positive(rng),
        base_ejection_time: base,
        max_ejection_time: base + duration(rng),
        max_ejection_percent: percent(rng),
    }
}

/// A cluster.
pub(crate) fn cluster(rng: &mut Rng) -> Cluster {
    let lb = match rng.u8(0..3) {
        0 => LbPolicy::RoundRobin,
        1 => LbPolicy::Random,
        _ => LbPolicy::LeastRequest { choices: rng.u32(2..100) },
    };
    let protocols = [UpstreamProtocol::Http1, UpstreamProtocol::Http2, UpstreamProtocol::Auto];
    Cluster {
        name: name(rng),
        discovery: match rng.u8(0..3) {
            0 => Discovery::Eds { service_name: option(rng, name) },
            1 => Discovery::Dns(Box::new(dns(rng))),
            _ => Discovery::Static(load_assignment(rng)),
        },
        lb,
        connect_timeout: positive(rng),
        tls: option(rng, tls_client),
        protocol: protocols[rng.usize(0..protocols.len())],
        limits: CircuitLimits {
            max_connections: rng.u32(..),
            max_pending_requests: rng.u32(..),
            max_requests: rng.u32(..),
            max_retries: rng.u32(..),
            retry_budget: option(rng, |rng| RetryBudget {
                budget: percent(rng),
                min_concurrency: rng.u32(..),
            }),
        },
        outlier: option(rng, outlier),
        max_requests_per_connection: option(rng, count),
        idle_timeout: option(rng, duration),
        healthy_panic_threshold: percent(rng),
    }
}

fn dns(rng: &mut Rng) -> DnsDiscovery {
    let host_port = |rng: &mut Rng| HostPort { host: name(rng), port: rng.u16(..) };
    let kind = if rng.bool() { DnsKind::Strict } else { DnsKind::Logical };
    let hosts = match kind {
        DnsKind::Strict => assignment(rng, host_port),
        DnsKind::Logical => ClusterLoadAssignment {
            cluster_name: name(rng),
            localities: vec![LocalityEndpoints {
                locality: Locality::default(),
                priority: 0,
                weight: option(rng, count),
                endpoints: vec![endpoint(rng, host_port)],
            }],
            overprovisioning_percent: ClusterLoadAssignment::DEFAULT_OVERPROVISIONING_PERCENT,
        },
    };
    let families =
        [DnsFamily::Auto, DnsFamily::V4Only, DnsFamily::V6Only, DnsFamily::V4Preferred, DnsFamily::All];
    DnsDiscovery {
        kind,
        hosts,
        family: families[rng.usize(0..families.len())],
        // Envoy takes no less.
        refresh: duration(rng).max(Duration::from_millis(2)),
        respect_ttl: rng.bool(),
    }
}

fn endpoint<A>(rng: &mut Rng, address: fn(&mut Rng) -> A) -> Endpoint<A> {
    let healths = [
        HealthStatus::Unknown,
        HealthStatus::Healthy,
        HealthStatus::Unhealthy,
        HealthStatus::Draining,
        HealthStatus::Timeout,
        HealthStatus::Degraded,
    ];
    let labels: BTreeMap<Name, Name> =
        list(rng, 6, |rng| (name(rng), if rng.bool() { name(rng) } else { "".into() })).into_iter().collect();
    Endpoint {
        address: address(rng),
        hostname: if rng.bool() { name(rng) } else { "".into() },
        health: healths[rng.usize(0..healths.len())],
        weight: count(rng),
        labels,
    }
}

/// The endpoints of a cluster.
pub(crate) fn load_assignment(rng: &mut Rng) -> ClusterLoadAssignment {
    assignment(rng, address)
}

fn assignment<A>(rng: &mut Rng, address: fn(&mut Rng) -> A) -> ClusterLoadAssignment<A> {
    let text = |rng: &mut Rng| if rng.bool() { name(rng) } else { Name::from("") };
    ClusterLoadAssignment {
        cluster_name: name(rng),
        localities: list(rng, 3, |rng| LocalityEndpoints {
            locality: Locality { region: text(rng), zone: text(rng), sub_zone: text(rng) },
            priority: rng.u32(0..=128),
            weight: option(rng, count),
            endpoints: list(rng, 3, |rng| endpoint(rng, address)),
        }),
        overprovisioning_percent: if rng.bool() { 140 } else { rng.u32(1..1000) },
    }
}

/// A snapshot of a few of each; what refers to what is left to chance.
pub(crate) fn snapshot(rng: &mut Rng) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for _ in 0..4 {
        let listener = listener(rng);
        snapshot.listeners.insert(listener.name.clone(), Arc::new(listener));
        let routes = route_configuration(rng);
        snapshot.routes.insert(routes.name.clone(), Arc::new(routes));
        let cluster = cluster(rng);
        snapshot.clusters.insert(cluster.name.clone(), Arc::new(cluster));
        let endpoints = load_assignment(rng);
        snapshot.endpoints.insert(endpoints.cluster_name.clone(), Arc::new(endpoints));
    }
    snapshot
}
