//! Reads Istio's `TrafficPolicy`, of a service and of a subset alike.

use std::time::Duration;

use ripstop_model::Percent;
use ripstop_yaml::Reader;

use crate::resource::{ConnectionPool, LoadBalancer, Outlier, TrafficPolicy};

pub(super) fn decode(reader: Reader<'_>) -> TrafficPolicy {
    let policy = TrafficPolicy {
        load_balancer: reader.map("loadBalancer").and_then(load_balancer),
        connection_pool: reader.map("connectionPool").map(connection_pool),
        outlier: reader.map("outlierDetection").map(outlier),
    };
    // Mutual TLS of the mesh is what proxies use anyway.
    let istio_mutual = reader.node("tls").and_then(|tls| tls.get("mode")?.as_str()) == Some("ISTIO_MUTUAL");
    if !istio_mutual {
        reader.known_but_unsupported("tls", "whether TLS is used follows from PeerAuthentication");
    }
    reader.known_but_unsupported("portLevelSettings", "all ports follow the settings of the destination");
    reader.known_but_unsupported("tunnel", "connections are not tunnelled");
    reader.known_but_unsupported("proxyProtocol", "no PROXY header is sent");
    reader.known_but_unsupported("retryBudget", "20 % of what is under way may be retries, and always 3");
    reader.finish();
    policy
}

#[derive(Clone, Copy)]
enum Simple {
    In(LoadBalancer),
    PassThrough,
}

fn load_balancer(reader: Reader<'_>) -> Option<LoadBalancer> {
    let words = [
        ("UNSPECIFIED", Simple::In(LoadBalancer::LeastRequest)),
        ("LEAST_REQUEST", Simple::In(LoadBalancer::LeastRequest)),
        ("LEAST_CONN", Simple::In(LoadBalancer::LeastRequest)),
        ("ROUND_ROBIN", Simple::In(LoadBalancer::RoundRobin)),
        ("RANDOM", Simple::In(LoadBalancer::Random)),
        ("PASSTHROUGH", Simple::PassThrough),
    ];
    let simple = reader.one_of("simple", &words);
    if matches!(simple, Some(Simple::PassThrough)) {
        reader.known_but_unsupported(
            "simple",
            "PASSTHROUGH needs the original destination; least request is used",
        );
    }
    reader.known_but_unsupported("consistentHash", "instances are not chosen by hash");
    reader.known_but_unsupported("localityLbSetting", "localities are not weighted");
    reader.known_but_unsupported("warmup", "new instances get their full share at once");
    reader.known_but_unsupported("warmupDurationSecs", "new instances get their full share at once");
    reader.finish();
    match simple? {
        Simple::In(balancer) => Some(balancer),
        Simple::PassThrough => Some(LoadBalancer::LeastRequest),
    }
}

fn connection_pool(reader: Reader<'_>) -> ConnectionPool {
    let mut pool = ConnectionPool::default();
    if let Some(tcp) = reader.map("tcp") {
        pool.max_connections = positive(&tcp, "maxConnections");
        pool.connect_timeout = positive_duration(&tcp, "connectTimeout");
        tcp.known_but_unsupported("tcpKeepalive", "keep-alive is that of the system");
        tcp.known_but_unsupported("maxConnectionDuration", "connections have no greatest age");
        tcp.known_but_unsupported("idleTimeout", "idle TCP connections are closed after 1 h");
        tcp.finish();
    }
    if let Some(http) = reader.map("http") {
        pool.max_pending_requests = positive(&http, "http1MaxPendingRequests");
        pool.max_requests = positive(&http, "http2MaxRequests");
        pool.max_requests_per_connection = http.u32("maxRequestsPerConnection").filter(|n| *n > 0);
        pool.max_retries = http.u32("maxRetries");
        pool.idle_timeout = http.duration("idleTimeout");
        let words = [("DEFAULT", None), ("DO_NOT_UPGRADE", Some(false)), ("UPGRADE", Some(true))];
        pool.http2 = http.one_of("h2UpgradePolicy", &words).flatten();
        http.known_but_unsupported("useClientProtocol", "the protocol is chosen by destination");
        http.known_but_unsupported("maxConcurrentStreams", "the server says how many streams it takes");
        http.finish();
    }
    reader.finish();
    pool
}

fn outlier(reader: Reader<'_>) -> Outlier {
    let outlier = Outlier {
        consecutive_5xx: reader.u32("consecutive5xxErrors"),
        consecutive_gateway_errors: reader.u32("consecutiveGatewayErrors"),
        interval: positive_duration(&reader, "interval"),
        base_ejection_time: positive_duration(&reader, "baseEjectionTime"),
        max_ejection_percent: percent(&reader, "maxEjectionPercent"),
        min_health_percent: percent(&reader, "minHealthPercent"),
    };
    reader.known_but_unsupported("consecutiveErrors", "it was replaced by consecutiveGatewayErrors");
    reader.known_but_unsupported("splitExternalLocalOriginErrors", "both kinds of error count together");
    reader.known_but_unsupported("consecutiveLocalOriginFailures", "both kinds of error count together");
    reader.finish();
    outlier
}

/// Istio reads 0 as "not set".
fn positive(reader: &Reader<'_>, key: &str) -> Option<u32> {
    reader.u32(key).filter(|n| *n > 0)
}

fn positive_duration(reader: &Reader<'_>, key: &str) -> Option<Duration> {
    let duration = reader.duration(key)?;
    if duration < Duration::from_millis(1) {
        reader.error(key, "at least 1ms is expected");
    }
    Some(duration)
}

fn percent(reader: &Reader<'_>, key: &str) -> Option<Percent> {
    let percent = reader.u32(key)?;
    if percent > 100 {
        reader.error(key, "a percentage is 0 to 100");
    }
    Some(Percent::whole(percent))
}
