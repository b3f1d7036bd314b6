//! Route configurations ← wire. Retry policies are in [`super::retry`].

use ripstop_model::route::{
    ClusterChoice, DirectResponse, Forward, PathMatch, PathRewrite, RouteAction, RouteMatch, WeightedCluster,
};
use ripstop_model::{Name, Route, RouteConfiguration, VirtualHost};

use super::common::{Context, check_metadata_keys, duration, inline_text, metadata_mark};
use super::mirror::mirrors;
use super::route_times::route_times;
use super::{matcher, retry, upgrade};
use crate::metadata::ANY_METHOD;
use crate::pb;

/// Longest body of a direct response in bytes, as Envoy has it by default.
const MAX_BODY_BYTES: usize = 4096;

pub(super) fn route_configuration(cx: &mut Context, wire: &pb::RouteConfiguration) -> RouteConfiguration {
    RouteConfiguration {
        name: wire.name.as_str().into(),
        virtual_hosts: cx.items("virtual_hosts", &wire.virtual_hosts, virtual_host),
        mirrors: mirrors(cx, &wire.request_mirror_policies),
    }
}

fn virtual_host(cx: &mut Context, wire: &pb::VirtualHost) -> Option<VirtualHost> {
    Some(VirtualHost {
        name: wire.name.as_str().into(),
        domains: wire.domains.iter().map(|domain| Name::from(domain.as_str())).collect(),
        routes: cx.items("routes", &wire.routes, route),
        mirrors: mirrors(cx, &wire.request_mirror_policies),
    })
}

fn route(cx: &mut Context, wire: &pb::Route) -> Option<Route> {
    check_metadata_keys(cx, wire.metadata.as_ref(), &[ANY_METHOD]);
    let any_method = metadata_mark(cx, wire.metadata.as_ref(), ANY_METHOD);
    let matches = match &wire.r#match {
        Some(wire) => cx.at("match", |cx| route_match(cx, wire)),
        None => cx.at("match", |cx| cx.refuse("a route needs a match")),
    };
    let action = match &wire.action {
        Some(pb::route::Action::Route(forward)) => cx
            .at("route", |cx| forward_action(cx, forward, any_method))
            .map(|forward| RouteAction::Forward(Box::new(forward))),
        Some(pb::route::Action::DirectResponse(response)) => {
            cx.at("direct_response", |cx| direct_response(cx, response)).map(RouteAction::DirectResponse)
        }
        Some(pb::route::Action::Redirect(_)) => {
            cx.at("redirect", |cx| cx.refuse("redirects are not supported"))
        }
        Some(_) => cx.refuse("the action is not supported (only route and direct_response)"),
        None => cx.refuse("a route needs an action: route or direct_response"),
    };
    Some(Route { name: wire.name.as_str().into(), matches: matches?, action: action? })
}

fn route_match(cx: &mut Context, wire: &pb::RouteMatch) -> Option<RouteMatch> {
    use pb::route_match::PathSpecifier;
    let path = match &wire.path_specifier {
        Some(PathSpecifier::Prefix(text)) => Some(PathMatch::Prefix(text.as_str().into())),
        Some(PathSpecifier::Path(text)) => Some(PathMatch::Exact(text.as_str().into())),
        Some(PathSpecifier::SafeRegex(regex)) => Some(PathMatch::Regex(regex.regex.as_str().into())),
        Some(PathSpecifier::PathSeparatedPrefix(text)) => {
            Some(PathMatch::PathSeparatedPrefix(text.as_str().into()))
        }
        Some(PathSpecifier::ConnectMatcher(_)) => {
            cx.at("connect_matcher", |cx| cx.refuse("CONNECT is not supported"))
        }
        Some(PathSpecifier::PathMatchPolicy(_)) => {
            cx.at("path_match_policy", |cx| cx.refuse("path templates are not supported"))
        }
        None => cx.refuse("needs one of prefix, path, safe_regex and path_separated_prefix"),
    };
    let headers = cx.items("headers", &wire.headers, matcher::header);
    let query = cx.items("query_parameters", &wire.query_parameters, matcher::query);
    Some(RouteMatch {
        path: path?,
        case_sensitive: wire.case_sensitive.as_ref().is_none_or(|sensitive| sensitive.value),
        headers,
        query,
    })
}

