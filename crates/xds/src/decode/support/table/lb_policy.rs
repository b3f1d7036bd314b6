//! Load balancing policies as extensions: the fields that are read, and those that are harmless to leave out.

use crate::decode::support::Support;

pub(super) const LB_POLICIES: &[Support] = &[
    Support { message: "envoy.config.cluster.v3.LoadBalancingPolicy", read: "policies", harmless: "" },
    Support {
        message: "envoy.config.cluster.v3.LoadBalancingPolicy.Policy",
        read: "typed_extension_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
        read: "slow_start_config locality_lb_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
        read: "choice_count active_request_bias slow_start_config locality_lb_config selection_method",
        harmless: "enable_full_scan",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin",
        read: "enable_oob_load_report blackout_period weight_expiration_period weight_update_period \
            error_utilization_penalty metric_names_for_computing_utilization slow_start_config",
        harmless: "oob_reporting_period oob_reporting_config",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.random.v3.Random",
        read: "locality_lb_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash",
        read: "hash_function minimum_ring_size maximum_ring_size use_hostname_for_hashing hash_balance_factor consistent_hashing_lb_config locality_weighted_lb_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.maglev.v3.Maglev",
        read: "table_size consistent_hashing_lb_config locality_weighted_lb_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.subset.v3.Subset",
        read: "fallback_policy default_subset subset_selectors scale_locality_weight panic_mode_any list_as_any metadata_fallback_policy subset_lb_policy",
        harmless: "allow_redundant_keys locality_weight_aware",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.subset.v3.Subset.LbSubsetSelector",
        read: "keys single_host_per_subset fallback_policy fallback_keys_subset",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality",
        read: "endpoint_picking_policy",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig",
        read: "zone_aware_lb_config locality_weighted_lb_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig",
        read: "routing_enabled min_cluster_size fail_traffic_on_panic",
        harmless: "force_local_zone locality_basis force_locality_direct_routing",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig",
        read: "slow_start_window aggression min_weight_percent",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig",
        read: "use_hostname_for_hashing hash_balance_factor",
        harmless: "hash_policy",
    },
];
