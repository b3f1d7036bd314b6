//! HTTP filters → wire.

use ripstop_model::router::RouterOptions;

use super::common::any;
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

fn filter(name: &str, config: pb::Any) -> pb::HttpFilter {
    pb::HttpFilter {
        name: name.to_owned(),
        config_type: Some(pb::http_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}
