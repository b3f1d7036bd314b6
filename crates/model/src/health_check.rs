//! How a cluster finds out whether its endpoints are well by asking them. What follows from the answers is decided in
//! `ripstop-policy`; ejection for bad answers to ordinary requests is [`crate::outlier`].

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use crate::matcher::StringMatch;
use crate::route::Mutations;
use crate::{Address, Name};

/// What a cluster says about the health of its endpoints, apart from outlier detection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthRules {
    /// How endpoints are asked; `None`: they are not.
    pub check: Option<Box<HealthCheck>>,
    /// An endpoint that is taken from the configuration goes at once, even while it answers checks well.
    pub ignore_on_removal: bool,
    /// New endpoints do not count at all until they were asked once: they cannot cause a panic.
    pub ignore_until_first_check: bool,
    /// Connections to an endpoint are closed when it is found to be unhealthy.
    pub close_connections_on_failure: bool,
}

/// Envoy's `HealthCheck`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// How long one check may take. Not zero.
    pub timeout: Duration,
    /// When the next one is due.
    pub intervals: Intervals,
    /// So many failures in a row make a healthy endpoint unhealthy. An HTTP answer with a status that is neither expected nor
    /// retriable, and a gRPC answer other than SERVING, do so at once.
    pub unhealthy_threshold: NonZeroU32,
    /// So many successes in a row make an unhealthy endpoint healthy; the first check ever needs one only.
    pub healthy_threshold: NonZeroU32,
    /// What is asked.
    pub probe: Probe,
    /// Whether a connection serves more than one check.
    pub reuse_connection: bool,
    /// Where changes are written down.
    pub log: HealthLog,
    /// Protocols offered by ALPN in place of the cluster's own; empty: those.
    pub alpn: Vec<Name>,
    /// Labels that choose the transport socket in place of the endpoint's own.
    pub transport_labels: Option<BTreeMap<Name, Name>>,
}

/// Times between checks of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// In the ordinary case. Not zero.
    pub interval: Duration,
    /// The first check is put off by up to this long.
    pub initial_jitter: Duration,
    /// Each wait is longer by up to this long.
    pub interval_jitter: Duration,
    /// Each wait is longer by up to this many percent of itself.
    pub interval_jitter_percent: u32,
    /// Where the cluster never had a connection for requests. Not zero.
    pub no_traffic: Duration,
    /// The same while the endpoint is healthy. Not zero.
    pub no_traffic_healthy: Duration,
    /// While the endpoint is unhealthy. Not zero.
    pub unhealthy: Duration,
    /// After a failure of an endpoint that still counts as healthy. Not zero.
    pub unhealthy_edge: Duration,
    /// After a success of an endpoint that still counts as unhealthy. Not zero.
    pub healthy_edge: Duration,
}

impl Intervals {
    /// Envoy's default for [`Intervals::no_traffic`].
    pub const DEFAULT_NO_TRAFFIC: Duration = Duration::from_secs(60);

    /// Envoy's defaults around `interval`.
    pub fn every(interval: Duration) -> Intervals {
        Intervals {
            interval,
            initial_jitter: Duration::ZERO,
            interval_jitter: Duration::ZERO,
            interval_jitter_percent: 0,
            no_traffic: Intervals::DEFAULT_NO_TRAFFIC,
            no_traffic_healthy: Intervals::DEFAULT_NO_TRAFFIC,
            unhealthy: interval,
            unhealthy_edge: interval,
            healthy_edge: interval,
        }
    }
}

/// What is asked of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// An HTTP request.
    Http(Box<HttpProbe>),
    /// A connection, and perhaps bytes.
    Tcp(TcpProbe),
    /// `grpc.health.v1.Health/Check`.
    Grpc(Box<GrpcProbe>),
}

impl Probe {
    /// Envoy's word in event logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Probe::Http(_) => "HTTP",
            Probe::Tcp(_) => "TCP",
            Probe::Grpc(_) => "GRPC",
        }
    }
}

