//! Clusters: the fields that are read, and those that are harmless to leave out.

use crate::decode::support::Support;

pub(super) const CLUSTER: &[Support] = &[
    Support {
        message: "envoy.config.cluster.v3.Cluster",
        read: "name type cluster_type eds_cluster_config load_assignment connect_timeout lb_policy \
            load_balancing_policy transport_socket_matches least_request_lb_config round_robin_lb_config ring_hash_lb_config maglev_lb_config \
            lb_subset_config circuit_breakers outlier_detection transport_socket \
            typed_extension_protocol_options common_lb_config metadata http2_protocol_options \
            upstream_connection_options max_requests_per_connection common_http_protocol_options http_protocol_options \
            dns_refresh_rate respect_dns_ttl dns_lookup_family typed_dns_resolver_config dns_jitter \
            dns_failure_refresh_rate health_checks per_connection_buffer_limit_bytes \
            ignore_health_on_host_removal close_connections_on_host_health_failure track_cluster_stats",
        harmless: "alt_stat_name stats_matcher per_connection_buffer_high_watermark_timeout \
            dns_resolvers \
            use_tcp_for_dns_lookups \
            dns_resolution_config wait_for_warm_on_init cleanup_interval \
            lrs_server lrs_report_endpoint_metrics \
            track_timeout_budgets preconnect_policy protocol_selection \
            queuing_policies",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.EdsClusterConfig",
        read: "eds_config service_name",
        harmless: "",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.CustomClusterType",
        read: "name typed_config",
        harmless: "",
    },
    Support {
        message: "envoy.extensions.clusters.dns.v3.DnsCluster",
        read: "dns_refresh_rate dns_failure_refresh_rate respect_dns_ttl dns_jitter dns_lookup_family \
            all_addresses_in_single_endpoint typed_dns_resolver_config",
        harmless: "dns_min_refresh_rate",
    },
    Support {
        message: "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        read: "resolvers",
        harmless: "use_resolvers_as_fallback filter_unroutable_families dns_resolver_options udp_max_queries \
            query_timeout_seconds query_tries rotate_nameservers edns0_max_payload_size \
            max_udp_channel_duration reinit_channel_on_timeout qcache_max_ttl",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig",
        read: "choice_count active_request_bias slow_start_config",
        harmless: "",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.RoundRobinLbConfig",
        read: "slow_start_config",
        harmless: "",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.SlowStartConfig",
        read: "slow_start_window aggression min_weight_percent",
        harmless: "",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.RingHashLbConfig",
        read: "minimum_ring_size hash_function maximum_ring_size",
        harmless: "",
    },
    Support { message: "envoy.config.cluster.v3.Cluster.MaglevLbConfig", read: "table_size", harmless: "" },
    Support {
        message: "envoy.config.cluster.v3.Cluster.LbSubsetConfig",
        read: "fallback_policy default_subset subset_selectors scale_locality_weight panic_mode_any \
            list_as_any metadata_fallback_policy",
        harmless: "locality_weight_aware",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector",
        read: "keys fallback_policy fallback_keys_subset single_host_per_subset",
        harmless: "",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig",
        read: "routing_enabled min_cluster_size fail_traffic_on_panic",
        harmless: "",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig",
        read: "use_hostname_for_hashing hash_balance_factor",
        harmless: "",
    },
    Support {
        message: "envoy.config.cluster.v3.Cluster.CommonLbConfig",
        read: "healthy_panic_threshold locality_weighted_lb_config zone_aware_lb_config \
            consistent_hashing_lb_config ignore_new_hosts_until_first_hc",
        harmless: "update_merge_window \
            close_connections_on_host_set_change override_host_status",
    },
    Support {
        message: "envoy.config.cluster.v3.TrackClusterStats",
        read: "per_endpoint_stats",
        harmless: "timeout_budgets request_response_sizes",
    },
    Support {
        message: "envoy.config.cluster.v3.CircuitBreakers",
        read: "thresholds per_host_thresholds",
        harmless: "",
    },
    Support {
        message: "envoy.config.cluster.v3.CircuitBreakers.Thresholds",
        read: "priority max_connections max_pending_requests max_requests max_retries retry_budget \
            track_remaining",
        harmless: "max_connection_pools",
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
            enforcing_consecutive_gateway_failure max_ejection_time success_rate_minimum_hosts \
            success_rate_request_volume success_rate_stdev_factor split_external_local_origin_errors \
            consecutive_local_origin_failure enforcing_consecutive_local_origin_failure \
            enforcing_local_origin_success_rate failure_percentage_threshold \
            enforcing_failure_percentage enforcing_failure_percentage_local_origin \
            failure_percentage_minimum_hosts failure_percentage_request_volume max_ejection_time_jitter \
            successful_active_health_check_uneject_host always_eject_one_host",
        harmless: "monitors detect_degraded_hosts",
    },
    Support {
        message: "envoy.config.cluster.v3.UpstreamConnectionOptions",
        read: "tcp_keepalive happy_eyeballs_config",
        harmless: "set_local_interface_name_on_upstream_connections",
    },
    Support {
        message: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        read: "common_http_protocol_options explicit_http_config auto_config \
            use_downstream_protocol_config upstream_http_protocol_options",
        harmless: "header_validation_config outlier_detection \
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
    Support {
        message: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig",
        read: "http_protocol_options http2_protocol_options http3_protocol_options",
        harmless: "",
    },
    Support {
        message: "envoy.config.core.v3.HealthCheck",
        read: "timeout interval initial_jitter interval_jitter interval_jitter_percent \
            unhealthy_threshold healthy_threshold reuse_connection http_health_check tcp_health_check \
            grpc_health_check custom_health_check no_traffic_interval no_traffic_healthy_interval \
            unhealthy_interval unhealthy_edge_interval healthy_edge_interval event_log_path event_logger \
            always_log_health_check_failures always_log_health_check_success tls_options \
            transport_socket_match_criteria",
        harmless: "alt_port event_service",
    },
    Support {
        message: "envoy.config.core.v3.HealthCheck.HttpHealthCheck",
        read: "host path send receive response_buffer_size request_headers_to_add \
            request_headers_to_remove expected_statuses retriable_statuses codec_client_type \
            service_name_matcher method",
        harmless: "",
    },
    Support {
        message: "envoy.config.core.v3.HealthCheck.TcpHealthCheck",
        read: "send receive",
        harmless: "",
    },
    Support {
        message: "envoy.config.core.v3.HealthCheck.GrpcHealthCheck",
        read: "service_name authority initial_metadata",
        harmless: "",
    },
    Support {
        message: "envoy.config.core.v3.UpstreamHttpProtocolOptions",
        read: "auto_sni auto_san_validation override_auto_sni_header",
        harmless: "",
    },
];
