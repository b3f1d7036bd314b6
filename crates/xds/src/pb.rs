//! The wire types of this crate under short names. Nothing outside the crate sees them.

pub(crate) use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLog, AccessLogFilter, AndFilter, ComparisonFilter, DurationFilter, GrpcStatusFilter, HeaderFilter,
    LogTypeFilter, NotHealthCheckFilter, OrFilter, ResponseFlagFilter, RuntimeFilter, StatusCodeFilter,
    access_log, access_log_filter, comparison_filter,
};
pub(crate) use envoy_types::pb::envoy::config::bootstrap::v3::{
    Admin, Bootstrap, LayeredRuntime, bootstrap::DynamicResources, runtime_layer,
};
pub(crate) use envoy_types::pb::envoy::config::cluster::v3::{
    CircuitBreakers, Cluster, LoadBalancingPolicy, OutlierDetection, TrackClusterStats, circuit_breakers, cluster,
    load_balancing_policy,
};
pub(crate) use envoy_types::pb::envoy::config::cluster::v3::{
    UpstreamConnectionOptions, upstream_connection_options,
};
pub(crate) use envoy_types::pb::envoy::config::core::v3::CidrRange;
pub(crate) use envoy_types::pb::envoy::config::core::v3::RoutingPriority;
pub(crate) use envoy_types::pb::envoy::config::core::v3::TcpKeepalive;
pub(crate) use envoy_types::pb::envoy::config::core::v3::{HealthCheck, RequestMethod, health_check};
pub(crate) use envoy_types::pb::envoy::config::core::v3::KeepaliveSettings;
pub(crate) use envoy_types::pb::envoy::config::core::v3::UpstreamHttpProtocolOptions;
pub(crate) use envoy_types::pb::envoy::config::core::v3::http1_protocol_options;
pub(crate) use envoy_types::pb::envoy::config::core::v3::proxy_protocol_config::Version as ProxyProtocolVersion;
pub(crate) use envoy_types::pb::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiConfigSource, ApiVersion, ConfigSource, DataSource, GrpcService,
    HeaderValue, HeaderValueOption, Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions,
    Locality, Metadata, Node, PathConfigSource, Pipe, RuntimeDouble, RuntimeFeatureFlag,
    RuntimeFractionalPercent, RuntimePercent, RuntimeUInt32, SocketAddress, SubstitutionFormatString,
    TrafficDirection, TransportSocket, TypedExtensionConfig, WatchedDirectory, address, api_config_source,
    config_source, data_source, grpc_service, header_value_option, node, socket_address,
    substitution_format_string, transport_socket,
};
pub(crate) use envoy_types::pb::envoy::config::core::v3::{
    SchemeHeaderTransformation, http_protocol_options, scheme_header_transformation,
};
pub(crate) use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, cluster_load_assignment, endpoint,
    lb_endpoint,
};
pub(crate) use envoy_types::pb::envoy::config::listener::v3::{
    AdditionalAddress, ApiListener, Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter, filter,
    filter_chain_match::ConnectionSourceType, listener_filter,
};
pub(crate) use envoy_types::pb::envoy::config::route::v3::{
    CookieMatcher, DirectResponseAction, FilterConfig, HeaderMatcher, NonForwardingAction,
    QueryParameterMatcher, RedirectAction, RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch,
    VirtualHost, WeightedCluster, header_matcher, query_parameter_matcher, redirect_action, retry_policy,
    route, route_action, route_match, virtual_host, weighted_cluster,
};
pub(crate) use envoy_types::pb::envoy::config::route::v3::{
    CorsPolicy as RouteCorsPolicy, cors_policy as route_cors_policy,
};
pub(crate) use envoy_types::pb::envoy::data::accesslog::v3::AccessLogType;
pub(crate) use envoy_types::pb::envoy::extensions::clusters::dns::v3::DnsCluster;
pub(crate) use envoy_types::pb::envoy::extensions::network::dns_resolver::cares::v3::CaresDnsResolverConfig;
pub(crate) use envoy_types::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log,
};
pub(crate) use envoy_types::pb::envoy::extensions::access_loggers::stream::v3::{
    StderrAccessLog, StdoutAccessLog, stderr_access_log, stdout_access_log,
};
pub(crate) use envoy_types::pb::envoy::config::core::v3::GrpcMethodList;
pub(crate) use envoy_types::pb::envoy::config::core::v3::grpc_method_list::Service as GrpcMethods;
pub(crate) use envoy_types::pb::envoy::extensions::filters::http::grpc_stats::v3::{
    FilterConfig as GrpcStats, filter_config as grpc_stats,
};
pub(crate) use envoy_types::pb::envoy::extensions::filters::common::fault::v3::{
    FaultDelay, FaultRateLimit, fault_delay, fault_rate_limit,
};
pub(crate) use envoy_types::pb::envoy::extensions::filters::http::cors::v3::{Cors, CorsPolicy};
pub(crate) use envoy_types::pb::envoy::extensions::filters::http::fault::v3::{
    FaultAbort, HttpFault, fault_abort,
};
pub(crate) use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
pub(crate) use envoy_types::pb::envoy::extensions::filters::http::stateful_session::v3::{
    StatefulSession, StatefulSessionPerRoute, stateful_session_per_route,
};
pub(crate) use envoy_types::pb::envoy::extensions::http::stateful_session::cookie::v3::CookieBasedSessionState;
pub(crate) use envoy_types::pb::envoy::extensions::http::stateful_session::header::v3::HeaderBasedSessionState;
pub(crate) use envoy_types::pb::envoy::r#type::http::v3::{
    Cookie as SessionCookie, CookieAttribute as SessionCookieAttribute,
};
pub(crate) use envoy_types::pb::envoy::config::core::v3::BackoffStrategy;
pub(crate) use envoy_types::pb::envoy::config::rbac::v3::{
    Permission, Policy as RbacPolicy, Principal, Rbac, permission, principal, rbac::Action as RbacAction,
};
pub(crate) use envoy_types::pb::envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
pub(crate) use envoy_types::pb::envoy::extensions::filters::network::connection_limit::v3::ConnectionLimit;
pub(crate) use envoy_types::pb::envoy::extensions::filters::network::direct_response::v3::Config as DirectResponse;
pub(crate) use envoy_types::pb::envoy::extensions::filters::network::echo::v3::Echo;
pub(crate) use envoy_types::pb::envoy::extensions::filters::network::local_ratelimit::v3::LocalRateLimit as NetworkRateLimit;
pub(crate) use envoy_types::pb::envoy::extensions::filters::network::rbac::v3::Rbac as NetworkRbac;
pub(crate) use envoy_types::pb::envoy::extensions::filters::network::sni_cluster::v3::SniCluster;
pub(crate) use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::weighted_cluster::ClusterWeight as TcpClusterWeight;
pub(crate) use envoy_types::pb::envoy::r#type::v3::{Int32Range, TokenBucket};
pub(crate) use envoy_types::pb::envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
pub(crate) use envoy_types::pb::envoy::extensions::filters::listener::proxy_protocol::v3::ProxyProtocol;
pub(crate) use envoy_types::pb::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
pub(crate) use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, LocalReplyConfig, Rds, RequestIdExtension, ResponseMapper,
    http_connection_manager, http_filter,
};
pub(crate) use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::{TcpProxy, tcp_proxy};
pub(crate) use envoy_types::pb::envoy::extensions::health_check::event_sinks::file::v3::HealthCheckEventFileSink;
pub(crate) use envoy_types::pb::envoy::extensions::http::header_formatters::preserve_case::v3::PreserveCaseFormatterConfig;
pub(crate) use envoy_types::pb::envoy::extensions::path::r#match::uri_template::v3::UriTemplateMatchConfig;
pub(crate) use envoy_types::pb::envoy::extensions::path::rewrite::uri_template::v3::UriTemplateRewriteConfig;
pub(crate) use envoy_types::pb::envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
pub(crate) use envoy_types::pb::envoy::config::route::v3::HedgePolicy;
pub(crate) use envoy_types::pb::envoy::extensions::filters::http::admission_control::v3::{
    AdmissionControl, admission_control,
};
pub(crate) use envoy_types::pb::envoy::extensions::filters::http::adaptive_concurrency::v3::{
    AdaptiveConcurrency, GradientControllerConfig, adaptive_concurrency, gradient_controller_config,
};
pub(crate) use envoy_types::pb::envoy::extensions::retry::host::omit_canary_hosts::v3::OmitCanaryHostsPredicate;
pub(crate) use envoy_types::pb::envoy::extensions::retry::host::omit_host_metadata::v3::OmitHostMetadataConfig;
pub(crate) use envoy_types::pb::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;
pub(crate) use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
pub(crate) use envoy_types::pb::envoy::config::core::v3::ProxyProtocolConfig;
pub(crate) use envoy_types::pb::envoy::config::listener::v3::{
    ListenerFilterChainMatchPredicate as ConnectionPredicate,
    listener_filter_chain_match_predicate as connection_predicate,
};
pub(crate) use envoy_types::pb::envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
pub(crate) use envoy_types::pb::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
pub(crate) use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret,
    SubjectAltNameMatcher, TlsCertificate, TlsParameters, UpstreamTlsContext, common_tls_context,
    downstream_tls_context, secret,
};
pub(crate) use envoy_types::pb::envoy::extensions::upstreams::http::v3::{
    HttpProtocolOptions as UpstreamHttpOptions, http_protocol_options as upstream_http_options,
};
pub(crate) use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
pub(crate) use envoy_types::pb::envoy::r#type::matcher::v3::{
    RegexMatchAndSubstitute, RegexMatcher, StringMatcher, string_matcher,
};
pub(crate) use envoy_types::pb::envoy::r#type::v3::{
    CodecClientType, FractionalPercent, HttpStatus, Int64Range, Percent, fractional_percent,
};
pub(crate) use envoy_types::pb::google::protobuf::{
    Any, BoolValue, Duration, FloatValue, Struct, UInt32Value, UInt64Value, Value, value,
};
pub(crate) use envoy_types::pb::google::rpc::Status;

