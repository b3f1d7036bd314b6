//! What goes out comes back, and what we do not support is reported.
#![allow(clippy::unwrap_used)]

mod tls;
mod upstream_http;

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::time::Duration;

use fastrand::Rng;
use ripstop_model::LbPolicy;
use ripstop_model::access_log::AccessLogFormat;
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::fault::FaultShare;
use ripstop_model::http_filter::FilterOverride;
use ripstop_model::matcher::{HeaderValueMatch, StringPattern};
use ripstop_model::{NetworkFilter, Percent};

use super::*;
use crate::{ResourceType, arbitrary, encode};

/// Rounds of the property tests; each makes one value of each type.
const ROUNDS: u64 = 400;

#[track_caller]
fn round_trip<T: PartialEq + Debug>(
    seed: u64,
    kind: ResourceType,
    value: &T,
    encode: fn(&T) -> Vec<u8>,
    decode: fn(&[u8]) -> Result<Decoded<T>, Rejection>,
) {
    let bytes = encode(value);
    assert_eq!(bytes, encode(value), "seed {seed}: equal values have equal bytes");
    assert_eq!(validate::check(kind.message_name(), &bytes), [], "seed {seed}: {value:#?}");
    let decoded = decode(&bytes).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{value:#?}"));
    assert_eq!(&decoded.value, value, "seed {seed}");
    assert_eq!(decoded.warnings, [], "seed {seed}");
}

#[test]
fn every_value_comes_back() {
    use ResourceType::{Cluster, Endpoint, Listener, Route, Secret};
    for seed in 0..ROUNDS {
        let rng = &mut Rng::with_seed(seed);
        round_trip(seed, Listener, &arbitrary::listener(rng), encode::encode_listener, decode_listener);
        round_trip(seed, Cluster, &arbitrary::cluster(rng), encode::encode_cluster, decode_cluster);
        let routes = arbitrary::route_configuration(rng);
        round_trip(seed, Route, &routes, encode::encode_route_configuration, decode_route_configuration);
        let endpoints = arbitrary::load_assignment(rng);
        round_trip(seed, Endpoint, &endpoints, encode::encode_load_assignment, decode_load_assignment);
        round_trip(seed, Secret, &arbitrary::secret(rng), encode::encode_secret, decode_secret);
    }
}

#[test]
fn damaged_bytes_are_refused_without_harm() {
    for seed in 0..ROUNDS {
        let rng = &mut Rng::with_seed(seed);
        let mut bytes = encode::encode_listener(&arbitrary::listener(rng));
        let at = rng.usize(0..bytes.len());
        bytes[at] = rng.u8(..);
        let _ = decode_listener(&bytes);
        bytes.truncate(rng.usize(0..bytes.len()));
        let _ = decode_listener(&bytes);
        let _ = decode_cluster(&bytes);
        let _ = decode_route_configuration(&bytes);
        let _ = decode_load_assignment(&bytes);
    }
}

/// Binds YAML to a message, as files are read.
fn wire(kind: ResourceType, yaml: &str) -> Vec<u8> {
    let source = ripstop_yaml::Source::new("test.yaml", yaml);
    let problems = ripstop_yaml::Problems::new(&source);
    let documents = ripstop_yaml::parse(&source).unwrap();
    let bytes = crate::binder::bind(&documents[0].root, kind.message_name(), &problems);
    bytes.unwrap_or_else(|| panic!("{:?}\n{yaml}", problems.into_vec()))
}

#[track_caller]
fn rejected<T: Debug>(result: Result<Decoded<T>, Rejection>, path: &str, message: &str) {
    let rejection = result.unwrap_err();
    let found = rejection.problems.iter().any(|p| p.path == path && p.message.contains(message));
    assert!(found, "no '{path}: …{message}…' in {rejection}");
}

#[track_caller]
fn warned<T>(decoded: &Decoded<T>, path: &str, message: &str) {
    let found = decoded.warnings.iter().any(|w| w.path == path && w.message.contains(message));
    assert!(found, "no '{path}: …{message}…' in {:?}", decoded.warnings);
}

fn cluster(yaml: &str) -> Result<Decoded<Cluster>, Rejection> {
    decode_cluster(&wire(ResourceType::Cluster, yaml))
}

const EDS: &str = "name: c\ntype: EDS\neds_cluster_config: { eds_config: { ads: {} } }\n";

#[test]
fn a_cluster_gets_envoys_defaults() {
    let decoded = cluster(EDS).unwrap();
    assert_eq!(decoded.warnings, []);
    let expected = Cluster::new("c", ripstop_model::Discovery::Eds { service_name: None });
    assert_eq!(decoded.value, expected);
    let decoded = cluster(&format!("{EDS}lb_policy: LEAST_REQUEST\noutlier_detection: {{}}")).unwrap();
    assert_eq!(decoded.value.lb.policy, LbPolicy::LEAST_REQUEST);
    assert_eq!(decoded.value.outlier, Some(ripstop_model::outlier::OutlierDetection::default()));
}

#[test]
fn retries_are_limited_by_number_where_only_a_number_is_given() {
    let limits = |yaml: &str| {
        cluster(&format!("{EDS}circuit_breakers: {{ thresholds: [ {yaml} ] }}")).unwrap().value.limits
    };
    assert_eq!(limits("{ max_retries: 7 }").retry_budget, None);
    assert!(limits("{ max_requests: 7 }").retry_budget.is_some());
    let budget = limits("{ retry_budget: { budget_percent: { value: 12.5 } } }").retry_budget.unwrap();
    assert_eq!((budget.budget, budget.min_concurrency), (Percent::from_f64(12.5).unwrap(), 3));
}

#[test]
fn what_a_cluster_cannot_be_is_refused_or_reported() {
    rejected(
        cluster("name: c\ntype: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED"),
        "type",
        "ORIGINAL_DST is not supported",
    );
    rejected(cluster("name: c\ntype: STRICT_DNS"), "load_assignment", "holds its names");
    rejected(decode_cluster(&[]), "name", "");
    rejected(
        cluster(
            "name: c\ntype: EDS\neds_cluster_config: { eds_config: { api_config_source: { api_type: GRPC } } }",
        ),
        "eds_cluster_config.eds_config.api_config_source",
        "a stream of its own",
    );
    rejected(
        cluster(&format!("{EDS}lb_subset_config: {{ list_as_any: true }}")),
        "lb_subset_config.list_as_any",
        "not supported",
    );
    let decoded = cluster(&format!(
        "{EDS}lb_policy: MAGLEV\nalt_stat_name: x\nmetadata: {{ filter_metadata: {{ ripstop: {{ zzz: 1 }}, other: {{ a: 1 }} }} }}"
    ));
    let decoded = decoded.unwrap();
    assert_eq!(decoded.warnings.len(), 2, "{:?}", decoded.warnings);
    assert_eq!(decoded.value.lb.policy, LbPolicy::MAGLEV);
    warned(&decoded, "alt_stat_name", "has no effect");
    warned(&decoded, "metadata", "zzz");
}

#[test]
fn old_ways_to_ask_for_http2_still_work() {
    let decoded =
        cluster(&format!("{EDS}http2_protocol_options: {{}}\nmax_requests_per_connection: 9")).unwrap();
    assert_eq!(decoded.value.protocol, UpstreamProtocol::Http2);
    assert_eq!(decoded.value.max_requests_per_connection, NonZeroU32::new(9));
}

const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "{ name: r, typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }";

/// A listener with a connection manager; `extra` goes into the manager, `filters` before the router.
fn manager(extra: &str, filters: &str) -> Result<Decoded<Listener>, Rejection> {
    decode_listener(&wire(
        ResourceType::Listener,
        &format!(
            "address: {{ socket_address: {{ address: 127.0.0.1, port_value: 80 }} }}
filter_chains:
- filters:
  - name: hcm
    typed_config:
      \"@type\": {MANAGER}
      stat_prefix: x
      http_filters: [ {filters}{ROUTER} ]
      rds: {{ config_source: {{ ads: {{}} }}, route_config_name: r }}
{extra}"
        ),
    ))
}

#[test]
fn a_listener_without_a_name_gets_that_of_its_address() {
    let decoded = manager("", "").unwrap();
    assert_eq!(&*decoded.value.name, "127.0.0.1:80");
    assert_eq!(decoded.warnings, []);
}

#[test]
fn filters_that_guard_are_never_left_out() {
    let filter = |name: &str, extra: &str| {
        let url = format!("type.googleapis.com/envoy.extensions.filters.http.{name}");
        manager("", &format!("{{ name: f, {extra} typed_config: {{ \"@type\": {url} }} }}, "))
    };
    let at = "filter_chains[0].filters[0].typed_config.http_filters[0]";
    rejected(filter("rbac.v3.RBAC", ""), at, "rbac");
    rejected(filter("jwt_authn.v3.JwtAuthentication", ""), at, "jwt_authn");
    warned(&filter("rbac.v3.RBAC", "is_optional: true,").unwrap(), at, "left out");
    warned(&filter("on_demand.v3.OnDemand", "").unwrap(), at, "left out");
}

#[test]
fn what_decides_where_requests_come_from_is_understood_or_refused() {
    let at = "filter_chains[0].filters[0].typed_config";
    let both = "      strip_matching_host_port: true\n      strip_any_host_port: true";
    rejected(manager(both, ""), at, "only one of");
    let ids = "      request_id_extension: { typed_config: { \"@type\": type.googleapis.com/google.protobuf.Struct } }";
    rejected(manager(ids, ""), &format!("{at}.request_id_extension.typed_config"), "not supported");
    let detection = "      original_ip_detection_extensions: [ { name: x, typed_config: { \"@type\": type.googleapis.com/google.protobuf.Struct } } ]";
    rejected(manager(detection, ""), &format!("{at}.original_ip_detection_extensions"), "not supported");
}

#[test]
fn access_logs_may_be_json() {
    let url = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
    let log = format!(
        "      access_log: [ {{ name: l, typed_config: {{ \"@type\": {url}, log_format: {{ json_format: {{ a: b }} }} }} }} ]"
    );
    let decoded = manager(&log, "").unwrap();
    let NetworkFilter::Http(http) = &decoded.value.filter_chains[0].filter else { panic!("no manager") };
    assert!(matches!(http.access_logs[0].format, AccessLogFormat::Json { omit_empty: false, .. }));
    assert_eq!(decoded.warnings.len(), 0, "{:?}", decoded.warnings);
    let bad = log.replace("a: b", "a: [ x, '%FOO%' ]");
    let problems = format!("{:?}", manager(&bad, "").unwrap_err());
    assert!(problems.contains("%FOO%: there is no such operator"), "{problems}");
}

fn route(yaml: &str) -> Result<Decoded<RouteConfiguration>, Rejection> {
    let host = format!("name: r\nvirtual_hosts: [ {{ name: v, domains: [ '*' ], routes: [ {yaml} ] }} ]");
    decode_route_configuration(&wire(ResourceType::Route, &host))
}

#[test]
fn routes_that_would_match_otherwise_are_refused() {
    let at = "virtual_hosts[0].routes[0]";
    let to = "route: { cluster: c }";
    let matched = |rule: &str| route(&format!("{{ match: {{ prefix: /, {rule} }}, {to} }}"));
    let state = "filter_state: [ { key: k, string_match: { exact: v } } ]";
    rejected(matched(state), &format!("{at}.match.filter_state"), "not supported");
    rejected(
        route(
            "{ match: { prefix: / }, route: { cluster: c, prefix_rewrite: /a, regex_rewrite: { pattern: { regex: a }, substitution: b } } }",
        ),
        &format!("{at}.route"),
        "only one of",
    );
    let hash =
        "{ match: { prefix: / }, route: { cluster: c, hash_policy: [ { filter_state: { key: k } } ] } }";
    rejected(route(hash), &format!("{at}.route.hash_policy[0].filter_state"), "no filter");
    let body = "x".repeat(4097);
    rejected(
        route(&format!(
            "{{ match: {{ prefix: / }}, direct_response: {{ status: 200, body: {{ inline_string: {body} }} }} }}"
        )),
        &format!("{at}.direct_response.body"),
        "longer than the 4096 bytes",
    );
    rejected(
        route(
            "{ match: { prefix: / }, route: { weighted_clusters: { clusters: [ { name: a, weight: 0 } ] } } }",
        ),
        &format!("{at}.route.weighted_clusters"),
        "sum of the weights is 0",
    );
}

#[test]
fn what_is_said_to_filters_is_told_apart() {
    let said = |to: &str, config: &str| {
        route(&format!(
            "{{ match: {{ prefix: / }}, route: {{ cluster: c }}, typed_per_filter_config: {{ {to}: {{ {config} }} }} }}"
        ))
    };
    let at = |to: &str| format!("virtual_hosts[0].routes[0].typed_per_filter_config[\"{to}\"]");
    let csrf = "'@type': type.googleapis.com/envoy.extensions.filters.http.csrf.v3.CsrfPolicy, \
        filter_enabled: { default_value: {} }";
    warned(&said("csrf", csrf).unwrap(), &at("csrf"), "no effect");
    let fault = "'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, \
        abort: { http_status: 503, percentage: { numerator: 150 } }";
    let decoded = said("mine", fault).unwrap();
    let said_to = &decoded.value.virtual_hosts[0].routes[0].filters["mine"];
    let FilterOverride::Fault(fault) = said_to else { panic!("{said_to:?}") };
    assert_eq!(fault.abort.as_ref().unwrap().share, FaultShare::ALL, "more than all is all");
    let unknown = "'@type': type.googleapis.com/google.protobuf.Struct";
    rejected(said("foo", unknown), &at("foo"), "no HTTP filter takes");
    let wrapper = "'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig";
    rejected(said("foo", wrapper), &at("foo"), "needs a config");
    assert_eq!(said("foo", &format!("{wrapper}, disabled: true")).unwrap().warnings, []);
    let optional = format!("{wrapper}, is_optional: true, config: {{ {unknown} }}");
    warned(&said("foo", &optional).unwrap(), &at("foo"), "no effect");
    let router = "'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    rejected(said("envoy.filters.http.router", router), &at("envoy.filters.http.router"), "takes no");
}

#[test]
fn direct_responses_may_stand_in_files() {
    let path = std::env::temp_dir().join(format!("ripstop-direct-response-{}", std::process::id()));
    std::fs::write(&path, "from a file").unwrap();
    let yaml = |path: &str| {
        format!(
            "{{ match: {{ prefix: / }}, direct_response: {{ status: 200, body: {{ filename: '{path}' }} }} }}"
        )
    };
    let decoded = route(&yaml(path.to_str().unwrap()));
    std::fs::remove_file(&path).unwrap();
    let decoded = decoded.unwrap();
    let ripstop_model::route::RouteAction::DirectResponse(answer) =
        &decoded.value.virtual_hosts[0].routes[0].action
    else {
        panic!("no direct response")
    };
    assert_eq!(answer.body, b"from a file");
    let at = "virtual_hosts[0].routes[0].direct_response.body.filename";
    rejected(route(&yaml("/nowhere/at/all")), at, "cannot read");
}

#[test]
fn old_header_rules_and_retry_words_are_read() {
    let headers = "headers: [ { name: X-A, exact_match: v }, { name: b } ]";
    let retry = "retry_policy: { retry_on: 'connect-failure, http3-post-connect-failure' }";
    let yaml =
        format!("{{ match: {{ prefix: /, {headers} }}, route: {{ cluster: c, timeout: 0s, {retry} }} }}");
    let decoded = route(&yaml).unwrap();
    warned(&decoded, "virtual_hosts[0].routes[0].route.retry_policy.retry_on", "http3-post-connect-failure");
    let route = &decoded.value.virtual_hosts[0].routes[0];
    assert_eq!(&*route.matches.headers[0].name, "x-a");
    let HeaderValueMatch::String(rule) = &route.matches.headers[0].value else { panic!("no text rule") };
    assert_eq!(rule.pattern, StringPattern::Exact("v".into()));
    assert_eq!(route.matches.headers[1].value, HeaderValueMatch::Present(true));
    let ripstop_model::route::RouteAction::Forward(forward) = &route.action else { panic!("no forward") };
    assert_eq!(forward.timeout, Some(Duration::ZERO));
    let retry = forward.retry.as_ref().unwrap();
    assert_eq!((retry.num_retries, retry.host_selection_attempts), (1, 1));
}

#[test]
fn a_cluster_with_dns_has_names() {
    let yaml = |kind: &str, endpoints: usize| {
        let endpoint = "{ endpoint: { address: { socket_address: { address: shop, port_value: 80 } } } }";
        let endpoints = vec![endpoint; endpoints].join(", ");
        format!(
            "name: c\ntype: {kind}\ndns_lookup_family: V4_ONLY\nload_assignment: {{ cluster_name: c, endpoints: [ {{ lb_endpoints: [ {endpoints} ] }} ] }}"
        )
    };
    let decoded = cluster(&yaml("STRICT_DNS", 2)).unwrap();
    assert_eq!(decoded.warnings, []);
    let ripstop_model::Discovery::Dns(dns) = decoded.value.discovery else { panic!("{:?}", decoded.value) };
    assert_eq!(dns.refresh, Duration::from_secs(5));
    assert_eq!(dns.hosts.endpoints().next().unwrap().address.to_string(), "shop:80");
    assert!(cluster(&yaml("LOGICAL_DNS", 1)).is_ok());
    rejected(cluster(&yaml("LOGICAL_DNS", 2)), "load_assignment", "exactly one");
}

#[test]
fn endpoints_are_addresses() {
    let endpoints = |address: &str| {
        let yaml = format!(
            "cluster_name: c\nendpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: {address}, port_value: 80 }} }} }} }} ] }} ]"
        );
        decode_load_assignment(&wire(ResourceType::Endpoint, &yaml))
    };
    let decoded = endpoints("'::1'").unwrap().value;
    assert_eq!(decoded.localities[0].weight, None);
    assert_eq!(decoded.endpoints().next().unwrap().address.to_string(), "[::1]:80");
    rejected(
        endpoints("example.org"),
        "endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address",
        "not an IP address",
    );
}