fn direct_response(cx: &mut Context, wire: &pb::DirectResponseAction) -> Option<DirectResponse> {
    let body = match &wire.body {
        Some(source) => cx.at("body", |cx| {
            let text = inline_text(cx, source)?;
            if text.len() > MAX_BODY_BYTES {
                return cx
                    .refuse(format!("is {} bytes long, at most {MAX_BODY_BYTES} are allowed", text.len()));
            }
            Some(text)
        })?,
        None => String::new(),
    };
    match u16::try_from(wire.status) {
        Ok(status @ 200..600) => Some(DirectResponse { status, body: body.into() }),
        _ => cx.at("status", |cx| cx.refuse("must be an HTTP status between 200 and 599")),
    }
}

fn forward_action(cx: &mut Context, wire: &pb::RouteAction, any_method: bool) -> Option<Forward> {
    use pb::route_action::HostRewriteSpecifier;
    let cluster = cluster_choice(cx, wire);
    let host_rewrite = match &wire.host_rewrite_specifier {
        None => None,
        Some(HostRewriteSpecifier::HostRewriteLiteral(host)) => Some(Name::from(host.as_str())),
        Some(_) => cx.refuse("the host can be rewritten by host_rewrite_literal only"),
    };
    let timeout = duration(cx, "timeout", wire.timeout.as_ref());
    let retry = match &wire.retry_policy {
        Some(policy) => cx.at("retry_policy", |cx| retry::retry_policy(cx, policy, any_method)),
        None => None,
    };
    let prefix = &wire.prefix_rewrite;
    Some(Forward {
        cluster: cluster?,
        rewrite: (!prefix.is_empty()).then(|| PathRewrite::Prefix(prefix.as_str().into())),
        host_rewrite,
        timeout,
        retry,
        times: route_times(cx, wire),
        upgrades: upgrade::of_route(cx, &wire.upgrade_configs),
        mirrors: mirrors(cx, &wire.request_mirror_policies),
    })
}

fn cluster_choice(cx: &mut Context, wire: &pb::RouteAction) -> Option<ClusterChoice> {
    use pb::route_action::ClusterSpecifier;
    match &wire.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => Some(ClusterChoice::Single(name.as_str().into())),
        Some(ClusterSpecifier::WeightedClusters(wire)) => {
            cx.at("weighted_clusters", |cx| weighted_clusters(cx, wire))
        }
        Some(ClusterSpecifier::ClusterHeader(_)) => {
            cx.at("cluster_header", |cx| cx.refuse("a cluster named by a header is not supported"))
        }
        Some(_) => cx.refuse("cluster specifier plugins are not supported"),
        None => cx.refuse("needs one of cluster and weighted_clusters"),
    }
}

#[allow(deprecated, reason = "total_weight is deprecated and still has to be right where it is given")]
fn weighted_clusters(cx: &mut Context, wire: &pb::WeightedCluster) -> Option<ClusterChoice> {
    let shares = cx.items("clusters", &wire.clusters, |cx, share| {
        if share.name.is_empty() {
            return cx.at("name", |cx| cx.refuse("must name a cluster"));
        }
        Some(WeightedCluster {
            name: share.name.as_str().into(),
            weight: share.weight.as_ref().map_or(0, |weight| weight.value),
        })
    });
    let sum: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
    if sum == 0 || sum > u64::from(u32::MAX) {
        return cx.refuse(format!("the sum of the weights is {sum}, it must be between 1 and {}", u32::MAX));
    }
    match &wire.total_weight {
        Some(total) if u64::from(total.value) != sum => cx.at("total_weight", |cx| {
            cx.refuse(format!("is {}, but the weights add up to {sum}", total.value))
        }),
        _ => Some(ClusterChoice::Weighted(shares)),
    }
}
