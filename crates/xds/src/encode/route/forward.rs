//! Forwarding → wire: where to, as what, and by which hash.

use ripstop_model::load_balancing::Labels;
use ripstop_model::route::{
    ClusterChoice, ClusterNotFound, ClusterSplit, Forward, HashPolicy, HashSource, HostRewrite, PathRewrite,
    RewriteTemplate, RoutePriority, SplitBy, WeightedCluster,
};

use super::filters::config;
use crate::encode::common::{any, bool_value, duration, texts, u32_value};
use crate::encode::cors::cors_of_route;
use crate::encode::mirror::mirror;
use crate::encode::retry::{hedge_policy, retry_policy};
use crate::encode::{matcher, upgrade};
use crate::metadata::ENVOY_LB;
use crate::pb;

#[allow(deprecated, reason = "the older limits of gRPC, and `cors`, are still honoured")]
pub(super) fn forward(forward: &Forward) -> pb::RouteAction {
    use pb::route_action::{ClusterNotFoundResponseCode, ClusterSpecifier, HostRewriteSpecifier};
    let cluster = match &forward.cluster {
        ClusterChoice::Single(name) => ClusterSpecifier::Cluster(name.to_string()),
        ClusterChoice::Header(name) => ClusterSpecifier::ClusterHeader(name.to_string()),
        ClusterChoice::Weighted(split) => ClusterSpecifier::WeightedClusters(weighted_clusters(split)),
    };
    let not_found = match forward.cluster_not_found {
        ClusterNotFound::ServiceUnavailable => ClusterNotFoundResponseCode::ServiceUnavailable,
        ClusterNotFound::NotFound => ClusterNotFoundResponseCode::NotFound,
        ClusterNotFound::InternalServerError => ClusterNotFoundResponseCode::InternalServerError,
    };
    let (prefix, regex, template) = match &forward.rewrite {
        Some(PathRewrite::Prefix(prefix)) => (prefix.to_string(), None, None),
        Some(PathRewrite::Regex(regex)) => (String::new(), Some(matcher::substitution(regex)), None),
        Some(PathRewrite::Template(template)) => (String::new(), None, Some(rewrite_policy(template))),
        None => (String::new(), None, None),
    };
    pb::RouteAction {
        cluster_specifier: Some(cluster),
        cluster_not_found_response_code: not_found.into(),
        prefix_rewrite: prefix,
        regex_rewrite: regex,
        path_rewrite_policy: template,
        host_rewrite_specifier: forward.host_rewrite.as_ref().map(|rewrite| match rewrite {
            HostRewrite::Literal(host) => HostRewriteSpecifier::HostRewriteLiteral(host.to_string()),
            HostRewrite::Endpoint => HostRewriteSpecifier::AutoHostRewrite(bool_value(true)),
            HostRewrite::Header(name) => HostRewriteSpecifier::HostRewriteHeader(name.to_string()),
            HostRewrite::PathRegex(regex) => {
                HostRewriteSpecifier::HostRewritePathRegex(matcher::substitution(regex))
            }
        }),
        append_x_forwarded_host: forward.append_x_forwarded_host,
        hash_policy: forward.hash.iter().map(hash_policy).collect(),
        timeout: forward.timeout.map(duration),
        retry_policy: forward.retry.as_ref().map(retry_policy),
        hedge_policy: forward.hedge.map(hedge_policy),
        priority: match forward.priority {
            RoutePriority::Default => pb::RoutingPriority::Default,
            RoutePriority::High => pb::RoutingPriority::High,
        }
        .into(),
        idle_timeout: forward.times.idle_timeout.map(duration),
        max_stream_duration: forward.times.max_stream.map(|max| pb::route_action::MaxStreamDuration {
            max_stream_duration: max.max.map(duration),
            grpc_timeout_header_max: max.grpc_header_max.map(duration),
            grpc_timeout_header_offset: max.grpc_header_offset.map(duration),
        }),
        max_grpc_timeout: forward.times.max_grpc_timeout.map(duration),
        grpc_timeout_offset: forward.times.grpc_timeout_offset.map(duration),
        metadata_match: subset(&forward.subset),
        request_mirror_policies: forward.mirrors.iter().map(mirror).collect(),
        cors: forward.cors.as_deref().map(cors_of_route),
        upgrade_configs: forward.upgrades.iter().map(upgrade::of_route).collect(),
        ..Default::default()
    }
}

