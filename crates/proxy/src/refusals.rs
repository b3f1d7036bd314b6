//! Peers that were refused in a TLS handshake: why, for metrics and for the log. Anybody can be refused as often as they like, so
//! lines are limited.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use ripstop_identity::context;
use ripstop_identity::verify;
use rustls::CertificateError;

use crate::upstream::error::ConnectError;

/// Lines in [`INTERVAL`] of one worker; further ones are written at level `debug`.
const MAX_LINES: u32 = 20;
/// See [`MAX_LINES`].
const INTERVAL: Duration = Duration::from_secs(10);

thread_local! {
    static LINES: Cell<(Option<Instant>, u32)> = const { Cell::new((None, 0)) };
}

/// Why the peer was refused, one of [`verify::REASONS`]; `None`: it was not, something else went wrong.
pub fn reason(error: &io::Error) -> Option<&'static str> {
    if let Some(refused) = verify::refusal(error) {
        return Some(refused.label());
    }
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    if let Some(refused) = context::refusal(tls) {
        return Some(refused.label());
    }
    match tls {
        rustls::Error::NoCertificatesPresented => Some("no_certificate"),
        rustls::Error::InvalidCertificate(invalid) => Some(match invalid {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "not_yet_valid",
            CertificateError::Revoked => "revoked",
            CertificateError::BadEncoding => "malformed",
            _ => "untrusted_chain",
        }),
        _ => None,
    }
}

/// Writes of a client that was refused.
pub fn client(error: &io::Error) {
    match reason(error) {
        Some(reason) if may_write() => tracing::warn!(reason, error = %text(error), "client refused"),
        reason => tracing::debug!(reason, error = %text(error), "TLS handshake failed"),
    }
}

/// Writes of an endpoint that was refused.
pub fn endpoint(cluster: &str, host: &dyn std::fmt::Display, error: &ConnectError) {
    match error {
        ConnectError::Tls(error) if reason(error).is_some() && may_write() => {
            let reason = reason(error);
            tracing::warn!(cluster, %host, reason, error = %text(error), "endpoint refused");
        }
        error => tracing::debug!(cluster, %host, %error, "cannot connect"),
    }
}

fn text(error: &io::Error) -> String {
    verify::refusal(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn may_write() -> bool {
    let now = Instant::now();
    LINES.with(|lines| {
        let (since, written) = match lines.get() {
            (Some(since), written) if now.saturating_duration_since(since) < INTERVAL => (since, written),
            _ => (now, 0),
        };
        lines.set((Some(since), written.saturating_add(1)));
        written < MAX_LINES
    })
}
