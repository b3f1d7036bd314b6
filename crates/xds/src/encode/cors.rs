//! Policies for pages of other origins → wire.

use ripstop_model::Name;
use ripstop_model::cors::CorsPolicy;

use super::common::bool_value;
use super::matcher;
use super::runtime::runtime_fraction;
use crate::pb;

pub(super) fn cors_policy(policy: &CorsPolicy) -> pb::CorsPolicy {
    pb::CorsPolicy {
        allow_origin_string_match: policy.allow_origins.iter().map(matcher::string).collect(),
        allow_methods: text(policy.allow_methods.as_ref()),
        allow_headers: text(policy.allow_headers.as_ref()),
        expose_headers: text(policy.expose_headers.as_ref()),
        max_age: text(policy.max_age.as_ref()),
        allow_credentials: policy.allow_credentials.map(bool_value),
        filter_enabled: policy.enabled.as_ref().map(runtime_fraction),
        shadow_enabled: policy.shadow.as_ref().map(runtime_fraction),
        allow_private_network_access: policy.allow_private_network.map(bool_value),
        forward_not_matching_preflights: policy.forward_unmatched_preflights.map(bool_value),
    }
}

/// The same in the field `cors` of routes and virtual hosts.
pub(super) fn cors_of_route(policy: &CorsPolicy) -> pb::RouteCorsPolicy {
    use pb::route_cors_policy::EnabledSpecifier;
    let wire = cors_policy(policy);
    pb::RouteCorsPolicy {
        allow_origin_string_match: wire.allow_origin_string_match,
        allow_methods: wire.allow_methods,
        allow_headers: wire.allow_headers,
        expose_headers: wire.expose_headers,
        max_age: wire.max_age,
        allow_credentials: wire.allow_credentials,
        enabled_specifier: wire.filter_enabled.map(EnabledSpecifier::FilterEnabled),
        shadow_enabled: wire.shadow_enabled,
        allow_private_network_access: wire.allow_private_network_access,
        forward_not_matching_preflights: wire.forward_not_matching_preflights,
    }
}

fn text(text: Option<&Name>) -> String {
    text.map_or_else(String::new, ToString::to_string)
}
