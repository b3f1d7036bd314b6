//! Load balancing policies as extensions ← wire: each is put into the fields of the cluster that say the same, and these are
//! read as ever.

use prost::Message;
use ripstop_model::Name;
use ripstop_model::load_balancing::ClientWeighted;

use super::common::{Context, duration, is, is_true, type_name, unpack};
use super::support;
use crate::pb;
use crate::pb::cluster::common_lb_config::{
    ConsistentHashingLbConfig, LocalityConfigSpecifier, LocalityWeightedLbConfig, ZoneAwareLbConfig,
};
use crate::pb::cluster::{CommonLbConfig, LbConfig, LbPolicy};
use crate::pb::lb_policies as ext;
use crate::schema;

/// Policies within policies.
const MAX_DEPTH: usize = 4;

/// A policy as it would be written with the older fields.
pub(super) struct AsFields {
    /// Its place.
    pub(super) place: String,
    /// The cluster with these fields.
    pub(super) fields: pb::Cluster,
    /// What they cannot say.
    pub(super) client_weighted: Option<(ClientWeighted, Vec<Name>)>,
}

/// What is being put together.
struct Taken {
    fields: pb::Cluster,
    client_weighted: Option<(ClientWeighted, Vec<Name>)>,
}

/// The first policy that is supported, as Envoy has it.
pub(super) fn as_fields(
    cx: &mut Context,
    cluster: &pb::Cluster,
    wire: &pb::LoadBalancingPolicy,
) -> Option<AsFields> {
    let mut fields = cluster.clone();
    fields.load_balancing_policy = None;
    fields.lb_subset_config = None;
    fields.lb_config = None;
    let common = fields.common_lb_config.get_or_insert_default();
    common.locality_config_specifier = None;
    common.consistent_hashing_lb_config = None;
    let mut taken = Taken { fields, client_weighted: None };
    let place = cx.at("load_balancing_policy", |cx| choose(cx, &mut taken, wire, 0))?;
    let Taken { fields, client_weighted } = taken;
    Some(AsFields { place: format!("load_balancing_policy.{place}"), fields, client_weighted })
}

fn choose(
    cx: &mut Context,
    taken: &mut Taken,
    wire: &pb::LoadBalancingPolicy,
    depth: usize,
) -> Option<String> {
    if depth > MAX_DEPTH {
        return cx.refuse(format!("is nested more than {MAX_DEPTH} deep"));
    }
    let mut unsupported = Vec::new();
    for (index, policy) in wire.policies.iter().enumerate() {
        let config = policy.typed_extension_config.as_ref();
        let Some(any) = config.and_then(|config| config.typed_config.as_ref()) else { continue };
        if !is_supported(any) {
            unsupported.push(type_name(any).to_owned());
            continue;
        }
        let place = format!("policies[{index}].typed_extension_config.typed_config");
        cx.at(&place, |cx| take(cx, taken, any, depth))?;
        return Some(place);
    }
    cx.refuse(format!("none of its policies is supported: {}", unsupported.join(", ")))
}

fn is_supported(any: &pb::Any) -> bool {
    is::<ext::RoundRobin>(any)
        || is::<ext::LeastRequest>(any)
        || is::<ext::Random>(any)
        || is::<ext::RingHash>(any)
        || is::<ext::Maglev>(any)
        || is::<ext::Subset>(any)
        || is::<ext::WrrLocality>(any)
        || is::<ext::ClientSideWeightedRoundRobin>(any)
}

