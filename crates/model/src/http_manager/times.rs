//! How long connections and requests of clients may take, besides what lies idle.

use std::num::NonZeroU32;
use std::time::Duration;

/// Limits of a connection and its requests. `None` or zero: no such limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Times {
    /// A request has to be there as a whole so long after its first byte.
    pub request_timeout: Option<Duration>,
    /// A stream has to be over so long after its beginning, unless its route says otherwise.
    pub max_stream_duration: Option<Duration>,
    /// A connection takes no further requests so long after its beginning …
    pub max_connection_duration: Option<Duration>,
    /// … and is closed so much later; `None`: 5 s.
    pub drain_timeout: Option<Duration>,
    /// A connection of HTTP/1 that is too old is closed behind an answer only.
    pub http1_safe_max_connection_duration: bool,
    /// A connection takes so many requests.
    pub max_requests_per_connection: Option<NonZeroU32>,
}

impl Times {
    /// Envoy's default for [`Times::drain_timeout`].
    pub const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
}
