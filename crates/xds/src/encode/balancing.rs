//! How an endpoint of a cluster is chosen → wire.

use prost::Message;
use ripstop_model::LoadBalancing;
use ripstop_model::load_balancing::{
    ClientWeighted, ConsistentHashing, HashFunction, LbPolicy, LocalityBalancing, SlowStart, SubsetFallback,
    SubsetSelector, Subsets,
};

use super::common::{OrderedStruct, any, duration, percent, text_struct, u32_value};
use crate::metadata::UNSET;
use crate::pb;
use crate::pb::cluster::common_lb_config::{
    ConsistentHashingLbConfig, LocalityConfigSpecifier, LocalityWeightedLbConfig, ZoneAwareLbConfig,
};
use crate::pb::cluster::lb_subset_config::{
    LbSubsetFallbackPolicy, LbSubsetSelector, lb_subset_selector::LbSubsetSelectorFallbackPolicy,
};
use crate::pb::cluster::{CommonLbConfig, LbConfig, LbPolicy as Wire, LbSubsetConfig};
use crate::pb::lb_policies as ext;

/// Writes all fields of a cluster that say how an endpoint is chosen, except what is in metadata.
pub(super) fn put_load_balancing(message: &mut pb::Cluster, lb: &LoadBalancing) {
    let slow_start = lb.slow_start.as_ref().map(slow_start);
    let u64_value = |n: u32| Some(pb::UInt64Value { value: n.into() });
    let (policy, config, hashing) = match lb.policy {
        LbPolicy::RoundRobin => {
            let config = slow_start.map(|slow_start| {
                LbConfig::RoundRobinLbConfig(pb::cluster::RoundRobinLbConfig {
                    slow_start_config: Some(slow_start),
                })
            });
            (Wire::RoundRobin, config, None)
        }
        LbPolicy::Random => (Wire::Random, None, None),
        LbPolicy::LeastRequest { choices, active_request_bias_milli } => {
            let config = pb::cluster::LeastRequestLbConfig {
                choice_count: Some(u32_value(choices)),
                active_request_bias: (active_request_bias_milli != 1000)
                    .then(|| runtime_double(active_request_bias_milli)),
                slow_start_config: slow_start,
            };
            (Wire::LeastRequest, Some(LbConfig::LeastRequestLbConfig(config)), None)
        }
        LbPolicy::RingHash { min_ring_size, max_ring_size, function, hashing } => {
            use pb::cluster::ring_hash_lb_config::HashFunction as WireFunction;
            let function = match function {
                HashFunction::Xx => WireFunction::XxHash,
                HashFunction::Murmur2 => WireFunction::MurmurHash2,
            };
            let config = pb::cluster::RingHashLbConfig {
                minimum_ring_size: u64_value(min_ring_size),
                hash_function: function.into(),
                maximum_ring_size: u64_value(max_ring_size),
            };
            (Wire::RingHash, Some(LbConfig::RingHashLbConfig(config)), Some(hashing))
        }
        LbPolicy::Maglev { table_size, hashing } => {
            let config = pb::cluster::MaglevLbConfig { table_size: u64_value(table_size) };
            (Wire::Maglev, Some(LbConfig::MaglevLbConfig(config)), Some(hashing))
        }
        // For those who do not know the extension; it stands beside this.
        LbPolicy::ClientWeighted(policy) => {
            message.load_balancing_policy = Some(client_weighted(lb, &policy));
            (Wire::RoundRobin, None, None)
        }
        // What Envoy takes instead; ours is in the metadata.
        LbPolicy::LeastResponseTime { .. } => (Wire::LeastRequest, None, None),
    };
    message.lb_policy = policy.into();
    message.lb_config = config;
    message.common_lb_config = common(lb, hashing);
    message.lb_subset_config = lb.subsets.as_deref().map(subsets);
}

/// Within a policy for localities where these have weights.
fn client_weighted(lb: &LoadBalancing, policy: &ClientWeighted) -> pb::LoadBalancingPolicy {
    let slow_start_config = lb.slow_start.as_ref().map(|config| ext::common::SlowStartConfig {
        slow_start_window: Some(duration(config.window)),
        aggression: Some(runtime_double(config.aggression_milli)),
        min_weight_percent: Some(percent(config.min_weight)),
    });
    let client = any(&ext::ClientSideWeightedRoundRobin {
        blackout_period: Some(duration(policy.blackout)),
        weight_expiration_period: Some(duration(policy.expiration)),
        weight_update_period: Some(duration(policy.update_period)),
        error_utilization_penalty: Some(pb::FloatValue {
            // Narrowing rounds; reading rounds back to thousandths.
            value: (f64::from(policy.error_penalty_milli) / 1000.0) as f32,
        }),
        metric_names_for_computing_utilization: lb
            .utilization_metrics
            .iter()
            .map(ToString::to_string)
            .collect(),
        slow_start_config,
        ..Default::default()
    });
    let client = one_policy("envoy.load_balancing_policies.client_side_weighted_round_robin", client);
    match lb.locality {
        LocalityBalancing::Weighted => one_policy(
            "envoy.load_balancing_policies.wrr_locality",
            any(&ext::WrrLocality { endpoint_picking_policy: Some(client) }),
        ),
        LocalityBalancing::ZoneAware { .. } => client,
    }
}

