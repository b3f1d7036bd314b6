//! How long the streams of a route may last, beside [`crate::route::Forward::timeout`].

use std::time::Duration;

/// The time limits of Envoy's `RouteAction` other than `timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteTimes {
    /// Instead of the connection manager's `stream_idle_timeout`; zero: no limit.
    pub idle_timeout: Option<Duration>,
    /// From the head of the request to the end of the answer; `None`: what the connection manager says.
    pub max_stream: Option<MaxStreamDuration>,
    /// The older way to honour `grpc-timeout`: it becomes the route's timeout, at most this; zero: however long.
    pub max_grpc_timeout: Option<Duration>,
    /// Taken off the `grpc-timeout` that [`RouteTimes::max_grpc_timeout`] honours.
    pub grpc_timeout_offset: Option<Duration>,
}

/// Envoy's `MaxStreamDuration`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxStreamDuration {
    /// Longest life of a stream; zero: no limit; `None`: what the connection manager says.
    pub max: Option<Duration>,
    /// The header `grpc-timeout` is honoured, up to this; zero: however long.
    pub grpc_header_max: Option<Duration>,
    /// Taken off what `grpc-timeout` says.
    pub grpc_header_offset: Option<Duration>,
}
