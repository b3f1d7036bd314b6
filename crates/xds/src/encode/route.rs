//! Route configurations → wire.

use ripstop_model::route::{
    ClusterChoice, DirectResponse, Forward, PathMatch, PathRewrite, RetryPolicy, RouteAction, RouteMatch,
};
use ripstop_model::{Route, RouteConfiguration, VirtualHost};

use super::common::{any, bool_value, duration, inline_string, mark, u32_value};
use super::mirror::mirror;
use super::{matcher, upgrade};
use crate::metadata::{ANY_METHOD, RIPSTOP};
use crate::pb;

pub(super) fn route_configuration(routes: &RouteConfiguration) -> pb::RouteConfiguration {
    pb::RouteConfiguration {
        name: routes.name.to_string(),
        virtual_hosts: routes.virtual_hosts.iter().map(virtual_host).collect(),
        request_mirror_policies: routes.mirrors.iter().map(mirror).collect(),
        ..Default::default()
    }
}

fn virtual_host(host: &VirtualHost) -> pb::VirtualHost {
    pb::VirtualHost {
        name: host.name.to_string(),
        domains: host.domains.iter().map(|domain| domain.to_string()).collect(),
        routes: host.routes.iter().map(route).collect(),
        request_mirror_policies: host.mirrors.iter().map(mirror).collect(),
        ..Default::default()
    }
}

fn route(route: &Route) -> pb::Route {
    let (action, any_method) = match &route.action {
        RouteAction::Forward(forward) => {
            let any_method = forward.retry.as_ref().is_some_and(|retry| retry.any_method);
            (pb::route::Action::Route(forward_action(forward)), any_method)
        }
        RouteAction::DirectResponse(response) => {
            (pb::route::Action::DirectResponse(direct_response(response)), false)
        }
    };
    pb::Route {
        name: route.name.to_string(),
        r#match: Some(route_match(&route.matches)),
        metadata: any_method.then(|| mark(RIPSTOP, ANY_METHOD)),
        action: Some(action),
        ..Default::default()
    }
}

fn route_match(rule: &RouteMatch) -> pb::RouteMatch {
    use pb::route_match::PathSpecifier;
    let path = match &rule.path {
        PathMatch::Prefix(text) => PathSpecifier::Prefix(text.to_string()),
        PathMatch::Exact(text) => PathSpecifier::Path(text.to_string()),
        PathMatch::Regex(text) => PathSpecifier::SafeRegex(matcher::regex(text)),
        PathMatch::PathSeparatedPrefix(text) => PathSpecifier::PathSeparatedPrefix(text.to_string()),
    };
    pb::RouteMatch {
        path_specifier: Some(path),
        case_sensitive: (!rule.case_sensitive).then(|| bool_value(false)),
        headers: rule.headers.iter().map(matcher::header).collect(),
        query_parameters: rule.query.iter().map(matcher::query).collect(),
        ..Default::default()
    }
}

fn direct_response(response: &DirectResponse) -> pb::DirectResponseAction {
    pb::DirectResponseAction {
        status: response.status.into(),
        body: (!response.body.is_empty()).then(|| inline_string(&response.body)),
        ..Default::default()
    }
}

#[allow(deprecated, reason = "the older limits of gRPC are still honoured")]
fn forward_action(forward: &Forward) -> pb::RouteAction {
    use pb::route_action::{ClusterSpecifier, HostRewriteSpecifier};
    let cluster = match &forward.cluster {
        ClusterChoice::Single(name) => ClusterSpecifier::Cluster(name.to_string()),
        ClusterChoice::Weighted(shares) => {
            let clusters = shares.iter().map(|share| pb::weighted_cluster::ClusterWeight {
                name: share.name.to_string(),
                weight: Some(u32_value(share.weight)),
                ..Default::default()
            });
            ClusterSpecifier::WeightedClusters(pb::WeightedCluster {
                clusters: clusters.collect(),
                ..Default::default()
            })
        }
    };
    let rewrite = forward.host_rewrite.as_ref();
    pb::RouteAction {
        cluster_specifier: Some(cluster),
        prefix_rewrite: match &forward.rewrite {
            Some(PathRewrite::Prefix(prefix)) => prefix.to_string(),
            None => String::new(),
        },
        host_rewrite_specifier: rewrite
            .map(|host| HostRewriteSpecifier::HostRewriteLiteral(host.to_string())),
        timeout: forward.timeout.map(duration),
        retry_policy: forward.retry.as_ref().map(retry_policy),
        idle_timeout: forward.times.idle_timeout.map(duration),
        max_stream_duration: forward.times.max_stream.map(|max| pb::route_action::MaxStreamDuration {
            max_stream_duration: max.max.map(duration),
            grpc_timeout_header_max: max.grpc_header_max.map(duration),
            grpc_timeout_header_offset: max.grpc_header_offset.map(duration),
        }),
        max_grpc_timeout: forward.times.max_grpc_timeout.map(duration),
        grpc_timeout_offset: forward.times.grpc_timeout_offset.map(duration),
        request_mirror_policies: forward.mirrors.iter().map(mirror).collect(),
        upgrade_configs: forward.upgrades.iter().map(upgrade::of_route).collect(),
        ..Default::default()
    }
}

fn retry_policy(retry: &RetryPolicy) -> pb::RetryPolicy {
    let predicate = || pb::retry_policy::RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(pb::retry_policy::retry_host_predicate::ConfigType::TypedConfig(any(
            &pb::PreviousHostsPredicate {},
        ))),
    };
    pb::RetryPolicy {
        retry_on: retry.on.words().collect::<Vec<_>>().join(","),
        num_retries: Some(u32_value(retry.num_retries)),
        per_try_timeout: retry.per_try_timeout.map(duration),
        per_try_idle_timeout: retry.per_try_idle_timeout.map(duration),
        retry_host_predicate: retry.avoid_previous_hosts.then(predicate).into_iter().collect(),
        host_selection_retry_max_attempts: retry.host_selection_attempts.into(),
        retriable_status_codes: retry.retriable_statuses.iter().map(|status| u32::from(*status)).collect(),
        retry_back_off: Some(pb::retry_policy::RetryBackOff {
            base_interval: Some(duration(retry.backoff.base)),
            max_interval: Some(duration(retry.backoff.max)),
        }),
        ..Default::default()
    }
}
