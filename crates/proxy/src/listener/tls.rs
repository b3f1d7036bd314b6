//! The TLS handshake of a client connection, with the certificate that the client asks for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ripstop_identity::context::facts::TlsFacts;
use ripstop_identity::context::server::ServerContext;
use ripstop_identity::context::{Refusal, refusal};
use ripstop_identity::verify;
use rustls::server::Acceptor;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::read_ahead::ReadAhead;
use crate::refusals;
use crate::stats::listener::ListenerStats;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// It took too long.
    #[error("transport socket timeout was reached")]
    Timeout,
    /// What the client says is not right, or it has gone.
    #[error("TLS error: {0}")]
    Error(io::Error),
}

/// Speaks TLS, for at most `limit`. What goes wrong is counted and told.
pub async fn handshake(
    context: &Arc<ServerContext>,
    io: ReadAhead,
    limit: Duration,
    stats: &ListenerStats,
) -> Result<(TlsStream<ReadAhead>, TlsFacts), Failed> {
    let done = tokio::time::timeout(limit, shake_hands(context, io)).await;
    let error = match done {
        Ok(Ok((stream, facts))) => {
            stats.ssl_handshake.inc();
            if facts.resumed {
                stats.ssl_session_reused.inc();
            }
            if !facts.has_peer_certificate() {
                stats.ssl_no_certificate.inc();
            }
            stats.ssl_kinds.record(&facts);
            return Ok((stream, facts));
        }
        Ok(Err(error)) => error,
        Err(_) => {
            stats.handshake_timeout.inc();
            return Err(Failed::Timeout);
        }
    };
    count(&error, stats);
    refusals::client(&error);
    Err(Failed::Error(error))
}

async fn shake_hands(
    context: &Arc<ServerContext>,
    io: ReadAhead,
) -> io::Result<(TlsStream<ReadAhead>, TlsFacts)> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
    let Some(chosen) = context.choose(&start.client_hello()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the client names no server"));
    };
    let stream = start.into_stream(Arc::clone(&chosen.config)).await?;
    let facts = context.facts(stream.get_ref().1, chosen);
    Ok((stream, facts))
}

/// As in Envoy, what a certificate was refused for is counted apart from other failures; and by its very reason.
fn count(error: &io::Error, stats: &ListenerStats) {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::NoCertificatesPresented) => stats.ssl_fail_verify_no_cert.inc(),
        Some(rustls::Error::InvalidCertificate(_)) => {
            let by_name = matches!(verify::refusal(error), Some(verify::VerifyError::NotAllowed { .. }));
            match tls.and_then(refusal) {
                Some(Refusal::Name) => stats.ssl_fail_verify_san.inc(),
                Some(Refusal::Hash) => stats.ssl_fail_verify_cert_hash.inc(),
                None if by_name => stats.ssl_fail_verify_san.inc(),
                _ => stats.ssl_fail_verify_error.inc(),
            }
        }
        _ => {}
    }
    if let Some(reason) = refusals::reason(error) {
        stats.ssl_kinds.refuse(reason);
    }
    stats.ssl_connection_error.inc();
}