fn one_policy(name: &str, config: pb::Any) -> pb::LoadBalancingPolicy {
    let config = pb::TypedExtensionConfig { name: name.to_owned(), typed_config: Some(config) };
    let policy = pb::load_balancing_policy::Policy { typed_extension_config: Some(config) };
    pb::LoadBalancingPolicy { policies: vec![policy] }
}

/// `None` where Envoy's defaults say the same.
fn common(lb: &LoadBalancing, hashing: Option<ConsistentHashing>) -> Option<CommonLbConfig> {
    let hashing = hashing.filter(|hashing| *hashing != ConsistentHashing::default());
    let panic = Some(lb.panic_threshold).filter(|panic| *panic != LoadBalancing::DEFAULT_PANIC_THRESHOLD);
    let locality = match lb.locality {
        LocalityBalancing::Weighted => {
            Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(LocalityWeightedLbConfig {}))
        }
        zone_aware if zone_aware == LocalityBalancing::default() => None,
        LocalityBalancing::ZoneAware { enabled, min_cluster_size, fail_traffic_on_panic } => {
            Some(LocalityConfigSpecifier::ZoneAwareLbConfig(ZoneAwareLbConfig {
                routing_enabled: Some(percent(enabled)),
                min_cluster_size: Some(pb::UInt64Value { value: min_cluster_size }),
                fail_traffic_on_panic,
            }))
        }
    };
    if hashing.is_none() && panic.is_none() && locality.is_none() {
        return None;
    }
    Some(CommonLbConfig {
        healthy_panic_threshold: panic.map(percent),
        consistent_hashing_lb_config: hashing.map(|hashing| ConsistentHashingLbConfig {
            use_hostname_for_hashing: hashing.use_hostname,
            hash_balance_factor: hashing.balance_factor.map(u32_value),
        }),
        locality_config_specifier: locality,
        ..Default::default()
    })
}

fn slow_start(config: &SlowStart) -> pb::cluster::SlowStartConfig {
    pb::cluster::SlowStartConfig {
        slow_start_window: Some(duration(config.window)),
        aggression: Some(runtime_double(config.aggression_milli)),
        min_weight_percent: Some(percent(config.min_weight)),
    }
}

/// Envoy refuses one without a name.
fn runtime_double(milli: u32) -> pb::RuntimeDouble {
    pb::RuntimeDouble { default_value: f64::from(milli) / 1000.0, runtime_key: UNSET.to_owned() }
}

fn subsets(subsets: &Subsets) -> LbSubsetConfig {
    let fallback = match subsets.fallback {
        SubsetFallback::Any => LbSubsetFallbackPolicy::AnyEndpoint,
        SubsetFallback::Default => LbSubsetFallbackPolicy::DefaultSubset,
        SubsetFallback::Nothing | SubsetFallback::Keys => LbSubsetFallbackPolicy::NoFallback,
    };
    LbSubsetConfig {
        fallback_policy: fallback.into(),
        subset_selectors: subsets.selectors.iter().map(selector).collect(),
        ..Default::default()
    }
}

fn selector(selector: &SubsetSelector) -> LbSubsetSelector {
    use LbSubsetSelectorFallbackPolicy as Fallback;
    let fallback = match selector.fallback {
        None => Fallback::NotDefined,
        Some(SubsetFallback::Nothing) => Fallback::NoFallback,
        Some(SubsetFallback::Any) => Fallback::AnyEndpoint,
        Some(SubsetFallback::Default) => Fallback::DefaultSubset,
        Some(SubsetFallback::Keys) => Fallback::KeysSubset,
    };
    LbSubsetSelector {
        keys: selector.keys.iter().map(ToString::to_string).collect(),
        fallback_policy: fallback.into(),
        fallback_keys_subset: selector.fallback_keys.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

/// The field of `LbSubsetConfig` that is a map. Of two pieces of one message on the wire, both count.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OrderedSubsets {
    #[prost(message, optional, tag = "2")]
    default_subset: Option<OrderedStruct>,
}

/// The default subset of a cluster, if it has one.
pub(super) fn default_subset(lb: &LoadBalancing) -> Option<OrderedSubsets> {
    let labels = lb.subsets.as_deref().map(|subsets| &subsets.default_subset)?;
    (!labels.is_empty()).then(|| OrderedSubsets { default_subset: Some(text_struct(labels)) })
}