fn take(cx: &mut Context, taken: &mut Taken, any: &pb::Any, depth: usize) -> Option<()> {
    if let Some(schema) = schema::message(type_name(any)) {
        support::check(cx, schema, &any.value);
    }
    let fields = &mut taken.fields;
    if is::<ext::RoundRobin>(any) {
        let wire: ext::RoundRobin = unpack(cx, any)?;
        let slow_start_config = wire.slow_start_config.map(slow_start);
        put(fields, LbPolicy::RoundRobin, locality(wire.locality_lb_config));
        fields.lb_config =
            Some(LbConfig::RoundRobinLbConfig(pb::cluster::RoundRobinLbConfig { slow_start_config }));
    } else if is::<ext::LeastRequest>(any) {
        let wire: ext::LeastRequest = unpack(cx, any)?;
        if wire.selection_method != 0 {
            return cx.at("selection_method", |cx| cx.refuse("only N_CHOICES is supported"));
        }
        put(fields, LbPolicy::LeastRequest, locality(wire.locality_lb_config));
        fields.lb_config = Some(LbConfig::LeastRequestLbConfig(pb::cluster::LeastRequestLbConfig {
            choice_count: wire.choice_count,
            active_request_bias: wire.active_request_bias,
            slow_start_config: wire.slow_start_config.map(slow_start),
        }));
    } else if is::<ext::ClientSideWeightedRoundRobin>(any) {
        let wire: ext::ClientSideWeightedRoundRobin = unpack(cx, any)?;
        put(fields, LbPolicy::RoundRobin, None);
        let slow_start_config = wire.slow_start_config.clone().map(slow_start);
        fields.lb_config =
            Some(LbConfig::RoundRobinLbConfig(pb::cluster::RoundRobinLbConfig { slow_start_config }));
        taken.client_weighted = Some(client_weighted(cx, &wire)?);
    } else if is::<ext::Random>(any) {
        let wire: ext::Random = unpack(cx, any)?;
        put(fields, LbPolicy::Random, locality(wire.locality_lb_config));
    } else if is::<ext::RingHash>(any) {
        let wire: ext::RingHash = unpack(cx, any)?;
        ring_hash(fields, &wire);
    } else if is::<ext::Maglev>(any) {
        let wire: ext::Maglev = unpack(cx, any)?;
        put(fields, LbPolicy::Maglev, wire.locality_weighted_lb_config.map(|_| weighted()));
        put_hashing(fields, wire.consistent_hashing_lb_config.as_ref());
        fields.lb_config =
            Some(LbConfig::MaglevLbConfig(pb::cluster::MaglevLbConfig { table_size: wire.table_size }));
    } else if is::<ext::Subset>(any) {
        let wire: ext::Subset = unpack(cx, any)?;
        // The older message has the same fields with the same numbers, all but the policy within.
        let subsets = pb::cluster::LbSubsetConfig::decode(any.value.as_slice());
        let Ok(subsets) = subsets else { return cx.refuse("cannot be read") };
        let Some(within) = &wire.subset_lb_policy else {
            return cx.at("subset_lb_policy", |cx| cx.refuse("is needed"));
        };
        cx.at("subset_lb_policy", |cx| choose(cx, taken, within, depth + 1))?;
        taken.fields.lb_subset_config = Some(subsets);
    } else {
        let wire: ext::WrrLocality = unpack(cx, any)?;
        let Some(within) = &wire.endpoint_picking_policy else {
            return cx.at("endpoint_picking_policy", |cx| cx.refuse("is needed"));
        };
        cx.at("endpoint_picking_policy", |cx| choose(cx, taken, within, depth + 1))?;
        common(&mut taken.fields).locality_config_specifier = Some(weighted());
    }
    Some(())
}

#[allow(deprecated, reason = "Envoy still reads them")]
fn ring_hash(fields: &mut pb::Cluster, wire: &ext::RingHash) {
    use pb::cluster::ring_hash_lb_config::HashFunction;
    put(fields, LbPolicy::RingHash, wire.locality_weighted_lb_config.map(|_| weighted()));
    let hashing =
        wire.consistent_hashing_lb_config.clone().unwrap_or_else(|| ext::common::ConsistentHashingLbConfig {
            use_hostname_for_hashing: wire.use_hostname_for_hashing,
            hash_balance_factor: wire.hash_balance_factor,
            ..Default::default()
        });
    put_hashing(fields, Some(&hashing));
    let hash_function = match wire.hash_function {
        2 => HashFunction::MurmurHash2,
        _ => HashFunction::XxHash,
    };
    fields.lb_config = Some(LbConfig::RingHashLbConfig(pb::cluster::RingHashLbConfig {
        minimum_ring_size: wire.minimum_ring_size,
        maximum_ring_size: wire.maximum_ring_size,
        hash_function: hash_function.into(),
    }));
}

