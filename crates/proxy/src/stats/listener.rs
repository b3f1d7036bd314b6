//! What is counted for one listener (Envoy's `listener.<address>.*`).

use super::cell::Cell;
use super::histogram::Histogram;
use super::ssl::SslKinds;

/// Cells of one listener in one worker.
#[derive(Debug, Default)]
pub struct ListenerStats {
    /// Connections taken.
    pub cx_total: Cell,
    /// Connections open.
    pub cx_active: Cell,
    /// Connections that are over.
    pub cx_destroy: Cell,
    /// Connections closed because too many of the listener were open.
    pub cx_overflow: Cell,
    /// Connections closed because too many of all listeners were open.
    pub global_cx_overflow: Cell,
    /// Connections that listener filters look at.
    pub pre_cx_active: Cell,
    /// Connections that the client closed while listener filters looked.
    pub filter_remote_close: Cell,
    /// Connections that could not be read while listener filters looked.
    pub filter_error: Cell,
    /// TLS handshakes that took too long.
    pub handshake_timeout: Cell,
    /// Connections that no filter chain matches.
    pub no_filter_chain_match: Cell,
    /// Connections that did not send enough to choose a chain in time.
    pub pre_cx_timeout: Cell,
    /// TLS handshakes that succeeded.
    pub ssl_handshake: Cell,
    /// TLS handshakes that failed for any reason.
    pub ssl_connection_error: Cell,
    /// Of these, the ones without a client certificate where one is needed.
    pub ssl_fail_verify_no_cert: Cell,
    /// Of these, the ones whose client certificate leads to no trusted root or is out of its time.
    pub ssl_fail_verify_error: Cell,
    /// Of these, the ones whose client certificate has none of the names asked for.
    pub ssl_fail_verify_san: Cell,
    /// Of these, the ones whose client certificate has none of the hashes asked for.
    pub ssl_fail_verify_cert_hash: Cell,
    /// TLS handshakes in which the client presented no certificate.
    pub ssl_no_certificate: Cell,
    /// TLS handshakes that were cut short.
    pub ssl_session_reused: Cell,
    /// Connections refused because a certificate was not there yet.
    pub secrets_not_ready: Cell,
    /// How long connections were open.
    pub cx_length_ms: Histogram,
    /// TLS handshakes by version, cipher suite and curve.
    pub ssl_kinds: SslKinds,
}
