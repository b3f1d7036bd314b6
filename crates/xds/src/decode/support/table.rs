//! The supported fields of each message. What is in neither list makes a resource unusable.

use super::Support;

/// All tables.
pub(super) fn all() -> impl Iterator<Item = &'static Support> {
    [LISTENER, ROUTE, CLUSTER, ENDPOINT, TLS, SHARED].into_iter().flatten()
}

const LISTENER: &[Support] = &[
    Support {
        message: "envoy.config.listener.v3.Listener",
        read: "name address filter_chains listener_filters listener_filters_timeout traffic_direction",
        harmless: "stat_prefix stats_matcher per_connection_buffer_limit_bytes \
            per_connection_buffer_high_watermark_timeout metadata drain_type \
            continue_on_listener_filters_timeout freebind socket_options tcp_fast_open_queue_length \
            connection_balance_config reuse_port enable_reuse_port access_log tcp_backlog_size \
            max_connections_to_accept_per_socket_event enable_mptcp ignore_global_conn_limit \
            bypass_overload_manager tcp_keepalive",
    },
    Support { message: "envoy.config.listener.v3.ListenerFilter", read: "name typed_config", harmless: "" },
    Support {
        message: "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
        read: "",
        harmless: "enable_ja3_fingerprinting enable_ja4_fingerprinting initial_read_buffer_size \
            max_client_hello_size",
    },
    Support {
        message: "envoy.config.listener.v3.FilterChain",
        read: "name filter_chain_match filters transport_socket",
        harmless: "metadata transport_socket_connect_timeout",
    },
    Support {
        message: "envoy.config.listener.v3.FilterChainMatch",
        read: "transport_protocol",
        harmless: "",
    },
    Support { message: "envoy.config.listener.v3.Filter", read: "name typed_config", harmless: "" },
    Support {
        message: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        read: "stat_prefix cluster idle_timeout access_log",
        harmless: "max_connect_attempts backoff_options access_log_flush_interval \
            flush_access_log_on_connected access_log_options check_drain_close \
            downstream_idle_timeout upstream_idle_timeout max_downstream_connection_duration \
            max_downstream_connection_duration_jitter_percentage hash_policy",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        read: "codec_type stat_prefix rds route_config scoped_routes http_filters \
            common_http_protocol_options http2_protocol_options access_log use_remote_address \
            forward_client_cert_details set_current_client_cert_details generate_request_id \
            stream_idle_timeout request_headers_timeout max_request_headers_kb upgrade_configs \
            normalize_path",
        harmless: "add_user_agent tracing http1_safe_max_connection_duration http_protocol_options \
            http3_protocol_options server_name server_header_transformation stream_flush_timeout \
            request_timeout drain_timeout drain_timeout_jitter delayed_close_timeout \
            access_log_flush_interval flush_access_log_on_new_request access_log_options via \
            preserve_external_request_id always_set_request_id_in_response proxy_100_continue \
            represent_ipv4_remote_address_as_ipv4_mapped_ipv6 request_id_extension \
            local_reply_config stream_error_on_invalid_http_message proxy_status_config \
            append_x_forwarded_port append_local_overload add_proxy_protocol_connection_state \
            internal_address_config skip_xff_append scheme_header_transformation",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.Rds",
        read: "config_source route_config_name",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
        read: "name typed_config is_optional disabled config_discovery",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.http.router.v3.Router",
        read: "",
        harmless: "dynamic_stats start_child_span upstream_log upstream_log_options suppress_envoy_headers \
            strict_check_headers respect_expected_rq_timeout \
            suppress_grpc_request_failure_code_stats reject_connect_request_early_data",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig",
        read: "upgrade_type enabled",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails",
        read: "subject uri cert chain dns",
        harmless: "issuer format",
    },
];

