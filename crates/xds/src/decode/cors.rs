//! Policies for pages of other origins ← wire.

use ripstop_model::Name;
use ripstop_model::cors::CorsPolicy;
use ripstop_model::runtime::RuntimeFraction;

use super::common::Context;
use super::matcher;
use super::runtime::runtime_fraction;
use crate::pb;

pub(super) fn cors_policy(cx: &mut Context, wire: &pb::CorsPolicy) -> Option<CorsPolicy> {
    let enabled = share(cx, "filter_enabled", wire.filter_enabled.as_ref());
    let shadow = share(cx, "shadow_enabled", wire.shadow_enabled.as_ref());
    Some(CorsPolicy {
        allow_origins: cx.items(
            "allow_origin_string_match",
            &wire.allow_origin_string_match,
            matcher::string,
        ),
        allow_methods: text(&wire.allow_methods),
        allow_headers: text(&wire.allow_headers),
        expose_headers: text(&wire.expose_headers),
        max_age: text(&wire.max_age),
        allow_credentials: wire.allow_credentials.as_ref().map(|switch| switch.value),
        allow_private_network: wire.allow_private_network_access.as_ref().map(|switch| switch.value),
        forward_unmatched_preflights: wire.forward_not_matching_preflights.as_ref().map(|it| it.value),
        enabled: enabled?,
        shadow: shadow?,
    })
}

/// The same in the field `cors` of routes and virtual hosts.
pub(super) fn cors_of_route(cx: &mut Context, wire: Option<&pb::RouteCorsPolicy>) -> Option<Box<CorsPolicy>> {
    use pb::route_cors_policy::EnabledSpecifier;
    let wire = wire?.clone();
    let policy = pb::CorsPolicy {
        allow_origin_string_match: wire.allow_origin_string_match,
        allow_methods: wire.allow_methods,
        allow_headers: wire.allow_headers,
        expose_headers: wire.expose_headers,
        max_age: wire.max_age,
        allow_credentials: wire.allow_credentials,
        filter_enabled: wire.enabled_specifier.map(|EnabledSpecifier::FilterEnabled(share)| share),
        shadow_enabled: wire.shadow_enabled,
        allow_private_network_access: wire.allow_private_network_access,
        forward_not_matching_preflights: wire.forward_not_matching_preflights,
    };
    cx.at("cors", |cx| cors_policy(cx, &policy)).map(Box::new)
}

/// `None`: it cannot be read.
fn share(
    cx: &mut Context,
    field: &str,
    wire: Option<&pb::RuntimeFractionalPercent>,
) -> Option<Option<RuntimeFraction>> {
    match wire {
        Some(wire) => cx.at(field, |cx| runtime_fraction(cx, wire)).map(Some),
        None => Some(None),
    }
}

fn text(text: &str) -> Option<Name> {
    (!text.is_empty()).then(|| text.into())
}
