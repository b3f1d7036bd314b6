//! Plans of written meshes.

use ripstop_control::document::decode;
use ripstop_yaml::Source;

use super::*;

/// A mesh with a gateway, an application with everything, and one without a sidecar.
pub(crate) const MESH: &str = "\
apiVersion: ripstop.io/v1
kind: Service
metadata: {name: users}
spec:
  ports: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {name: edge, labels: {istio: edge}}
spec:
  serviceAccount: edge
  address: 127.0.0.1
  gateway: {admin: 9901}
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {name: users-1, labels: {app: users}}
spec:
  service: users
  address: 127.0.0.1
  ports:
    http: {app: 8081, sidecar: 15001}
  health: {path: /health}
  sidecar:
    admin: 9902
    outbound: 15101
    upstreams: {users: 15201}
  run:
    command: [bin/users, --fast]
    env: {PORT: \"8081\", USERS_SERVICE_URL: \"http://elsewhere\"}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: edge}
  servers:
    - port: {number: 10000, name: http, protocol: HTTP}
      hosts: [\"*\"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec:
  hosts: [\"*\"]
  gateways: [edge]
  http:
    - match: [{uri: {prefix: /api/users}}]
      rewrite: {uri: /users}
      route: [{destination: {host: users}}]
    - match: [{uri: {prefix: /only-post}, method: {exact: POST}}, {uri: {exact: \"/it's\"}}]
      route: [{destination: {host: users}}]
";

/// The world of `text`, which must be valid.
pub(crate) fn world(text: &str) -> World {
    let (resources, problems) = decode(&Source::new("mesh.yaml", text));
    assert!(problems.is_empty(), "{problems:?}");
    World::build(resources).unwrap().0
}

/// The plan of `text`.
pub(crate) fn plan(text: &str) -> Plan {
    Plan::new(&world(text), Path::new("/home/shop"))
}

#[test]
fn a_gateway_is_a_proxy_without_application() {
    let plan = plan(MESH);
    let edge = &plan.instances[0];
    assert_eq!(edge.name, "edge");
    assert_eq!(edge.app, None);
    let proxy = edge.proxy.as_ref().unwrap();
    assert_eq!(proxy.node.to_string(), "router~127.0.0.1~edge.default~default.svc.cluster.local");
    assert_eq!(proxy.admin, "127.0.0.1:9901".parse().unwrap());
    assert_eq!(proxy.listens, ["127.0.0.1:10000".parse().unwrap()]);
    assert_eq!(edge.identity.as_str(), "spiffe://cluster.local/ns/default/sa/edge");
}

#[test]
fn an_application_is_told_where_its_sidecar_listens() {
    let plan = plan(MESH);
    let app = plan.instances[1].app.as_ref().unwrap();
    assert_eq!(app.program, Path::new("/home/shop/bin/users"));
    assert_eq!(app.args, ["--fast"]);
    assert_eq!(app.address, Some("127.0.0.1:8081".parse().unwrap()));
    assert_eq!(app.health_path.as_deref(), Some("/health"));
    let env: Vec<(&str, &str)> =
        app.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("PORT", "8081"),
        ("RIPSTOP_OUTBOUND", "http://127.0.0.1:15101"),
        // What the workload itself says wins.
        ("USERS_SERVICE_URL", "http://elsewhere"),
    ];
    assert_eq!(env, expected);
}

#[test]
fn programs_without_a_slash_are_looked_up() {
    let plan = plan(&MESH.replace("bin/users", "users"));
    assert_eq!(plan.instances[1].app.as_ref().unwrap().program, Path::new("users"));
}

#[test]
fn every_port_is_claimed_with_who_wants_it_and_where_that_is_written() {
    let plan = plan(MESH);
    let mut ports: Vec<u16> = plan.claims.iter().map(|claim| claim.address.port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [8081, 9901, 9902, 10000, 15001, 15012, 15014, 15101, 15201]);
    let by = |port| {
        let claim = plan.claims.iter().find(|claim| claim.address.port() == port);
        claim.map(|claim| claim.by.as_str()).unwrap_or_default()
    };
    let line = |text: &str| MESH.lines().position(|line| line.contains(text)).unwrap() + 1;
    let expected = format!("the application of workload users-1 (mesh.yaml:{})", line("app: 8081"));
    assert_eq!(by(8081), expected);
    assert!(by(10000).starts_with("the gateway edge (mesh.yaml:"), "{}", by(10000));
    assert!(by(15201).starts_with("the sidecar of workload users-1, for calls to users (mesh.yaml:"));
    assert_eq!(by(15012), "the control plane, for xDS (the default of spec.control.xds of a Mesh document)");
}

#[test]
fn names_outside_the_default_namespace_say_so() {
    let text = MESH.replace("{name: users-1,", "{name: users-1, namespace: shop,");
    let text = text.replace("  service: users\n", "").replace("upstreams: {users: 15201}", "upstreams: {}");
    let plan = plan(&text);
    assert_eq!(plan.instances[1].name, "users-1.shop");
    let node = &plan.instances[1].proxy.as_ref().unwrap().node;
    assert_eq!(node.to_string(), "sidecar~127.0.0.1~users-1.shop~shop.svc.cluster.local");
}
