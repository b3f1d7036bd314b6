//! Forwarding ← wire: where to, as what, and by which hash.

use ripstop_model::Name;
use ripstop_model::cors::CorsPolicy;
use ripstop_model::load_balancing::Labels;
use ripstop_model::route::{
    ClusterChoice, ClusterNotFound, ClusterSplit, Forward, HashPolicy, HashSource, HostRewrite, PathMatch,
    PathRewrite, RewriteTemplate, RouteMatch, RoutePriority, SplitBy, WeightedCluster,
};

use super::lower_case;
use crate::decode::common::{Context, duration, is, unpack};
use crate::decode::cookie::cookie;
use crate::decode::cors::cors_of_route;
use crate::decode::mirror::mirrors;
use crate::decode::route_times::route_times;
use crate::decode::{matcher, retry, subsets, upgrade};
use crate::metadata::ENVOY_LB;
use crate::pb;

/// `matches` is `None` where it could not be read.
pub(super) fn forward(
    cx: &mut Context,
    wire: &pb::RouteAction,
    matches: Option<&RouteMatch>,
    extras: retry::Extras,
) -> Option<Forward> {
    use pb::route_action::ClusterNotFoundResponseCode;
    let cluster = cluster_choice(cx, wire);
    let rewrite = path_rewrite(cx, wire, matches);
    let host_rewrite = host_rewrite(cx, wire);
    let timeout = duration(cx, "timeout", wire.timeout.as_ref());
    let retry = match &wire.retry_policy {
        Some(policy) => cx.at("retry_policy", |cx| retry::retry_policy(cx, policy, extras)),
        None => None,
    };
    Some(Forward {
        cluster: cluster?,
        // Other numbers are refused by Envoy's own rules.
        cluster_not_found: match wire.cluster_not_found_response_code() {
            ClusterNotFoundResponseCode::ServiceUnavailable => ClusterNotFound::ServiceUnavailable,
            ClusterNotFoundResponseCode::NotFound => ClusterNotFound::NotFound,
            ClusterNotFoundResponseCode::InternalServerError => ClusterNotFound::InternalServerError,
        },
        rewrite,
        host_rewrite,
        append_x_forwarded_host: wire.append_x_forwarded_host,
        hash: cx.items("hash_policy", &wire.hash_policy, hash_policy),
        timeout,
        retry,
        hedge: wire
            .hedge_policy
            .as_ref()
            .map(|hedge| cx.at("hedge_policy", |cx| retry::hedge_policy(cx, hedge))),
        // Stands in the route around it.
        body_buffer_bytes: None,
        // Other numbers are refused by Envoy's own rules.
        priority: match wire.priority() {
            pb::RoutingPriority::Default => RoutePriority::Default,
            pb::RoutingPriority::High => RoutePriority::High,
        },
        times: route_times(cx, wire),
        upgrades: upgrade::of_route(cx, &wire.upgrade_configs),
        subset: cx.at("metadata_match", |cx| subset(cx, wire.metadata_match.as_ref())),
        mirrors: mirrors(cx, &wire.request_mirror_policies),
        cors: older_cors(cx, wire),
    })
}

#[allow(deprecated, reason = "files say it so")]
fn older_cors(cx: &mut Context, wire: &pb::RouteAction) -> Option<Box<CorsPolicy>> {
    cors_of_route(cx, wire.cors.as_ref())
}

/// As in Envoy, an empty text stands for nothing, and only one of the ways can be chosen.
fn path_rewrite(
    cx: &mut Context,
    wire: &pb::RouteAction,
    matches: Option<&RouteMatch>,
) -> Option<PathRewrite> {
    let prefix = Some(wire.prefix_rewrite.as_str()).filter(|prefix| !prefix.is_empty());
    match (prefix, &wire.regex_rewrite, &wire.path_rewrite_policy) {
        (None, None, None) => None,
        (Some(prefix), None, None) => Some(PathRewrite::Prefix(prefix.into())),
        (None, Some(regex), None) => {
            cx.at("regex_rewrite", |cx| matcher::substitution(cx, regex)).map(PathRewrite::Regex)
        }
        (None, None, Some(policy)) => {
            cx.at("path_rewrite_policy", |cx| template(cx, policy, matches)).map(PathRewrite::Template)
        }
        _ => cx.refuse("only one of prefix_rewrite, regex_rewrite and path_rewrite_policy can be given"),
    }
}

fn template(
    cx: &mut Context,
    wire: &pb::TypedExtensionConfig,
    matches: Option<&RouteMatch>,
) -> Option<RewriteTemplate> {
    let any = wire.typed_config.as_ref().filter(|any| is::<pb::UriTemplateRewriteConfig>(any));
    let Some(any) = any else {
        return cx.refuse(format!("'{}' is not supported, only path templates", wire.name));
    };
    let config: pb::UriTemplateRewriteConfig = cx.at("typed_config", |cx| unpack(cx, any))?;
    let Some(PathMatch::Template(matched)) = matches.map(|matches| &matches.path) else {
        return matches.and_then(|_| cx.refuse("needs a path template in path_match_policy of the match"));
    };
    match RewriteTemplate::parse(&config.path_template_rewrite, matched) {
        Ok(template) => Some(template),
        Err(error) => cx.at("typed_config.path_template_rewrite", |cx| cx.refuse(error.to_string())),
    }
}

