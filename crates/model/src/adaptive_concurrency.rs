//! How many requests a connection manager serves at once, found out from how long they take: Envoy's
//! `envoy.filters.http.adaptive_concurrency` with its gradient controller.

use std::time::Duration;

use crate::Percent;
use crate::runtime::RuntimeFeature;

/// Envoy's `AdaptiveConcurrency`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptiveConcurrency {
    /// Whether it is on.
    pub enabled: RuntimeFeature,
    /// Which of the response times of an interval stands for all.
    pub percentile: Percent,
    /// The limit is never above this. Not zero.
    pub max_limit: u32,
    /// Nor below this, except while the response time without load is measured. Not zero.
    pub min_limit: u32,
    /// How often the limit is changed. Not zero.
    pub update_interval: Duration,
    /// What the response time is without load.
    pub min_rtt: MinRtt,
    /// The limit while the response time without load is measured. Not zero.
    pub min_concurrency: u32,
    /// By how much a response time may be above the one without load before it counts, in percent.
    pub buffer_percent: u32,
    /// Status of the answer to requests above the limit; 400 to 599.
    pub exceeded_status: u16,
}

impl AdaptiveConcurrency {
    /// Envoy's default for [`AdaptiveConcurrency::max_limit`].
    pub const DEFAULT_MAX_LIMIT: u32 = 1000;
    /// Envoy's default for [`AdaptiveConcurrency::min_concurrency`].
    pub const DEFAULT_MIN_CONCURRENCY: u32 = 3;
    /// Envoy's default for [`AdaptiveConcurrency::buffer_percent`].
    pub const DEFAULT_BUFFER_PERCENT: u32 = 25;
}

/// What the response time is without load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinRtt {
    /// This. Not zero.
    Fixed(Duration),
    /// Measured again and again, with the limit at its lowest.
    Measured {
        /// How long a measurement counts. Not zero.
        interval: Duration,
        /// So many requests make one. Not zero.
        requests: u32,
        /// The interval is longer by up to this share of it.
        jitter: Percent,
    },
}

impl MinRtt {
    /// Envoy's default for the requests of a measurement.
    pub const DEFAULT_REQUESTS: u32 = 50;
    /// Envoy's default for the jitter, in percent.
    pub const DEFAULT_JITTER_PERCENT: u32 = 15;
}
