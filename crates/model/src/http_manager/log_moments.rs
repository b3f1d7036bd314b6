//! When lines about requests and tunnels are written besides their end.

use std::time::Duration;

/// Envoy's `HcmAccessLogOptions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LogMoments {
    /// A line when the head of a request has come.
    pub at_start: bool,
    /// A line when a tunnel is open.
    pub at_tunnel: bool,
    /// A line so often while a request is under way, at least 1 ms; `None`: never.
    pub interval: Option<Duration>,
}
