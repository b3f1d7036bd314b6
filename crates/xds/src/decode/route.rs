//! Route configurations ← wire. What a route matches and does is in [`matches`] and [`action`], retry policies are in
//! [`super::retry`].

mod action;
mod filters;
mod forward;
mod matches;
pub(super) mod mutation;
mod redirect;

use prost::{Message as _, Name as _};
use ripstop_model::cors::CorsPolicy;
use ripstop_model::route::RequireTls;
use ripstop_model::{Name, Route, RouteConfiguration, VirtualHost};

use self::action::Inherited;
pub(super) use self::mutation::addition as header_addition;
use super::common::{Context, check_metadata_keys, often_empty};
use super::cors::cors_of_route;
use super::metadata::metadata;
use super::mirror::mirrors;
use super::retry;
use crate::metadata::{ANY_METHOD, RETRY};
use crate::pb;

pub(super) use mutation::addition;

/// Number of the field [`RouteConfiguration::virtual_hosts`] on the wire.
pub(super) const VIRTUAL_HOSTS: u32 = 2;

pub(super) fn route_configuration(cx: &mut Context, wire: &pb::RouteConfiguration) -> RouteConfiguration {
    configuration(cx, wire, |cx, inherited| {
        cx.items("virtual_hosts", &wire.virtual_hosts, |cx, host| virtual_host(cx, host, inherited))
    })
}

/// The same, where the virtual hosts are still encoded.
pub(super) fn with_encoded_hosts(
    cx: &mut Context,
    wire: &pb::RouteConfiguration,
    hosts: &[&[u8]],
) -> RouteConfiguration {
    configuration(cx, wire, |cx, inherited| {
        cx.items("virtual_hosts", hosts, |cx, bytes| match pb::VirtualHost::decode(*bytes) {
            Ok(host) => virtual_host(cx, &host, inherited),
            Err(error) => cx.refuse(format!("not a valid {}: {error}", pb::VirtualHost::full_name())),
        })
    })
}

fn configuration(
    cx: &mut Context,
    wire: &pb::RouteConfiguration,
    virtual_hosts: impl FnOnce(&mut Context, Inherited) -> Vec<VirtualHost>,
) -> RouteConfiguration {
    let filters = filters::overrides(cx, &wire.typed_per_filter_config);
    let max_direct_response_bytes = wire.max_direct_response_body_size_bytes.as_ref().map(|max| max.value);
    let inherited = Inherited {
        max_body_bytes: max_direct_response_bytes
            .unwrap_or(RouteConfiguration::DEFAULT_MAX_DIRECT_RESPONSE_BYTES),
    };
    RouteConfiguration {
        name: wire.name.as_str().into(),
        virtual_hosts: virtual_hosts(cx, inherited),
        ignore_port_in_host_matching: wire.ignore_port_in_host_matching,
        vhost_header: lower_case(&wire.vhost_header),
        ignore_path_parameters: wire.ignore_path_parameters_in_path_matching,
        validate_clusters: wire.validate_clusters.as_ref().map(|validate| validate.value),
        max_direct_response_bytes,
        mirrors: mirrors(cx, &wire.request_mirror_policies),
        headers: mutation::mutations(cx, &mutation::level!(wire)),
        most_specific_header_mutations_wins: wire.most_specific_header_mutations_wins,
        filters,
    }
}

fn virtual_host(cx: &mut Context, wire: &pb::VirtualHost, inherited: Inherited) -> Option<VirtualHost> {
    use pb::virtual_host::TlsRequirementType;
    check_metadata_keys(cx, wire.metadata.as_ref(), &[ANY_METHOD, RETRY]);
    let extras = retry::extras(cx, wire.metadata.as_ref());
    let retry = match &wire.retry_policy {
        Some(policy) => Some(cx.at("retry_policy", |cx| retry::retry_policy(cx, policy, extras))?),
        None => None,
    };
    Some(VirtualHost {
        name: wire.name.as_str().into(),
        domains: wire.domains.iter().map(|domain| Name::from(domain.as_str())).collect(),
        routes: cx.items("routes", &wire.routes, |cx, wire| route(cx, wire, inherited)),
        // Other numbers are refused by Envoy's own rules.
        require_tls: match wire.require_tls() {
            TlsRequirementType::None => RequireTls::None,
            TlsRequirementType::ExternalOnly => RequireTls::ExternalOnly,
            TlsRequirementType::All => RequireTls::All,
        },
        retry,
        hedge: wire
            .hedge_policy
            .as_ref()
            .map(|hedge| cx.at("hedge_policy", |cx| retry::hedge_policy(cx, hedge))),
        body_buffer_bytes: body_buffer(wire),
        request_attempt_count: wire.include_request_attempt_count,
        response_attempt_count: wire.include_attempt_count_in_response,
        mirrors: mirrors(cx, &wire.request_mirror_policies),
        headers: mutation::mutations(cx, &mutation::level!(wire)),
        metadata: metadata(cx, wire.metadata.as_ref()),
        filters: filters::overrides(cx, &wire.typed_per_filter_config),
        cors: older_cors(cx, wire),
    })
}

#[allow(deprecated, reason = "files say it so")]
fn older_cors(cx: &mut Context, wire: &pb::VirtualHost) -> Option<Box<CorsPolicy>> {
    cors_of_route(cx, wire.cors.as_ref())
}

/// Every version of Envoy reads the older field, newer ones the other as well.
#[allow(deprecated, reason = "files say it so")]
fn body_buffer(wire: &pb::VirtualHost) -> Option<u64> {
    retry::body_buffer(wire.request_body_buffer_limit.as_ref(), wire.per_request_buffer_limit_bytes.as_ref())
}

fn route(cx: &mut Context, wire: &pb::Route, inherited: Inherited) -> Option<Route> {
    let filters = filters::overrides(cx, &wire.typed_per_filter_config);
    check_metadata_keys(cx, wire.metadata.as_ref(), &[ANY_METHOD, RETRY]);
    let extras = retry::extras(cx, wire.metadata.as_ref());
    let matches = match &wire.r#match {
        Some(wire) => cx.at("match", |cx| matches::route_match(cx, wire)),
        None => cx.at("match", |cx| cx.refuse("a route needs a match")),
    };
    let action = action::action(cx, wire, matches.as_ref(), extras, inherited);
    let headers = mutation::mutations(cx, &mutation::level!(wire));
    let metadata = metadata(cx, wire.metadata.as_ref());
    let name = often_empty(&wire.name);
    Some(Route { name, matches: matches?, action: action?, headers, metadata, filters })
}

/// The name of a header, where one is given.
fn lower_case(name: &str) -> Option<Name> {
    (!name.is_empty()).then(|| name.to_ascii_lowercase().into())
}
