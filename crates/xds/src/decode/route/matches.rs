//! Which requests a route takes ← wire. A condition that cannot be read makes the resource unusable: to match more, or
//! less, than was asked for is never harmless.

use ripstop_model::route::{PathMatch, PathTemplate, RouteMatch, TlsMatch};

use crate::decode::common::{Context, is, unpack};
use crate::decode::{matcher, runtime};
use crate::pb;

pub(super) fn route_match(cx: &mut Context, wire: &pb::RouteMatch) -> Option<RouteMatch> {
    let path = path(cx, wire);
    let headers = cx.items("headers", &wire.headers, matcher::header);
    let query = cx.items("query_parameters", &wire.query_parameters, matcher::query);
    let cookies = cx.items("cookies", &wire.cookies, matcher::cookie);
    let share = match &wire.runtime_fraction {
        Some(share) => Some(cx.at("runtime_fraction", |cx| runtime::runtime_fraction(cx, share))?),
        None => None,
    };
    let tls = wire.tls_context.as_ref().map_or(TlsMatch::default(), |tls| TlsMatch {
        presented: tls.presented.as_ref().map(|presented| presented.value),
        validated: tls.validated.as_ref().map(|validated| validated.value),
    });
    Some(RouteMatch {
        path: path?,
        case_sensitive: wire.case_sensitive.as_ref().is_none_or(|sensitive| sensitive.value),
        headers,
        query,
        cookies,
        grpc: wire.grpc.is_some(),
        share,
        tls,
    })
}

fn path(cx: &mut Context, wire: &pb::RouteMatch) -> Option<PathMatch> {
    use pb::route_match::PathSpecifier;
    match &wire.path_specifier {
        Some(PathSpecifier::Prefix(text)) => Some(PathMatch::Prefix(text.as_str().into())),
        Some(PathSpecifier::Path(text)) => Some(PathMatch::Exact(text.as_str().into())),
        Some(PathSpecifier::SafeRegex(regex)) => Some(PathMatch::Regex(regex.regex.as_str().into())),
        Some(PathSpecifier::PathSeparatedPrefix(text)) => {
            Some(PathMatch::PathSeparatedPrefix(text.as_str().into()))
        }
        Some(PathSpecifier::ConnectMatcher(_)) => Some(PathMatch::Connect),
        Some(PathSpecifier::PathMatchPolicy(policy)) => {
            cx.at("path_match_policy", |cx| template(cx, policy)).map(PathMatch::Template)
        }
        None => cx.refuse("needs one of prefix, path, safe_regex, path_separated_prefix, connect_matcher and path_match_policy"),
    }
}

fn template(cx: &mut Context, wire: &pb::TypedExtensionConfig) -> Option<PathTemplate> {
    let any = wire.typed_config.as_ref().filter(|any| is::<pb::UriTemplateMatchConfig>(any));
    let Some(any) = any else {
        return cx.refuse(format!("'{}' is not supported, only path templates", wire.name));
    };
    let config: pb::UriTemplateMatchConfig = cx.at("typed_config", |cx| unpack(cx, any))?;
    match PathTemplate::parse(&config.path_template) {
        Ok(template) => Some(template),
        Err(error) => cx.at("typed_config.path_template", |cx| cx.refuse(error.to_string())),
    }
}
