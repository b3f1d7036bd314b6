//! The metrics of a proxy beside Envoy's: both run on the same file and serve the same, and count the same under the same
//! names. What Envoy counts and we do not stands in `metrics_missing.txt`, a name each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ripstop_e2e::{binaries, envoy, ports};
use ripstop_testkit::client::{Http1, get};
use ripstop_testkit::upstream::{Upstream, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const DEADLINE: Duration = Duration::from_secs(30);

/// Names without those that both lack or have by chance.
const MISSING: &str = include_str!("metrics_missing.txt");

/// What has to be the same number on both sides.
const SAME: &[&str] = &[
    "http.in.downstream_rq_total",
    "http.in.downstream_rq_2xx",
    "http.in.downstream_rq_5xx",
    "http.in.downstream_rq_http1_total",
    "http.in.downstream_cx_total",
    "http.in.downstream_cx_destroy",
    "http.in.downstream_cx_http1_total",
    "http.in.downstream_cx_rx_bytes_total",
    "http.in.no_route",
    "cluster.shop.upstream_rq_total",
    "cluster.shop.upstream_rq_200",
    "cluster.shop.upstream_rq_2xx",
    "cluster.shop.upstream_rq_completed",
    "cluster.shop.membership_total",
    "cluster.shop.membership_healthy",
    "cluster.dead.upstream_cx_connect_fail",
    "cluster.dead.upstream_rq_503",
    "cluster.dead.upstream_rq_pending_total",
    "tcp.raw.downstream_cx_total",
    "tcp.raw.downstream_cx_rx_bytes_total",
    "listener.raw.downstream_cx_total",
    "listener.web.downstream_cx_total",
    "tls_inspector.tls_not_found",
    "cluster_manager.active_clusters",
    "cluster_manager.cluster_added",
    "listener_manager.listener_added",
    "listener_manager.listener_create_success",
    "listener_manager.total_listeners_active",
    "runtime.num_keys",
    "runtime.num_layers",
    "server.live",
    "server.state",
    "server.days_until_first_cert_expiring",
];

/// Where one side listens.
struct Ports {
    admin: u16,
    web: u16,
    raw: u16,
}

fn file(ports: &Ports, upstream: u16) -> String {
    let at = |port: u16| format!("{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}");
    let cluster = |name: &str, port: u16| {
        format!(
            "  - name: {name}\n    connect_timeout: 1s\n    outlier_detection: {{}}\n    load_assignment: {{cluster_name: {name}, endpoints: \
             [{{lb_endpoints: [{{endpoint: {{address: {}}}}}]}}]}}\n",
            at(port)
        )
    };
    let filters = "type.googleapis.com/envoy.extensions.filters";
    format!(
        "node: {{id: node1, cluster: edge}}
admin: {{address: {admin}}}
layered_runtime: {{layers: [{{name: a, static_layer: {{x: 1}}}}, {{name: b, admin_layer: {{}}}}]}}
static_resources:
  listeners:
  - name: web
    address: {web}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": {filters}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          route_config:
            virtual_hosts:
            - name: all
              domains: [\"*\"]
              routes: [{{match: {{prefix: /dead}}, route: {{cluster: dead}}}}, {{match: {{prefix: /shop}}, route: {{cluster: shop}}}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{\"@type\": {filters}.http.router.v3.Router}}
  - name: raw
    address: {raw}
    listener_filters:
    - {{name: tls, typed_config: {{\"@type\": {filters}.listener.tls_inspector.v3.TlsInspector}}}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config: {{\"@type\": {filters}.network.tcp_proxy.v3.TcpProxy, stat_prefix: raw, cluster: bytes}}
  clusters:
{shop}{bytes}{dead}",
        admin = at(ports.admin),
        web = at(ports.web),
        raw = at(ports.raw),
        shop = cluster("shop", upstream),
        bytes = cluster("bytes", upstream),
        dead = cluster("dead", 1),
    )
}

/// Starts a proxy, has it serve, and gives what it has counted by name.
async fn counted(envoy: Option<&Path>, directory: &Path, upstream: u16) -> BTreeMap<String, String> {
    let [admin, web, raw] = [ports::free(), ports::free(), ports::free()];
    let ports = Ports { admin, web, raw };
    let path = directory.join(if envoy.is_some() { "envoy.yaml" } else { "ripstop.yaml" });
    std::fs::write(&path, file(&ports, upstream)).unwrap();
    let mut command = match envoy {
        Some(binary) => {
            let mut command = Command::new(binary);
            command.args(["--disable-hot-restart", "-l", "error", "--base-id"]).arg(ports.admin.to_string());
            command
        }
        None => {
            let mut command = Command::new(binaries::path("ripstop"));
            command.args(["proxy", "-l", "error"]);
            command
        }
    };
    command.args(["--concurrency", "1", "-c"]).arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
    let _child: Child = command.kill_on_drop(true).spawn().unwrap();
    let at = |port: u16| ([127, 0, 0, 1], port).into();
    let ready = async {
        loop {
            if let Ok(mut client) = Http1::connect(at(ports.admin)).await
                && client.get("/ready").await.is_ok_and(|reply| reply.status == 200)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, ready).await.expect("ready in time");
    for path in ["/shop", "/shop", "/dead", "/none"] {
        // Each over a connection of its own.
        exchange(
            ports.web,
            format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes(),
        )
        .await;
    }
    exchange(ports.raw, b"GET /raw HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    // Connections are counted when they are over.
    let over = async {
        loop {
            let stats = stats(&ports).await;
            let is = |name: &str, value: &str| stats.get(name).is_some_and(|is| is == value);
            if is("http.in.downstream_cx_destroy", "4") && is("cluster.bytes.upstream_cx_destroy", "1") {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, over).await.expect("counted in time")
}

async fn exchange(port: u16, sent: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.is_empty());
}

/// By name, in which ports are those of listeners by name. Envoy counts its own admin pages too; we do not.
async fn stats(ports: &Ports) -> BTreeMap<String, String> {
    let page = get(([127, 0, 0, 1], ports.admin).into(), "/stats").await;
    let named = page.body.replace(&format!("127.0.0.1_{}", ports.web), "web");
    let named = named.replace(&format!("127.0.0.1_{}", ports.raw), "raw");
    let lines = named.lines().filter_map(|line| line.split_once(": "));
    let ours = lines.filter(|(name, _)| {
        !["http.admin.", "listener.admin.", "http.async-client."].iter().any(|other| name.starts_with(other))
    });
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The same name for all clusters.
fn of_any_cluster(name: &str) -> String {
    match name.strip_prefix("cluster.").and_then(|rest| rest.split_once('.')) {
        Some((_, counted)) => format!("cluster.NAME.{counted}"),
        None => name.to_owned(),
    }
}

#[tokio::test]
async fn envoys_metrics_are_there_under_their_names() {
    let upstream = Upstream::start(|_| async { Ok(text(200, "hello")) });
    let directory = std::env::temp_dir().join(format!("ripstop-metrics-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let binary = envoy::path().unwrap();
    let port = upstream.address.port();
    let (theirs, ours) =
        tokio::join!(counted(Some(&binary), &directory, port), counted(None, &directory, port));
    std::fs::remove_dir_all(&directory).unwrap();
    for name in SAME {
        assert_eq!(ours.get(*name), theirs.get(*name), "{name}");
        assert!(theirs.contains_key(*name), "Envoy has no {name}");
    }
    let missing: BTreeSet<String> =
        theirs.keys().filter(|name| !ours.contains_key(*name)).map(|name| of_any_cluster(name)).collect();
    let listed: BTreeSet<String> =
        MISSING.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let new: Vec<_> = missing.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&missing).collect();
    assert!(new.is_empty() && gone.is_empty(), "not listed: {new:#?}\nlisted, but there: {gone:#?}");
    println!("Envoy has {} names here, of which {} are missing", theirs.len(), missing.len());
}