/// What a route says to HTTP filters is harmless to leave out, because the filters themselves are reported.
const ROUTE: &[Support] = &[
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

const CLUSTER: &[Support] = &[
    Support {
        message: "envoy.config.cluster.v3.Cluster",
        read: "name type cluster_type eds_cluster_config load_assignment connect_timeout lb_policy \
            least_request_lb_config circuit_breakers outlier_detection transport_socket \
            typed_extension_protocol_options common_lb_config metadata http2_protocol_options \
            max_requests_per_connection common_http_protocol_options dns_refresh_rate \
            respect_dns_ttl dns_lookup_family",
        harmless: "alt_stat_name stats_matcher per_connection_buffer_limit_bytes \
            per_connection_buffer_high_watermark_timeout health_checks http_protocol_options \
            upstream_http_protocol_options dns_jitter dns_failure_refresh_rate dns_resolvers \
            use_tcp_for_dns_lookups \
            dns_resolution_config typed_dns_resolver_config wait_for_warm_on_init cleanup_interval \
            upstream_connection_options close_connections_on_host_health_failure \
            ignore_health_on_host_removal lrs_server lrs_report_endpoint_metrics \
            track_timeout_budgets track_cluster_stats preconnect_policy protocol_selection \
            round_robin_lb_config ring_hash_lb_config maglev_lb_config queuing_policies",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.EdsClusterConfig",
        read: "eds_config service_name",
        harmless: "",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig",
        read: "choice_count",
        harmless: "active_request_bias slow_start_config",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.CommonLbConfig",
        read: "healthy_panic_threshold locality_weighted_lb_config",
        harmless: "zone_aware_lb_config update_merge_window ignore_new_hosts_until_first_hc \
            close_connections_on_host_set_change consistent_hashing_lb_config override_host_status",
    },
    Support {
        message: "envoy.config.cluster.v3.CircuitBreakers",
        read: "thresholds",
        harmless: "per_host_thresholds",
    },
    Support {
        message: "envoy.config.cluster.v3.CircuitBreakers.Thresholds",
        read: "priority max_connections max_pending_requests max_requests max_retries retry_budget",
        harmless: "track_remaining max_connection_pools",
    },
    Support {
        message: "envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget",
        read: "budget_percent min_retry_concurrency",
        harmless: "budget_interval",
    },
    Support {
        message: "envoy.config.cluster.v3.OutlierDetection",
        read: "consecutive_5xx interval base_ejection_time max_ejection_percent \
            enforcing_consecutive_5xx enforcing_success_rate consecutive_gateway_failure \
            enforcing_consecutive_gateway_failure max_ejection_time",
        harmless: "success_rate_minimum_hosts success_rate_request_volume success_rate_stdev_factor \
            split_external_local_origin_errors consecutive_local_origin_failure \
            enforcing_consecutive_local_origin_failure enforcing_local_origin_success_rate \
            failure_percentage_threshold enforcing_failure_percentage \
            enforcing_failure_percentage_local_origin failure_percentage_minimum_hosts \
            failure_percentage_request_volume max_ejection_time_jitter \
            successful_active_health_check_uneject_host monitors always_eject_one_host \
            detect_degraded_hosts",
    },
    Support {
        message: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        read: "common_http_protocol_options explicit_http_config auto_config \
            use_downstream_protocol_config",
        harmless: "upstream_http_protocol_options header_validation_config outlier_detection \
            request_mirror_policies hash_policy retry_policy",
    },
    Support {
        message: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig",
        read: "http_protocol_options http2_protocol_options http3_protocol_options",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig",
        read: "http_protocol_options http2_protocol_options",
        harmless: "http3_protocol_options alternate_protocols_cache_options",
    },
];

const ENDPOINT: &[Support] = &[
    Support {
        message: "envoy.config.endpoint.v3.ClusterLoadAssignment",
        read: "cluster_name endpoints policy",
        harmless: "",
    },
    Support {
        message: "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
        read: "overprovisioning_factor",
        harmless: "drop_overloads endpoint_stale_after weighted_priority_health",
    },
    Support {
        message: "envoy.config.endpoint.v3.LocalityLbEndpoints",
        read: "locality lb_endpoints load_balancing_weight priority metadata",
        harmless: "proximity",
    },
    Support {
        message: "envoy.config.endpoint.v3.LbEndpoint",
        read: "endpoint endpoint_name health_status metadata load_balancing_weight",
        harmless: "",
    },
    Support {
        message: "envoy.config.endpoint.v3.Endpoint",
        read: "address hostname",
        harmless: "health_check_config additional_addresses observability_name",
    },
];

const TLS: &[Support] = &[
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        read: "common_tls_context require_client_certificate",
        harmless: "disable_stateful_session_resumption disable_stateless_session_resumption session_timeout \
            full_scan_certs_on_sni_mismatch prefer_client_ciphers",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        read: "common_tls_context sni",
        harmless: "max_session_keys allow_renegotiation",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
        read: "tls_certificate_sds_secret_configs validation_context_sds_secret_config \
            combined_validation_context validation_context validation_context_certificate_provider \
            validation_context_certificate_provider_instance alpn_protocols",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext",
        read: "default_validation_context validation_context_sds_secret_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
        read: "match_typed_subject_alt_names",
        harmless: "suppress_client_ca_list",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig",
        read: "name sds_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher",
        read: "san_type matcher",
        harmless: "",
    },
];

const SHARED: &[Support] = &[
    Support {
        message: "envoy.config.core.v3.Address",
        read: "socket_address pipe envoy_internal_address",
        harmless: "",
    },
    Support { message: "envoy.config.core.v3.TransportSocket", read: "name typed_config", harmless: "" },
    Support {
        message: "envoy.config.core.v3.ConfigSource",
        read: "resource_api_version ads self path path_config_source api_config_source \
            initial_fetch_timeout",
        harmless: "authorities",
    },
    Support {
        message: "envoy.config.core.v3.SocketAddress",
        read: "protocol address port_value named_port",
        harmless: "ipv4_compat",
    },
    Support { message: "envoy.config.core.v3.Pipe", read: "path", harmless: "mode" },
    Support {
        message: "envoy.config.core.v3.HttpProtocolOptions",
        read: "idle_timeout max_headers_count max_requests_per_connection",
        harmless: "max_connection_duration max_connection_duration_jitter max_response_headers_kb \
            max_stream_duration headers_with_underscores_action",
    },
    Support {
        message: "envoy.config.core.v3.Http2ProtocolOptions",
        read: "max_concurrent_streams",
        harmless: "hpack_table_size initial_stream_window_size initial_connection_window_size allow_connect \
            allow_metadata max_outbound_frames max_outbound_control_frames \
            max_consecutive_inbound_frames_with_empty_payload max_inbound_priority_frames_per_stream \
            max_inbound_window_update_frames_per_data_frame_sent \
            stream_error_on_invalid_http_messaging override_stream_error_on_invalid_http_message \
            custom_settings_parameters connection_keepalive use_oghttp2_codec max_metadata_size \
            enable_huffman_encoding max_header_field_size_kb disallow_obs_text stream_reset_burst \
            stream_reset_rate",
    },
    Support { message: "envoy.config.accesslog.v3.AccessLog", read: "name typed_config", harmless: "filter" },
    Support {
        message: "envoy.config.core.v3.SubstitutionFormatString",
        read: "text_format text_format_source json_format",
        harmless: "omit_empty_values content_type formatters json_format_options",
    },
    Support {
        message: "envoy.config.core.v3.Metadata",
        read: "filter_metadata",
        harmless: "typed_filter_metadata",
    },
];
