//! What becomes known of a request, or of a connection that carries only bytes, while it is under way: what logs,
//! header values and answers of ours can speak of.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderValue, Method, Version};
use ripstop_identity::context::facts::TlsFacts;
use ripstop_model::metadata::Metadata;
use ripstop_model::{Address, Name};
use ripstop_policy::flags::ResponseFlags;

/// One request, or one connection of bytes.
pub struct StreamInfo {
    /// When its head had been read, by the wall clock.
    pub started_wall: SystemTime,
    /// When the rest happened.
    pub times: Times,
    /// Method.
    pub method: Option<Method>,
    /// `http` or `https`.
    pub scheme: Option<&'static str>,
    /// Protocol spoken by the client.
    pub protocol: Option<Version>,
    /// Where the request comes from, if that is not the other end of the connection; port 0 where others have told it.
    pub client: Option<Address>,
    /// The id of the request, if the answer is to hold it.
    pub request_id: Option<HeaderValue>,
    /// Host as forwarded, or as received while it is not.
    pub authority: Option<Name>,
    /// Path and query as forwarded, or as received while it is not.
    pub path: Option<Name>,
    /// Path and query as received, if they were rewritten.
    pub original_path: Option<Name>,
    /// Unique among all connections of bytes; requests have `x-request-id`.
    pub stream_id: Option<Name>,
    /// Request headers that somebody wanted to be kept.
    pub request_headers: HeaderMap,
    /// Response headers that somebody wanted to be kept.
    pub response_headers: HeaderMap,
    /// Response trailers that somebody wanted to be kept.
    pub trailers: HeaderMap,
    /// Status sent; 0: none yet.
    pub status: u16,
    /// How a call of gRPC ended, as far as is known.
    pub grpc_status: Option<u32>,
    /// What went wrong.
    pub flags: ResponseFlags,
    /// The same in words.
    pub details: &'static str,
    /// Why the connection was ended, where we ended it.
    pub connection_details: Option<Name>,
    /// Where it went.
    pub cluster: Option<Name>,
    /// Address of the endpoint that was tried last.
    pub host: Option<Arc<str>>,
    /// Its name, where it has one besides its address.
    pub host_name: Option<Name>,
    /// The connection to it, if there is one.
    pub upstream: Option<Rc<UpstreamInfo>>,
    /// How long that was waited for.
    pub ready_after: Option<Duration>,
    /// Why there is no connection, where the transport says so.
    pub upstream_failure: Option<Name>,
    /// The tries so far, if somebody wanted them to be kept.
    pub attempted: Vec<Attempted>,
    /// What is written beside the resources that it goes by.
    pub metadata: ShownMetadata,
    /// The route taken.
    pub route: Option<Name>,
    /// How many times it was sent.
    pub attempts: u32,
    /// Bytes of request body received.
    pub bytes_received: Cell<u64>,
    /// Bytes of response body sent.
    pub bytes_sent: u64,
}

/// When what happened. Each is `None` as long as it has not.
pub struct Times {
    /// The head of the request was read.
    pub begun: Instant,
    /// The request was read whole.
    pub request_end: Cell<Option<Instant>>,
    /// The sending of the request began.
    pub upstream_send: Option<Instant>,
    /// The head of the upstream's response was read.
    pub response_begin: Option<Instant>,
    /// The upstream's response was read whole.
    pub response_end: Option<Instant>,
    /// The head of the response was given to the client's connection.
    pub send_begin: Option<Instant>,
}

/// What logs can show of what is written beside resources.
#[derive(Clone, Default)]
pub struct ShownMetadata {
    /// Beside the route.
    pub route: Option<Arc<Metadata>>,
    /// Beside its virtual host.
    pub virtual_host: Option<Arc<Metadata>>,
    /// Beside the cluster.
    pub cluster: Option<Arc<Metadata>>,
}

/// One try of a request for which there was a connection.
pub struct Attempted {
    /// Address of the endpoint.
    pub address: Arc<str>,
    /// Its name, where it has one besides its address.
    pub name: Option<Name>,
    /// Number of the connection to it.
    pub connection: u64,
}

/// The connection that a request was sent over last.
#[derive(Clone, Default)]
pub struct UpstreamInfo {
    /// Its number, unique among connections to endpoints; 0: there is none.
    pub id: u64,
    /// Our end.
    pub local: Option<Address>,
    /// The other end.
    pub remote: Option<Address>,
    /// Protocol spoken.
    pub protocol: Option<Version>,
    /// When it was made.
    pub opened: Option<Instant>,
    /// TLS on it.
    pub secured: Option<Rc<TlsFacts>>,
}

impl StreamInfo {
    /// Something that begins now.
    pub fn begin() -> StreamInfo {
        StreamInfo {
            started_wall: SystemTime::now(),
            times: Times {
                begun: Instant::now(),
                request_end: Cell::new(None),
                upstream_send: None,
                response_begin: None,
                response_end: None,
                send_begin: None,
            },
            method: None,
            scheme: None,
            protocol: None,
            client: None,
            request_id: None,
            authority: None,
            path: None,
            original_path: None,
            stream_id: None,
            request_headers: HeaderMap::new(),
            response_headers: HeaderMap::new(),
            trailers: HeaderMap::new(),
            status: 0,
            grpc_status: None,
            flags: ResponseFlags::default(),
            details: "",
            connection_details: None,
            cluster: None,
            host: None,
            host_name: None,
            attempted: Vec::new(),
            metadata: ShownMetadata::default(),
            upstream: None,
            ready_after: None,
            upstream_failure: None,
            route: None,
            attempts: 0,
            bytes_received: Cell::new(0),
            bytes_sent: 0,
        }
    }

    /// `%RESPONSE_CODE_DETAILS%`: the reason, with what the transport said where it failed.
    pub fn details_text(&self) -> Option<Cow<'_, str>> {
        match (self.details, &self.upstream_failure) {
            ("", _) => None,
            (details, Some(failure)) => match details.strip_suffix('}') {
                Some(open) => Some(Cow::Owned(format!("{open}|{failure}}}"))),
                None => Some(Cow::Borrowed(details)),
            },
            (details, None) => Some(Cow::Borrowed(details)),
        }
    }

    /// `%UPSTREAM_HOST_NAME%`: the name of the endpoint, or its address.
    pub fn host_name(&self) -> Option<&str> {
        self.host_name.as_deref().or(self.host.as_deref())
    }
}
