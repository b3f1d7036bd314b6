//! What is done to every request before it is routed, in Envoy's order: path and host get one form, what belongs to the
//! connection stays behind, and what the client says of itself is believed as far as it may be.

pub mod answer;
pub mod origin;
pub mod target;

use http::HeaderMap;
use http::header;
use ripstop_model::Address;

use super::stream::ActiveStream;
use super::target::Target;
use super::{client_cert, headers, request_id};
use crate::error::ProxyError;
use crate::generation::listener::ActiveManager;
use crate::listener::connection::ConnectionInfo;
use crate::worker::Worker;

/// Why a request does not get as far as a route.
pub enum Stop {
    /// It is refused.
    Refused(ProxyError),
    /// The client is sent to another path.
    Redirected(http::HeaderValue),
}

/// The request as it goes on, or why it does not.
pub fn request(
    target: &mut Target,
    headers: &mut HeaderMap,
    worker: &Worker,
    manager: &ActiveManager,
    connection: &ConnectionInfo,
    stream: &mut ActiveStream,
) -> Result<(), Stop> {
    let config = &manager.config;
    target::underscores(headers, config.underscores, manager.stats.of(worker.id)).map_err(Stop::Refused)?;
    target::path(target, manager, worker, stream.is_grpc)?;
    let local_port = connection.local.as_socket().map_or(0, |local| local.port());
    target::host(target, config.hosts, local_port).map_err(Stop::Refused)?;
    headers::remove_hop_by_hop(headers);
    // The client was told to go on by the one who reads its body: that is us.
    if headers::expects_continue(headers) && !manager.config.proxy_100_continue {
        headers.remove(header::EXPECT);
    }
    headers::join_cookies(headers);
    let client = origin::apply(target, headers, manager, connection);
    stream.facts.client = client.forwarded.map(|address| Address::socket(address, 0));
    if let Some(via) = &manager.rules.via {
        answer::append(headers, header::VIA, via, ", ");
    }
    if config.generate_request_id {
        request_id::apply(headers, config.request_ids, client.edge, || worker.dice(request_id::generate));
    }
    let forced = headers.contains_key(headers::X_ENVOY_FORCE_TRACE);
    if config.request_ids.always_in_response || forced {
        stream.facts.request_id = headers.get(headers::X_REQUEST_ID).cloned();
    }
    client_cert::apply(headers, config.forward_client_cert, connection);
    Ok(())
}
