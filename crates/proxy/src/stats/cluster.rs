//! What is counted for one cluster (Envoy's `cluster.<name>.*`).

use super::cell::{Cell, StatusCounts};
use super::grpc::GrpcStats;
use super::histogram::Histogram;

/// Cells of one cluster in one worker.
#[derive(Debug, Default)]
pub struct ClusterStats {
    /// Connections made.
    pub cx_total: Cell,
    /// Connections open.
    pub cx_active: Cell,
    /// Connections that are over.
    pub cx_destroy: Cell,
    /// Bytes read from endpoints.
    pub cx_rx_bytes: Cell,
    /// Bytes written to endpoints.
    pub cx_tx_bytes: Cell,
    /// Connections closed because they lay idle for too long.
    pub cx_idle_timeout: Cell,
    /// Requests that waited for a connection.
    pub rq_pending_total: Cell,
    /// Connections that could not be made.
    pub cx_connect_fail: Cell,
    /// Clients given up after the last try to connect for them.
    pub cx_connect_attempts_exceeded: Cell,
    /// Of the connections that could not be made, the ones that took too long.
    pub cx_connect_timeout: Cell,
    /// Of the connections that could not be made, the ones whose endpoint showed a certificate that is not accepted.
    pub ssl_fail_verify_error: Cell,
    /// Of the connections that could not be made, the ones whose endpoint is not who it should be.
    pub ssl_fail_verify_san: Cell,
    /// Connections refused by the connection limit.
    pub cx_overflow: Cell,
    /// HTTP/1.1 connections made.
    pub cx_http1_total: Cell,
    /// HTTP/2 connections made.
    pub cx_http2_total: Cell,
    /// Requests sent, retries included.
    pub rq_total: Cell,
    /// Requests under way.
    pub rq_active: Cell,
    /// Requests refused by a limit.
    pub rq_pending_overflow: Cell,
    /// Requests that took longer than the route allows.
    pub rq_timeout: Cell,
    /// Tries that took longer than one try may.
    pub rq_per_try_timeout: Cell,
    /// Tries in which nothing moved for longer than one may be silent.
    pub rq_per_try_idle_timeout: Cell,
    /// Streams that the upstream reset or closed early.
    pub rq_rx_reset: Cell,
    /// Streams given up before their answer was whole: the client left, or a time limit was over.
    pub rq_cancelled: Cell,
    /// Retries made.
    pub rq_retry: Cell,
    /// Retries that got an answer which needed no further retry.
    pub rq_retry_success: Cell,
    /// Retries not made because the budget or limit was used up.
    pub rq_retry_overflow: Cell,
    /// Requests that failed after the last retry allowed.
    pub rq_retry_limit_exceeded: Cell,
    /// Retries not made because the body was too large to keep.
    pub rq_retry_body_too_large: Cell,
    /// Requests of which more came than is kept for retries, so that they could not be tried again.
    pub rq_retry_or_shadow_abandoned: Cell,
    /// Retries after the wait of the policy.
    pub rq_retry_backoff_exponential: Cell,
    /// Retries after the wait that an answer asked for.
    pub rq_retry_backoff_ratelimited: Cell,
    /// Requests that a circuit breaker did not let through.
    pub rq_breaker_open: Cell,
    /// Of these, the ones whose place something else took.
    pub rq_breaker_fallback: Cell,
    /// Times that a circuit breaker opened.
    pub breaker_opened: Cell,
    /// Times that one began to probe.
    pub breaker_half_opened: Cell,
    /// Times that one closed again.
    pub breaker_closed: Cell,
    /// Copies of requests that were not sent because too many were under way.
    pub rq_mirror_lost: Cell,
    /// Picks for which no healthy host was there.
    pub cx_none_healthy: Cell,
    /// Picks among all hosts because too few were healthy.
    pub lb_healthy_panic: Cell,
    /// Answers by status.
    pub rq_status: StatusCounts,
    /// From the head of the request sent to the last byte of the answer.
    pub rq_time: Histogram,
    /// How long making a connection took, TLS included.
    pub cx_connect_ms: Histogram,
    /// How long connections were open.
    pub cx_length_ms: Histogram,
    /// Calls of gRPC by method, where they are counted.
    pub grpc: GrpcStats,
}