fn host_rewrite(cx: &mut Context, wire: &pb::RouteAction) -> Option<HostRewrite> {
    use pb::route_action::HostRewriteSpecifier;
    match wire.host_rewrite_specifier.as_ref()? {
        HostRewriteSpecifier::HostRewriteLiteral(host) => {
            (!host.is_empty()).then(|| HostRewrite::Literal(host.as_str().into()))
        }
        HostRewriteSpecifier::AutoHostRewrite(auto) => auto.value.then_some(HostRewrite::Endpoint),
        HostRewriteSpecifier::HostRewriteHeader(name) => lower_case(name).map(HostRewrite::Header),
        HostRewriteSpecifier::HostRewritePathRegex(regex) => cx
            .at("host_rewrite_path_regex", |cx| matcher::substitution(cx, regex))
            .map(HostRewrite::PathRegex),
        HostRewriteSpecifier::HostRewrite(_) => cx.at("host_rewrite", |cx| cx.refuse("is not supported")),
    }
}

fn cluster_choice(cx: &mut Context, wire: &pb::RouteAction) -> Option<ClusterChoice> {
    use pb::route_action::ClusterSpecifier;
    match &wire.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => Some(ClusterChoice::Single(name.as_str().into())),
        Some(ClusterSpecifier::WeightedClusters(wire)) => {
            cx.at("weighted_clusters", |cx| weighted_clusters(cx, wire)).map(ClusterChoice::Weighted)
        }
        Some(ClusterSpecifier::ClusterHeader(name)) => lower_case(name).map(ClusterChoice::Header),
        Some(_) => cx.refuse("cluster specifier plugins are not supported"),
        None => cx.refuse("needs one of cluster, cluster_header and weighted_clusters"),
    }
}

/// `total_weight` means nothing any more in Envoy.
fn weighted_clusters(cx: &mut Context, wire: &pb::WeightedCluster) -> Option<ClusterSplit> {
    use pb::weighted_cluster::RandomValueSpecifier;
    let shares = cx.items("clusters", &wire.clusters, weighted_cluster);
    let sum: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
    if sum == 0 || sum > u64::from(u32::MAX) {
        return cx.refuse(format!("the sum of the weights is {sum}, it must be between 1 and {}", u32::MAX));
    }
    let by = match &wire.random_value_specifier {
        Some(RandomValueSpecifier::HeaderName(name)) => {
            lower_case(name).map_or(SplitBy::Dice, SplitBy::Header)
        }
        Some(RandomValueSpecifier::UseHashPolicy(hash)) if hash.value => SplitBy::Hash,
        _ => SplitBy::Dice,
    };
    Some(ClusterSplit { shares, by })
}

fn weighted_cluster(cx: &mut Context, wire: &pb::weighted_cluster::ClusterWeight) -> Option<WeightedCluster> {
    use pb::weighted_cluster::cluster_weight::HostRewriteSpecifier;
    let filters = super::filters::overrides(cx, &wire.typed_per_filter_config);
    if !wire.cluster_header.is_empty() {
        return cx.at("cluster_header", |cx| {
            cx.refuse("a share of a split that is named by a header is not supported")
        });
    }
    if wire.name.is_empty() {
        return cx.at("name", |cx| cx.refuse("must name a cluster"));
    }
    let Some(weight) = &wire.weight else { return cx.at("weight", |cx| cx.refuse("is needed")) };
    let host_rewrite = match &wire.host_rewrite_specifier {
        Some(HostRewriteSpecifier::HostRewriteLiteral(host)) if !host.is_empty() => {
            Some(Name::from(host.as_str()))
        }
        _ => None,
    };
    let headers = super::mutation::mutations(cx, &super::mutation::level!(wire));
    let subset = cx.at("metadata_match", |cx| subset(cx, wire.metadata_match.as_ref()));
    let name = wire.name.as_str().into();
    Some(WeightedCluster { name, weight: weight.value, host_rewrite, headers, subset, filters })
}

/// The labels that endpoints must have. Other namespaces mean nothing to load balancers.
fn subset(cx: &mut Context, wire: Option<&pb::Metadata>) -> Labels {
    let wanted = wire.and_then(|metadata| metadata.filter_metadata.get(ENVOY_LB));
    cx.at(&format!("filter_metadata[\"{ENVOY_LB}\"]"), |cx| subsets::labels(cx, wanted))
}

fn hash_policy(cx: &mut Context, wire: &pb::route_action::HashPolicy) -> Option<HashPolicy> {
    use pb::route_action::hash_policy::PolicySpecifier;
    let source = match wire.policy_specifier.as_ref() {
        Some(PolicySpecifier::Header(header)) => HashSource::Header {
            name: header.header_name.to_ascii_lowercase().into(),
            rewrite: match &header.regex_rewrite {
                Some(regex) => Some(cx.at("header.regex_rewrite", |cx| matcher::substitution(cx, regex))?),
                None => None,
            },
        },
        Some(PolicySpecifier::Cookie(wire)) => {
            let attributes = wire.attributes.iter().map(|one| (one.name.as_str(), one.value.as_str()));
            HashSource::Cookie(cookie(cx, &wire.name, wire.ttl.as_ref(), &wire.path, attributes))
        }
        // As in Envoy, properties of which none is asked for never give a hash.
        Some(PolicySpecifier::ConnectionProperties(properties)) if !properties.source_ip => return None,
        Some(PolicySpecifier::ConnectionProperties(_)) => HashSource::SourceIp,
        Some(PolicySpecifier::QueryParameter(parameter)) => {
            HashSource::QueryParameter(parameter.name.as_str().into())
        }
        Some(PolicySpecifier::FilterState(_)) => {
            return cx.at("filter_state", |cx| cx.refuse("no filter here keeps state"));
        }
        None => return cx.refuse("needs one of header, cookie, connection_properties and query_parameter"),
    };
    Some(HashPolicy { source, terminal: wire.terminal })
}
