//! Routes: the fields that are read, and those that are harmless to leave out.

use crate::decode::support::Support;

/// What a route says to HTTP filters is harmless to leave out, because the filters themselves are reported.
pub(super) const ROUTE: &[Support] = &[
    Support {
        message: "envoy.config.route.v3.RouteConfiguration",
        read: "name virtual_hosts",
        harmless: "response_headers_to_add response_headers_to_remove request_headers_to_add \
            most_specific_header_mutations_wins validate_clusters \
            max_direct_response_body_size_bytes request_mirror_policies metadata \
            typed_per_filter_config",
    },
    Support {
        message: "envoy.config.route.v3.VirtualHost",
        read: "name domains routes",
        harmless: "virtual_clusters request_headers_to_add response_headers_to_add \
            response_headers_to_remove cors include_request_attempt_count \
            include_attempt_count_in_response retry_policy hedge_policy \
            include_is_timeout_retry_header per_request_buffer_limit_bytes request_body_buffer_limit \
            request_mirror_policies metadata typed_per_filter_config",
    },
    Support {
        message: "envoy.config.route.v3.Route",
        read: "name match metadata route direct_response redirect filter_action non_forwarding_action",
        harmless: "decorator request_headers_to_add response_headers_to_add response_headers_to_remove \
            tracing per_request_buffer_limit_bytes stat_prefix request_body_buffer_limit \
            typed_per_filter_config",
    },
    Support {
        message: "envoy.config.route.v3.RouteMatch",
        read: "prefix path safe_regex path_separated_prefix connect_matcher path_match_policy \
            case_sensitive headers query_parameters",
        harmless: "",
    },
    Support {
        message: "envoy.config.route.v3.RouteAction",
        read: "cluster weighted_clusters cluster_header cluster_specifier_plugin \
            inline_cluster_specifier_plugin prefix_rewrite host_rewrite_literal auto_host_rewrite \
            host_rewrite_header host_rewrite_path_regex timeout retry_policy",
        harmless: "cluster_not_found_response_code append_x_forwarded_host idle_timeout flush_timeout \
            early_data_policy request_mirror_policies priority hash_policy cors max_grpc_timeout \
            grpc_timeout_offset upgrade_configs hedge_policy max_stream_duration",
    },
    Support {
        message: "envoy.config.route.v3.WeightedCluster",
        read: "clusters total_weight",
        harmless: "runtime_key_prefix",
    },
    Support {
        message: "envoy.config.route.v3.WeightedCluster.ClusterWeight",
        read: "name weight",
        harmless: "request_headers_to_add response_headers_to_add response_headers_to_remove \
            typed_per_filter_config",
    },
    Support {
        message: "envoy.config.route.v3.RetryPolicy",
        read: "retry_on num_retries per_try_timeout retry_host_predicate \
            host_selection_retry_max_attempts retriable_status_codes retry_back_off",
        harmless: "per_try_idle_timeout retry_priority retry_options_predicates rate_limited_retry_back_off \
            retriable_headers refresh_cluster_on_retry",
    },
    Support { message: "envoy.config.route.v3.DirectResponseAction", read: "status body", harmless: "" },
];
