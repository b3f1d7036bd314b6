//! What Envoy accepts, what comes out, and how mistakes are told.
#![allow(clippy::unwrap_used)]

use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use ripstop_yaml::{Severity, Source, parse};

use super::*;

const BOOTSTRAP: &str = "envoy.config.bootstrap.v3.Bootstrap";

fn try_bind(text: &str) -> (Option<Vec<u8>>, Vec<Problem>) {
    let source = Source::new("t", text);
    let documents = match parse(&source) {
        Ok(documents) => documents,
        Err(problem) => return (None, vec![problem]),
    };
    let problems = Problems::new(&source);
    let bytes = documents.first().and_then(|document| bind(&document.root, BOOTSTRAP, &problems));
    (bytes, problems.into_vec())
}

fn bound(text: &str) -> Bootstrap {
    let (bytes, problems) = try_bind(text);
    assert_eq!(problems, [], "{text}");
    Bootstrap::decode(bytes.unwrap().as_slice()).unwrap()
}

fn refused(text: &str) -> Vec<String> {
    let (bytes, problems) = try_bind(text);
    assert_eq!(bytes, None, "{text}");
    problems.iter().filter(|p| p.severity == Severity::Error).map(ToString::to_string).collect()
}

#[test]
fn what_envoy_accepts_is_accepted_and_nothing_else() {
    let url = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let (mut file, mut cases, mut wrong) = ("", 0, Vec::new());
    for line in include_str!("tests/envoy_verdicts.txt").lines() {
        let Some((sign, rest)) = line.split_once(' ') else { continue };
        let accepted = match sign {
            "@" => {
                file = rest;
                continue;
            }
            "+" => true,
            "-" => false,
            _ => continue,
        };
        let at = file.rfind("@}").or_else(|| file.rfind('@')).unwrap();
        let value = rest.replace('⏎', "\n").replace('⇥', "\t").replace("TYPE", url);
        let text = format!("{}{value}{}", &file[..at], &file[at + 1..]);
        let (bytes, problems) = try_bind(&text);
        cases += 1;
        if bytes.is_some() != accepted {
            wrong.push(format!("Envoy {sign} {text}: {problems:?}"));
        }
    }
    assert!(cases > 300, "{cases}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_known_to_differ_from_envoy() {
    // Envoy reads a `Struct` as the message that the extension expects; we say so when the extension is decoded.
    // Envoy ignores quotes behind a tag other than `!`, and takes `!` for quotes; we go by the quotes alone.
    assert!(try_bind("node: {id: !!int \"5\"}").0.is_some(), "Envoy refuses it");
    assert!(try_bind("node: {id: ! 5}").0.is_none(), "Envoy accepts it");
}

#[test]
fn a_whole_gateway_is_bound_with_its_extensions() {
    let bootstrap = bound(include_str!("tests/gateway.yaml"));
    let resources = bootstrap.static_resources.unwrap();
    let cluster = &resources.clusters[0];
    assert_eq!((cluster.name.as_str(), cluster.connect_timeout.unwrap().nanos), ("users", 250_000_000));
    assert_eq!(resources.clusters[1].name, "products", "written in camel case");
    let filter = &resources.listeners[0].filter_chains[0].filters[0];
    let Some(envoy_types::pb::envoy::config::listener::v3::filter::ConfigType::TypedConfig(any)) =
        &filter.config_type
    else {
        panic!("{filter:?}")
    };
    let manager = HttpConnectionManager::decode(any.value.as_slice()).unwrap();
    assert_eq!(manager.stat_prefix, "ingress");
    assert_eq!(manager.http_filters.len(), 2);
    assert_eq!(manager.http_filters[0].name, "envoy.filters.http.fault");
}

#[test]
fn values_are_read_as_envoy_reads_them() {
    let port = |value: &str| {
        let file = format!("admin: {{address: {{socket_address: {{address: h, port_value: {value}}}}}}}");
        to_json(BOOTSTRAP, &try_bind(&file).0.unwrap())
    };
    for (value, want) in [("010", 8), ("\"010\"", 10), ("089", 89), ("0x1F90", 8080), ("8.08e3", 8080)] {
        assert!(port(value).contains(&format!("\"port_value\":{want}")), "{value}: {}", port(value));
    }
    let one = bound("static_resources: {clusters: {name: only, type: strict_dns}}").static_resources.unwrap();
    assert_eq!(one.clusters.len(), 1);
    let last = bound("\u{feff}node: {id: a}").node.unwrap();
    assert_eq!(last.id, "a");
    let (bytes, problems) = try_bind("node: {id: a, id: b}");
    assert_eq!(Bootstrap::decode(bytes.unwrap().as_slice()).unwrap().node.unwrap().id, "b");
    assert_eq!(problems[0].to_string(), "t:1:8: node.id: written again below, which counts");
    assert_eq!(problems[0].severity, Severity::Warning);
}

#[test]
fn all_mistakes_are_told_with_place_and_help() {
    let text = "\
static_resources:
  clusters:
  - name: users
    conect_timeout: 5s
    connect_timeout: 250ms
    type: strict-dns
    load_assignment:
      cluster_name: 12
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: users, port_value: eighty}}}
    transport_socket:
      name: tls
      typed_config:
        \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v2.UpstreamTlsContext
        sni: x
  - name: b
    transport_socket:
      name: tls
      typed_config:
        \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        snii: x
