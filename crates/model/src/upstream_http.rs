//! How HTTP is spoken to the endpoints of a cluster, beyond the choice of its version.

use crate::Name;
use crate::http2::Http2Options;

/// What Envoy's `HttpProtocolOptions` of a cluster say beside the version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamHttp {
    /// The name that TLS asks endpoints for.
    pub server_name: RequestServerName,
    /// How HTTP/2 is spoken.
    pub http2: Http2Options,
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
