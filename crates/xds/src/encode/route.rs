//! Route configurations → wire. Retry policies are in [`super::retry`].

mod action;
mod filters;
mod forward;
mod matches;
pub(super) mod mutation;

use prost::Message;
use ripstop_model::metadata::Metadata;
use ripstop_model::route::{RequireTls, RouteAction};
use ripstop_model::{Route, RouteConfiguration, VirtualHost};

pub(super) use self::mutation::addition as header_addition;
use super::common::{bool_value, u32_value, u64_value};
use super::cors::cors_of_route;
use super::format::put;
use super::metadata::metadata;
use super::mirror::mirror;
use super::retry::{extras, hedge_policy, retry_policy};
use crate::pb;

pub(super) use mutation::addition;

/// `RouteConfiguration.virtual_hosts`, `VirtualHost.routes`, and `metadata` and `typed_per_filter_config` of all levels.
const VIRTUAL_HOSTS: u32 = 2;
const ROUTES: u32 = 3;
const METADATA_OF_HOST: u32 = 24;
const METADATA_OF_ROUTE: u32 = 4;
const FILTERS_OF_WHOLE: u32 = 16;
const FILTERS_OF_HOST: u32 = 15;
const FILTERS_OF_ROUTE: u32 = 13;

/// The bytes of a `RouteConfiguration`. What holds maps is put together from bytes, because the maps of the generated
/// types have no order.
pub(super) fn route_configuration(routes: &RouteConfiguration) -> Vec<u8> {
    let mut out = whole(routes).encode_to_vec();
    filters::put_overrides(FILTERS_OF_WHOLE, &routes.filters, &mut out);
    for host in &routes.virtual_hosts {
        let mut bytes = virtual_host(host).encode_to_vec();
        filters::put_overrides(FILTERS_OF_HOST, &host.filters, &mut bytes);
        for of in &host.routes {
            let mut route = route(of).encode_to_vec();
            put_metadata(METADATA_OF_ROUTE, of.metadata.as_deref(), &mut route);
            filters::put_overrides(FILTERS_OF_ROUTE, &of.filters, &mut route);
            put(ROUTES, &route, &mut bytes);
        }
        put_metadata(METADATA_OF_HOST, host.metadata.as_deref(), &mut bytes);
        put(VIRTUAL_HOSTS, &bytes, &mut out);
    }
    out
}

fn put_metadata(field: u32, of: Option<&Metadata>, out: &mut Vec<u8>) {
    if let Some(of) = of {
        put(field, &metadata(Some(of)), out);
    }
}

fn whole(routes: &RouteConfiguration) -> pb::RouteConfiguration {
    pb::RouteConfiguration {
        name: routes.name.to_string(),
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

#[allow(deprecated, reason = "Envoy still reads `cors`")]
fn virtual_host(host: &VirtualHost) -> pb::VirtualHost {
    use pb::virtual_host::TlsRequirementType;
    let require_tls = match host.require_tls {
        RequireTls::None => TlsRequirementType::None,
        RequireTls::ExternalOnly => TlsRequirementType::ExternalOnly,
        RequireTls::All => TlsRequirementType::All,
    };
    pb::VirtualHost {
        name: host.name.to_string(),
        domains: host.domains.iter().map(|domain| domain.to_string()).collect(),
        require_tls: require_tls.into(),
        retry_policy: host.retry.as_ref().map(retry_policy),
        metadata: extras(host.retry.as_ref()),
        hedge_policy: host.hedge.map(hedge_policy),
        request_body_buffer_limit: host.body_buffer_bytes.map(u64_value),
        include_request_attempt_count: host.request_attempt_count,
        include_attempt_count_in_response: host.response_attempt_count,
        request_headers_to_add: mutation::added(host.headers.as_ref().map(|headers| &headers.request)),
        request_headers_to_remove: mutation::removed(host.headers.as_ref().map(|headers| &headers.request)),
        response_headers_to_add: mutation::added(host.headers.as_ref().map(|headers| &headers.response)),
        response_headers_to_remove: mutation::removed(host.headers.as_ref().map(|headers| &headers.response)),
        request_mirror_policies: host.mirrors.iter().map(mirror).collect(),
        cors: host.cors.as_deref().map(cors_of_route),
        ..Default::default()
    }
}

fn route(route: &Route) -> pb::Route {
    let forward = match &route.action {
        RouteAction::Forward(forward) => Some(forward),
        _ => None,
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
        metadata: extras(forward.and_then(|forward| forward.retry.as_ref())),
        request_body_buffer_limit: forward.and_then(|forward| forward.body_buffer_bytes).map(u64_value),
        action: Some(action::action(&route.action)),
        ..Default::default()
    }
}
