//! What callers notice when instances are restarted and connections break: nothing, and nothing is done twice.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use ripstop_e2e::load::Load;
use ripstop_e2e::{binaries, ports, processes};
use ripstop_testkit::client::{Http1, get};
use ripstop_testkit::wait::until;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// A `ripstop proxy -c` on one listener and one cluster, killed at the end.
struct Proxy {
    address: SocketAddr,
    admin: SocketAddr,
    directory: PathBuf,
    _child: Child,
}

impl Proxy {
    async fn start(name: &str, route: &str, cluster: &str, endpoints: &[SocketAddr]) -> Proxy {
        let directory = std::env::temp_dir().join(format!("ripstop-e2e-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("envoy.yaml");
        let log = directory.join("access.log").display().to_string();
        let (port, admin) = (ports::free(), ports::free());
        let list: String = endpoints
            .iter()
            .map(|at| {
                let (ip, port) = (at.ip(), at.port());
                format!("          - endpoint: {{address: {{socket_address: {{address: {ip}, port_value: {port}}}}}}}\n")
            })
            .collect();
        let text = format!(
            "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - name: main
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: {log}
              log_format: {{text_format_source: {{inline_string: \"{LOG_FORMAT}\\n\"}}}}
          route_config:
            virtual_hosts:
            - {{name: all, domains: [\"*\"], routes: [{{match: {{prefix: /}}, route: {{cluster: c, {route}}}}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: c
    connect_timeout: 1s
    {cluster}
    load_assignment:
      cluster_name: c
      endpoints:
      - lb_endpoints:
{list}"
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(binaries::path("ripstop"));
        command.args(["proxy", "--log-level", "error", "-c"]).arg(&file);
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let [address, admin] = [port, admin].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        until("the proxy listens", async || TcpStream::connect(address).await.ok()).await;
        Proxy { address, admin, directory, _child: child }
    }

    /// How often each kind of request that failed is in the access log.
    fn failures(&self) -> BTreeMap<String, u32> {
        let log = std::fs::read_to_string(self.directory.join("access.log")).unwrap_or_default();
        let mut failures = BTreeMap::new();
        for line in log.lines().filter(|line| !line.starts_with("200 ")) {
            *failures.entry(line.to_owned()).or_default() += 1;
        }
        failures
    }
}

/// Says why a request failed.
const LOG_FORMAT: &str = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_HOST% \
    tries=%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_TRANSPORT_FAILURE_REASON%";

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// An instance of the shop's user service.
struct Instance {
    address: SocketAddr,
    child: Child,
}

impl Instance {
    async fn start(address: SocketAddr) -> Instance {
        let mut command = Command::new(binaries::path("user-service"));
        command.env("HOST", "127.0.0.1").env("PORT", address.port().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let instance = Instance { address, child: command.spawn().unwrap() };
        until("the instance listens", async || TcpStream::connect(address).await.ok()).await;
        instance
    }

    /// Ends it by `signal` and starts it again in the same place.
    async fn restart(mut self, signal: Signal) -> Instance {
        processes::signal(self.child.id().unwrap(), signal);
        self.child.wait().await.unwrap();
        Instance::start(self.address).await
    }
}

const RETRIES: &str = "retry_policy: {retry_on: \"5xx,reset,connect-failure,refused-stream\", num_retries: 3, \
    host_selection_retry_max_attempts: 5, retry_host_predicate: [{name: envoy.retry_host_predicates.previous_hosts}]}";

async fn rolling_restart(name: &str, signal: Signal, budget: &str) {
    let addresses: Vec<SocketAddr> =
        (0..3).map(|_| SocketAddr::from(([127, 0, 0, 1], ports::free()))).collect();
    let mut instances = Vec::new();
    for address in &addresses {
        instances.push(Instance::start(*address).await);
    }
    let outliers = format!(
        "outlier_detection: {{consecutive_5xx: 3, base_ejection_time: 1s, interval: 0.5s}}\n    {budget}"
    );
    let proxy = Proxy::start(name, RETRIES, &outliers, &addresses).await;
    let load = Load::start(proxy.address, "/users", 500);
    load.run_for(500).await;
    for _ in 0..2 {
        for place in 0..instances.len() {
            let instance = instances.remove(place);
            instances.insert(place, instance.restart(signal).await);
            load.run_for(300).await;
        }
    }
    let outcome = load.stop().await;
    println!(
        "{name}: {} requests, {} failed, statuses {:?}",
        outcome.total(),
        outcome.failed(),
        outcome.statuses
    );
    assert_eq!(outcome.failed(), 0, "{outcome:?} {:#?}", proxy.failures());
}

#[tokio::test]
async fn a_rolling_restart_of_three_instances_costs_no_request() {
    rolling_restart("rolling-term", Signal::TERM, "").await;
}

#[tokio::test]
async fn three_instances_that_are_killed_and_started_one_after_the_other_cost_no_request() {
    // What an instance is at when it is killed is lost with it. On a machine that has too much to do that is a request of each of
    // the eight clients, and all of them are repeated at once.
    let budget = "circuit_breakers: {thresholds: [{retry_budget: {min_retry_concurrency: 8}}]}";
    rolling_restart("rolling-kill", Signal::KILL, budget).await;
}

#[tokio::test]
async fn pages_tell_how_breakers_and_endpoints_fare_and_force_breakers() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], ports::free()));
    let breaker = "metadata: {filter_metadata: {ripstop: {circuit_breaker: {failures: 2, open_seconds: 300}}}}\n    \
        outlier_detection: {consecutive_5xx: 1, max_ejection_percent: 100}\n    \
        track_cluster_stats: {per_endpoint_stats: true}";
    let instance = Instance::start(SocketAddr::from(([127, 0, 0, 1], ports::free()))).await;
    let proxy = Proxy::start("pages", "timeout: 5s", breaker, &[instance.address, nobody]).await;
    let ask = async || get(proxy.address, "/users").await.status;
    let page = async |path: &str| get(proxy.admin, path).await.body;
    // Each worker begins its turn somewhere.
    until("nobody is asked", async || (ask().await == 503).then_some(())).await;
    until("somebody answers", async || (ask().await == 200).then_some(())).await;
    let clusters = page("/clusters").await;
    let has = |text: &str, line: &str| assert!(text.contains(line), "{line} is not in\n{text}");
    has(&clusters, &format!("c::{nobody}::health_flags::/failed_outlier_check\n"));
    has(&clusters, &format!("c::{nobody}::ejected::consecutive_5xx (returns in "));
    has(&clusters, &format!("c::{nobody}::ejections::1\n"));
    has(&clusters, &format!("c::{nobody}::cx_connect_fail::1\n"));
    has(&clusters, &format!("c::{}::latency_ms::", instance.address));
    has(&clusters, "c::breaker::closed\n");
    has(&clusters, &format!("c::{nobody}::success_rate::-1\n"));
    let metrics = page("/stats/prometheus").await;
    let value = |name: &str, address: SocketAddr, tags: &str| {
        let line = format!(
            "envoy_cluster_endpoint_{name}{{envoy_cluster_name=\"c\",envoy_endpoint_address=\"{address}\"{tags}}} "
        );
        let value = metrics.lines().find_map(|known| known.strip_prefix(&line)?.parse::<u64>().ok());
        value.unwrap_or_else(|| panic!("{line} is not in\n{metrics}"))
    };
    let place = instance.address;
    assert!(value("rq_success", place, "") >= 1 && value("latency_us", place, "") > 0, "{metrics}");
    assert_eq!([value("healthy", place, ""), value("healthy", nobody, "")], [1, 0]);
    assert_eq!([value("rq_error", place, ""), value("rq_error", nobody, "")], [0, 1]);
    assert_eq!([value("weight", nobody, ""), value("cx_connect_fail", nobody, "")], [1, 1]);
    assert_eq!(value("ejections", nobody, ""), 1);
    assert_eq!(value("health_flag", nobody, ",flag=\"failed_outlier_check\""), 1);
    assert_eq!(value("ejected", nobody, ",reason=\"consecutive_5xx\""), 1);
    assert_eq!([value("rq_active", place, ""), value("rq_pending_active", place, "")], [0, 0]);
    let json: serde_json::Value = serde_json::from_str(&page("/clusters?format=json").await).unwrap();
    let hosts = json["cluster_statuses"][0]["host_statuses"].as_array().unwrap();
    assert!(hosts.iter().any(|host| host["latency_ms"].as_f64().is_some_and(|ms| ms > 0.0)), "{json:#}");
    assert!(hosts.iter().any(|host| host["ejections"] == 1), "{json:#}");
    has(&page("/breakers").await, "c::state::closed\n");
    let mut admin = Http1::connect(proxy.admin).await.unwrap();
    let mut force = async |state: &str| {
        let path = format!("/breakers/force?cluster=c&state={state}");
        let request = admin.build(Method::POST, &path, "");
        admin.request(request).await.unwrap().status
    };
    assert_eq!(force("open").await, 200);
    assert_eq!(ask().await, 503);
    has(&page("/breakers").await, "c::forced::open\n");
    let json: serde_json::Value = serde_json::from_str(&page("/breakers?format=json").await).unwrap();
    assert_eq!(json["breakers"][0]["forced"], "open", "{json:#}");
    assert_eq!(force("loud").await, 400);
    assert_eq!(force("auto").await, 200);
    assert_eq!(ask().await, 200);
    let stats = page("/stats?filter=outlier_detection").await;
    has(&stats, "cluster.c.outlier_detection.ejections_enforced_consecutive_5xx: 1\n");
    has(
        &page("/stats/prometheus").await,
        "envoy_cluster_outlier_detection_ejections_enforced_total{envoy_cluster_name=\"c\"} 1\n",
    );
}

/// How many POSTs of an upstream were seen, by their number.
type Seen = Arc<Mutex<HashMap<String, u32>>>;

/// Resets a connection, so that the other side gets an error and no end.
fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

/// Serves POSTs and breaks connections at random: before, in the middle of, and after a request, and within the answer.
async fn unreliable(seen: Seen) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut rng = fastrand::Rng::with_seed(8);
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, seen.clone(), fastrand::Rng::with_seed(rng.u64(..))));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, seen: Seen, mut rng: fastrand::Rng) {
    loop {
        if rng.u8(..) < 8 {
            return reset(stream);
        }
        let mut request = Vec::new();
        let head = loop {
            let mut buffer = [0; 1024];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(n) => request.extend_from_slice(&buffer[..n]),
            }
            let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
            if let Some(number) = text.lines().find_map(|line| line.strip_prefix("x-number: "))
                && let Some((head, _)) = text.split_once("\r\n\r\n")
            {
                *seen.lock().unwrap().entry(number.to_owned()).or_default() += 1;
                break head.len() + 4;
            }
        };
        if rng.u8(..) < 8 {
            return reset(stream);
        }
        // Every body is four bytes long.
        while request.len() < head + 4 {
            let mut buffer = [0; 64];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(n) => request.extend_from_slice(&buffer[..n]),
            }
        }
        if rng.u8(..) < 8 {
            return reset(stream);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let part = if rng.u8(..) < 8 { rng.usize(1..answer.len()) } else { answer.len() };
        if stream.write_all(&answer[..part]).await.is_err() || part < answer.len() {
            return reset(stream);
        }
    }
}

/// How many POSTs are sent; the full number is 100,000.
fn posts() -> u64 {
    let set = std::env::var("RIPSTOP_E2E_POSTS").ok();
    set.map_or(4_000, |text| text.parse().expect("RIPSTOP_E2E_POSTS is a number"))
}

#[tokio::test]
async fn no_post_is_done_twice_whenever_its_connection_breaks() {
    const CLIENTS: u64 = 16;
    let (seen, each) = (Seen::default(), posts() / CLIENTS);
    let endpoints = [unreliable(seen.clone()).await, unreliable(seen.clone()).await];
    let proxy = Proxy::start("posts", RETRIES, "lb_policy: ROUND_ROBIN", &endpoints).await;
    let clients = (0..CLIENTS).map(|client| {
        let address = proxy.address;
        tokio::spawn(async move {
            let (mut connection, mut well) = (Http1::connect(address).await.unwrap(), 0);
            for number in 0..each {
                let mut post = connection.build(Method::POST, "/", "once");
                post.headers_mut().insert("x-number", format!("{client}-{number}").parse().unwrap());
                match connection.request(post).await {
                    Ok(reply) => well += u64::from(reply.status == 200),
                    Err(_) => connection = Http1::connect(address).await.unwrap(),
                }
            }
            well
        })
    });
    let mut well = 0;
    for client in futures_util::future::join_all(clients).await {
        well += client.unwrap();
    }
    let seen = seen.lock().unwrap();
    let twice = seen.values().filter(|count| **count > 1).count();
    println!(
        "{} POSTs: {well} answered with 200, {} seen by a server, {twice} seen twice",
        each * CLIENTS,
        seen.len()
    );
    assert_eq!(twice, 0);
    assert!(well * 10 > each * CLIENTS * 8, "most of them go well");
    assert!((seen.len() as u64) < each * CLIENTS + 1 && well < each * CLIENTS, "some of them do not");
}
