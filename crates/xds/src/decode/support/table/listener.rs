//! Listeners and their filters: the fields that are read, and those that are harmless to leave out.

use crate::decode::support::Support;

pub(super) const LISTENER: &[Support] = &[
    Support {
        message: "envoy.config.listener.v3.Listener",
        read: "name address additional_addresses bind_to_port deprecated_v1 use_original_dst freebind \
            tcp_backlog_size filter_chains default_filter_chain listener_filters listener_filters_timeout \
            continue_on_listener_filters_timeout traffic_direction per_connection_buffer_limit_bytes \
            max_connections_to_accept_per_socket_event ignore_global_conn_limit access_log",
        harmless: "stat_prefix stats_matcher per_connection_buffer_high_watermark_timeout metadata drain_type \
            socket_options tcp_fast_open_queue_length connection_balance_config reuse_port enable_reuse_port \
            enable_mptcp bypass_overload_manager tcp_keepalive",
    },
    Support {
        message: "envoy.config.listener.v3.AdditionalAddress",
        read: "address",
        harmless: "socket_options tcp_keepalive",
    },
    Support { message: "envoy.config.listener.v3.Listener.DeprecatedV1", read: "bind_to_port", harmless: "" },
    Support {
        message: "envoy.config.listener.v3.ListenerFilter",
        read: "name typed_config filter_disabled",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
        read: "max_client_hello_size close_connection_on_client_hello_parsing_errors",
        harmless: "enable_ja3_fingerprinting enable_ja4_fingerprinting initial_read_buffer_size",
    },
    Support {
        message: "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
        read: "allow_requests_without_proxy_protocol disallowed_versions stat_prefix",
        harmless: "rules pass_through_tlvs tlv_location",
    },
    Support {
        message: "envoy.config.listener.v3.FilterChain",
        read: "name filter_chain_match filters transport_socket transport_socket_connect_timeout",
        harmless: "metadata",
    },
    Support {
        message: "envoy.config.listener.v3.FilterChainMatch",
        read: "destination_port prefix_ranges server_names transport_protocol application_protocols \
            direct_source_prefix_ranges source_type source_prefix_ranges source_ports",
        harmless: "",
    },
    Support { message: "envoy.config.listener.v3.Filter", read: "name typed_config", harmless: "" },
    Support {
        message: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        read: "stat_prefix cluster weighted_clusters idle_timeout max_connect_attempts backoff_options \
            max_downstream_connection_duration \
            max_downstream_connection_duration_jitter_percentage access_log tunneling_config",
        harmless: "access_log_flush_interval flush_access_log_on_connected access_log_options \
            check_drain_close downstream_idle_timeout upstream_idle_timeout hash_policy",
    },
    Support {
        message: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig",
        read: "hostname use_post headers_to_add post_path",
        harmless: "propagate_response_headers propagate_response_trailers request_id_extension \
            request_id_header request_id_metadata_key",
    },
    Support {
        message: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster",
        read: "clusters",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight",
        read: "name weight",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.network.direct_response.v3.Config",
        read: "response",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.filters.network.rbac.v3.RBAC",
        read: "rules shadow_rules stat_prefix",
        harmless: "shadow_rules_stat_prefix enforcement_type delay_deny",
    },
    Support {
        message: "envoy.config.rbac.v3.RBAC",
        read: "action policies",
        harmless: "audit_logging_options",
    },
    Support { message: "envoy.config.rbac.v3.Policy", read: "permissions principals", harmless: "" },
];
