//! Routes: the fields that are read, and those that are harmless to leave out.

use crate::decode::support::Support;

/// What a route says to HTTP filters that are not here is harmless to leave out, because the filters themselves are reported.
pub(super) const ROUTE: &[Support] = &[
    Support {
        message: "envoy.config.route.v3.RouteConfiguration",
        read: "name virtual_hosts ignore_port_in_host_matching vhost_header validate_clusters \
            ignore_path_parameters_in_path_matching max_direct_response_body_size_bytes \
            typed_per_filter_config request_mirror_policies response_headers_to_add \
            response_headers_to_remove request_headers_to_add request_headers_to_remove \
            most_specific_header_mutations_wins",
        harmless: "metadata",
    },
    Support {
        message: "envoy.config.route.v3.VirtualHost",
        read: "name domains routes require_tls retry_policy include_request_attempt_count \
            include_attempt_count_in_response metadata typed_per_filter_config request_mirror_policies \
            request_headers_to_add request_headers_to_remove response_headers_to_add \
            response_headers_to_remove hedge_policy per_request_buffer_limit_bytes request_body_buffer_limit cors",
        harmless: "virtual_clusters include_is_timeout_retry_header",
    },
    Support {
        message: "envoy.config.route.v3.Route",
        read: "name match metadata route direct_response redirect filter_action non_forwarding_action \
            typed_per_filter_config request_headers_to_add request_headers_to_remove \
            response_headers_to_add response_headers_to_remove per_request_buffer_limit_bytes \
            request_body_buffer_limit",
        harmless: "decorator tracing stat_prefix",
    },
    Support {
        message: "envoy.config.route.v3.RouteMatch",
        read: "prefix path safe_regex path_separated_prefix connect_matcher path_match_policy \
            case_sensitive headers query_parameters cookies grpc runtime_fraction tls_context",
        harmless: "",
    },
    Support {
        message: "envoy.config.route.v3.RouteAction",
        read: "cluster weighted_clusters cluster_header cluster_specifier_plugin \
            inline_cluster_specifier_plugin cluster_not_found_response_code prefix_rewrite regex_rewrite \
            path_rewrite_policy host_rewrite_literal auto_host_rewrite host_rewrite_header \
            host_rewrite_path_regex host_rewrite append_x_forwarded_host timeout retry_policy hash_policy \
            idle_timeout max_stream_duration max_grpc_timeout grpc_timeout_offset upgrade_configs \
            request_mirror_policies hedge_policy priority metadata_match cors",
        harmless: "flush_timeout early_data_policy",
    },
    Support {
        message: "envoy.config.route.v3.RouteAction.RequestMirrorPolicy",
        read: "cluster cluster_header runtime_fraction disable_shadow_host_suffix_append \
            host_rewrite_literal",
        harmless: "trace_sampled request_headers_mutations",
    },
    Support {
        message: "envoy.config.route.v3.WeightedCluster",
        read: "clusters header_name use_hash_policy",
        harmless: "runtime_key_prefix total_weight",
    },
    Support {
        message: "envoy.config.route.v3.WeightedCluster.ClusterWeight",
        read: "name cluster_header weight host_rewrite_literal typed_per_filter_config \
            request_headers_to_add request_headers_to_remove response_headers_to_add \
            response_headers_to_remove metadata_match",
        harmless: "",
    },
    Support {
        message: "envoy.config.route.v3.RetryPolicy",
        read: "retry_on num_retries per_try_timeout per_try_idle_timeout retry_host_predicate \
            host_selection_retry_max_attempts retriable_status_codes retry_back_off retry_priority \
            retry_options_predicates rate_limited_retry_back_off retriable_headers retriable_request_headers",
        harmless: "refresh_cluster_on_retry",
    },
    Support { message: "envoy.config.route.v3.DirectResponseAction", read: "status body", harmless: "" },
];
