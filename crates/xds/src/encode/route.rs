//! Route configurations → wire. Retry policies are in [`super::retry`].

mod action;
mod forward;
mod matches;
pub(super) mod mutation;

use ripstop_model::route::{RequireTls, RouteAction};
use ripstop_model::{Route, RouteConfiguration, VirtualHost};

use super::common::{bool_value, mark, u32_value};
use super::mirror::mirror;
use super::retry::retry_policy;
use crate::metadata::{ANY_METHOD, RIPSTOP};
use crate::pb;

pub(super) use mutation::addition;

pub(super) fn route_configuration(routes: &RouteConfiguration) -> pb::RouteConfiguration {
    pb::RouteConfiguration {
        name: routes.name.to_string(),
        virtual_hosts: routes.virtual_hosts.iter().map(virtual_host).collect(),
        ignore_port_in_host_matching: routes.ignore_port_in_host_matching,
        vhost_header: routes.vhost_header.as_deref().unwrap_or_default().to_owned(),
        ignore_path_parameters_in_path_matching: routes.ignore_path_parameters,
        validate_clusters: routes.validate_clusters.map(bool_value),
        max_direct_response_body_size_bytes: routes.max_direct_response_bytes.map(u32_value),
        most_specific_header_mutations_wins: routes.most_specific_header_mutations_wins,
        request_headers_to_add: mutation::added(routes.headers.as_ref().map(|headers| &headers.request)),
        request_headers_to_remove: mutation::removed(routes.headers.as_ref().map(|headers| &headers.request)),
        response_headers_to_add: mutation::added(routes.headers.as_ref().map(|headers| &headers.response)),
        response_headers_to_remove: mutation::removed(
            routes.headers.as_ref().map(|headers| &headers.response),
        ),
        request_mirror_policies: routes.mirrors.iter().map(mirror).collect(),
        ..Default::default()
    }
}

fn virtual_host(host: &VirtualHost) -> pb::VirtualHost {
    use pb::virtual_host::TlsRequirementType;
    let any_method = host.retry.as_ref().is_some_and(|retry| retry.any_method);
    let require_tls = match host.require_tls {
        RequireTls::None => TlsRequirementType::None,
        RequireTls::ExternalOnly => TlsRequirementType::ExternalOnly,
        RequireTls::All => TlsRequirementType::All,
    };
    pb::VirtualHost {
        name: host.name.to_string(),
        domains: host.domains.iter().map(|domain| domain.to_string()).collect(),
        routes: host.routes.iter().map(route).collect(),
        require_tls: require_tls.into(),
        retry_policy: host.retry.as_ref().map(retry_policy),
        metadata: any_method.then(|| mark(RIPSTOP, ANY_METHOD)),
        include_request_attempt_count: host.request_attempt_count,
        include_attempt_count_in_response: host.response_attempt_count,
        request_headers_to_add: mutation::added(host.headers.as_ref().map(|headers| &headers.request)),
        request_headers_to_remove: mutation::removed(host.headers.as_ref().map(|headers| &headers.request)),
        response_headers_to_add: mutation::added(host.headers.as_ref().map(|headers| &headers.response)),
        response_headers_to_remove: mutation::removed(host.headers.as_ref().map(|headers| &headers.response)),
        request_mirror_policies: host.mirrors.iter().map(mirror).collect(),
        ..Default::default()
    }
}

fn route(route: &Route) -> pb::Route {
    let any_method = match &route.action {
        RouteAction::Forward(forward) => forward.retry.as_ref().is_some_and(|retry| retry.any_method),
        _ => false,
    };
    pb::Route {
        name: route.name.to_string(),
        request_headers_to_add: mutation::added(route.headers.as_ref().map(|headers| &headers.request)),
        request_headers_to_remove: mutation::removed(route.headers.as_ref().map(|headers| &headers.request)),
        response_headers_to_add: mutation::added(route.headers.as_ref().map(|headers| &headers.response)),
        response_headers_to_remove: mutation::removed(
            route.headers.as_ref().map(|headers| &headers.response),
        ),
        r#match: Some(matches::route_match(&route.matches)),
        metadata: any_method.then(|| mark(RIPSTOP, ANY_METHOD)),
        action: Some(action::action(&route.action)),
        ..Default::default()
    }
}
