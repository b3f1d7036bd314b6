//! Rules of translation that are easier to read one by one than in a golden file.

use ripstop_control::resource::MtlsMode;
use ripstop_control::translate::{ProxyRef, UnknownProxy, translate};
use ripstop_model::route::{ClusterChoice, RetryOn, RouteAction};
use ripstop_model::{Name, Route, Snapshot};

use crate::support::{build, lines, service, snapshot, world};

fn rule(name: &str, spec: &str) -> String {
    format!("\n---\napiVersion: networking.istio.io/v1\nkind: {name}\n{spec}\n")
}

/// The routes of the virtual host that has this domain.
fn routes<'a>(snapshot: &'a Snapshot, config: &str, domain: &str) -> &'a [Route] {
    let hosts = &snapshot.routes[config].virtual_hosts;
    let host = hosts.iter().find(|host| host.domains.iter().any(|one| &**one == domain));
    &host.unwrap_or_else(|| panic!("{domain}: {hosts:#?}")).routes
}

fn clusters(route: &Route) -> Vec<Name> {
    match &route.action {
        RouteAction::Forward(forward) => forward.cluster.names().cloned().collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_service_without_rules_gets_istios_defaults() {
    let world = world(&service("web", 8000));
    let snapshot = snapshot(&world, "web-1");
    for domain in ["web", "web:80", "web.default", "web.default.svc:80", "web.default.svc.cluster.local"] {
        let [route] = routes(&snapshot, "outbound", domain) else { panic!("{domain}") };
        assert_eq!(&*route.name, "Service default/web port 80");
        let RouteAction::Forward(forward) = &route.action else { panic!("{route:?}") };
        assert_eq!(forward.timeout, Some(std::time::Duration::ZERO));
        let retry = forward.retry.as_ref().unwrap();
        assert_eq!(retry.num_retries, 2);
        assert_eq!(
            retry.on.words().collect::<Vec<_>>(),
            ["connect-failure", "refused-stream", "cancelled", "unavailable"]
        );
        assert!(retry.avoid_previous_hosts && retry.host_selection_attempts == 5 && !retry.any_method);
    }
    let [unknown] = routes(&snapshot, "outbound", "*") else { panic!() };
    assert!(matches!(&unknown.action, RouteAction::DirectResponse(answer) if answer.status == 502));
}

#[test]
fn retries_without_conditions_mean_the_default_ones() {
    let vs = rule(
        "VirtualService",
        "metadata: {name: web}\nspec: {hosts: [web], http: [{route: [{destination: {host: web}}], retries: {attempts: 7}}]}",
    );
    let world = world(&(service("web", 8000) + &vs));
    let snapshot = snapshot(&world, "web-1");
    let [route] = routes(&snapshot, "outbound", "web") else { panic!() };
    let RouteAction::Forward(forward) = &route.action else { panic!("{route:?}") };
    let retry = forward.retry.as_ref().unwrap();
    assert_eq!((retry.num_retries, retry.per_try_timeout), (7, None));
    assert!(retry.on.contains(RetryOn::CONNECT_FAILURE.and(RetryOn::GRPC_UNAVAILABLE)));
    assert_eq!(&*route.name, "VirtualService default/web http[0]");
}

#[test]
fn what_is_not_there_keeps_its_share_as_a_cluster_without_endpoints() {
    let vs = rule(
        "VirtualService",
        "metadata: {name: web}\nspec:\n  hosts: [web]\n  http:\n  - route:\n    - {destination: {host: web}, weight: 90}\n    - {destination: {host: gone, port: {number: 8080}}, weight: 10}",
    );
    let world = world(&(service("web", 8000) + &vs));
    let snapshot = snapshot(&world, "web-1");
    let [route] = routes(&snapshot, "outbound", "web") else { panic!() };
    let missing = "outbound|8080||gone.default.svc.cluster.local";
    let RouteAction::Forward(forward) = &route.action else { panic!("{route:?}") };
    assert!(matches!(&forward.cluster, ClusterChoice::Weighted(shares) if shares.shares[1].weight == 10));
    assert_eq!(&*clusters(route)[1], missing);
    assert_eq!(snapshot.endpoints[missing].endpoints().count(), 0);
    assert!(snapshot.clusters.contains_key(missing));
}

#[test]
fn the_most_specific_virtual_service_routes_a_host() {
    let vs = |name: &str, host: &str, to: &str| {
        rule(
            "VirtualService",
            &format!(
                "metadata: {{name: {name}}}\nspec: {{hosts: ['{host}'], http: [{{route: [{{destination: {{host: {to}}}}}]}}]}}"
            ),
        )
    };
    let text = service("web", 8000)
        + &service("api", 8010)
        + &vs("all", "*", "web")
        + &vs("suffix", "*.default.svc.cluster.local", "api")
        + &vs("exact", "web.default", "web")
        + &vs("outside", "www.example.org", "api");
    let world = world(&text);
    let snapshot = snapshot(&world, "web-1");
    let name = |domain: &str| routes(&snapshot, "outbound", domain)[0].name.to_string();
    assert_eq!(name("web"), "VirtualService default/exact http[0]");
    assert_eq!(name("api:80"), "VirtualService default/suffix http[0]");
    assert_eq!(name("www.example.org"), "VirtualService default/outside http[0]");
    assert_eq!(name("*"), "VirtualService default/all http[0]");
    assert_eq!(
        snapshot.routes["outbound"].virtual_hosts.iter().filter(|h| &*h.name == "unknown-host").count(),
        0
    );
}

#[test]
fn destination_rules_of_the_caller_come_before_those_of_the_service() {
    let dr = |namespace: &str, host: &str, max: u32| {
        rule(
            "DestinationRule",
            &format!(
                "metadata: {{name: web-{max}, namespace: {namespace}}}\nspec: {{host: {host}, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {max}}}}}}}}}"
            ),
        )
    };
    let text = service("web", 8000)
        + &service("api", 8010)
        + &dr("istio-system", "'*'", 1)
        + &dr("other", "web.default.svc.cluster.local", 2)
        + &dr("default", "web", 3)
        + "\n---\napiVersion: ripstop.io/v1\nkind: Workload\nmetadata: {name: caller, namespace: other}\nspec: {address: 127.0.0.2, sidecar: {admin: 9000, outbound: 9001}}\n";
    let world = world(&text);
    let snapshot = snapshot(&world, "web-1");
    let limit = |name: &str| snapshot.clusters[name].limits.max_connections;
    assert_eq!(limit("outbound|80||web.default.svc.cluster.local"), 3);
    assert_eq!(limit("outbound|80||api.default.svc.cluster.local"), 1);
    let (other, _) = translate(&world, &ProxyRef::new("other", "caller")).unwrap();
    assert_eq!(other.clusters["outbound|80||web.default.svc.cluster.local"].limits.max_connections, 2);
}

#[test]
fn the_narrower_peer_authentication_holds() {
    let pa = |key: &str, spec: &str| {
        format!(
            "\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {key}\nspec: {spec}\n"
        )
    };
    let mesh = pa("{name: mesh, namespace: istio-system}", "{mtls: {mode: STRICT}}");
    let unset = pa("{name: ns}", "{mtls: {mode: UNSET}}");
    let namespace = pa("{name: ns}", "{mtls: {mode: DISABLE}}");
    let workload = pa(
        "{name: web}",
        "{selector: {matchLabels: {app: web}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {8000: {mode: STRICT}}}",
    );
    let modes = |policies: &[&String]| {
        let text = service("web", 8000) + &policies.iter().map(|p| p.as_str()).collect::<String>();
        let world = world(&text);
        let instance = world.instances().next().unwrap();
        (world.mtls_mode(&instance.workload, 8000), world.mtls_mode(&instance.workload, 1))
    };
    assert_eq!(modes(&[]), (MtlsMode::Permissive, MtlsMode::Permissive));
    assert_eq!(modes(&[&mesh, &unset]), (MtlsMode::Strict, MtlsMode::Strict));
    assert_eq!(modes(&[&mesh, &namespace]), (MtlsMode::Disable, MtlsMode::Disable));
    assert_eq!(modes(&[&mesh, &namespace, &workload]), (MtlsMode::Strict, MtlsMode::Permissive));
}

#[test]
fn gateways_serve_the_hosts_that_both_sides_name() {
    let text = service("web", 8000)
        + "\n---\napiVersion: ripstop.io/v1\nkind: Workload\nmetadata: {name: edge, labels: {istio: edge}}\nspec: {address: 127.0.0.1, gateway: {admin: 9000}}\n"
        + &rule(
            "Gateway",
            "metadata: {name: edge}\nspec:\n  selector: {istio: edge}\n  servers:\n  - {port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*.example.org', 'other/elsewhere.example.com', bare.example.net]}",
        )
        + &rule(
            "VirtualService",
            "metadata: {name: edge}\nspec:\n  gateways: [edge]\n  hosts: [a.example.org, 'b.example.com', elsewhere.example.com, '*']\n  http: [{route: [{destination: {host: web}}]}]",
        );
    let world = world(&text);
    let snapshot = snapshot(&world, "edge");
    let config = &snapshot.routes["http.8080"];
    let domains: Vec<&str> =
        config.virtual_hosts.iter().flat_map(|host| host.domains.iter().map(|domain| &**domain)).collect();
    assert_eq!(
        domains,
        [
            "*.example.org",
            "*.example.org:8080",
            "a.example.org",
            "a.example.org:8080",
            "bare.example.net",
            "bare.example.net:8080"
        ]
    );
    assert!(snapshot.listeners.contains_key("127.0.0.1_8080"));
}

#[test]
fn the_same_world_gives_the_same_snapshot_and_an_edit_changes_only_what_it_concerns() {
    let split = |weight: u32| {
        rule(
            "VirtualService",
            &format!(
                "metadata: {{name: web}}\nspec: {{hosts: [web], http: [{{route: [{{destination: {{host: web}}, weight: {weight}}}, {{destination: {{host: api}}, weight: 10}}]}}]}}"
            ),
        )
    };
    let base = service("web", 8000) + &service("api", 8010);
    let before = snapshot(&world(&(base.clone() + &split(90))), "web-1");
    assert_eq!(
        before,
        snapshot(&world(&("# a comment moves every line\n".to_owned() + &base + &split(90))), "web-1")
    );
    let after = snapshot(&world(&(base + &split(50))), "web-1");
    assert_eq!(
        (&before.listeners, &before.clusters, &before.endpoints),
        (&after.listeners, &after.clusters, &after.endpoints)
    );
    assert_ne!(before.routes, after.routes);
}

#[test]
fn proxies_that_are_not_there_are_refused() {
    let text = service("web", 8000)
        + "\n---\napiVersion: ripstop.io/v1\nkind: Workload\nmetadata: {name: bare}\nspec: {address: 127.0.0.1}\n";
    let world = world(&text);
    let refusal = |name: &str| translate(&world, &ProxyRef::new("default", name)).unwrap_err();
    assert!(matches!(refusal("none"), UnknownProxy::NoWorkload(_)));
    assert!(matches!(refusal("bare"), UnknownProxy::NoProxy(_)));
    assert_eq!(
        refusal("bare").to_string(),
        "workload `bare` in namespace `default` has no proxy; add `sidecar` or `gateway` to its spec"
    );
}

#[test]
fn instances_that_do_not_agree_on_mtls_are_reported() {
    let bare = "
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {name: web-2}
spec: {service: web, address: 127.0.0.1, ports: {http: {app: 8100}}}
";
    let strict = "
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
";
    for (policy, reached, what) in
        [("", 2, "all are called in plaintext"), (strict, 1, "they are left out, since others insist on it")]
    {
        let (world, _) = build(&(service("web", 8000) + bare + policy)).unwrap();
        let (snapshot, warnings) = translate(&world, &ProxyRef::new("default", "web-1")).unwrap();
        let name = "outbound|80||web.default.svc.cluster.local";
        assert_eq!(snapshot.endpoints[name].endpoints().count(), reached);
        assert_eq!(snapshot.clusters[name].transport.tls.is_some(), reached == 1);
        let expected = format!(
            "warning: in.yaml:6:17: spec.ports[0]: 1 of 2 instances of default/web port 80 take no mutual TLS: {what} (give every instance a sidecar and one PeerAuthentication mode)"
        );
        assert_eq!(lines(&warnings), [expected]);
    }
}

#[test]
fn each_effective_value_says_where_it_comes_from() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/profiles/in.yaml"))
        .unwrap();
    let world = world(&text);
    let key = |name: &str| ripstop_control::resource::ObjectKey::new("default", name);
    let values = |name: &str| -> Vec<(String, String, String, u32)> {
        let values = world.effective(&key(name)).unwrap();
        values.into_iter().map(|one| (one.field, one.value, one.from.to_string(), one.origin.line)).collect()
    };
    let check = |name: &str, field: &str, value: &str, from: &str, line: u32| {
        let all = values(name);
        let found = all.iter().find(|one| one.0 == field).unwrap_or_else(|| panic!("{field}: {all:#?}"));
        assert_eq!((&*found.1, &*found.2, found.3), (value, from, line), "{name} {field}");
    };
    check("plain", "timeout", "8s", "Mesh", 7);
    check("plain", "retries.attempts", "2", "profile production", 0);
    check("plain", "connectionPool.http.http2MaxRequests", "64", "Mesh", 7);
    check("plain", "connectionPool.http.http1MaxPendingRequests", "1024", "profile production", 0);
    check("plain", "connectionPool.tcp.idleTimeout", "1h", "built-in default", 0);
    check("payments", "timeout", "3s", "Service default/payments", 20);
    check("payments", "loadBalancer", "ROUND_ROBIN", "Service default/payments", 20);
    check("payments", "outlierDetection.consecutive5xxErrors", "3", "Service default/payments", 20);
    check("payments", "outlierDetection.interval", "10s", "profile production", 0);
    check("payments", "connectionPool.tcp.maxConnections", "5", "DestinationRule default/payments", 41);
    // The section of the rule is whole: what the profile says of it is gone.
    check("payments", "connectionPool.tcp.connectTimeout", "10s", "DestinationRule default/payments", 41);
    check("plain", "connectionPool.tcp.connectTimeout", "2s", "profile production", 0);
    check("payments", "http[0].timeout", "30s", "VirtualService default/payments", 52);
    check("payments", "http[1].timeout", "none", "VirtualService default/payments", 55);
    assert_eq!(world.effective(&key("nobody")), None);
}
