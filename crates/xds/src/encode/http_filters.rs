//! HTTP filters → wire.

use ripstop_model::grpc::{GrpcMethods, GrpcService, GrpcStats};
use ripstop_model::router::RouterOptions;

use super::common::{any, bool_value};
use crate::pb;

/// Envoy refuses a manager whose last filter is not the router.
pub(super) fn router(options: &RouterOptions) -> pb::HttpFilter {
    let router = pb::Router {
        suppress_envoy_headers: options.suppress_envoy_headers,
        respect_expected_rq_timeout: options.respect_expected_rq_timeout,
        ..Default::default()
    };
    filter("envoy.filters.http.router", any(&router))
}

pub(super) fn grpc_stats(stats: &GrpcStats) -> pb::HttpFilter {
    use pb::grpc_stats::PerMethodStatSpecifier as Specifier;
    let service = |service: &GrpcService| pb::grpc_method_list::Service {
        name: service.name.to_string(),
        method_names: service.methods.iter().map(|name| name.to_string()).collect(),
    };
    let methods = match &stats.methods {
        GrpcMethods::None => None,
        GrpcMethods::All => Some(Specifier::StatsForAllMethods(bool_value(true))),
        GrpcMethods::Listed(services) => {
            Some(Specifier::IndividualMethodStatsAllowlist(pb::GrpcMethodList {
                services: services.iter().map(service).collect(),
            }))
        }
    };
    let config = pb::GrpcStats {
        per_method_stat_specifier: methods,
        enable_upstream_stats: stats.upstream_times,
        replace_dots_in_grpc_service_name: stats.replace_dots,
        ..Default::default()
    };
    filter("envoy.filters.http.grpc_stats", any(&config))
}

fn filter(name: &str, config: pb::Any) -> pb::HttpFilter {
    pb::HttpFilter {
        name: name.to_owned(),
        config_type: Some(pb::http_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}
