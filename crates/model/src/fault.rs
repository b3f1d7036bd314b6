//! Failures on purpose: requests that wait or fail so that callers can be seen to bear it. Which requests they hit is
//! `ripstop-policy`'s.

use std::time::Duration;

use crate::matcher::HeaderMatch;
use crate::{Name, Percent};

/// Envoy's `HTTPFault`, of a connection manager or of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// Requests that wait.
    pub delay: Option<FaultDelay>,
    /// Requests that fail.
    pub abort: Option<FaultAbort>,
    /// Only requests for this cluster; empty: for all.
    pub upstream_cluster: Name,
    /// Only requests that fulfil all of these.
    pub headers: Vec<HeaderMatch>,
    /// No more requests are delayed at once; `None`: no bound.
    pub max_active: Option<u32>,
}

/// Requests that wait before they go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultDelay {
    /// How long.
    pub time: DelayTime,
    /// Which share.
    pub share: Percent,
}

/// How long a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DelayTime {
    /// This long; not zero.
    Fixed(Duration),
    /// As many milliseconds as `x-envoy-fault-delay-request` says.
    Header,
}

/// Requests that are answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultAbort {
    /// With which.
    pub with: AbortWith,
    /// Which share.
    pub share: Percent,
}

/// The error that a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbortWith {
    /// An HTTP status, 200 to 599.
    Http(u16),
    /// A status of gRPC.
    Grpc(u32),
    /// What `x-envoy-fault-abort-request` or `x-envoy-fault-abort-grpc-request` says.
    Header,
}
