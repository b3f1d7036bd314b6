//! HTTP connection managers: the fields that are read, and those that are harmless to leave out.

use crate::decode::support::Support;

pub(super) const HTTP_MANAGER: &[Support] = &[
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        read: "codec_type stat_prefix rds route_config scoped_routes http_filters \
            common_http_protocol_options http2_protocol_options access_log use_remote_address \
            forward_client_cert_details set_current_client_cert_details generate_request_id \
            stream_idle_timeout request_headers_timeout max_request_headers_kb upgrade_configs \
            normalize_path merge_slashes path_with_escaped_slashes_action strip_matching_host_port \
            strip_any_host_port strip_trailing_host_dot xff_num_trusted_hops skip_xff_append \
            internal_address_config append_x_forwarded_port scheme_header_transformation via \
            preserve_external_request_id always_set_request_id_in_response request_id_extension \
            http_protocol_options proxy_100_continue server_name server_header_transformation \
            request_timeout drain_timeout http1_safe_max_connection_duration \
            local_reply_config proxy_status_config delayed_close_timeout access_log_options \
            access_log_flush_interval flush_access_log_on_new_request \
            stream_error_on_invalid_http_message",
        harmless: "add_user_agent tracing \
            http3_protocol_options stream_flush_timeout \
            drain_timeout_jitter \
            represent_ipv4_remote_address_as_ipv4_mapped_ipv6 \
            append_local_overload add_proxy_protocol_connection_state",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig",
        read: "mappers body_format",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper",
        read: "filter status_code body body_format_override headers_to_add",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ProxyStatusConfig",
        read: "remove_details remove_connection_termination_details remove_response_flags \
            set_recommended_response_code use_node_id literal_proxy_name",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions",
        read: "access_log_flush_interval flush_access_log_on_new_request \
            flush_log_on_tunnel_successfully_established",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
        read: "individual_method_stats_allowlist stats_for_all_methods enable_upstream_stats \
            replace_dots_in_grpc_service_name",
        harmless: "emit_filter_state",
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
    Support { message: "envoy.extensions.filters.http.cors.v3.Cors", read: "", harmless: "" },
    Support {
        message: "envoy.extensions.filters.http.stateful_session.v3.StatefulSession",
        read: "session_state strict status_on_strict_destination_not_found",
        harmless: "stat_prefix",
    },
    Support {
        message: "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute",
        read: "disabled stateful_session",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState",
        read: "cookie",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState",
        read: "name",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        read: "allow_origin_string_match allow_methods allow_headers expose_headers max_age \
            allow_credentials filter_enabled shadow_enabled allow_private_network_access \
            forward_not_matching_preflights",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.http.fault.v3.HTTPFault",
        read: "delay abort upstream_cluster headers downstream_nodes max_active_faults \
            response_rate_limit delay_percent_runtime abort_percent_runtime delay_duration_runtime \
            abort_http_status_runtime max_active_faults_runtime response_rate_limit_percent_runtime \
            abort_grpc_status_runtime disable_downstream_cluster_stats filter_metadata",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.http.admission_control.v3.AdmissionControl",
        read: "enabled success_criteria sampling_window aggression sr_threshold rps_threshold \
            max_rejection_probability",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency",
        read: "gradient_controller_config enabled concurrency_limit_exceeded_status",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.http.adaptive_concurrency.v3.GradientControllerConfig",
        read: "sample_aggregate_percentile concurrency_limit_params min_rtt_calc_params",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.http.router.v3.Router",
        read: "suppress_envoy_headers respect_expected_rq_timeout",
        harmless: "dynamic_stats start_child_span upstream_log upstream_log_options strict_check_headers \
            suppress_grpc_request_failure_code_stats reject_connect_request_early_data",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig",
        read: "upgrade_type enabled filters",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails",
        read: "subject uri cert chain dns",
        harmless: "issuer",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig",
        read: "unix_sockets cidr_ranges",
        harmless: "",
    },
    Support {
        message: "envoy.config.core.v3.SchemeHeaderTransformation",
        read: "scheme_to_overwrite match_upstream",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension",
        read: "typed_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
        read: "pack_trace_reason",
        harmless: "use_request_id_for_trace_sampling",
    },
];
