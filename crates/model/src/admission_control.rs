//! Refusing a share of requests while upstreams fail, so that they can recover: Envoy's
//! `envoy.filters.http.admission_control`.

use std::time::Duration;

use crate::runtime::{RuntimeFeature, RuntimePercent, RuntimeUint};

/// Envoy's `AdmissionControl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionControl {
    /// Whether it is on.
    pub enabled: RuntimeFeature,
    /// Answers with these statuses are successes: from the first up to, but not including, the second. Empty: 1xx to 4xx.
    pub http_success: Vec<(u16, u16)>,
    /// Calls of gRPC that end in these are successes. Empty: all but what Envoy counts as failures.
    pub grpc_success: Vec<u32>,
    /// How far back requests count. Not zero.
    pub window: Duration,
    /// How steeply refusals set in, in thousandths; not below 1000. 1000: in proportion.
    pub aggression_milli: u32,
    /// Below this share of successes requests are refused. Not zero.
    pub success_threshold: RuntimePercent,
    /// With fewer requests a second nothing is refused.
    pub rps_threshold: RuntimeUint,
    /// No more than this share is refused.
    pub max_rejection: RuntimePercent,
}

impl AdmissionControl {
    /// Envoy's default for [`AdmissionControl::window`].
    pub const DEFAULT_WINDOW: Duration = Duration::from_secs(30);
    /// Envoy's default for [`AdmissionControl::success_threshold`], in percent.
    pub const DEFAULT_SUCCESS_PERCENT: u32 = 95;
    /// Envoy's default for [`AdmissionControl::max_rejection`], in percent.
    pub const DEFAULT_MAX_REJECTION_PERCENT: u32 = 80;
}
