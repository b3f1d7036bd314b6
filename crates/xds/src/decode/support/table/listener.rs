//! Listeners and their filters: the fields that are read, and those that are harmless to leave out.

use crate::decode::support::Support;

pub(super) const LISTENER: &[Support] = &[
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
];
