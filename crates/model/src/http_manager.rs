//! How a connection that speaks HTTP is treated. Which upstream a request goes to is [`crate::route`].

pub mod client_cert;
pub mod local_reply;
pub mod log_moments;
pub mod origin;
pub mod paths;
pub mod proxy_status;
pub mod server;
pub mod times;

use std::time::Duration;

pub use client_cert::{ClientCertDetails, ForwardClientCert};
use local_reply::LocalReplies;
use log_moments::LogMoments;
use origin::{Origin, RequestIds};
use paths::{HostRules, PathRules, Underscores};
use proxy_status::ProxyStatus;
use server::ServerHeader;
use times::Times;

use crate::adaptive_concurrency::AdaptiveConcurrency;
use crate::admission_control::AdmissionControl;
use crate::grpc_stats::GrpcStats;
use crate::http_filter::HttpFilter;
use crate::http1::Http1Options;
use crate::http2::Http2Options;
use crate::router::RouterOptions;
use crate::upgrade::Upgrade;
use crate::{AccessLog, ConfigFile, Name, RouteConfiguration};

/// Envoy's `HttpConnectionManager`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConnectionManager {
    /// Beginning of its metric names, for instance `ingress_http`.
    pub stat_prefix: Name,
    /// Which protocol the client speaks.
    pub codec: Codec,
    /// Where the routes come from.
    pub routes: RouteSource,
    /// A line for each request.
    pub access_logs: Vec<AccessLog>,
    /// The remote address is the connection's own (edge), instead of what `x-forwarded-for` says.
    pub use_remote_address: bool,
    /// What answers say of us.
    pub server: ServerHeader,
    /// How HTTP/1 is spoken with clients.
    pub http1: Http1Options,
    /// What is done to paths.
    pub paths: PathRules,
    /// What is done to hosts.
    pub hosts: HostRules,
    /// What is done with headers that have an underscore in their name.
    pub underscores: Underscores,
    /// How far `x-forwarded-*` is believed and what is added to it.
    pub origin: Origin,
    /// What is done with `x-forwarded-client-cert`.
    pub forward_client_cert: ForwardClientCert,
    /// What it holds where it is set.
    pub client_cert_details: ClientCertDetails,
    /// A request without `x-request-id` gets one. On unless told otherwise.
    pub generate_request_id: bool,
    /// What else is done with `x-request-id`.
    pub request_ids: RequestIds,
    /// A stream without a byte in either direction for this long is ended; `None`: 5 min; zero: never.
    pub stream_idle_timeout: Option<Duration>,
    /// How long connections and requests may take altogether.
    pub times: Times,
    /// How long request heads may take; `None` or zero: no limit of its own.
    pub request_headers_timeout: Option<Duration>,
    /// A connection without a request for this long is closed; `None`: 1 h; zero: never.
    pub idle_timeout: Option<Duration>,
    /// Largest request head in KiB, 1 to 8192; `None`: 60.
    pub max_request_headers_kb: Option<u32>,
    /// Most header fields in a request head; `None`: 100.
    pub max_headers_count: Option<u32>,
    /// How HTTP/2 is spoken with clients.
    pub http2: Http2Options,
    /// Trailers of HTTP/1 messages are passed on.
    pub http1_trailers: bool,
    /// Upgrades that requests may ask for, unless their route says otherwise.
    pub upgrades: Vec<Upgrade>,
    /// `Expect: 100-continue` is passed on, and the upstream's 100 back. Otherwise the 100 is ours.
    pub proxy_100_continue: bool,
    /// What the router is told for all routes.
    pub router: RouterOptions,
    /// What sees a request before it is routed on, in this order.
    pub filters: Vec<HttpFilter>,
    /// Limits how many requests are under way by how long they take.
    pub adaptive_concurrency: Option<Box<AdaptiveConcurrency>>,
    /// Refuses a share of requests while many fail.
    pub admission_control: Option<Box<AdmissionControl>>,
    /// What becomes of answers that are ours; `None`: nothing.
    pub local_replies: Option<Box<LocalReplies>>,
    /// What answers say in `proxy-status`; `None`: nothing.
    pub proxy_status: Option<Box<ProxyStatus>>,
    /// When lines are written besides the end of a request.
    pub log_moments: LogMoments,
    /// How long a connection that we close may take to say that it has read everything; `None`: 1 s; zero: it is closed at
    /// once.
    pub delayed_close_timeout: Option<Duration>,
    /// A request that is refused because of what it says leaves its connection open, where that is possible.
    pub keeps_connection_of_invalid: bool,
    /// Calls of gRPC are counted; `None`: they are not.
    pub grpc_stats: Option<Box<GrpcStats>>,
}

impl HttpConnectionManager {
    /// Envoy's default for [`HttpConnectionManager::stream_idle_timeout`].
    pub const DEFAULT_STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
    /// Envoy's default for [`HttpConnectionManager::delayed_close_timeout`].
    pub const DEFAULT_DELAYED_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
    /// Envoy's default for [`HttpConnectionManager::idle_timeout`].
    pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
    /// Envoy's default for [`HttpConnectionManager::max_request_headers_kb`].
    pub const DEFAULT_MAX_REQUEST_HEADERS_KB: u32 = 60;
    /// Envoy's default for [`HttpConnectionManager::max_headers_count`].
    pub const DEFAULT_MAX_HEADERS_COUNT: u32 = 100;

    /// A manager with Envoy's defaults and no access log.
    pub fn new(stat_prefix: impl Into<Name>, routes: RouteSource) -> HttpConnectionManager {
        HttpConnectionManager {
            stat_prefix: stat_prefix.into(),
            codec: Codec::Auto,
            routes,
            access_logs: Vec::new(),
            use_remote_address: false,
            server: ServerHeader::default(),
            http1: Http1Options::default(),
            paths: PathRules::default(),
            hosts: HostRules::default(),
            underscores: Underscores::default(),
            origin: Origin::default(),
            forward_client_cert: ForwardClientCert::Sanitize,
            client_cert_details: ClientCertDetails::default(),
            generate_request_id: true,
            request_ids: RequestIds::default(),
            stream_idle_timeout: None,
            times: Times::default(),
            request_headers_timeout: None,
            idle_timeout: None,
            max_request_headers_kb: None,
            max_headers_count: None,
            http2: Http2Options::default(),
            http1_trailers: false,
            upgrades: Vec::new(),
            proxy_100_continue: false,
            router: RouterOptions::default(),
            filters: Vec::new(),
            adaptive_concurrency: None,
            admission_control: None,
            local_replies: None,
            proxy_status: None,
            log_moments: LogMoments::default(),
            delayed_close_timeout: None,
            keeps_connection_of_invalid: false,
            grpc_stats: None,
        }
    }
}

/// Envoy's `CodecType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// By ALPN, else by the first bytes.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only.
    Http2,
}

/// Where the routes of a manager come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteSource {
    /// Written in place.
    Inline(RouteConfiguration),
    /// By name from RDS over ADS.
    Rds(Name),
    /// By name from a file.
    File {
        /// Which of those in the file.
        name: Name,
        /// The file.
        file: ConfigFile,
    },
}

impl RouteSource {
    /// The name of a route configuration that stands elsewhere.
    pub fn name(&self) -> Option<&Name> {
        match self {
            RouteSource::Inline(_) => None,
            RouteSource::Rds(name) | RouteSource::File { name, .. } => Some(name),
        }
    }
}
