//! Which requests a route takes → wire.

use ripstop_model::route::{PathMatch, PathTemplate, RouteMatch, TlsMatch};

use crate::encode::common::{any, bool_value};
use crate::encode::{matcher, runtime};
use crate::pb;

pub(super) fn route_match(rule: &RouteMatch) -> pb::RouteMatch {
    use pb::route_match::{ConnectMatcher, GrpcRouteMatchOptions, PathSpecifier, TlsContextMatchOptions};
    let path = match &rule.path {
        PathMatch::Prefix(text) => PathSpecifier::Prefix(text.to_string()),
        PathMatch::Exact(text) => PathSpecifier::Path(text.to_string()),
        PathMatch::Regex(text) => PathSpecifier::SafeRegex(matcher::regex(text)),
        PathMatch::PathSeparatedPrefix(text) => PathSpecifier::PathSeparatedPrefix(text.to_string()),
        PathMatch::Template(template) => PathSpecifier::PathMatchPolicy(policy(template)),
        PathMatch::Connect => PathSpecifier::ConnectMatcher(ConnectMatcher {}),
    };
    pb::RouteMatch {
        path_specifier: Some(path),
        case_sensitive: (!rule.case_sensitive).then(|| bool_value(false)),
        headers: rule.headers.iter().map(matcher::header).collect(),
        query_parameters: rule.query.iter().map(matcher::query).collect(),
        cookies: rule.cookies.iter().map(matcher::cookie).collect(),
        grpc: rule.grpc.then_some(GrpcRouteMatchOptions {}),
        runtime_fraction: rule.share.as_ref().map(runtime::runtime_fraction),
        tls_context: (rule.tls != TlsMatch::default()).then(|| TlsContextMatchOptions {
            presented: rule.tls.presented.map(bool_value),
            validated: rule.tls.validated.map(bool_value),
        }),
        ..Default::default()
    }
}

fn policy(template: &PathTemplate) -> pb::TypedExtensionConfig {
    let config = pb::UriTemplateMatchConfig { path_template: template.as_str().to_owned() };
    pb::TypedExtensionConfig {
        name: "envoy.path.match.uri_template.uri_template_matcher".to_owned(),
        typed_config: Some(any(&config)),
    }
}
