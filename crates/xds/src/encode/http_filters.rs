//! HTTP filters → wire.

use ripstop_model::HttpConnectionManager;
use ripstop_model::grpc_stats::{CountedMethods, CountedService, GrpcStats};
use ripstop_model::http_filter::{HttpFilter, HttpFilterKind};
use ripstop_model::router::RouterOptions;

use super::adaptive_concurrency::adaptive_concurrency;
use super::admission_control::admission_control;
use super::common::{any, bool_value};
use super::fault::fault;
use super::session::session;
use crate::pb;

fn grpc_stats(stats: &GrpcStats) -> pb::HttpFilter {
    use pb::grpc_stats::PerMethodStatSpecifier as Methods;
    let service = |service: &CountedService| pb::GrpcMethods {
        name: service.name.to_string(),
        method_names: service.methods.iter().map(ToString::to_string).collect(),
    };
    let methods = match &stats.methods {
        CountedMethods::None => None,
        CountedMethods::All => Some(Methods::StatsForAllMethods(bool_value(true))),
        CountedMethods::These(services) => {
            Some(Methods::IndividualMethodStatsAllowlist(pb::GrpcMethodList {
                services: services.iter().map(service).collect(),
            }))
        }
    };
    let wire = pb::GrpcStats {
        emit_filter_state: false,
        enable_upstream_stats: stats.upstream_times,
        replace_dots_in_grpc_service_name: stats.replace_dots,
        per_method_stat_specifier: methods,
    };
    filter("envoy.filters.http.grpc_stats", any(&wire))
}

fn router(options: &RouterOptions) -> pb::HttpFilter {
    let router = pb::Router {
        suppress_envoy_headers: options.suppress_envoy_headers,
        respect_expected_rq_timeout: options.respect_expected_rq_timeout,
        ..Default::default()
    };
    filter("envoy.filters.http.router", any(&router))
}

fn http_filter(of: &HttpFilter) -> pb::HttpFilter {
    let config = match &of.kind {
        HttpFilterKind::Cors => any(&pb::Cors {}),
        HttpFilterKind::Fault(of) => any(&fault(of)),
        HttpFilterKind::Session(of) => any(&session(of)),
    };
    pb::HttpFilter { disabled: of.disabled, ..filter(&of.name, config) }
}

/// All filters of a manager, in their order.
pub(super) fn filters(manager: &HttpConnectionManager) -> Vec<pb::HttpFilter> {
    let adaptive = manager.adaptive_concurrency.as_ref().map(|adaptive| {
        filter("envoy.filters.http.adaptive_concurrency", any(&adaptive_concurrency(adaptive)))
    });
    let admission = manager
        .admission_control
        .as_ref()
        .map(|admission| filter("envoy.filters.http.admission_control", any(&admission_control(admission))));
    let stats = manager.grpc_stats.as_ref().map(|stats| grpc_stats(stats));
    let first = manager.filters.iter().map(http_filter);
    first.chain(adaptive).chain(admission).chain(stats).chain([router(&manager.router)]).collect()
}

fn filter(name: &str, config: pb::Any) -> pb::HttpFilter {
    pb::HttpFilter {
        name: name.to_owned(),
        config_type: Some(pb::http_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}