";
    assert_eq!(
        refused(text),
        [
            "t:4:5: static_resources.clusters[0].conect_timeout: unknown field in envoy.config.cluster.v3.Cluster \
         (did you mean `connect_timeout`?)",
            "t:5:22: static_resources.clusters[0].connect_timeout: expected a duration, found `250ms` \
         (write it in seconds: 0.25s)",
            "t:6:11: static_resources.clusters[0].type: `strict-dns` is no value of \
         envoy.config.cluster.v3.Cluster.DiscoveryType (did you mean `STRICT_DNS`?)",
            "t:8:21: static_resources.clusters[0].load_assignment.cluster_name: expected a text, found `12` \
         (put it in quotes: \"12\")",
            "t:11:77: static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.\
         socket_address.port_value: expected a whole number, found `eighty`",
            "t:15:18: static_resources.clusters[0].transport_socket.typed_config.@type: there is no type \
         `type.googleapis.com/envoy.extensions.transport_sockets.tls.v…` in Envoy's API (did you mean \
         `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`?)",
            "t:22:9: static_resources.clusters[1].transport_socket.typed_config.snii: unknown field in \
         envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext (did you mean `sni`?)",
        ]
    );
}

#[test]
fn broken_rules_are_told_where_the_value_stands() {
    let text = "\
staticResources:
  listeners:
  - name: l
    address: {socketAddress: {address: 127.0.0.1, portValue: 99999}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: ''
          cluster: x
  clusters: {name: a, connect_timeout: 0s}
";
    assert_eq!(
        refused(text),
        [
            "t:4:62: static_resources.listeners[0].address.socket_address.port_value: must be at most 65535",
            "t:10:24: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.stat_prefix: \
         must not be empty",
            "t:12:40: static_resources.clusters[0].connect_timeout: must be greater than 0s",
        ]
    );
}

#[test]
fn two_members_of_a_oneof_and_merge_keys_are_refused() {
    assert_eq!(
        refused("layered_runtime: {layers: [{name: l, disk_layer: {}, admin_layer: {}}]}"),
        [
            "t:1:54: layered_runtime.layers[0].admin_layer: only one of `disk_layer` and `admin_layer` can be set"
        ]
    );
    assert_eq!(
        refused("node: {<<: {id: a}}"),
        [
            "t:1:8: node[\"<<\"]: unknown field in envoy.config.core.v3.Node (Envoy does not merge mappings: use an \
         alias for the whole value)"
        ]
    );
}

#[test]
fn messages_that_do_not_exist_are_named() {
    let source = Source::new("t", "a: 1");
    let documents = parse(&source).unwrap();
    let problems = Problems::new(&source);
    assert_eq!(bind(&documents[0].root, "envoy.NoSuch", &problems), None);
    assert!(problems.has_errors());
}

#[test]
fn deep_and_wide_files_cost_neither_stack_nor_time() {
    let deep = format!("node: {{metadata: {}x{}}}", "{a: ".repeat(120), "}".repeat(120));
    try_bind(&deep);
    let lists = format!("static_resources: {{clusters: {}{{name: a}}{}}}", "[".repeat(120), "]".repeat(120));
    assert!(try_bind(&lists).0.is_some());
    let mut any = String::from("{}");
    for _ in 0..60 {
        any = format!("{{'@type': type.googleapis.com/google.protobuf.Any, value: {any}}}");
    }
    let nested = format!(
        "static_resources: {{clusters: [{{name: a, typed_extension_protocol_options: {{x: {any}}}}}]}}"
    );
    assert_eq!(refused(&nested).len(), 1, "too many extensions in one another");
    let unknown: String = (0..50_000).map(|n| format!("unknown{n}: 1\n")).collect();
    assert_eq!(refused(&unknown).len(), ripstop_yaml::MAX_PROBLEMS + 1);
}
