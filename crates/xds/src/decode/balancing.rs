//! How an endpoint of a cluster is chosen ← wire.

use std::num::NonZeroU32;

use ripstop_model::load_balancing::{
    ConsistentHashing, HashFunction, LbPolicy, LocalityBalancing, SlowStart,
};
use ripstop_model::{LoadBalancing, Percent};

use super::common::{Context, metadata_value, percent, positive_duration};
use super::lb_extension;
use super::subsets::subsets;
use crate::metadata::{LEAST_RESPONSE_TIME, RIPSTOP, UNSET};
use crate::pb;
use crate::pb::cluster::{CommonLbConfig, LbConfig, LbPolicy as Wire};

pub(super) fn load_balancing(cx: &mut Context, wire: &pb::Cluster) -> Option<LoadBalancing> {
    match &wire.load_balancing_policy {
        Some(policy) => {
            let taken = lb_extension::as_fields(cx, wire, policy)?;
            let mut lb = cx.at(&taken.place, |cx| of_fields(cx, &taken.fields))?;
            if let Some((policy, metrics)) = taken.client_weighted {
                lb.policy = LbPolicy::ClientWeighted(policy);
                lb.utilization_metrics = metrics;
            }
            Some(lb)
        }
        None => of_fields(cx, wire),
    }
}

fn of_fields(cx: &mut Context, wire: &pb::Cluster) -> Option<LoadBalancing> {
    let common = wire.common_lb_config.clone().unwrap_or_default();
    let hashing = consistent_hashing(&common);
    let mut slow_start = None;
    let policy = match Wire::try_from(wire.lb_policy) {
        Ok(Wire::RoundRobin) => {
            if let Some(LbConfig::RoundRobinLbConfig(config)) = &wire.lb_config {
                slow_start = cx.at("round_robin_lb_config", |cx| {
                    slow_start_config(cx, config.slow_start_config.as_ref())
                });
            }
            Some(LbPolicy::RoundRobin)
        }
        Ok(Wire::Random) => Some(LbPolicy::Random),
        Ok(Wire::LeastRequest) => {
            let config = match &wire.lb_config {
                Some(LbConfig::LeastRequestLbConfig(config)) => config.clone(),
                _ => pb::cluster::LeastRequestLbConfig::default(),
            };
            Some(cx.at("least_request_lb_config", |cx| {
                slow_start = slow_start_config(cx, config.slow_start_config.as_ref());
                let bias = milli(cx, "active_request_bias", config.active_request_bias.as_ref());
                LbPolicy::LeastRequest {
                    // Envoy draws two unless told; fewer are no choice.
                    choices: config.choice_count.map_or(2, |count| count.value).max(2),
                    active_request_bias_milli: bias.unwrap_or(1000),
                }
            }))
        }
        Ok(Wire::RingHash) => ring_hash(cx, wire, hashing),
        Ok(Wire::Maglev) => maglev(cx, wire, hashing),
        Ok(other) => cx.at("lb_policy", |cx| cx.refuse(format!("{} is not supported", other.as_str_name()))),
        Err(_) => cx.at("lb_policy", |cx| cx.refuse(format!("{} is not known", wire.lb_policy))),
    };
    let panic = cx.at("common_lb_config", |cx| {
        percent(cx, "healthy_panic_threshold", common.healthy_panic_threshold.as_ref())
    });
    Some(LoadBalancing {
        policy: least_response_time(cx, wire.metadata.as_ref()).or(policy)?,
        panic_threshold: panic.unwrap_or(LoadBalancing::DEFAULT_PANIC_THRESHOLD),
        locality: cx.at("common_lb_config", |cx| locality(cx, &common)),
        slow_start,
        utilization_metrics: Vec::new(),
        subsets: wire
            .lb_subset_config
            .as_ref()
            .and_then(|wire| cx.at("lb_subset_config", |cx| subsets(cx, wire)))
            .map(Box::new),
    })
}

/// Ours stands beside what Envoy takes instead.
fn least_response_time(cx: &mut Context, metadata: Option<&pb::Metadata>) -> Option<LbPolicy> {
    match metadata_value(metadata, RIPSTOP, LEAST_RESPONSE_TIME)? {
        pb::value::Kind::NumberValue(seconds) if (1e-3..=1e6).contains(seconds) => {
            Some(LbPolicy::LeastResponseTime { decay: std::time::Duration::from_secs_f64(*seconds) })
        }
        _ => cx.at("metadata", |cx| {
            cx.refuse(format!(
                "filter_metadata[\"ripstop\"].{LEAST_RESPONSE_TIME} must be seconds between 0.001 and 1000000"
            ))
        }),
    }
}

