//! Which origins may call ← wire.

use ripstop_model::cors::CorsPolicy;

use super::common::{Context, is_true};
use super::matcher;
use super::runtime::runtime_fraction;
use crate::pb;

pub(super) fn cors(cx: &mut Context, wire: &pb::CorsPolicy) -> Option<CorsPolicy> {
    let enabled = match &wire.filter_enabled {
        Some(share) => Some(cx.at("filter_enabled", |cx| runtime_fraction(cx, share))?),
        None => None,
    };
    Some(CorsPolicy {
        allow_origins: cx.items("allow_origin_string_match", &wire.allow_origin_string_match, matcher::string),
        allow_methods: wire.allow_methods.as_str().into(),
        allow_headers: wire.allow_headers.as_str().into(),
        expose_headers: wire.expose_headers.as_str().into(),
        max_age: wire.max_age.as_str().into(),
        allow_credentials: is_true(wire.allow_credentials.as_ref()),
        allow_private_network: is_true(wire.allow_private_network_access.as_ref()),
        forward_not_matching: wire.forward_not_matching_preflights.as_ref().map(|forward| forward.value),
        enabled,
    })
}