fn client_weighted(
    cx: &mut Context,
    wire: &ext::ClientSideWeightedRoundRobin,
) -> Option<(ClientWeighted, Vec<Name>)> {
    if is_true(wire.enable_oob_load_report.as_ref()) {
        cx.at("enable_oob_load_report", |cx| {
            cx.warn("is not supported: only reports that come with answers are taken");
        });
    }
    let default = ClientWeighted::default();
    let mut or = |field: &str, wire: Option<&pb::Duration>, default| match wire {
        Some(_) => duration(cx, field, wire),
        None => Some(default),
    };
    let blackout = or("blackout_period", wire.blackout_period.as_ref(), default.blackout);
    let expiration =
        or("weight_expiration_period", wire.weight_expiration_period.as_ref(), default.expiration);
    let update = or("weight_update_period", wire.weight_update_period.as_ref(), default.update_period);
    let penalty = wire.error_utilization_penalty.as_ref().map_or(1.0, |penalty| penalty.value);
    if !(0.0..=1e6).contains(&penalty) {
        return cx.at("error_utilization_penalty", |cx| cx.refuse("must be between 0 and 1000000"));
    }
    let policy = ClientWeighted {
        blackout: blackout?,
        expiration: expiration?,
        update_period: update?.max(ClientWeighted::MIN_UPDATE_PERIOD),
        // In range by the check above.
        error_penalty_milli: (f64::from(penalty) * 1000.0).round() as u32,
    };
    let metrics = wire.metric_names_for_computing_utilization.iter().map(|name| name.as_str().into());
    Some((policy, metrics.collect()))
}

fn common(fields: &mut pb::Cluster) -> &mut CommonLbConfig {
    fields.common_lb_config.get_or_insert_default()
}

fn put(fields: &mut pb::Cluster, policy: LbPolicy, locality: Option<LocalityConfigSpecifier>) {
    fields.lb_policy = policy.into();
    common(fields).locality_config_specifier = locality;
}

fn put_hashing(fields: &mut pb::Cluster, wire: Option<&ext::common::ConsistentHashingLbConfig>) {
    common(fields).consistent_hashing_lb_config = wire.map(|wire| ConsistentHashingLbConfig {
        use_hostname_for_hashing: wire.use_hostname_for_hashing,
        hash_balance_factor: wire.hash_balance_factor,
    });
}

fn weighted() -> LocalityConfigSpecifier {
    LocalityConfigSpecifier::LocalityWeightedLbConfig(LocalityWeightedLbConfig {})
}

fn locality(wire: Option<ext::common::LocalityLbConfig>) -> Option<LocalityConfigSpecifier> {
    use ext::common::locality_lb_config::LocalityConfigSpecifier as Wire;
    Some(match wire?.locality_config_specifier? {
        Wire::LocalityWeightedLbConfig(_) => weighted(),
        Wire::ZoneAwareLbConfig(zone) => LocalityConfigSpecifier::ZoneAwareLbConfig(ZoneAwareLbConfig {
            routing_enabled: zone.routing_enabled,
            min_cluster_size: zone.min_cluster_size,
            fail_traffic_on_panic: zone.fail_traffic_on_panic,
        }),
    })
}

