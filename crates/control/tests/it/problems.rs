//! What is refused and what is remarked upon, with file, line, path and what to do.

use crate::support::{build, lines, service};

/// Every problem of `text`, errors and warnings.
fn problems(text: &str) -> Vec<String> {
    match build(text) {
        Ok((_, warnings)) => lines(&warnings),
        Err(problems) => lines(&problems),
    }
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(problems(text), expected, "{text}");
}

#[test]
fn every_error_of_a_document_is_reported_at_once() {
    let text = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, lables: {a: b}}
spec:
  hosts: [shop, 'a b']
  http:
  - match: [{uri: {prefix: users}}, {uri: {exact: /a, prefix: /b}}, {uri: {regex: '('}}, {uri: {}}]
    route:
    - destination: {host: users, port: {number: 70000}}
      wieght: 5
    timeout: 5
    retries: {attempts: 2, retryOn: '5xx,conect-failure'}
  - rout: []
  - route: []
  - route: [{destination: {host: a}, weight: 0}, {destination: {host: b}}]
";
    check(
        text,
        &[
            "error: in.yaml:3:24: metadata.lables: unknown field (did you mean `labels`?)",
            "error: in.yaml:5:17: spec.hosts[1]: `a b` is not a host (write a name, `*.suffix` or `*`)",
            "error: in.yaml:7:19: spec.http[0].match[0].uri: `users` is never the beginning of a path (begin with `/`)",
            "error: in.yaml:7:44: spec.http[0].match[1].uri: only one of `exact`, `prefix` and `regex` can hold",
            "error: in.yaml:7:83: spec.http[0].match[2].uri.regex: `(` is not a regular expression: unclosed group (RE2 syntax is expected: no look-arounds, no back-references)",
            "error: in.yaml:7:96: spec.http[0].match[3].uri: the condition is empty (write `exact`, `prefix` or `regex`)",
            "error: in.yaml:9:49: spec.http[0].route[0].destination.port.number: 70000 is not a port: the range is 1 to 65535",
            "error: in.yaml:10:7: spec.http[0].route[0].wieght: unknown field (did you mean `weight`?)",
            "error: in.yaml:11:14: spec.http[0].timeout: expected a duration such as `10s`, found `5` (add a unit: 5s or 5ms)",
            "error: in.yaml:12:37: spec.http[0].retries.retryOn: `conect-failure` is not a condition (did you mean `connect-failure`?)",
            "error: in.yaml:13:5: spec.http[1]: the rule says nothing about what becomes of a request: write `route`",
            "error: in.yaml:13:5: spec.http[1].rout: unknown field (did you mean `route`?)",
            "error: in.yaml:14:12: spec.http[2].route: a route has at least one destination",
            "error: in.yaml:15:12: spec.http[3].route: all weights are 0, so no destination is ever chosen",
        ],
    );
}

#[test]
fn of_what_is_no_mapping_only_that_is_said() {
    check("hello", &["error: in.yaml:1:1: expected a mapping, found a single value"]);
    check("- a\n- b", &["error: in.yaml:1:1: expected a mapping, found a list"]);
}

#[test]
fn kinds_and_versions_that_are_not_accepted_are_answered_with_those_that_are() {
    check(
        "apiVersion: networking.istio.io/v1\nkind: VirtualServce\nmetadata: {name: a}\n",
        &[
            "error: in.yaml:2:7: kind: `VirtualServce` is not a kind that is accepted (did you mean `VirtualService`?)",
        ],
    );
    check(
        "apiVersion: networking.istio.io/v1\nkind: EnvoyFilter\nmetadata: {name: a}\n",
        &[
            "error: in.yaml:2:7: kind: `EnvoyFilter` is not a kind that is accepted (of networking.istio.io, accepted are VirtualService, DestinationRule, Gateway, ServiceEntry, WorkloadEntry, WorkloadGroup, Sidecar)",
        ],
    );
    check(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        &[
            "error: in.yaml:2:7: kind: `ConfigMap` is not a kind that is accepted (accepted are Mesh (ripstop.io/v1), Service (ripstop.io/v1), Workload (ripstop.io/v1), Credential (ripstop.io/v1), VirtualService (networking.istio.io/v1), DestinationRule (networking.istio.io/v1), Gateway (networking.istio.io/v1), ServiceEntry (networking.istio.io/v1), WorkloadEntry (networking.istio.io/v1), WorkloadGroup (networking.istio.io/v1), Sidecar (networking.istio.io/v1), PeerAuthentication (security.istio.io/v1), RequestAuthentication (security.istio.io/v1), AuthorizationPolicy (security.istio.io/v1), Telemetry (telemetry.istio.io/v1))",
        ],
    );
    check(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n",
        &[
            "error: in.yaml:1:13: apiVersion: `v1` has no Service that is accepted (Service is accepted as ripstop.io/v1)",
        ],
    );
    check("kind: Mesh\n", &["error: in.yaml:1:1: apiVersion: the field is required"]);
    check(
        "apiVersion: ripstop.io/v1\nkind: Service\nmetadata: {name: A}\n",
        &[
            "error: in.yaml:1:1: spec: the field is required",
            "error: in.yaml:3:18: metadata.name: `A` is not a name (use at most 63 lower-case letters, digits and `-`, with a letter or digit at both ends)",
        ],
    );
    check("a: [b", &["error: in.yaml:1:4: not valid YAML: unclosed bracket '['"]);
}

