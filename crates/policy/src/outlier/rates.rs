//! Which hosts had far more failures in an interval than is right. Envoy's success rate and failure percentage detectors.

use std::sync::Arc;

use ripstop_model::Percent;
use ripstop_model::outlier::{FailurePercentage, OutlierDetection, SuccessRate};

use super::EjectionReason;
use crate::host::{Host, HostSet};

/// A host that is to be put aside.
#[derive(Debug)]
pub(super) struct Outlier {
    pub(super) host: Arc<Host>,
    pub(super) reason: EjectionReason,
    /// How surely.
    pub(super) enforcing: Percent,
}

/// How a host did in an interval.
struct Done {
    host: Arc<Host>,
    total: u32,
    /// 0 to 100.
    success_percent: f64,
}

/// The outliers of the interval that ends now. Counting begins anew.
pub(super) fn outliers(config: &OutlierDetection, set: &HostSet) -> Vec<Outlier> {
    if config.success_rate.is_none() && config.failure_percentage.is_none() {
        return Vec::new();
    }
    let take = |count: fn(&Host) -> (u32, u32)| -> Vec<Done> {
        let done = set.entries().iter().map(|entry| {
            let (total, success) = count(&entry.host);
            let success_percent = f64::from(success) * 100.0 / f64::from(total.max(1));
            Done { host: Arc::clone(&entry.host), total, success_percent }
        });
        done.filter(|done| done.total > 0).collect()
    };
    let external = take(|host| host.external.take());
    let mut outliers = Vec::new();
    if let Some(rate) = &config.success_rate {
        outliers.extend(below_the_others(&external, rate, rate.enforcing, EjectionReason::SuccessRate));
    }
    if let Some(most) = &config.failure_percentage {
        outliers.extend(too_many(&external, most, most.enforcing, EjectionReason::FailurePercentage));
    }
    if config.split_local_origin {
        let local = take(|host| host.local_origin.take());
        if let Some(rate) = &config.success_rate {
            let enforcing = config.enforcing_local_origin_success_rate;
            outliers.extend(below_the_others(
                &local,
                rate,
                enforcing,
                EjectionReason::LocalOriginSuccessRate,
            ));
        }
        if let Some(most) = &config.failure_percentage {
            let enforcing = config.enforcing_local_origin_failure_percentage;
            outliers.extend(too_many(&local, most, enforcing, EjectionReason::LocalOriginFailurePercentage));
        }
    }
    outliers
}

fn below_the_others(
    done: &[Done],
    config: &SuccessRate,
    enforcing: Percent,
    reason: EjectionReason,
) -> Vec<Outlier> {
    let done = enough(done, config.request_volume, config.minimum_hosts);
    if done.is_empty() {
        return Vec::new();
    }
    let n = done.len() as f64;
    let mean = done.iter().map(|done| done.success_percent).sum::<f64>() / n;
    let variance = done.iter().map(|done| (done.success_percent - mean).powi(2)).sum::<f64>() / n;
    let least = mean - variance.sqrt() * f64::from(config.stdev_factor_milli) / 1000.0;
    outliers_of(done, |done| done.success_percent < least, enforcing, reason)
}

fn too_many(
    done: &[Done],
    config: &FailurePercentage,
    enforcing: Percent,
    reason: EjectionReason,
) -> Vec<Outlier> {
    let done = enough(done, config.request_volume, config.minimum_hosts);
    outliers_of(done, |done| 100.0 - done.success_percent >= config.threshold.as_f64(), enforcing, reason)
}

/// The hosts that had enough requests, if there are enough of them.
fn enough(done: &[Done], request_volume: u32, minimum_hosts: u32) -> Vec<&Done> {
    let done: Vec<&Done> = done.iter().filter(|done| done.total >= request_volume).collect();
    if done.len() < minimum_hosts as usize { Vec::new() } else { done }
}

fn outliers_of(
    done: Vec<&Done>,
    is_outlier: impl Fn(&Done) -> bool,
    enforcing: Percent,
    reason: EjectionReason,
) -> Vec<Outlier> {
    let outliers = done.into_iter().filter(|done| is_outlier(done));
    outliers.map(|done| Outlier { host: Arc::clone(&done.host), reason, enforcing }).collect()
}
