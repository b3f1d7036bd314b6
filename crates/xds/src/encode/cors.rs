//! Which origins may call → wire.

use ripstop_model::cors::CorsPolicy;

use super::common::bool_value;
use super::matcher;
use super::runtime::runtime_fraction;
use crate::pb;

pub(super) fn cors(policy: &CorsPolicy) -> pb::CorsPolicy {
    let on = |on: bool| on.then(|| bool_value(true));
    pb::CorsPolicy {
        allow_origin_string_match: policy.allow_origins.iter().map(matcher::string).collect(),
        allow_methods: policy.allow_methods.to_string(),
        allow_headers: policy.allow_headers.to_string(),
        expose_headers: policy.expose_headers.to_string(),
        max_age: policy.max_age.to_string(),
        allow_credentials: on(policy.allow_credentials),
        allow_private_network_access: on(policy.allow_private_network),
        forward_not_matching_preflights: policy.forward_not_matching.map(bool_value),
        filter_enabled: policy.enabled.as_ref().map(runtime_fraction),
        shadow_enabled: None,
    }
}
