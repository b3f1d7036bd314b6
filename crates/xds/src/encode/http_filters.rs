//! HTTP filters → wire.

use ripstop_model::HttpConnectionManager;
use ripstop_model::router::RouterOptions;

use super::adaptive_concurrency::adaptive_concurrency;
use super::admission_control::admission_control;
use super::common::any;
use crate::pb;

/// Envoy refuses a manager whose last filter is not the router.
fn router(options: &RouterOptions) -> pb::HttpFilter {
    let router = pb::Router {
        suppress_envoy_headers: options.suppress_envoy_headers,
        respect_expected_rq_timeout: options.respect_expected_rq_timeout,
        ..Default::default()
    };
    filter("envoy.filters.http.router", any(&router))
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
    adaptive.into_iter().chain(admission).chain([router(&manager.router)]).collect()
}

fn filter(name: &str, config: pb::Any) -> pb::HttpFilter {
    pb::HttpFilter {
        name: name.to_owned(),
        config_type: Some(pb::http_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}
