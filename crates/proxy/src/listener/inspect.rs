//! Runs the listener filters of a connection: what each needs is read ahead, within the time of the listener.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use ripstop_model::chain_match::TransportProtocol;
use ripstop_model::listener::Listener;
use ripstop_model::listener_filter::{ConnectionPredicate, TlsInspector};
use ripstop_policy::inspect::client_hello::{self, ClientHelloError};
use ripstop_policy::inspect::proxy_protocol::{self, Version};
use ripstop_policy::inspect::{Progress, http};
use ripstop_runtime::socket::original_destination;
use ripstop_runtime::stream::Stream;

use super::incoming::Incoming;
use super::read_ahead::ReadAhead;
use crate::generation::listener::ActiveListener;
use crate::generation::listener_filter::{ActiveListenerFilter, ActiveProxyProtocol};
use crate::stats::connection::InspectorStats;
use crate::stats::listener::ListenerStats;

/// Why a connection is closed before it has a filter chain.
enum Closed {
    /// The client has gone.
    Remote,
    /// It could not be read.
    Broken,
    /// A filter refuses it; the filter has counted it.
    Refused,
}

/// Lets every filter look at the connection. Returns whether it goes on.
pub async fn inspect(connection: &mut Incoming, listener: &ActiveListener, worker: usize) -> bool {
    if listener.filters.is_empty() {
        return true;
    }
    let stats = listener.stats.of(worker);
    stats.pre_cx_active.inc();
    let _looking = Looking(stats);
    let config = &listener.config;
    let limit = config.listener_filters_timeout.unwrap_or(Listener::DEFAULT_LISTENER_FILTERS_TIMEOUT);
    match within(limit, run(connection, listener, worker)).await {
        Some(Ok(())) => true,
        Some(Err(why)) => {
            match why {
                Closed::Remote => stats.filter_remote_close.inc(),
                Closed::Broken => stats.filter_error.inc(),
                Closed::Refused => {}
            }
            false
        }
        None => {
            stats.pre_cx_timeout.inc();
            config.continue_on_listener_filters_timeout
        }
    }
}

/// Counts a connection that is looked at until it is dropped.
struct Looking<'a>(&'a ListenerStats);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.pre_cx_active.dec();
    }
}

/// `None`: it took longer. Zero stands for no limit.
async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    if limit.is_zero() { Some(work.await) } else { tokio::time::timeout(limit, work).await.ok() }
}

async fn run(connection: &mut Incoming, listener: &ActiveListener, worker: usize) -> Result<(), Closed> {
    for (place, filter) in listener.filters.iter().enumerate() {
        let disabled = listener.config.disabled_filters.get(&place);
        if disabled.is_some_and(|predicate| holds(predicate, connection.local.as_socket())) {
            continue;
        }
        match filter {
            ActiveListenerFilter::Tls(config, stats) => tls(connection, config, stats.of(worker)).await?,
            ActiveListenerFilter::Http(stats) => http(connection, stats.of(worker)).await?,
            ActiveListenerFilter::ProxyProtocol(filter) => proxied(connection, filter, worker).await?,
            ActiveListenerFilter::OriginalDst => original_dst(connection),
        }
    }
    Ok(())
}

/// Whether a condition holds for a connection to `destination`; over a Unix socket there is no port.
fn holds(predicate: &ConnectionPredicate, destination: Option<SocketAddr>) -> bool {
    match predicate {
        ConnectionPredicate::Any => true,
        ConnectionPredicate::DestinationPort(range) => {
            destination.is_some_and(|address| range.contains(&address.port()))
        }
        ConnectionPredicate::Not(inner) => !holds(inner, destination),
        ConnectionPredicate::All(list) => list.iter().all(|one| holds(one, destination)),
        ConnectionPredicate::OneOf(list) => list.iter().any(|one| holds(one, destination)),
    }
}

/// At most `most` bytes are ever held.
async fn more(io: &mut ReadAhead, most: usize) -> Result<(), Closed> {
    match io.read_more(most).await {
        Ok(0) => Err(Closed::Remote),
        Ok(_) => Ok(()),
        Err(_) => Err(Closed::Broken),
    }
}

