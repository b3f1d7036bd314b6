//! What is known of a request when it is over.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use ripstop_model::{Address, Name};
use ripstop_policy::flags::ResponseFlag;

use crate::listener::connection::ConnectionInfo;

/// One finished request (or a request that will never finish).
pub struct Record {
    /// When its head had been read, by the wall clock.
    pub start: SystemTime,
    /// From then to its last byte.
    pub duration: Duration,
    /// The connection it came over.
    pub connection: Rc<ConnectionInfo>,
    /// Where the request comes from, if that is not the other end of the connection.
    pub client: Option<Address>,
    /// Method.
    pub method: Method,
    /// Path and query as forwarded.
    pub path: Name,
    /// Path and query as received, if they were rewritten.
    pub original_path: Option<Name>,
    /// Host as received.
    pub authority: Name,
    /// Protocol spoken by the client.
    pub protocol: Version,
    /// The request headers that some format shows.
    pub request_headers: Vec<(HeaderName, HeaderValue)>,
    /// The response headers, if there is a response.
    pub response_headers: Option<Rc<HeaderMap>>,
    /// Status; 0 when the client left before there was one.
    pub status: u16,
    /// What went wrong.
    pub flag: Option<ResponseFlag>,
    /// The same in words; empty when nothing did.
    pub details: &'static str,
    /// Bytes of response body sent.
    pub bytes_sent: u64,
    /// Bytes of request body received.
    pub bytes_received: u64,
    /// Where it went.
    pub upstream_cluster: Option<Name>,
    /// Address of the endpoint that answered or failed last.
    pub upstream_host: Option<Arc<str>>,
    /// Name of the route taken.
    pub route_name: Option<Name>,
    /// How many times it was sent.
    pub attempts: u32,
}

impl Record {
    /// Address of the client; port 0 where others have told it.
    pub fn remote(&self) -> &Address {
        self.client.as_ref().unwrap_or(&self.connection.remote)
    }

    /// A request header, if it was kept.
    pub fn request_header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.request_headers.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }
}
