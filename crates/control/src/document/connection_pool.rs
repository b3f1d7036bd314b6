//! Reads Istio's `ConnectionPoolSettings`.

use ripstop_yaml::Reader;

use crate::document::common::positive_duration;
use crate::resource::ConnectionPool;

pub(super) fn decode(reader: Reader<'_>) -> ConnectionPool {
    let mut pool = ConnectionPool::default();
    if let Some(tcp) = reader.map("tcp") {
        pool.max_connections = positive(&tcp, "maxConnections");
        pool.connect_timeout = positive_duration(&tcp, "connectTimeout");
        pool.tcp_idle_timeout = tcp.duration("idleTimeout");
        tcp.known_but_unsupported("tcpKeepalive", "keep-alive is that of the system");
        tcp.known_but_unsupported("maxConnectionDuration", "connections have no greatest age");
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
        http.known_but_unsupported("useClientProtocol", "the protocol is chosen by destination");
        http.finish();
    }
    reader.finish();
    pool
}

/// Istio reads 0 as "not set".
fn positive(reader: &Reader<'_>, key: &str) -> Option<u32> {
    reader.u32(key).filter(|n| *n > 0)
}
