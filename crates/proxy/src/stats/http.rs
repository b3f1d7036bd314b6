//! What is counted for one HTTP connection manager (Envoy's `http.<stat_prefix>.*`).

use super::cell::{Cell, StatusCounts};
use super::fault::FaultStats;
use super::histogram::Histogram;

/// Cells of one connection manager in one worker.
#[derive(Debug, Default)]
pub struct HttpStats {
    /// Connections taken.
    pub cx_total: Cell,
    /// Connections open.
    pub cx_active: Cell,
    /// HTTP/1.1 connections taken.
    pub cx_http1_total: Cell,
    /// HTTP/2 connections taken.
    pub cx_http2_total: Cell,
    /// HTTP/1.1 connections open.
    pub cx_http1_active: Cell,
    /// HTTP/2 connections open.
    pub cx_http2_active: Cell,
    /// Connections that are over.
    pub cx_destroy: Cell,
    /// Connections with TLS taken.
    pub cx_ssl_total: Cell,
    /// Connections with TLS open.
    pub cx_ssl_active: Cell,
    /// Bytes read from clients, TLS left out.
    pub cx_rx_bytes: Cell,
    /// Bytes written to clients, TLS left out.
    pub cx_tx_bytes: Cell,
    /// Connections closed because no request came for too long.
    pub cx_idle_timeout: Cell,
    /// Connections closed because they lasted as long as they may.
    pub cx_max_duration_reached: Cell,
    /// Connections that a drained listener has ended.
    pub cx_drain_close: Cell,
    /// Connections ended because of what the client sent.
    pub cx_protocol_error: Cell,
    /// Requests taken.
    pub rq_total: Cell,
    /// Requests under way.
    pub rq_active: Cell,
    /// HTTP/1.1 requests taken.
    pub rq_http1_total: Cell,
    /// HTTP/2 requests taken.
    pub rq_http2_total: Cell,
    /// Requests given up by the client.
    pub rq_rx_reset: Cell,
    /// Requests ended because neither side sent anything for too long.
    pub rq_idle_timeout: Cell,
    /// Requests ended because they lasted longer than they may.
    pub rq_max_duration_reached: Cell,
    /// Requests that were allowed to become tunnels.
    pub cx_upgrades_total: Cell,
    /// Of these, the ones under way.
    pub cx_upgrades_active: Cell,
    /// Requests for tunnels that are not allowed.
    pub rq_ws_on_non_ws_route: Cell,
    /// Requests refused because of their path.
    pub rq_failed_path: Cell,
    /// Requests sent to a path in another form.
    pub rq_redirected_path: Cell,
    /// Requests refused because of an underscore in the name of a header.
    pub rq_underscore: Cell,
    /// Headers left out because of an underscore in their name.
    pub headers_underscore: Cell,
    /// Requests for which no route was found.
    pub no_route: Cell,
    /// Requests whose cluster does not exist.
    pub no_cluster: Cell,
    /// Requests refused by admission control.
    pub rq_admission_denied: Cell,
    /// Requests refused by adaptive concurrency.
    pub rq_concurrency_exceeded: Cell,
    /// Requests of pages of other origins that may use the answer.
    pub cors_origin_valid: Cell,
    /// The same of those that may not.
    pub cors_origin_invalid: Cell,
    /// Faults that were made up.
    pub faults: FaultStats,
    /// Answers by status.
    pub rq_status: StatusCounts,
    /// From the head of the request to the last byte of the answer.
    pub rq_time: Histogram,
    /// How long connections were open.
    pub cx_length_ms: Histogram,
}
