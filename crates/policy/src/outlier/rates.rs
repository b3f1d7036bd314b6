//! Which hosts had far more failures in an interval than is right. Envoy's success rate and failure percentage detectors.

use std::sync::Arc;

use ripstop_model::Percent;
use ripstop_model::outlier::{FailurePercentage, OutlierDetection, SuccessRate};

use super::EjectionReason;
use crate::host::{Host, HostRecord, HostSet};

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

/// The success rates of a cluster in an interval, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SuccessRates {
    /// The mean of all hosts that had enough requests; `None`: too few had, or nobody looks.
    pub average: Option<f64>,
    /// Below this, a host is an outlier.
    pub threshold: Option<f64>,
}

/// The outliers of the interval that ends now, and the rates of what hosts answered and of what happened on this side. Counting
/// begins anew.
pub(super) fn outliers(config: &OutlierDetection, set: &HostSet) -> (Vec<Outlier>, [SuccessRates; 2]) {
    let mut outliers = Vec::new();
    if config.success_rate.is_none() && config.failure_percentage.is_none() {
        return (outliers, Default::default());
    }
    let external = take(config, set, 0, |record| record.external.take());
    let local = match config.split_local_origin {
        true => take(config, set, 1, |record| record.local_origin.take()),
        false => Vec::new(),
    };
    let mut rates = [SuccessRates::default(); 2];
    if let Some(rate) = &config.success_rate {
        let enforcing = config.enforcing_local_origin_success_rate;
        let of = [
            (&external, rate.enforcing, EjectionReason::SuccessRate),
            (&local, enforcing, EjectionReason::LocalOriginSuccessRate),
        ];
        for ((done, enforcing, reason), rates) in of.into_iter().zip(&mut rates) {
            outliers.extend(below_the_others(done, rate, enforcing, reason, rates));
        }
    }
    if let Some(most) = &config.failure_percentage {
        outliers.extend(too_many(&external, most, most.enforcing, EjectionReason::FailurePercentage));
        let enforcing = config.enforcing_local_origin_failure_percentage;
        outliers.extend(too_many(&local, most, enforcing, EjectionReason::LocalOriginFailurePercentage));
    }
    (outliers, rates)
}

/// How the hosts did that take requests. Shows it in each host where it had enough of them, as Envoy does; `kind`: which of
/// [`Host::success_rates`].
fn take(
    config: &OutlierDetection,
    set: &HostSet,
    kind: usize,
    count: fn(&HostRecord) -> (u32, u32),
) -> Vec<Done> {
    let rate = config.success_rate.map(|rate| (rate.minimum_hosts, rate.request_volume));
    let percentage = config.failure_percentage.map(|most| (most.minimum_hosts, most.request_volume));
    let (hosts, requests): (Vec<u32>, Vec<u32>) = rate.into_iter().chain(percentage).unzip();
    let enough_hosts = hosts.iter().any(|hosts| set.len() >= *hosts as usize);
    let enough = requests.into_iter().min().unwrap_or(u32::MAX);
    let mut all = Vec::new();
    for entry in set.entries() {
        let Some(record) = entry.host.used() else { continue };
        let (total, success) = count(record);
        let success_percent = f64::from(success) * 100.0 / f64::from(total.max(1));
        let counts = total > 0 && !entry.host.is_ejected();
        let shown = (counts && enough_hosts && total >= enough).then_some(success_percent);
        record.success_rates[kind].set(shown);
        if counts {
            all.push(Done { host: Arc::clone(&entry.host), total, success_percent });
        }
    }
    all
}

fn below_the_others(
    done: &[Done],
    config: &SuccessRate,
    enforcing: Percent,
    reason: EjectionReason,
    rates: &mut SuccessRates,
) -> Vec<Outlier> {
    let done = enough(done, config.request_volume, config.minimum_hosts);
    if done.is_empty() {
        return Vec::new();
    }
    let n = done.len() as f64;
    let mean = done.iter().map(|done| done.success_percent).sum::<f64>() / n;
    let variance = done.iter().map(|done| (done.success_percent - mean).powi(2)).sum::<f64>() / n;
    let least = mean - variance.sqrt() * f64::from(config.stdev_factor_milli) / 1000.0;
    *rates = SuccessRates { average: Some(mean), threshold: Some(least) };
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