fn rewrite_policy(template: &RewriteTemplate) -> pb::TypedExtensionConfig {
    let config = pb::UriTemplateRewriteConfig { path_template_rewrite: template.as_str().to_owned() };
    pb::TypedExtensionConfig {
        name: "envoy.path.rewrite.uri_template.uri_template_rewriter".to_owned(),
        typed_config: Some(any(&config)),
    }
}

fn weighted_clusters(split: &ClusterSplit) -> pb::WeightedCluster {
    use pb::weighted_cluster::RandomValueSpecifier;
    pb::WeightedCluster {
        clusters: split.shares.iter().map(weighted_cluster).collect(),
        random_value_specifier: match &split.by {
            SplitBy::Dice => None,
            SplitBy::Header(name) => Some(RandomValueSpecifier::HeaderName(name.to_string())),
            SplitBy::Hash => Some(RandomValueSpecifier::UseHashPolicy(bool_value(true))),
        },
        ..Default::default()
    }
}

fn weighted_cluster(share: &WeightedCluster) -> pb::weighted_cluster::ClusterWeight {
    use pb::weighted_cluster::cluster_weight::HostRewriteSpecifier;
    let literal = |host: &ripstop_model::Name| HostRewriteSpecifier::HostRewriteLiteral(host.to_string());
    let said = share.filters.iter().map(|(name, said)| (name.to_string(), config(said)));
    pb::weighted_cluster::ClusterWeight {
        name: share.name.to_string(),
        weight: Some(u32_value(share.weight)),
        request_headers_to_add: super::mutation::added(
            share.headers.as_ref().map(|headers| &headers.request),
        ),
        request_headers_to_remove: super::mutation::removed(
            share.headers.as_ref().map(|headers| &headers.request),
        ),
        response_headers_to_add: super::mutation::added(
            share.headers.as_ref().map(|headers| &headers.response),
        ),
        response_headers_to_remove: super::mutation::removed(
            share.headers.as_ref().map(|headers| &headers.response),
        ),
        host_rewrite_specifier: share.host_rewrite.as_ref().map(literal),
        metadata_match: subset(&share.subset),
        typed_per_filter_config: said.collect(),
        ..Default::default()
    }
}

fn subset(labels: &Labels) -> Option<pb::Metadata> {
    let texts = texts(labels).map(|(name, kind)| (name, pb::Value { kind: Some(kind) }));
    let fields = pb::Struct { fields: texts.collect() };
    let filter_metadata = [(ENVOY_LB.to_owned(), fields)].into();
    (!labels.is_empty()).then(|| pb::Metadata { filter_metadata, ..Default::default() })
}

fn hash_policy(policy: &HashPolicy) -> pb::route_action::HashPolicy {
    use pb::route_action::hash_policy::{
        ConnectionProperties, Cookie, CookieAttribute, Header, PolicySpecifier, QueryParameter,
    };
    let specifier = match &policy.source {
        HashSource::Header { name, rewrite } => PolicySpecifier::Header(Header {
            header_name: name.to_string(),
            regex_rewrite: rewrite.as_ref().map(matcher::substitution),
        }),
        HashSource::Cookie(cookie) => PolicySpecifier::Cookie(Cookie {
            name: cookie.name.to_string(),
            ttl: cookie.ttl.map(duration),
            path: cookie.path.to_string(),
            attributes: cookie
                .attributes
                .iter()
                .map(|(name, value)| CookieAttribute { name: name.to_string(), value: value.to_string() })
                .collect(),
        }),
        HashSource::SourceIp => {
            PolicySpecifier::ConnectionProperties(ConnectionProperties { source_ip: true })
        }
        HashSource::QueryParameter(name) => {
            PolicySpecifier::QueryParameter(QueryParameter { name: name.to_string() })
        }
    };
    pb::route_action::HashPolicy { terminal: policy.terminal, policy_specifier: Some(specifier) }
}