/// Envoy's `HttpHealthCheck`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// Host that is asked for; empty: the name of the cluster. That of an endpoint goes before it.
    pub host: Name,
    /// Path with query.
    pub path: Name,
    /// Method.
    pub method: ProbeMethod,
    /// Body of the request.
    pub send: Option<Vec<u8>>,
    /// Parts that the body of the answer must have, in this order.
    pub receive: Vec<Vec<u8>>,
    /// So much of the body of the answer is looked at; zero: all of it.
    pub response_buffer_bytes: u64,
    /// Changes to the headers of the request; their values hold no operators.
    pub headers: Mutations,
    /// Statuses that mean healthy.
    pub expected: Vec<StatusRange>,
    /// Statuses that mean unhealthy, but not at once.
    pub retriable: Vec<StatusRange>,
    /// Speaks HTTP/2; otherwise HTTP/1.1.
    pub http2: bool,
    /// What `x-envoy-upstream-healthchecked-cluster` of the answer must be.
    pub service_name: Option<StringMatch>,
}

impl HttpProbe {
    /// Envoy's default for [`HttpProbe::response_buffer_bytes`].
    pub const DEFAULT_RESPONSE_BUFFER_BYTES: u64 = 1024;

    /// `GET path`, which must be answered with 200.
    pub fn get(path: impl Into<Name>) -> HttpProbe {
        HttpProbe {
            host: "".into(),
            path: path.into(),
            method: ProbeMethod::Get,
            send: None,
            receive: Vec::new(),
            response_buffer_bytes: HttpProbe::DEFAULT_RESPONSE_BUFFER_BYTES,
            headers: Mutations::default(),
            expected: vec![StatusRange { start: 200, end: 201 }],
            retriable: Vec::new(),
            http2: false,
            service_name: None,
        }
    }
}

/// Statuses from `start` to below `end`; 100 to 600.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    /// The first.
    pub start: u16,
    /// One more than the last.
    pub end: u16,
}

impl StatusRange {
    /// Whether the status is among them.
    pub fn contains(&self, status: u16) -> bool {
        (self.start..self.end).contains(&status)
    }
}

/// Method of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeMethod {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// `TRACE`
    Trace,
    /// `PATCH`
    Patch,
}

impl ProbeMethod {
    /// As it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            ProbeMethod::Get => "GET",
            ProbeMethod::Head => "HEAD",
            ProbeMethod::Post => "POST",
            ProbeMethod::Put => "PUT",
            ProbeMethod::Delete => "DELETE",
            ProbeMethod::Options => "OPTIONS",
            ProbeMethod::Trace => "TRACE",
            ProbeMethod::Patch => "PATCH",
        }
    }

    /// All of them.
    pub const ALL: [ProbeMethod; 8] = [
        ProbeMethod::Get,
        ProbeMethod::Head,
        ProbeMethod::Post,
        ProbeMethod::Put,
        ProbeMethod::Delete,
        ProbeMethod::Options,
        ProbeMethod::Trace,
        ProbeMethod::Patch,
    ];

    /// Whether its requests may have a body.
    pub fn takes_body(self) -> bool {
        matches!(self, ProbeMethod::Post | ProbeMethod::Put | ProbeMethod::Options | ProbeMethod::Patch)
    }
}

/// Envoy's `TcpHealthCheck`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpProbe {
    /// What is sent; `None`: nothing.
    pub send: Option<Vec<u8>>,
    /// Parts that must come back, in this order; none: a connection is enough.
    pub receive: Vec<Vec<u8>>,
}

/// Envoy's `GrpcHealthCheck`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrpcProbe {
    /// Service that is asked about; empty: the server as a whole.
    pub service: Name,
    /// Authority; empty: the name of the cluster. That of an endpoint goes before it.
    pub authority: Name,
    /// Headers that are added; nothing is removed, and values hold no operators.
    pub metadata: Mutations,
}

/// Where changes of health are written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthLog {
    /// Files; one JSON object a line.
    pub files: Vec<Name>,
    /// Every failure, not only the first and those that change something.
    pub every_failure: bool,
    /// Every success.
    pub every_success: bool,
}

/// What an endpoint says about being checked (Envoy's `HealthCheckConfig`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointHealthCheck {
    /// Port to ask at; `None`: that of the endpoint.
    pub port: Option<NonZeroU16>,
    /// Host to ask for; empty: what the check says.
    pub hostname: Name,
    /// Where to ask; `None`: at the endpoint. [`EndpointHealthCheck::port`] goes before its port.
    pub address: Option<Address>,
    /// It is not asked, and counts as healthy.
    pub disabled: bool,
}
