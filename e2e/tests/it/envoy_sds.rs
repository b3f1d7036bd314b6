//! A real Envoy in the mesh: it gets its certificate and its roots from us, over a Unix socket or over ADS, and speaks mutual TLS
//! with our proxies, both ways, while the root is replaced.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ripstop_e2e::mesh::get;
use ripstop_e2e::pieces::Parts;
use ripstop_e2e::{envoy, ports};
use ripstop_testkit::client::Http1;
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;
use serde_json::Value;

const DOMAIN: &str = "default.svc.cluster.local";

/// Where everything is.
struct Ports {
    xds: u16,
    api: u16,
    gateway: u16,
    gateway_admin: u16,
    /// Envoy: from the mesh, to the mesh, pages.
    envoy_in: u16,
    envoy_out: u16,
    envoy_admin: u16,
    /// Our sidecar.
    other_in: u16,
    other_admin: u16,
}

impl Ports {
    fn free() -> Ports {
        Ports {
            xds: ports::free(),
            api: ports::free(),
            gateway: ports::free(),
            gateway_admin: ports::free(),
            envoy_in: ports::free(),
            envoy_out: ports::free(),
            envoy_admin: ports::free(),
            other_in: ports::free(),
            other_admin: ports::free(),
        }
    }
}

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn documents(ports: &Ports, echo_app: u16, other_app: u16) -> String {
    let Ports { xds, api, gateway, gateway_admin, envoy_in, envoy_out, envoy_admin, other_in, other_admin } =
        ports;
    let other_out = ports::free();
    format!(
        "apiVersion: ripstop.io/v1
kind: Mesh
metadata: {{name: envoy}}
spec: {{certificates: {{lifetime: 20s}}, control: {{xds: '127.0.0.1:{xds}', api: '127.0.0.1:{api}'}}}}
---
apiVersion: ripstop.io/v1
kind: Service
metadata: {{name: echo}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: ripstop.io/v1
kind: Service
metadata: {{name: other}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {{name: echo-envoy, labels: {{app: echo}}}}
spec: {{service: echo, address: 127.0.0.1, ports: {{http: {{app: {echo_app}, sidecar: {envoy_in}}}}}, sidecar: {{admin: {envoy_admin}, outbound: {envoy_out}}}}}
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {{name: other-1, labels: {{app: other}}}}
spec: {{service: other, address: 127.0.0.1, ports: {{http: {{app: {other_app}, sidecar: {other_in}}}}}, sidecar: {{admin: {other_admin}, outbound: {other_out}}}}}
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {{name: ingress, labels: {{istio: ingressgateway}}}}
spec: {{serviceAccount: ingress, address: 127.0.0.1, gateway: {{admin: {gateway_admin}}}}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge}}
spec: {{selector: {{istio: ingressgateway}}, servers: [{{port: {{number: {gateway}, name: http, protocol: HTTP}}, hosts: ['*']}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: edge}}
spec: {{hosts: ['*'], gateways: [edge], http: [{{route: [{{destination: {{host: echo}}}}]}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: echo}}
spec: {{host: echo, trafficPolicy: {{connectionPool: {{http: {{maxRequestsPerConnection: 5}}}}}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: other}}
spec: {{host: other, trafficPolicy: {{connectionPool: {{http: {{maxRequestsPerConnection: 5}}}}}}}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default}}
spec: {{mtls: {{mode: STRICT}}}}
"
    )
}

const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/// What Envoy reaches our agent by.
fn sds_cluster(socket: &str) -> String {
    format!(
        "  - name: sds
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options: {{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {{\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {{http2_protocol_options: {{}}}}}}}}
    load_assignment: {{cluster_name: sds, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{pipe: {{path: {socket}}}}}}}}}]}}]}}
"
    )
}

/// The secrets of the agent, and the identity that the peer must have.
fn common_tls(peer: &str, alpn: &str) -> String {
    let source = "sds_config: {resource_api_version: V3, api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds}}]}}";
    format!(
        "common_tls_context: {{alpn_protocols: [{alpn}], tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}}, tls_certificate_sds_secret_configs: [{{name: default, {source}}}], \
         combined_validation_context: {{default_validation_context: {{match_typed_subject_alt_names: [{{san_type: URI, matcher: {{exact: '{peer}'}}}}]}}, validation_context_sds_secret_config: {{name: ROOTCA, {source}}}}}}}"
    )
}