async fn tls(connection: &mut Incoming, config: &TlsInspector, stats: &InspectorStats) -> Result<(), Closed> {
    let limit = config.max_client_hello_bytes.unwrap_or(TlsInspector::MAX_CLIENT_HELLO_BYTES) as usize;
    let hello = loop {
        match client_hello::parse(connection.io.ahead(), limit) {
            Ok(Progress::NeedMore) => more(&mut connection.io, client_hello::most_bytes(limit)).await?,
            Ok(Progress::Done(hello)) => break hello,
            Err(ClientHelloError::TooLarge(_)) => {
                stats.client_hello_too_large.inc();
                return Err(Closed::Refused);
            }
            Err(ClientHelloError::Other) => {
                stats.tls_not_found.inc();
                return if config.close_on_parse_error { Err(Closed::Refused) } else { Ok(()) };
            }
        }
    };
    stats.tls_found.inc();
    if hello.alpn.is_empty() { &stats.alpn_not_found } else { &stats.alpn_found }.inc();
    if hello.server_name.is_none() { &stats.sni_not_found } else { &stats.sni_found }.inc();
    connection.transport = Some(TransportProtocol::Tls);
    connection.server_name = hello.server_name.unwrap_or_default().into();
    connection.application_protocols = hello.alpn.into_iter().map(Into::into).collect();
    Ok(())
}

async fn http(connection: &mut Incoming, stats: &InspectorStats) -> Result<(), Closed> {
    if connection.transport == Some(TransportProtocol::Tls) {
        return Ok(());
    }
    let spoken = loop {
        match http::parse(connection.io.ahead()) {
            Progress::NeedMore => more(&mut connection.io, http::MAX_LINE_BYTES).await?,
            Progress::Done(spoken) => break spoken,
        }
    };
    match spoken {
        http::Spoken::Http10 => &stats.http10_found,
        http::Spoken::Http11 => &stats.http11_found,
        http::Spoken::Http2 => &stats.http2_found,
        http::Spoken::Other => &stats.http_not_found,
    }
    .inc();
    connection.application_protocols = spoken.application_protocol().into_iter().map(Into::into).collect();
    Ok(())
}

async fn proxied(
    connection: &mut Incoming,
    filter: &ActiveProxyProtocol,
    worker: usize,
) -> Result<(), Closed> {
    let (config, stats) = (&filter.config, filter.stats.of(worker));
    let error = &filter.common.of(worker).proxy_protocol_error;
    let version = loop {
        match proxy_protocol::version(connection.io.ahead()) {
            Ok(Progress::NeedMore) => more(&mut connection.io, proxy_protocol::MAX_HEADER_BYTES).await?,
            Ok(Progress::Done(version)) => break Some(version),
            Err(_) => break None,
        }
    };
    let refused = match version {
        Some(Version::V1) => config.refuses_v1,
        Some(Version::V2) => config.refuses_v2,
        None => false,
    };
    // What is refused counts as absent where headers are optional.
    let Some(version) = version.filter(|_| !(refused && config.optional)) else {
        if config.optional {
            stats.not_found_allowed.inc();
            return Ok(());
        }
        stats.not_found_disallowed.inc();
        error.inc();
        return Err(Closed::Refused);
    };
    let counts = match version {
        Version::V1 => &stats.v1,
        Version::V2 => &stats.v2,
    };
    if refused {
        counts.found.inc();
        counts.disallowed.inc();
        return Err(Closed::Refused);
    }
    let header = loop {
        match proxy_protocol::parse(connection.io.ahead()) {
            Ok(Progress::NeedMore) => more(&mut connection.io, proxy_protocol::MAX_HEADER_BYTES).await?,
            Ok(Progress::Done(header)) => break header,
            Err(why) => {
                tracing::debug!(remote = %connection.direct_remote, %why, "PROXY header refused");
                counts.error.inc();
                error.inc();
                return Err(Closed::Refused);
            }
        }
    };
    counts.found.inc();
    connection.io.discard(header.length);
    if let Some((client, destination)) = header.addresses {
        connection.remote = client.into();
        connection.local_restored |= connection.local.as_socket() != Some(destination);
        connection.local = destination.into();
    }
    Ok(())
}

fn original_dst(connection: &mut Incoming) {
    let Stream::Tcp(stream) = connection.io.stream() else { return };
    if let Some(destination) = original_destination(stream) {
        connection.local_restored |= connection.local.as_socket() != Some(destination);
        connection.local = destination.into();
    }
}