pub(crate) use envoy_types::pb::envoy::service::runtime::v3::Runtime;

/// The client's half of the service for secrets.
pub(crate) mod sds {
    pub(crate) use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_client::SecretDiscoveryServiceClient as Client;
}

/// Load balancing policies as extensions.
pub(crate) mod lb_policies {
    pub(crate) use envoy_types::pb::envoy::extensions::load_balancing_policies::client_side_weighted_round_robin::v3::ClientSideWeightedRoundRobin;
    pub(crate) use envoy_types::pb::envoy::extensions::load_balancing_policies::common::v3 as common;
    pub(crate) use envoy_types::pb::envoy::extensions::load_balancing_policies::least_request::v3::LeastRequest;
    pub(crate) use envoy_types::pb::envoy::extensions::load_balancing_policies::maglev::v3::Maglev;
    pub(crate) use envoy_types::pb::envoy::extensions::load_balancing_policies::random::v3::Random;
    pub(crate) use envoy_types::pb::envoy::extensions::load_balancing_policies::ring_hash::v3::RingHash;
    pub(crate) use envoy_types::pb::envoy::extensions::load_balancing_policies::round_robin::v3::RoundRobin;
    pub(crate) use envoy_types::pb::envoy::extensions::load_balancing_policies::subset::v3::Subset;
    pub(crate) use envoy_types::pb::envoy::extensions::load_balancing_policies::wrr_locality::v3::WrrLocality;
}

/// The client half of the ADS service.
pub(crate) mod ads {
    pub(crate) use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient as Client;
}

/// The server half of the CSDS service.
pub(crate) mod csds {
    pub(crate) use envoy_types::pb::envoy::admin::v3::UpdateFailureState;
    pub(crate) use envoy_types::pb::envoy::service::status::v3::client_status_discovery_service_server::{
        ClientStatusDiscoveryService as Service, ClientStatusDiscoveryServiceServer as Server,
    };
    pub(crate) use envoy_types::pb::envoy::service::status::v3::{
        ClientConfig, ClientStatusRequest, ClientStatusResponse, ConfigStatus, client_config,
    };
    #[cfg(test)]
    pub(crate) use envoy_types::pb::envoy::r#type::matcher::v3::NodeMatcher;
    pub(crate) use envoy_types::pb::google::protobuf::Timestamp;
}

/// The server half of the SDS service.
pub(crate) mod sds_server {
    pub(crate) use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_server::{
        SecretDiscoveryService as Service, SecretDiscoveryServiceServer as Server,
    };
}