fn upstream(name: &str, port: u16, peer: &str, rest: &str) -> String {
    format!(
        "  - name: {name}
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options: {{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {{\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, {rest}explicit_http_config: {{http2_protocol_options: {{connection_keepalive: {{interval: 10s, timeout: 5s}}}}}}}}}}
    load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]}}
    transport_socket: {{name: tls, typed_config: {{\"@type\": {TLS}.UpstreamTlsContext, {}}}}}
",
        common_tls(peer, "h2")
    )
}

fn listener(name: &str, port: u16, cluster: &str, tls: &str) -> String {
    format!(
        "  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {name}
          route_config: {{virtual_hosts: [{{name: all, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: {cluster}}}}}]}}]}}
          http_filters: [{{name: router, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]
{tls}"
    )
}

/// Envoy's own file, with secrets from the agent.
fn envoy_file(ports: &Ports, socket: &str, app: u16) -> String {
    let inbound = format!(
        "      transport_socket: {{name: tls, typed_config: {{\"@type\": {TLS}.DownstreamTlsContext, require_client_certificate: true, {}}}}}\n",
        common_tls("spiffe://cluster.local/ns/default/sa/ingress", "h2, http/1.1")
    );
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}}}
node: {{id: envoy, cluster: echo}}
static_resources:
  listeners:
{}{}
  clusters:
  - name: app
    type: STATIC
    load_assignment: {{cluster_name: app, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {app}}}}}}}}}]}}]}}
{}{}",
        ports.envoy_admin,
        listener("inbound", ports.envoy_in, "app", &inbound),
        listener("outbound", ports.envoy_out, "other", ""),
        upstream(
            "other",
            ports.other_in,
            "spiffe://cluster.local/ns/default/sa/other",
            "common_http_protocol_options: {max_requests_per_connection: 5}, "
        ),
        sds_cluster(socket),
    )
}

/// Envoy as a sidecar of our control plane. Only the connection to that one uses the agent; everything else, secrets too, comes
/// over ADS.
fn envoy_ads_file(ports: &Ports, socket: &str, api_type: &str) -> String {
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}}}
node: {{id: 'sidecar~127.0.0.1~echo-envoy.default~{DOMAIN}', cluster: echo}}
dynamic_resources:
  ads_config: {{api_type: {api_type}, transport_api_version: V3, grpc_services: [{{envoy_grpc: {{cluster_name: control}}}}]}}
  lds_config: {{ads: {{}}, resource_api_version: V3}}
  cds_config: {{ads: {{}}, resource_api_version: V3}}
static_resources:
  clusters:
{}{}",
        ports.envoy_admin,
        upstream("control", ports.xds, "spiffe://cluster.local/ns/ripstop/sa/control", ""),
        sds_cluster(socket),
    )
}

