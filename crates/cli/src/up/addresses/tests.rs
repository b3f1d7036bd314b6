//! The lines that are offered for a written mesh.

use super::*;
use crate::up::plan::tests::{MESH, plan, world};

#[test]
fn routes_of_a_gateway_become_curl_lines() {
    let tries = tries(&plan(MESH), &world(MESH));
    assert_eq!(tries[0].title, "gateway edge on 127.0.0.1:10000");
    assert_eq!(
        tries[0].lines,
        ["curl -s http://127.0.0.1:10000/api/users", r"curl -s 'http://127.0.0.1:10000/it'\''s'"]
    );
}

#[test]
fn a_route_for_a_host_needs_its_header() {
    let text = MESH.replace("  hosts: [\"*\"]\n  gateways", "  hosts: [\"*.shop.example\"]\n  gateways");
    let tries = tries(&plan(&text), &world(&text));
    assert_eq!(tries[0].lines[0], "curl -s -H 'host: www.shop.example' http://127.0.0.1:10000/api/users");
}

#[test]
fn services_are_called_through_the_outbound_listener() {
    let text = MESH.replace("  service: users\n", "");
    let tries = tries(&plan(&text), &world(&text));
    assert_eq!(tries[1].lines, ["curl -s -x http://127.0.0.1:15101 http://users/users"]);
    let own = super::tries(&plan(MESH), &world(MESH));
    assert_eq!(own.len(), 1, "nobody needs to call himself");
}

#[test]
fn lines_never_carry_control_characters() {
    let text = MESH.replace("prefix: /api/users", "prefix: \"/api/\\u001b[2J\"");
    let tries = tries(&plan(&text), &world(&text));
    assert!(tries.iter().flat_map(|t| &t.lines).all(|line| printable(line)));
}
