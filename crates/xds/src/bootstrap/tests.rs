//! Files and what is said of them.
#![allow(clippy::unwrap_used)]

use ripstop_model::{Address, Discovery};
use ripstop_yaml::Severity;

use super::*;

const FILE: &str = "\
node: {id: edge-1, cluster: edge, metadata: {ROLE: edge, COUNT: 3}}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
staticResources:
  listeners:
  - name: l
    address: {socket_address: {address: 0.0.0.0, port_value: 10000}}
    filterChains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          route_config:
            virtual_hosts:
            - name: all
              domains: [\"*\"]
              routes: [{match: {prefix: /}, route: {cluster: shop}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: shop
    type: STRICT_DNS
    load_assignment:
      cluster_name: shop
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: shop, port_value: 80}}}}]}]
";

fn read_text(text: &str) -> (Option<Bootstrap>, Vec<String>) {
    let (bootstrap, problems) = load(&Source::new("f.yaml", text));
    let errors = problems.iter().any(|problem| problem.severity == Severity::Error);
    assert_eq!(errors, bootstrap.is_none(), "{problems:?}");
    (bootstrap, problems.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn said(text: &str, line: &str) {
    let (_, problems) = read_text(text);
    assert!(problems.iter().any(|problem| problem.contains(line)), "no {line} in {problems:#?}");
}

#[test]
fn a_file_becomes_a_snapshot() {
    let (bootstrap, problems) = read_text(FILE);
    assert_eq!(problems, Vec::<String>::new());
    let bootstrap = bootstrap.unwrap();
    assert_eq!((bootstrap.node.id.as_str(), bootstrap.node.cluster.as_str()), ("edge-1", "edge"));
    assert_eq!(bootstrap.node.metadata.get("ROLE").map(String::as_str), Some("edge"));
    assert_eq!(bootstrap.admin, Some(Address::socket([127, 0, 0, 1], 9901).into()));
    assert!(bootstrap.snapshot.listeners.contains_key("l"));
    let cluster = &bootstrap.snapshot.clusters["shop"];
    assert!(matches!(&cluster.discovery, Discovery::Dns(_)), "{cluster:?}");
}

#[test]
fn what_is_not_supported_is_told_with_its_place() {
    said(&format!("{FILE}hds_config: {{api_type: GRPC}}\n"), "f.yaml:27:13: hds_config:");
    said(&format!("{FILE}statsFlushInterval: 5s\n"), "f.yaml:27:21: stats_flush_interval:");
    said(
        &FILE.replace(
            "type: STRICT_DNS",
            "type: STRICT_DNS\n    preconnect_policy: {per_upstream_preconnect_ratio: 1.5}",
        ),
        "f.yaml:24:24: static_resources.clusters[0].preconnect_policy:",
    );
}

#[test]
fn what_cannot_be_taken_is_told_with_its_place() {
    let lookup = FILE.replace("filterChains:\n", "transparent: true\n    filterChains:\n");
    said(&lookup, "f.yaml:7:18: static_resources.listeners[0].transparent:");
    said(&FILE.replace("name: shop\n", "name: shp\n"), "cluster shop is named and not in this file");
    said(&FILE.replace("stat_prefix: in", "stat_prefx: in"), "f.yaml:12:11:");
    said("a: b\n---\nc: d\n", "holds 2 documents");
    let double =
        FILE.replace("  clusters:\n", "  clusters:\n  - {name: shop, load_assignment: {cluster_name: x}}\n");
    said(&double, "static_resources.clusters[1].name: there is another cluster named 'shop'");
}

#[test]
fn files_are_told_apart() {
    assert!(is_bootstrap(&Source::new("f", FILE)));
    assert!(is_bootstrap(&Source::new("f", "{\"staticResources\": {}}")));
    assert!(!is_bootstrap(&Source::new("f", "apiVersion: ripstop.io/v1\nkind: Mesh\nnode: x\n")));
}

#[test]
fn layers_of_values_are_read() {
    use ripstop_model::Percent;
    use ripstop_model::runtime::{RuntimeSource, RuntimeValue};
    let text = "
layered_runtime:
  layers:
  - name: file
    static_layer:
      num: 50
      a: {b: {c: true}, share: {numerator: 25, denominator: TEN_THOUSAND}, odd: {numerator: 1, foo: 2}}
      over: {numerator: 150}
      none: {}
  - name: admin
    admin_layer: {}
";
    let (bootstrap, problems) = read_text(text);
    assert_eq!(problems, Vec::<String>::new());
    let layers = bootstrap.unwrap().runtime;
    let RuntimeSource::Static(values) = &layers[0].source else { panic!("{layers:?}") };
    assert_eq!(values["num"], RuntimeValue::number(50.0));
    assert_eq!(values["a.b.c"], RuntimeValue::switch(true));
    assert_eq!(values["a.share"].share, Some(Percent::per_million(2_500)));
    assert_eq!(values["a.odd"].share, None);
    assert_eq!(values["over"].share, Some(Percent::ALL));
    assert_eq!(values["none"].share, Some(Percent::ZERO));
    assert_eq!(layers[1].source, RuntimeSource::Admin);

    let text = "
layered_runtime:
  layers:
  - {name: a, static_layer: {x: [1]}}
  - {name: a, rtds_layer: {name: r, rtds_config: {ads: {}}}}
";
    let (bootstrap, problems) = read_text(text);
    assert!(bootstrap.is_none());
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn layers_and_secrets_that_are_sent_need_somebody_who_sends_them() {
    let layer = "layered_runtime: {layers: [{name: a, rtds_layer: {name: r, rtds_config: {ads: {}}}}]}";
    said(
        &format!("{FILE}{layer}\n"),
        "runtime r has to come from ADS, and dynamic_resources has no ads_config",
    );
    let with = |source: &str| {
        let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
        let context =
            format!("{{validation_context_sds_secret_config: {{name: ROOTCA, sds_config: {{{source}}}}}}}");
        let socket = format!(
            "    transport_socket: {{name: tls, typed_config: {{\"@type\": {tls}, common_tls_context: {context}}}}}\n"
        );
        format!("{FILE}{socket}")
    };
    said(&with("ads: {}"), "secret ROOTCA has to come from ADS");
    let server = |name: &str| {
        format!(
            "api_config_source: {{api_type: GRPC, grpc_services: [{{envoy_grpc: {{cluster_name: {name}}}}}]}}"
        )
    };
    said(&with(&server("nobody")), "secret ROOTCA is asked of cluster nobody, which is not in this file");
    let (bootstrap, problems) = read_text(&with(&server("shop")));
    let snapshot = bootstrap.unwrap_or_else(|| panic!("{problems:?}")).snapshot;
    let asked: Vec<_> = snapshot.secrets_of_servers().map(|secret| secret.name.to_string()).collect();
    assert_eq!(asked, ["ROOTCA"]);
}

/// [`FILE`] with this in `dynamic_resources`.
fn dynamic(text: &str) -> (Option<Bootstrap>, Vec<String>) {
    read_text(&format!("{FILE}dynamic_resources: {text}\n"))
}

#[test]
fn a_control_plane_and_files_are_followed() {
    let ads = "api_type: DELTA_GRPC, grpc_services: [{envoy_grpc: {cluster_name: shop}, initial_metadata: [{key: a, value: b}]}]";
    let (bootstrap, problems) = dynamic(&format!(
        "{{ads_config: {{{ads}}}, cds_config: {{ads: {{}}, initial_fetch_timeout: 3s}}, lds_config: \
         {{path_config_source: {{path: /etc/lds.yaml, watched_directory: {{path: /etc}}}}}}}}"
    ));
    assert_eq!(problems, Vec::<String>::new());
    let found = bootstrap.unwrap().dynamic;
    let expected = AdsSource {
        protocol: crate::client::Protocol::Delta,
        target: AdsTarget::Cluster("shop".into()),
        headers: vec![("a".to_owned(), "b".to_owned())],
    };
    assert_eq!(found.ads, Some(expected));
    let cds = found.clusters.unwrap();
    assert_eq!((cds.file, cds.initial_timeout), (None, Some(std::time::Duration::from_secs(3))));
    let file = found.listeners.unwrap().file.unwrap();
    assert_eq!((&*file.path, file.watched_directory.as_deref()), ("/etc/lds.yaml", Some("/etc")));
}

#[test]
fn what_cannot_be_followed_is_told() {
    let check = |text: &str, part: &str| {
        let (bootstrap, problems) = dynamic(text);
        assert!(bootstrap.is_none());
        assert!(problems.iter().any(|problem| problem.contains(part)), "no {part} in {problems:#?}");
    };
    check(
        "{lds_config: {ads: {}}}",
        "dynamic_resources.lds_config: asks for ADS, and dynamic_resources has no",
    );
    let service = "grpc_services: [{envoy_grpc: {cluster_name: shop}}]";
    check(&format!("{{ads_config: {{api_type: REST, {service}}}}}"), "has to be GRPC or DELTA_GRPC");
    check(
        "{ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: nobody}}]}}",
        "grpc_services[0].envoy_grpc.cluster_name: there is no cluster 'nobody'",
    );
    check("{ads_config: {api_type: GRPC}}", "has to be one service; 0 are written");
    check(
        &format!("{{cds_config: {{api_config_source: {{api_type: GRPC, {service}}}}}}}"),
        "cds_config.api_config_source: a stream of its own",
    );
}