/// Requests for ever, each new one when the one before is answered; what went wrong is kept.
fn ask_for_ever(
    address: SocketAddr,
    host: &'static str,
    stop: Arc<AtomicBool>,
) -> tokio::task::JoinHandle<(u64, BTreeSet<String>)> {
    tokio::spawn(async move {
        let (mut good, mut bad) = (0, BTreeSet::new());
        while !stop.load(Ordering::Relaxed) {
            match ask(address, host).await {
                Ok(_) => good += 1,
                Err(error) => drop(bad.insert(error)),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (good, bad)
    })
}

async fn ask(address: SocketAddr, host: &str) -> Result<String, String> {
    let mut client = Http1::connect(address).await.map_err(|error| error.to_string())?;
    let request = http::Request::get("/who").header("host", host).body(Default::default()).unwrap();
    let reply = client.request(request).await.map_err(|error| error.to_string())?;
    match reply.status {
        200 => Ok(reply.body),
        status => Err(format!("{status} {}", reply.body)),
    }
}

/// Serial numbers of the certificates and hashes of the roots that Envoy uses.
async fn envoy_certificates(ports: &Ports) -> (BTreeSet<String>, BTreeSet<String>) {
    let page = get(at(ports.envoy_admin), "/certs").await.body;
    let page: Value = serde_json::from_str(&page).unwrap();
    let serials = |kind: &str| {
        let entries = page["certificates"].as_array().unwrap().iter();
        let all = entries.flat_map(|entry| entry[kind].as_array().cloned().unwrap_or_default());
        all.filter_map(|one| one["serial_number"].as_str().map(str::to_owned)).collect()
    };
    (serials("cert_chain"), serials("ca_cert"))
}

async fn through_a_rotation(name: &str, envoy_file_of: impl Fn(&Ports, &str, u16) -> String) {
    let app = |name: &'static str| {
        Upstream::start(move |request| async move {
            let caller = request.headers().get("x-forwarded-client-cert");
            let caller = caller.map_or(String::new(), |value| value.to_str().unwrap().to_owned());
            Ok(text(200, format!("{name} {caller}")))
        })
    };
    let (echo, other) = (app("echo"), app("other"));
    let ports = Ports::free();
    let documents = documents(&ports, echo.address.port(), other.address.port());
    let mut parts = Parts::start(name, &documents, ports.xds, ports.api).await;
    let control = format!("--control=127.0.0.1:{}", ports.xds);
    let roots = parts.path("state/trust-root.pem");
    for (workload, account, role, admin) in [
        ("other-1", "other", "sidecar", ports.other_admin),
        ("ingress", "ingress", "router", ports.gateway_admin),
    ] {
        let token = parts.token(workload).await;
        let args = [
            "proxy",
            &format!("--service-node={role}~127.0.0.1~{workload}.default~{DOMAIN}"),
            &format!("--identity=spiffe://cluster.local/ns/default/sa/{account}"),
            &control,
            "--trust-root",
            &roots,
            "--token-file",
            &token,
            &format!("--admin=127.0.0.1:{admin}"),
        ];
        parts.ripstop(workload, &args);
    }
    let (token, socket) = (parts.token("echo-envoy").await, parts.path("sds.sock"));
    let identity = "--identity=spiffe://cluster.local/ns/default/sa/echo";
    let args = [
        "agent",
        identity,
        &control,
        "--trust-root",
        &roots,
        "--token-file",
        &token,
        "--sds-socket",
        &socket,
        "--name=envoys-agent",
    ];
    parts.ripstop("agent", &args);
    let file = parts.path("envoy.yaml");
    std::fs::write(&file, envoy_file_of(&ports, &socket, echo.address.port())).unwrap();
    let envoy = envoy::path().unwrap();
    parts.program(
        "envoy",
        envoy,
        &[
            "-c",
            &file,
            "--concurrency",
            "1",
            "--base-id",
            &ports.envoy_admin.to_string(),
            "--log-level",
            "warning",
        ],
    );

    let answers = async |port, host| ask(at(port), host).await.ok();
    let to_envoy = until("our proxy reaches Envoy", async || answers(ports.gateway, "edge").await).await;
    assert!(to_envoy.starts_with("echo"), "{to_envoy}");
    let from_envoy = until("Envoy reaches our proxy", async || answers(ports.envoy_out, "other").await).await;
    assert!(
        from_envoy.starts_with("other")
            && from_envoy.contains("URI=spiffe://cluster.local/ns/default/sa/echo"),
        "{from_envoy}"
    );

    let stop = Arc::new(AtomicBool::new(false));
    let load = [
        ask_for_ever(at(ports.gateway), "edge", Arc::clone(&stop)),
        ask_for_ever(at(ports.envoy_out), "other", Arc::clone(&stop)),
    ];
    let (leaves, roots_before) = envoy_certificates(&ports).await;
    println!("{}", parts.run(&["cert", "rotate-root", "--wait=120"]).await.trim_end());
    let (leaves_after, roots_after) = envoy_certificates(&ports).await;
    stop.store(true, Ordering::Relaxed);
    for load in load {
        let (good, bad) = load.await.unwrap();
        println!("{good} requests answered, failures: {bad:?}");
        assert!(good > 50 && bad.is_empty(), "{good} answered, {bad:?}");
    }
    assert!(leaves.is_disjoint(&leaves_after), "{leaves:?} {leaves_after:?}");
    assert!(
        roots_before.is_disjoint(&roots_after) && roots_after.len() == 1,
        "{roots_before:?} {roots_after:?}"
    );
    let status = parts.run(&["cert", "status"]).await;
    assert!(status.contains("envoys-agent"), "{status}");
}

#[tokio::test]
async fn envoy_with_secrets_from_our_agent() {
    through_a_rotation("sds", envoy_file).await;
}

#[tokio::test]
async fn envoy_as_a_sidecar_with_secrets_over_ads() {
    through_a_rotation("ads", |ports, socket, _| envoy_ads_file(ports, socket, "DELTA_GRPC")).await;
}

#[tokio::test]
async fn envoy_as_a_sidecar_with_secrets_over_state_of_the_world() {
    through_a_rotation("sotw", |ports, socket, _| envoy_ads_file(ports, socket, "GRPC")).await;
}
