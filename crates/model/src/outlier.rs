//! Passive health: for which answers an endpoint is put aside, and for how long. The detecting is `ripstop-policy`'s.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::Percent;

/// Envoy's `OutlierDetection`: endpoints are ejected for what they answer. A detector that is `None` looks at nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// So many 5xx in a row.
    pub consecutive_5xx: Option<Streak>,
    /// So many 502, 503 or 504 in a row.
    pub consecutive_gateway_failure: Option<Streak>,
    /// What happens on this side (no connection, reset, no answer in time) is counted apart, by the detectors of local
    /// origin, and not as 5xx.
    pub split_local_origin: bool,
    /// So many failures of local origin in a row. Only with [`OutlierDetection::split_local_origin`].
    pub consecutive_local_origin_failure: Option<Streak>,
    /// Far fewer successes than the others.
    pub success_rate: Option<SuccessRate>,
    /// How surely [`OutlierDetection::success_rate`] holds for failures of local origin, when they are split.
    pub enforcing_local_origin_success_rate: Percent,
    /// More failures than is right.
    pub failure_percentage: Option<FailurePercentage>,
    /// How surely [`OutlierDetection::failure_percentage`] holds for failures of local origin, when they are split.
    pub enforcing_local_origin_failure_percentage: Percent,
    /// Time between sweeps, in which ejected endpoints may return and rates are looked at.
    pub interval: Duration,
    /// The first ejection lasts this long, the n-th n times as long.
    pub base_ejection_time: Duration,
    /// No ejection lasts longer, but for the jitter.
    pub max_ejection_time: Duration,
    /// Up to this much longer, by dice, so that endpoints do not return all at once.
    pub max_ejection_time_jitter: Duration,
    /// At most this share of the endpoints is ejected at once.
    pub max_ejection_percent: Percent,
    /// Whether one may be ejected where that share is less than one endpoint.
    pub one_endpoint: OneEndpoint,
    /// An endpoint that answers an active check well returns at once; on unless told.
    pub return_on_healthy_check: bool,
}

/// Envoy's `always_eject_one_host`: what a share of endpoints means where it is less than one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OneEndpoint {
    /// One of several may be ejected unless the share is zero; the only one never. What holds where nothing is said; in Envoy,
    /// [`OneEndpoint::ByShare`] does.
    #[default]
    OfSeveral,
    /// None may be ejected.
    ByShare,
    /// One may be ejected, even the only one and even where the share is zero.
    Always,
}

/// So many failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streak {
    /// How many.
    pub count: NonZeroU32,
    /// In which share of the cases the endpoint is ejected; zero: it is only counted.
    pub enforcing: Percent,
}

impl Streak {
    /// Always after `count` failures; `None` for zero.
    pub fn always(count: u32) -> Option<Streak> {
        NonZeroU32::new(count).map(|count| Streak { count, enforcing: Percent::ALL })
    }

    /// Never, however often there were `count` failures: that is only counted. `None` for zero.
    pub fn counted(count: u32) -> Option<Streak> {
        NonZeroU32::new(count).map(|count| Streak { count, enforcing: Percent::ZERO })
    }
}

/// An endpoint is an outlier when its success rate in an interval is below the mean of all by more than so many standard
/// deviations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessRate {
    /// Only if at least so many endpoints had enough requests; 5 unless told.
    pub minimum_hosts: u32,
    /// How many requests in an interval are enough; 100 unless told.
    pub request_volume: u32,
    /// Standard deviations, in thousandths; 1900 unless told.
    pub stdev_factor_milli: u32,
    /// In which share of the cases the endpoint is ejected.
    pub enforcing: Percent,
}

impl Default for SuccessRate {
    fn default() -> SuccessRate {
        SuccessRate {
            minimum_hosts: 5,
            request_volume: 100,
            stdev_factor_milli: 1900,
            enforcing: Percent::ALL,
        }
    }
}

/// An endpoint is an outlier when so many of its requests in an interval failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailurePercentage {
    /// At least this share; 85 % unless told.
    pub threshold: Percent,
    /// Only if at least so many endpoints had enough requests; 5 unless told.
    pub minimum_hosts: u32,
    /// How many requests in an interval are enough; 50 unless told.
    pub request_volume: u32,
    /// In which share of the cases the endpoint is ejected.
    pub enforcing: Percent,
}

impl Default for FailurePercentage {
    /// Envoy's, once it is wanted: it only counts unless told.
    fn default() -> FailurePercentage {
        FailurePercentage {
            threshold: Percent::whole(85),
            minimum_hosts: 5,
            request_volume: 50,
            enforcing: Percent::ALL,
        }
    }
}

impl Default for OutlierDetection {
    /// Envoy's defaults.
    fn default() -> OutlierDetection {
        OutlierDetection {
            consecutive_5xx: Streak::always(5),
            consecutive_gateway_failure: Streak::counted(5),
            split_local_origin: false,
            consecutive_local_origin_failure: Streak::always(5),
            success_rate: Some(SuccessRate::default()),
            enforcing_local_origin_success_rate: Percent::ALL,
            failure_percentage: Some(FailurePercentage {
                enforcing: Percent::ZERO,
                ..FailurePercentage::default()
            }),
            enforcing_local_origin_failure_percentage: Percent::ZERO,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_time_jitter: Duration::ZERO,
            max_ejection_percent: Percent::whole(10),
            one_endpoint: OneEndpoint::default(),
            return_on_healthy_check: true,
        }
    }
}
