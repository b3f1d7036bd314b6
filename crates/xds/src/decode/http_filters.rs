//! The HTTP filters of a connection manager ← wire.

use ripstop_model::adaptive_concurrency::AdaptiveConcurrency;
use ripstop_model::admission_control::AdmissionControl;
use ripstop_model::grpc_stats::{CountedMethods, CountedService, GrpcStats};
use ripstop_model::http_filter::{HttpFilter, HttpFilterKind};
use ripstop_model::router::RouterOptions;

use super::adaptive_concurrency::adaptive_concurrency;
use super::admission_control::admission_control;
use super::common::{Context, is, type_name, unpack};
use super::fault::fault;
use super::session::session;
use crate::pb;
use crate::pb::http_filter::ConfigType;

/// HTTP filters that only watch or disturb: leaving one out does not let through what it would stop.
const HARMLESS: [&str; 4] = [
    "envoy.extensions.filters.http.on_demand.v3.OnDemand",
    "envoy.extensions.filters.http.tap.v3.Tap",
    "envoy.extensions.filters.http.alternate_protocols_cache.v3.FilterConfig",
    "envoy.extensions.filters.http.compressor.v3.Compressor",
];

/// What the filters say.
#[derive(Default)]
pub(super) struct Filters {
    pub(super) router: RouterOptions,
    /// In their order.
    pub(super) filters: Vec<HttpFilter>,
    pub(super) adaptive_concurrency: Option<AdaptiveConcurrency>,
    pub(super) admission_control: Option<AdmissionControl>,
    pub(super) grpc_stats: Option<Box<GrpcStats>>,
}

pub(super) fn http_filters(cx: &mut Context, filters: &[pb::HttpFilter]) -> Filters {
    let mut read = Filters::default();
    let mut ends_in_router = false;
    for (index, filter) in filters.iter().enumerate() {
        cx.item("http_filters", index, |cx| {
            let type_name = match &filter.config_type {
                Some(ConfigType::TypedConfig(any)) if is::<pb::Router>(any) => {
                    ends_in_router = index + 1 == filters.len();
                    if !ends_in_router {
                        cx.reject("the router must be the last filter");
                    }
                    read.router = cx.at("typed_config", |cx| router(cx, any)).unwrap_or_default();
                    return;
                }
                Some(ConfigType::TypedConfig(any))
                    if is::<pb::AdaptiveConcurrency>(any) && !filter.disabled =>
                {
                    if read.adaptive_concurrency.is_some() {
                        return cx.reject("there can be only one adaptive_concurrency");
                    }
                    read.adaptive_concurrency = cx.at("typed_config", |cx| adaptive_concurrency(cx, any));
                    return;
                }
                Some(ConfigType::TypedConfig(any)) if is::<pb::AdmissionControl>(any) && !filter.disabled => {
                    if read.admission_control.is_some() {
                        return cx.reject("there can be only one admission_control");
                    }
                    read.admission_control = cx.at("typed_config", |cx| admission_control(cx, any));
                    return;
                }
                Some(ConfigType::TypedConfig(any)) if is::<pb::GrpcStats>(any) && !filter.disabled => {
                    let stats = cx.at("typed_config", |cx| grpc_stats(cx, any));
                    read.grpc_stats = stats.map(Box::new);
                    return;
                }
                Some(ConfigType::TypedConfig(any)) if is::<pb::Cors>(any) => {
                    let kind = HttpFilterKind::Cors;
                    return read.filters.push(http_filter(filter, kind));
                }
                Some(ConfigType::TypedConfig(any)) if is::<pb::HttpFault>(any) => {
                    if let Some(fault) = cx.at("typed_config", |cx| fault(cx, any)) {
                        let kind = HttpFilterKind::Fault(Box::new(fault));
                        read.filters.push(http_filter(filter, kind));
                    }
                    return;
                }
                Some(ConfigType::TypedConfig(any)) if is::<pb::StatefulSession>(any) => {
                    if let Some(session) = cx.at("typed_config", |cx| session(cx, any)) {
                        let kind = HttpFilterKind::Session(Box::new(session));
                        read.filters.push(http_filter(filter, kind));
                    }
                    return;
                }
                Some(ConfigType::TypedConfig(any)) => type_name(any),
                _ => filter.name.as_str(),
            };
            if filter.is_optional || filter.disabled || HARMLESS.contains(&type_name) {
                cx.warn(format!("HTTP filter {type_name} is not supported and left out"));
            } else {
                cx.reject(format!("HTTP filter {type_name} is not supported"));
            }
        });
    }
    if !ends_in_router {
        cx.at("http_filters", |cx| cx.reject("the last filter must be envoy.filters.http.router"));
    }
    read
}

fn http_filter(wire: &pb::HttpFilter, kind: HttpFilterKind) -> HttpFilter {
    HttpFilter { name: wire.name.as_str().into(), disabled: wire.disabled, kind }
}

/// A list of filters that is nothing but the router, or empty: what is the same without any of them.
pub(super) fn only_router(cx: &mut Context, filters: &[pb::HttpFilter]) {
    let router = |filter: &pb::HttpFilter| matches!(&filter.config_type, Some(ConfigType::TypedConfig(any)) if is::<pb::Router>(any));
    if !filters.iter().all(router) {
        cx.at("filters", |cx| cx.reject("filters for upgrades alone are not supported, except the router"));
    }
}

fn grpc_stats(cx: &mut Context, any: &pb::Any) -> Option<GrpcStats> {
    use pb::grpc_stats::PerMethodStatSpecifier as Methods;
    let wire = unpack::<pb::GrpcStats>(cx, any)?;
    let methods = match &wire.per_method_stat_specifier {
        Some(Methods::StatsForAllMethods(all)) if all.value => CountedMethods::All,
        Some(Methods::StatsForAllMethods(_)) | None => CountedMethods::None,
        Some(Methods::IndividualMethodStatsAllowlist(list)) => {
            let service = |service: &pb::GrpcMethods| CountedService {
                name: service.name.as_str().into(),
                methods: service.method_names.iter().map(|name| name.as_str().into()).collect(),
            };
            CountedMethods::These(list.services.iter().map(service).collect())
        }
    };
    let (upstream_times, replace_dots) = (wire.enable_upstream_stats, wire.replace_dots_in_grpc_service_name);
    Some(GrpcStats { methods, upstream_times, replace_dots })
}

fn router(cx: &mut Context, any: &pb::Any) -> Option<RouterOptions> {
    let wire = unpack::<pb::Router>(cx, any)?;
    Some(RouterOptions {
        suppress_envoy_headers: wire.suppress_envoy_headers,
        respect_expected_rq_timeout: wire.respect_expected_rq_timeout,
    })
}
