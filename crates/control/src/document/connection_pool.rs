//! Reads Istio's `ConnectionPoolSettings`.

use std::time::Duration;

use ripstop_model::upstream_connection::TcpKeepalive;
use ripstop_yaml::Reader;

use crate::document::common::positive_duration;
use crate::resource::ConnectionPool;

pub(super) fn decode(reader: Reader<'_>) -> ConnectionPool {
    let mut pool = ConnectionPool::default();
    if let Some(tcp) = reader.map("tcp") {
        pool.max_connections = positive(&tcp, "maxConnections");
        pool.connect_timeout = positive_duration(&tcp, "connectTimeout");
        pool.tcp_idle_timeout = tcp.duration("idleTimeout");
        pool.keepalive = tcp.map("tcpKeepalive").map(keepalive);
        pool.max_connection_duration = positive_duration(&tcp, "maxConnectionDuration");
        tcp.finish();
    }
    if let Some(http) = reader.map("http") {
        pool.max_pending_requests = positive(&http, "http1MaxPendingRequests");
        pool.max_requests = positive(&http, "http2MaxRequests");
        pool.max_requests_per_connection = positive(&http, "maxRequestsPerConnection");
        pool.max_retries = http.u32("maxRetries");
        pool.idle_timeout = http.duration("idleTimeout");
        let words = [("DEFAULT", None), ("DO_NOT_UPGRADE", Some(false)), ("UPGRADE", Some(true))];
        pool.http2 = http.one_of("h2UpgradePolicy", &words).flatten();
        pool.max_concurrent_streams = positive(&http, "maxConcurrentStreams");
        pool.use_client_protocol = http.bool("useClientProtocol");
        http.finish();
    }
    reader.finish();
    pool
}

fn keepalive(reader: Reader<'_>) -> TcpKeepalive {
    let keepalive = TcpKeepalive {
        probes: positive(&reader, "probes"),
        time: whole_seconds(&reader, "time"),
        interval: whole_seconds(&reader, "interval"),
    };
    reader.finish();
    keepalive
}

/// The kernel counts seconds.
fn whole_seconds(reader: &Reader<'_>, key: &str) -> Option<Duration> {
    let duration = reader.duration(key)?;
    if duration < Duration::from_secs(1) {
        reader.error(key, "at least 1s is expected");
    }
    Some(Duration::from_secs(duration.as_secs()))
}

/// Istio reads 0 as "not set".
fn positive(reader: &Reader<'_>, key: &str) -> Option<u32> {
    reader.u32(key).filter(|n| *n > 0)
}