fn consistent_hashing(common: &CommonLbConfig) -> ConsistentHashing {
    common.consistent_hashing_lb_config.as_ref().map_or_else(ConsistentHashing::default, |wire| {
        ConsistentHashing {
            use_hostname: wire.use_hostname_for_hashing,
            balance_factor: wire.hash_balance_factor.map(|factor| factor.value.max(100)),
        }
    })
}

fn ring_hash(cx: &mut Context, wire: &pb::Cluster, hashing: ConsistentHashing) -> Option<LbPolicy> {
    use pb::cluster::ring_hash_lb_config::HashFunction as WireFunction;
    let config = match &wire.lb_config {
        Some(LbConfig::RingHashLbConfig(config)) => *config,
        _ => pb::cluster::RingHashLbConfig::default(),
    };
    cx.at("ring_hash_lb_config", |cx| {
        let most = u64::from(LbPolicy::MAX_RING_SIZE);
        // At most `most`, which is a `u32`.
        let size =
            |wire: Option<pb::UInt64Value>, default| wire.map_or(default, |n| n.value).min(most) as u32;
        let (min_ring_size, max_ring_size) =
            (size(config.minimum_ring_size, 1024), size(config.maximum_ring_size, most));
        if min_ring_size > max_ring_size {
            return cx.refuse("minimum_ring_size must not be above maximum_ring_size");
        }
        let function = match WireFunction::try_from(config.hash_function) {
            Ok(WireFunction::XxHash) => HashFunction::Xx,
            Ok(WireFunction::MurmurHash2) => HashFunction::Murmur2,
            Err(_) => return cx.at("hash_function", |cx| cx.refuse("is not known")),
        };
        Some(LbPolicy::RingHash { min_ring_size, max_ring_size, function, hashing })
    })
}

fn maglev(cx: &mut Context, wire: &pb::Cluster, hashing: ConsistentHashing) -> Option<LbPolicy> {
    let size = match &wire.lb_config {
        Some(LbConfig::MaglevLbConfig(config)) => config.table_size.map(|size| size.value),
        _ => None,
    };
    let size = size.unwrap_or(65_537);
    match u32::try_from(size).ok().filter(|&size| size <= LbPolicy::MAX_TABLE_SIZE && is_prime(size)) {
        Some(table_size) => Some(LbPolicy::Maglev { table_size, hashing }),
        None => cx.at("maglev_lb_config.table_size", |cx| {
            cx.refuse(format!("{size} is not a prime number up to {}", LbPolicy::MAX_TABLE_SIZE))
        }),
    }
}

fn is_prime(n: u32) -> bool {
    n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

fn locality(cx: &mut Context, common: &CommonLbConfig) -> LocalityBalancing {
    use pb::cluster::common_lb_config::LocalityConfigSpecifier;
    match &common.locality_config_specifier {
        Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(_)) => LocalityBalancing::Weighted,
        Some(LocalityConfigSpecifier::ZoneAwareLbConfig(wire)) => cx.at("zone_aware_lb_config", |cx| {
            let enabled = percent(cx, "routing_enabled", wire.routing_enabled.as_ref());
            LocalityBalancing::ZoneAware {
                enabled: enabled.unwrap_or(Percent::ALL),
                min_cluster_size: wire.min_cluster_size.map_or(6, |size| size.value),
                fail_traffic_on_panic: wire.fail_traffic_on_panic,
            }
        }),
        None => LocalityBalancing::default(),
    }
}

fn slow_start_config(cx: &mut Context, wire: Option<&pb::cluster::SlowStartConfig>) -> Option<SlowStart> {
    let wire = wire?;
    cx.at("slow_start_config", |cx| {
        let window = positive_duration(cx, "slow_start_window", wire.slow_start_window.as_ref())?;
        let aggression = milli(cx, "aggression", wire.aggression.as_ref()).and_then(NonZeroU32::new);
        let min_weight = percent(cx, "min_weight_percent", wire.min_weight_percent.as_ref());
        Some(SlowStart {
            window,
            aggression_milli: aggression.map_or(1000, NonZeroU32::get),
            min_weight: min_weight.unwrap_or(Percent::whole(10)),
        })
    })
}

/// A number with a name, in thousandths.
pub(super) fn milli(cx: &mut Context, field: &str, wire: Option<&pb::RuntimeDouble>) -> Option<u32> {
    let wire = wire?;
    cx.at(field, |cx| {
        if !matches!(wire.runtime_key.as_str(), "" | UNSET) {
            cx.warn("its default_value counts: this number cannot be set by name");
        }
        match wire.default_value {
            // In range by the pattern, so the cast cannot truncate.
            value @ 0.0..=1_000_000.0 => Some((value * 1000.0).round() as u32),
            other => cx.refuse(format!("{other} is not between 0 and 1000000")),
        }
    })
}
