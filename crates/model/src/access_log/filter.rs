//! Which requests get a line in an access log. Deciding it is `ripstop-policy`'s.

use crate::Name;
use crate::matcher::HeaderMatch;
use crate::runtime::{RuntimeFraction, RuntimeUint};

/// Envoy's `AccessLogFilter`, without the kinds that need a tracer or an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFilter {
    /// By response status.
    Status(Comparison),
    /// By duration in milliseconds.
    DurationMs(Comparison),
    /// Not for requests that are health checks.
    NotHealthCheck,
    /// By a request header.
    Header(HeaderMatch),
    /// By response flag; empty: some flag is set.
    Flags(Vec<Name>),
    /// A share of requests.
    Runtime {
        /// Which share.
        share: RuntimeFraction,
        /// Each request is a matter of dice; otherwise requests with the same `x-request-id` share their fate.
        independent: bool,
    },
    /// By gRPC status.
    GrpcStatus {
        /// The statuses; empty: none.
        statuses: Vec<u32>,
        /// Those with another status instead.
        exclude: bool,
    },
    /// By what the line is about, as `%ACCESS_LOG_TYPE%` shows it.
    LogType {
        /// For instance `DownstreamEnd`.
        types: Vec<Name>,
        /// All others instead.
        exclude: bool,
    },
    /// All of these hold.
    And(Vec<LogFilter>),
    /// One of these holds.
    Or(Vec<LogFilter>),
}

/// A comparison with a number that may be set by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// How.
    pub op: ComparisonOp,
    /// With what.
    pub value: RuntimeUint,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ComparisonOp {
    /// Equal.
    Equal,
    /// Not smaller.
    AtLeast,
    /// Not greater.
    AtMost,
    /// Not equal.
    NotEqual,
}
