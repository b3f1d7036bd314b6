//! Sessions that stay with their endpoint → wire.

use ripstop_model::session::{SessionCarrier, StatefulSession};

use super::common::{any, duration};
use crate::pb;

pub(super) fn session(session: &StatefulSession) -> pb::StatefulSession {
    pb::StatefulSession {
        session_state: session.carrier.as_ref().map(|carrier| pb::TypedExtensionConfig {
            name: match carrier {
                SessionCarrier::Cookie(_) => "envoy.http.stateful_session.cookie".to_owned(),
                SessionCarrier::Header(_) => "envoy.http.stateful_session.header".to_owned(),
            },
            typed_config: Some(config(carrier)),
        }),
        strict: session.strict,
        status_on_strict_destination_not_found: session.gone_status.into(),
        ..Default::default()
    }
}

/// What a route says to the filter.
pub(super) fn session_of_route(of: &StatefulSession) -> pb::StatefulSessionPerRoute {
    pb::StatefulSessionPerRoute {
        r#override: Some(pb::stateful_session_per_route::Override::StatefulSession(session(of))),
    }
}

fn config(carrier: &SessionCarrier) -> pb::Any {
    match carrier {
        SessionCarrier::Header(name) => any(&pb::HeaderBasedSessionState { name: name.to_string() }),
        SessionCarrier::Cookie(cookie) => any(&pb::CookieBasedSessionState {
            cookie: Some(pb::SessionCookie {
                name: cookie.name.to_string(),
                ttl: cookie.ttl.map(duration),
                path: cookie.path.to_string(),
                attributes: cookie
                    .attributes
                    .iter()
                    .map(|(name, value)| pb::SessionCookieAttribute {
                        name: name.to_string(),
                        value: value.to_string(),
                    })
                    .collect(),
            }),
        }),
    }
}
