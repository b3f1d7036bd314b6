//! Runs the listener filters of a connection: what each needs is read ahead, within the time of the listener.

use ripstop_model::chain_match::TransportProtocol;
use ripstop_model::listener::Listener;
use ripstop_model::listener_filter::ListenerFilter;

use super::incoming::Incoming;
use crate::stats::listener::ListenerStats;

/// The connection is to be closed.
pub struct Closed;

/// First byte of a TLS record that holds a handshake message.
const TLS_HANDSHAKE_RECORD: u8 = 22;

/// Lets every filter look at the connection.
///
/// # Errors
/// If a filter wants it closed, or the client takes too long.
pub async fn inspect(
    connection: &mut Incoming,
    listener: &Listener,
    stats: &ListenerStats,
) -> Result<(), Closed> {
    if listener.listener_filters.is_empty() {
        return Ok(());
    }
    let limit = listener.listener_filters_timeout.unwrap_or(Listener::DEFAULT_LISTENER_FILTERS_TIMEOUT);
    match tokio::time::timeout(limit, run(connection, listener)).await {
        Ok(result) => result,
        Err(_) => {
            stats.pre_cx_timeout.inc();
            if listener.continue_on_listener_filters_timeout { Ok(()) } else { Err(Closed) }
        }
    }
}

async fn run(connection: &mut Incoming, listener: &Listener) -> Result<(), Closed> {
    for filter in &listener.listener_filters {
        if let ListenerFilter::TlsInspector(_) = filter {
            connection.io.read_more(1).await.map_err(|_| Closed)?;
            let first = connection.io.ahead().first().ok_or(Closed)?;
            if *first == TLS_HANDSHAKE_RECORD {
                connection.transport = Some(TransportProtocol::Tls);
            }
        }
    }
    Ok(())
}