#[test]
fn own_kinds_are_checked_to_the_last_field() {
    let text = "\
apiVersion: ripstop.io/v1
kind: Mesh
metadata: {name: m}
spec:
  trustDomain: Upper.example
  certificates: {lifetime: 1s}
  control: {xds: localhost, apii: 127.0.0.1:1}
---
apiVersion: ripstop.io/v1
kind: Service
metadata: {name: s}
spec:
  ports: [{name: a, port: 1, protocol: http}, {name: b, port: 0}, {name: a, port: 2}]
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {name: w}
spec:
  service: s
  address: localhost
  ports: {a: {app: 1}, b: {app: 2, sidecar: 3}}
  health: {path: health}
  sidecar: {outbound: 1, upstreams: {'x:0': 1}, concurrency: 0}
  gateway: {admin: 1}
  run: {command: [], env: {A: 1}}
";
    check(
        text,
        &[
            "error: in.yaml:5:16: spec.trustDomain: `Upper.example`: character 'U' is not allowed in a trust domain (only a-z, 0-9, `.`, `-` and `_`)",
            "error: in.yaml:6:28: spec.certificates.lifetime: a certificate is valid for 10s to 720h",
            "error: in.yaml:7:18: spec.control.xds: `localhost` is not an address with a port (write it as 127.0.0.1:15012 or [::1]:15012)",
            "error: in.yaml:7:29: spec.control.apii: unknown field (did you mean `api`?)",
            "error: in.yaml:13:40: spec.ports[0].protocol: expected one of HTTP, HTTP2, GRPC, TCP, TLS, found `http` (did you mean `HTTP`?)",
            "error: in.yaml:13:63: spec.ports[1].port: 0 is not a port: the range is 1 to 65535",
            "error: in.yaml:13:67: spec.ports[2]: another port has the name `a`",
            "error: in.yaml:19:12: spec.service: a gateway is not an instance of a service",
            "error: in.yaml:20:12: spec.address: `localhost` is not an IP address (write it as 127.0.0.1 or ::1)",
            "error: in.yaml:21:15: spec.ports.a.sidecar: the field is required",
            "error: in.yaml:22:18: spec.health.path: a path begins with `/` and has no spaces",
            "error: in.yaml:23:13: spec.sidecar.admin: the field is required",
            "error: in.yaml:23:45: spec.sidecar.upstreams[\"x:0\"]: `0` is not a port (write `service:8080: 15201`)",
            "error: in.yaml:23:62: spec.sidecar.concurrency: a proxy has 1 to 1024 worker threads",
            "error: in.yaml:24:12: spec.gateway: a workload has a sidecar or is a gateway, not both (remove one)",
            "error: in.yaml:25:18: spec.run.command: the command is empty (write [program, argument])",
            "error: in.yaml:25:31: spec.run.env.A: expected a text, found `1` (put it in quotes: \"1\")",
        ],
    );
}

