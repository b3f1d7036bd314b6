//! Sessions that stay with their endpoint ← wire.

use ripstop_model::http_filter::FilterOverride;
use ripstop_model::session::{SessionCarrier, StatefulSession};

use super::common::{Context, is, type_name, unpack};
use super::cookie::cookie;
use crate::pb;

/// The filter.
pub(super) fn session(cx: &mut Context, any: &pb::Any) -> Option<StatefulSession> {
    let wire = unpack::<pb::StatefulSession>(cx, any)?;
    of_wire(cx, &wire)
}

/// What a route says to it.
pub(super) fn session_of_route(cx: &mut Context, any: &pb::Any) -> Option<FilterOverride> {
    use pb::stateful_session_per_route::Override;
    match unpack::<pb::StatefulSessionPerRoute>(cx, any)?.r#override {
        Some(Override::Disabled(_)) | None => Some(FilterOverride::Disabled),
        Some(Override::StatefulSession(wire)) => cx
            .at("stateful_session", |cx| of_wire(cx, &wire))
            .map(|session| FilterOverride::Session(Box::new(session))),
    }
}

fn of_wire(cx: &mut Context, wire: &pb::StatefulSession) -> Option<StatefulSession> {
    let state = wire.session_state.as_ref().map(|state| {
        let config = state.typed_config.as_ref();
        cx.at("session_state", |cx| match config {
            Some(config) => cx.at("typed_config", |cx| carrier(cx, config)),
            None => cx.refuse("needs a typed_config"),
        })
    });
    let carrier = match state {
        None => None,
        Some(state) => Some(state?),
    };
    let gone_status = match wire.status_on_strict_destination_not_found {
        0 => 503,
        status @ 200..600 => u16::try_from(status).unwrap_or(503),
        status => {
            return cx.at("status_on_strict_destination_not_found", |cx| {
                cx.refuse(format!("{status} is no status"))
            });
        }
    };
    Some(StatefulSession { carrier, strict: wire.strict, gone_status })
}

fn carrier(cx: &mut Context, any: &pb::Any) -> Option<SessionCarrier> {
    if is::<pb::HeaderBasedSessionState>(any) {
        let wire = unpack::<pb::HeaderBasedSessionState>(cx, any)?;
        return Some(SessionCarrier::Header(wire.name.to_ascii_lowercase().into()));
    }
    if !is::<pb::CookieBasedSessionState>(any) {
        return cx.refuse(format!("{} is not supported (only cookies and headers are)", type_name(any)));
    }
    let wire = unpack::<pb::CookieBasedSessionState>(cx, any)?.cookie.unwrap_or_default();
    let attributes = wire.attributes.iter().map(|one| (one.name.as_str(), one.value.as_str()));
    Some(SessionCarrier::Cookie(cookie(cx, &wire.name, wire.ttl.as_ref(), &wire.path, attributes)))
}
