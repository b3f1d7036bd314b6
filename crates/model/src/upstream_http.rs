//! How HTTP is spoken to the endpoints of a cluster, beyond the choice of its version.

use std::time::Duration;

use crate::Name;
use crate::http1::Http1Options;
use crate::http2::Http2Options;

/// What Envoy's `HttpProtocolOptions` of a cluster say beside the version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamHttp {
    /// The name that TLS asks endpoints for.
    pub server_name: RequestServerName,
    /// How HTTP/1 is spoken.
    pub http1: Http1Options,
    /// Trailers of HTTP/1 are sent and taken.
    pub http1_trailers: bool,
    /// How HTTP/2 is spoken.
    pub http2: Http2Options,
    /// Limits of answers and connections.
    pub limits: AnswerLimits,
}

/// What Envoy's `HttpProtocolOptions` say of answers and connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AnswerLimits {
    /// Largest head of an answer in KiB, 1 to 8192; `None`: 60.
    pub max_headers_kb: Option<u32>,
    /// Most header fields in the head of an answer; `None`: 100.
    pub max_headers_count: Option<u32>,
    /// A request has to be answered to its end so long after it was sent; `None` or zero: no such limit.
    pub max_stream_duration: Option<Duration>,
    /// How much of one connection may be held in each direction, in bytes; `None`: what the proxy thinks right.
    pub buffer_bytes: Option<u32>,
}

impl AnswerLimits {
    /// Envoy's default for [`AnswerLimits::max_headers_kb`].
    pub const DEFAULT_MAX_HEADERS_KB: u32 = 60;
    /// Envoy's default for [`AnswerLimits::max_headers_count`].
    pub const DEFAULT_MAX_HEADERS_COUNT: u32 = 100;
}

/// Envoy's `UpstreamHttpProtocolOptions`: requests decide which name TLS asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestServerName {
    /// The host of the request that a connection is made for is asked for, unless it is an address. Requests for other
    /// hosts have connections of their own.
    pub auto_sni: bool,
    /// The certificate must be for that host; needs [`RequestServerName::auto_sni`].
    pub auto_san_validation: bool,
    /// A request header that is taken instead of the host where it is there, in lower case.
    pub override_header: Option<Name>,
}