fn document(api: &str, kind: &str, name: &str, spec: &str) -> String {
    format!("---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

fn networking(kind: &str, name: &str, spec: &str) -> String {
    document("networking.istio.io/v1", kind, name, spec)
}

fn own(kind: &str, name: &str, spec: &str) -> String {
    document("ripstop.io/v1", kind, name, spec)
}

#[test]
fn what_is_written_twice_is_refused_with_both_places() {
    let vs = networking(
        "VirtualService",
        "a",
        "{hosts: [x.example.org], http: [{directResponse: {status: 200}}]}",
    );
    let mesh = |name: &str| own("Mesh", name, "{}");
    check(
        &(vs.clone() + &vs + &mesh("a") + &mesh("b")),
        &[
            "error: in.yaml:7:1: VirtualService default/a is written twice (the first is at in.yaml:2)",
            "error: in.yaml:17:1: there is already the Mesh default/a (it is at in.yaml:12; keep one of them)",
        ],
    );
}

#[test]
fn what_cannot_run_is_an_error() {
    let text = own("Service", "web", "{ports: [{name: http, port: 80}, {name: admin, port: 81}]}")
        + &own("Workload", "web-1", "{service: wbe, address: 127.0.0.1, ports: {http: {app: 8000}}}")
        + &own(
            "Workload",
            "web-2",
            "{service: web, address: 127.0.0.1, ports: {htp: {app: 8000}, admin: {app: 8001}}}",
        )
        + &own(
            "Workload",
            "web-3",
            "{service: web, address: 127.0.0.2, ports: {http: {app: 8000, sidecar: 8002}, admin: {app: 8003, sidecar: 8004}}, sidecar: {admin: 15014, upstreams: {web: 8005, wub: 8006, 'web:82': 8007, 'web:81': 8007}}}",
        )
        + &own("Workload", "edge", "{address: 0.0.0.0, gateway: {admin: 8008}}")
        + &networking(
            "Gateway",
            "edge",
            "{servers: [{port: {number: 8008, name: http, protocol: HTTP}, hosts: ['*']}, {port: {number: 8008, name: more, protocol: HTTP}, hosts: ['*']}]}",
        );
    check(
        &text,
        &[
            "error: in.yaml:7:1: workload default/web-1 is an instance of service default/wbe, which is not there (did you mean `web`?)",
            "warning: in.yaml:12:1: workload default/web-2 has no port `http`, so it gets no traffic for port 80 of service default/web",
            "error: in.yaml:15:56: spec.ports.htp: service default/web has no port `htp` (did you mean `http`?)",
            "error: in.yaml:15:56: spec.ports.htp: port 8000 of 127.0.0.1 is wanted by the application port htp of workload default/web-2 and by the application port http of workload default/web-1 (the other: in.yaml:10; give one of them another port)",
            "error: in.yaml:20:130: spec.sidecar: port 15014 of 127.0.0.1 is wanted by the sidecar's admin port of workload default/web-3 and by the API of the control plane (the other: built-in default; give one of them another port)",
            "error: in.yaml:20:161: spec.sidecar.upstreams.web: service default/web has the ports 80, 81 (write `web:80: 8005` or `web:81: 8005`)",
            "error: in.yaml:20:172: spec.sidecar.upstreams.wub: upstream `wub` names no service (did you mean `web`?)",
            "error: in.yaml:20:188: spec.sidecar.upstreams[\"web:82\"]: service default/web has no port 82 (write `web:80: 8007` or `web:81: 8007`)",
            "error: in.yaml:20:204: spec.sidecar.upstreams[\"web:81\"]: port 8007 of 127.0.0.1 is wanted by the upstream web of workload default/web-3 and by the upstream web of workload default/web-3 (the other: in.yaml:20; give one of them another port)",
            "error: in.yaml:30:19: spec.servers[0]: port 8008 of 0.0.0.0 is wanted by the gateway port of workload default/edge and by the admin port of workload default/edge (the other: in.yaml:25; give one of them another port)",
        ],
    );
}

#[test]
fn the_same_port_on_two_machines_is_no_clash() {
    let on = |name: &str, address: &str| {
        own(
            "Workload",
            name,
            &format!(
                "{{address: {address}, ports: {{http: {{app: 80, sidecar: 81}}}}, sidecar: {{admin: 82, outbound: 83}}}}"
            ),
        )
    };
    check(&(on("a", "10.0.0.1") + &on("b", "10.0.0.2") + &on("c", "127.0.0.1")), &[]);
}

#[test]
fn what_runs_but_hardly_as_meant_is_a_warning() {
    let text = service("web", 8000)
        + &own("Service", "idle", "{ports: [{name: http, port: 80}, {name: admin, port: 81}]}")
        + &networking(
            "VirtualService",
            "web",
            "
  hosts: [web, wbe, idle.default, www.example.org]
  gateways: [mesh, egde]
  http:
  - name: api
    match: [{uri: {prefix: /api}}]
    route: [{destination: {host: idle}}]
    retries: {attempts: 3, perTryTimeout: 2s}
    timeout: 7s
  - match: [{uri: {exact: /api/users}, headers: {x: {exact: y}}}, {uri: {prefix: /api/}}]
    route: [{destination: {host: web, subset: v1}, weight: 1}, {destination: {host: web, subset: v3}, weight: 1}]
  - match: [{uri: {prefix: /API}, ignoreUriCase: true}, {uri: {prefix: /x}}]
    route: [{destination: {host: web, port: {number: 81}}}]
  - route: [{destination: {host: nobody}}]
  - match: [{port: 80}]
    route: [{destination: {host: web, subset: v2}}]",
        )
        + &networking("VirtualService", "again", "{hosts: [web.default], http: [{route: [{destination: {host: web}}]}]}")
        + &networking("DestinationRule", "web", "{host: web, subsets: [{name: v2, labels: {version: v2}}]}")
        + &networking("DestinationRule", "web-again", "{host: web.default.svc.cluster.local, subsets: [{name: v2, labels: {a: b}}]}")
        + &networking("DestinationRule", "none", "{host: nobody}")
        + &networking("Gateway", "edge", "{selector: {a: b}, servers: []}")
        + &document("security.istio.io/v1", "PeerAuthentication", "a", "{mtls: {mode: STRICT}}")
        + &document("security.istio.io/v1", "PeerAuthentication", "b", "{mtls: {mode: DISABLE}}")
        + &document("security.istio.io/v1", "PeerAuthentication", "c", "{selector: {matchLabels: {no: one}}}");
    check(
        &text,
        &[
            "warning: in.yaml:17:1: no workload is an instance of service default/idle",
            "warning: in.yaml:22:1: spec.gateways: there is no Gateway default/egde (did you mean `edge`?)",
            "warning: in.yaml:26:16: spec.hosts[1]: `wbe` names no service (did you mean `web`?)",
            "warning: in.yaml:29:5: spec.http[0]: 4 tries of 2s take 8s, but the timeout is 7s (raise timeout, or lower attempts or perTryTimeout)",
            "warning: in.yaml:31:34: spec.http[0].route[0].destination.host: service default/idle has several ports; write `port: {number: …}`",
            "warning: in.yaml:34:5: spec.http[1]: the weights add up to 2, not to 100; each is taken as a share of 2",
            "warning: in.yaml:34:5: spec.http[1]: never reached: http[0] (api) takes all of its requests (it is at in.yaml:29; put the narrower rule first)",
            "warning: in.yaml:35:34: spec.http[1].route[0].destination.host: no DestinationRule defines the subset `v1` of default/web; its share of the requests gets 503 (did you mean `v2`?)",
            "warning: in.yaml:35:85: spec.http[1].route[1].destination.host: no DestinationRule defines the subset `v3` of default/web; its share of the requests gets 503 (did you mean `v2`?)",
            "warning: in.yaml:37:34: spec.http[2].route[0].destination.host: service default/web has no port 81; its share of the requests gets 503",
            "warning: in.yaml:38:34: spec.http[3].route[0].destination.host: `nobody` names no service; its share of the requests gets 503 (known are: idle, web)",
            "warning: in.yaml:39:5: spec.http[4]: never reached: http[3] takes all of its requests (it is at in.yaml:38; put the narrower rule first)",
            "warning: in.yaml:40:34: spec.http[4].route[0].destination.host: no workload has the labels of the subset `v2` of default/web; its share of the requests gets 503",
            "warning: in.yaml:45:16: spec.hosts[0]: VirtualService default/web already routes `web.default.svc.cluster.local` (it is at in.yaml:22 and holds; merge the two)",
            "warning: in.yaml:52:1: DestinationRule default/web has the subset `v2` of this host already, which holds (the other is at in.yaml:47; remove one of them)",
            "warning: in.yaml:57:1: `nobody` names no service, so the rule has no effect (known are: idle, web)",
            "warning: in.yaml:62:1: Gateway default/edge selects no gateway workload, so nothing listens",
            "warning: in.yaml:72:1: PeerAuthentication default/a is already there for all of default (it is at in.yaml:67 and holds; remove one)",
            "warning: in.yaml:77:1: PeerAuthentication default/c selects no workload",
        ],
    );
}
