//! A cookie that clients are given ← its parts. Two messages have the same: that of hash policies and that of sessions.

use ripstop_model::route::HashCookie;

use super::common::{Context, duration};
use crate::pb;

/// The cookie; `attributes` are names and values.
pub(super) fn cookie<'a>(
    cx: &mut Context,
    name: &str,
    ttl: Option<&pb::Duration>,
    path: &str,
    attributes: impl Iterator<Item = (&'a str, &'a str)>,
) -> HashCookie {
    HashCookie {
        name: name.into(),
        ttl: cx.at("cookie", |cx| duration(cx, "ttl", ttl)),
        path: path.into(),
        attributes: attributes.map(|(name, value)| (name.into(), value.into())).collect(),
    }
}