fn slow_start(wire: ext::common::SlowStartConfig) -> pb::cluster::SlowStartConfig {
    pb::cluster::SlowStartConfig {
        slow_start_window: wire.slow_start_window,
        aggression: wire.aggression,
        min_weight_percent: wire.min_weight_percent,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ripstop_model::load_balancing::{HashFunction, LbPolicy as Model, LocalityBalancing};
    use ripstop_model::{LoadBalancing, Percent};

    use crate::binder::bind;
    use crate::decode::decode_cluster;

    /// What a cluster with these policies says, or the first reason why not.
    fn read(policies: &str) -> Result<LoadBalancing, String> {
        let text = format!(
            "{{name: c, lb_policy: RANDOM, lb_subset_config: {{fallback_policy: ANY_ENDPOINT, subset_selectors: [{{keys: [a]}}]}}, \
             common_lb_config: {{healthy_panic_threshold: {{value: 7}}}}, load_balancing_policy: {{policies: [{policies}]}}}}"
        );
        let source = ripstop_yaml::Source::new("test", text);
        let documents = ripstop_yaml::parse(&source).unwrap();
        let problems = ripstop_yaml::Problems::new(&source);
        let bytes = bind(&documents[0].root, "envoy.config.cluster.v3.Cluster", &problems);
        let bytes = bytes.unwrap_or_else(|| panic!("{:?}", problems.into_vec()));
        let decoded = decode_cluster(&bytes).map_err(|rejection| rejection.problems[0].to_string())?;
        assert_eq!(decoded.warnings, []);
        Ok(decoded.value.lb)
    }

    fn typed(package: &str, message: &str, fields: &str) -> String {
        format!(
            "{{typed_extension_config: {{name: x, typed_config: {{\"@type\": \
             type.googleapis.com/envoy.extensions.load_balancing_policies.{package}.v3.{message}, {fields}}}}}}}"
        )
    }

    #[test]
    fn policies_are_those_of_the_older_fields() {
        let panic_threshold = Percent::whole(7);
        let check = |policies: &str, lb: LoadBalancing| {
            assert_eq!(read(policies), Ok(LoadBalancing { panic_threshold, ..lb }));
        };
        check(&typed("round_robin", "RoundRobin", ""), LoadBalancing::new(Model::RoundRobin));
        check(&typed("random", "Random", ""), LoadBalancing::new(Model::Random));
        let weighted = "locality_lb_config: {locality_weighted_lb_config: {}}";
        check(
            &typed("least_request", "LeastRequest", &format!("choice_count: 5, {weighted}")),
            LoadBalancing {
                locality: LocalityBalancing::Weighted,
                ..LoadBalancing::new(Model::LeastRequest { choices: 5, active_request_bias_milli: 1000 })
            },
        );
        let Model::RingHash { max_ring_size, mut hashing, .. } = Model::RING_HASH else { panic!() };
        hashing.balance_factor = Some(150);
        let ring = "hash_function: MURMUR_HASH_2, minimum_ring_size: 7, consistent_hashing_lb_config: {hash_balance_factor: 150}";
        let function = HashFunction::Murmur2;
        check(
            &typed("ring_hash", "RingHash", ring),
            LoadBalancing::new(Model::RingHash { min_ring_size: 7, max_ring_size, function, hashing }),
        );
        check(&typed("maglev", "Maglev", ""), LoadBalancing::new(Model::MAGLEV));
    }

    #[test]
    fn the_first_that_is_supported_counts_and_policies_hold_policies() {
        let unsupported = typed("cluster_provided", "ClusterProvided", "");
        let random = typed("random", "Random", "");
        assert_eq!(read(&format!("{unsupported}, {random}")).unwrap().policy, Model::Random);
        let error = read(&unsupported).unwrap_err();
        assert!(
            error.contains("load_balancing_policy: none") && error.contains("ClusterProvided"),
            "{error}"
        );
        let maglev = typed("maglev", "Maglev", "table_size: 5");
        let within = format!("subset_selectors: [{{keys: [v]}}], subset_lb_policy: {{policies: [{maglev}]}}");
        let lb = read(&typed("subset", "Subset", &within)).unwrap();
        assert!(matches!(lb.policy, Model::Maglev { table_size: 5, .. }));
        assert_eq!(lb.subsets.unwrap().selectors[0].keys, ["v".into()]);
        let within = format!("endpoint_picking_policy: {{policies: [{random}]}}");
        let lb = read(&typed("wrr_locality", "WrrLocality", &within)).unwrap();
        assert_eq!((lb.policy, lb.locality, lb.subsets), (Model::Random, LocalityBalancing::Weighted, None));
    }
}
