//! Redirects ← wire.

use ripstop_model::Name;
use ripstop_model::route::{Redirect, RedirectPath, RedirectScheme, RedirectStatus};

use crate::decode::common::Context;
use crate::decode::matcher;
use crate::pb;

/// As in Envoy, an empty text stands for nothing.
pub(super) fn redirect(cx: &mut Context, wire: &pb::RedirectAction) -> Option<Redirect> {
    use pb::redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier};
    let text = |text: &str| (!text.is_empty()).then(|| Name::from(text));
    let scheme = match &wire.scheme_rewrite_specifier {
        Some(SchemeRewriteSpecifier::HttpsRedirect(true)) => Some(RedirectScheme::Https),
        Some(SchemeRewriteSpecifier::SchemeRedirect(scheme)) => text(scheme).map(RedirectScheme::Named),
        Some(SchemeRewriteSpecifier::HttpsRedirect(false)) | None => None,
    };
    let path = match &wire.path_rewrite_specifier {
        Some(PathRewriteSpecifier::PathRedirect(path)) => text(path).map(RedirectPath::Whole),
        Some(PathRewriteSpecifier::PrefixRewrite(prefix)) => text(prefix).map(RedirectPath::Prefix),
        Some(PathRewriteSpecifier::RegexRewrite(regex)) => {
            Some(RedirectPath::Regex(cx.at("regex_rewrite", |cx| matcher::substitution(cx, regex))?))
        }
        Some(PathRewriteSpecifier::PathRewrite(_)) => {
            return cx.at("path_rewrite", |cx| cx.refuse("is not supported"));
        }
        None => None,
    };
    Some(Redirect {
        scheme,
        host: text(&wire.host_redirect),
        port: (wire.port_redirect != 0).then_some(wire.port_redirect),
        path,
        // Other numbers are refused by Envoy's own rules.
        status: match wire.response_code() {
            RedirectResponseCode::MovedPermanently => RedirectStatus::MovedPermanently,
            RedirectResponseCode::Found => RedirectStatus::Found,
            RedirectResponseCode::SeeOther => RedirectStatus::SeeOther,
            RedirectResponseCode::TemporaryRedirect => RedirectStatus::TemporaryRedirect,
            RedirectResponseCode::PermanentRedirect => RedirectStatus::PermanentRedirect,
        },
        strip_query: wire.strip_query,
    })
}
