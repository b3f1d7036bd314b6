//! What becomes of a request → wire. Forwarding is in [`super::forward`].

use ripstop_model::route::{
    DirectResponse, Redirect, RedirectPath, RedirectScheme, RedirectStatus, RouteAction,
};

use super::forward;
use crate::encode::matcher;
use crate::pb;

pub(super) fn action(action: &RouteAction) -> pb::route::Action {
    match action {
        RouteAction::Forward(forward) => pb::route::Action::Route(forward::forward(forward)),
        RouteAction::DirectResponse(response) => pb::route::Action::DirectResponse(direct_response(response)),
        RouteAction::Redirect(to) => pb::route::Action::Redirect(redirect(to)),
        RouteAction::NonForwarding => pb::route::Action::NonForwardingAction(pb::NonForwardingAction {}),
    }
}

fn direct_response(response: &DirectResponse) -> pb::DirectResponseAction {
    use pb::data_source::Specifier;
    let body = match std::str::from_utf8(&response.body) {
        Ok("") => None,
        Ok(text) => Some(Specifier::InlineString(text.to_owned())),
        Err(_) => Some(Specifier::InlineBytes(response.body.clone())),
    };
    pb::DirectResponseAction {
        status: response.status.into(),
        body: body.map(|body| pb::DataSource { specifier: Some(body), ..Default::default() }),
        ..Default::default()
    }
}

fn redirect(to: &Redirect) -> pb::RedirectAction {
    use pb::redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier};
    let status = match to.status {
        RedirectStatus::MovedPermanently => RedirectResponseCode::MovedPermanently,
        RedirectStatus::Found => RedirectResponseCode::Found,
        RedirectStatus::SeeOther => RedirectResponseCode::SeeOther,
        RedirectStatus::TemporaryRedirect => RedirectResponseCode::TemporaryRedirect,
        RedirectStatus::PermanentRedirect => RedirectResponseCode::PermanentRedirect,
    };
    pb::RedirectAction {
        scheme_rewrite_specifier: to.scheme.as_ref().map(|scheme| match scheme {
            RedirectScheme::Https => SchemeRewriteSpecifier::HttpsRedirect(true),
            RedirectScheme::Named(scheme) => SchemeRewriteSpecifier::SchemeRedirect(scheme.to_string()),
        }),
        host_redirect: to.host.as_deref().unwrap_or_default().to_owned(),
        port_redirect: to.port.unwrap_or_default(),
        path_rewrite_specifier: to.path.as_ref().map(|path| match path {
            RedirectPath::Whole(path) => PathRewriteSpecifier::PathRedirect(path.to_string()),
            RedirectPath::Prefix(prefix) => PathRewriteSpecifier::PrefixRewrite(prefix.to_string()),
            RedirectPath::Regex(regex) => PathRewriteSpecifier::RegexRewrite(matcher::substitution(regex)),
        }),
        response_code: status.into(),
        strip_query: to.strip_query,
    }
}
