//! Active health checks against real endpoints.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use http::header;
use ripstop_model::cluster::{Cluster, Discovery};
use ripstop_model::health_check::{
    GrpcProbe, HealthCheck, HealthLog, HealthRules, HttpProbe, Intervals, Probe, TcpProbe,
};
use ripstop_model::{ClusterLoadAssignment, Endpoint, Percent, Snapshot};
use ripstop_testkit::client::{Http1, get};
use ripstop_testkit::upstream::{Speaks, Upstream, text};
use ripstop_testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Proxy, cluster, listener, manager, nobody, routes, snapshot, to_c};

const EVERY: Duration = Duration::from_millis(20);

fn check(probe: Probe) -> HealthCheck {
    let intervals = Intervals { no_traffic: EVERY, no_traffic_healthy: EVERY, ..Intervals::every(EVERY) };
    HealthCheck {
        timeout: Duration::from_secs(2),
        intervals,
        unhealthy_threshold: NonZeroU32::new(2).unwrap(),
        healthy_threshold: NonZeroU32::new(2).unwrap(),
        probe,
        reuse_connection: true,
        log: HealthLog::default(),
        alpn: Vec::new(),
        transport_labels: None,
    }
}

fn by_http() -> HealthCheck {
    check(Probe::Http(Box::new(HttpProbe::get("/health"))))
}

/// Without panic, so that only who is healthy takes requests.
fn checked(endpoints: &[SocketAddr], check: HealthCheck) -> Cluster {
    let mut cluster = cluster(endpoints);
    cluster.lb.panic_threshold = Percent::ZERO;
    cluster.health = HealthRules { check: Some(Box::new(check)), ..HealthRules::default() };
    cluster
}

fn to(cluster: Cluster) -> Snapshot {
    snapshot(listener(manager(), None), routes(to_c()), cluster)
}

/// Answers checks with the status that is set, and everything else with its name.
fn upstream(name: &'static str) -> (Upstream, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let of_checks = status.clone();
    let upstream = Upstream::start(move |request| {
        let is_check = request.uri().path() == "/health";
        let status = if is_check { of_checks.load(Ordering::Relaxed) } else { 200 };
        async move { Ok(text(status, name)) }
    });
    (upstream, status)
}

fn flags(proxy: &Proxy) -> Vec<String> {
    let generation = proxy.applied.borrow().generation.clone();
    let cluster = generation.all_clusters().next().unwrap();
    cluster.hosts.entries().iter().map(|entry| entry.health_flags()).collect()
}

async fn until_flags(proxy: &Proxy, wanted: &[&str]) {
    until(&format!("{wanted:?}"), async || (flags(proxy) == wanted).then_some(())).await;
}

async fn answers(proxy: &Proxy) -> Vec<String> {
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let mut bodies = Vec::new();
    for _ in 0..10 {
        let reply = client.get("/").await.unwrap();
        bodies.push(format!("{} {}", reply.status, reply.body));
    }
    bodies.sort();
    bodies.dedup();
    bodies
}

#[tokio::test]
async fn who_fails_checks_gets_no_requests_until_it_is_well_again() {
    let ((a, of_a), (b, _)) = (upstream("a"), upstream("b"));
    let proxy = Proxy::with(to(checked(&[a.address, b.address], by_http()))).await;
    assert_eq!(flags(&proxy), ["healthy", "healthy"], "it is in force only when all were asked");
    assert_eq!(answers(&proxy).await, ["200 a", "200 b"]);
    assert_eq!(proxy.cluster_metric("health_check_healthy"), 2);
    of_a.store(500, Ordering::Relaxed);
    until_flags(&proxy, &["/failed_active_hc", "healthy"]).await;
    assert_eq!(answers(&proxy).await, ["200 b"]);
    assert_eq!(proxy.cluster_metric("health_check_healthy"), 1);
    assert!(proxy.cluster_metric("health_check_failure") >= 1);
    assert_eq!(proxy.cluster_metric("health_check_network_failure"), 0);
    of_a.store(200, Ordering::Relaxed);
    until_flags(&proxy, &["healthy", "healthy"]).await;
    assert_eq!(answers(&proxy).await, ["200 a", "200 b"]);
    let (attempts, connections) = (proxy.cluster_metric("health_check_attempt"), a.connections());
    assert!(attempts > 4 && connections <= 4, "{attempts} checks of two over {connections} connections");
}

#[tokio::test]
async fn nobody_well_is_no_healthy_upstream() {
    let proxy = Proxy::with(to(checked(&[nobody()], by_http()))).await;
    assert_eq!(flags(&proxy), ["/failed_active_hc"]);
    let reply = get(proxy.address(), "/").await;
    assert_eq!((reply.status, &*reply.body), (503, "no healthy upstream"));
    assert!(proxy.cluster_metric("health_check_network_failure") >= 1);
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_a_timeout() {
    let silent = Upstream::start(|_| async { std::future::pending().await });
    let check = HealthCheck { timeout: EVERY, ..by_http() };
    let proxy = Proxy::with(to(checked(&[silent.address], check))).await;
    until_flags(&proxy, &["/failed_active_hc/active_hc_timeout"]).await;
}

#[tokio::test]
async fn an_endpoint_that_says_it_fails_is_believed() {
    let failing = Arc::new(AtomicU16::new(0));
    let says = failing.clone();
    let upstream = Upstream::start(move |request| {
        let is_check = request.uri().path() == "/health";
        let mut answer = text(200, "");
        if says.load(Ordering::Relaxed) == 1 && !is_check {
            let header = header::HeaderName::from_static("x-envoy-immediate-health-check-fail");
            answer.headers_mut().insert(header, header::HeaderValue::from_static("1"));
        }
        async move { Ok(answer) }
    });
    // Long enough for the check in between not to come first.
    let pause = Duration::from_secs(60);
    let check = HealthCheck { intervals: Intervals::every(pause), ..by_http() };
    let proxy = Proxy::with(to(checked(&[upstream.address], check))).await;
    assert_eq!(get(proxy.address(), "/").await.status, 200);
    failing.store(1, Ordering::Relaxed);
    assert_eq!(get(proxy.address(), "/").await.status, 200);
    until_flags(&proxy, &["/failed_active_hc/excluded_via_immediate_hc_fail"]).await;
    assert_eq!(get(proxy.address(), "/").await.status, 503);
    assert_eq!(proxy.cluster_metric("health_check_passive_failure"), 1);
}

#[tokio::test]
async fn bytes_are_exchanged() {
    let echo = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = echo.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = echo.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 64];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    let answer = [b"you said ", &buffer[..read]].concat();
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let asked = |receive: &[&str]| {
        let receive = receive.iter().map(|part| part.as_bytes().to_vec()).collect();
        let probe = TcpProbe { send: Some(b"ping".to_vec()), receive };
        HealthCheck { timeout: EVERY * 5, ..check(Probe::Tcp(probe)) }
    };
    let proxy = Proxy::with(to(checked(&[address], asked(&["you", "ping"])))).await;
    assert_eq!(flags(&proxy), ["healthy"]);
    let proxy = Proxy::with(to(checked(&[address], asked(&["pong"])))).await;
    assert_eq!(flags(&proxy), ["/failed_active_hc/active_hc_timeout"]);
    let connection_only = check(Probe::Tcp(TcpProbe::default()));
    let proxy = Proxy::with(to(checked(&[address, nobody()], connection_only))).await;
    assert_eq!(flags(&proxy), ["healthy", "/failed_active_hc"]);
}

/// A server that knows the service `known` only.
async fn grpc_server() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    tokio::spawn(async move {
                        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                        let head = http::Response::builder().header("content-type", "application/grpc");
                        let body = request.into_body().data().await.unwrap().unwrap();
                        if !body.ends_with(b"known") {
                            let head = head.header("grpc-status", "5").body(()).unwrap();
                            respond.send_response(head, true).unwrap();
                            return;
                        }
                        let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
                        stream.send_data(vec![0, 0, 0, 0, 2, 8, 1].into(), false).unwrap();
                        let mut trailers = http::HeaderMap::new();
                        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
                        stream.send_trailers(trailers).unwrap();
                    });
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_grpc_server_is_asked_about_a_service() {
    let address = grpc_server().await;
    let about = |service: &str| {
        check(Probe::Grpc(Box::new(GrpcProbe { service: service.into(), ..GrpcProbe::default() })))
    };
    let proxy = Proxy::with(to(checked(&[address], about("known")))).await;
    assert_eq!(flags(&proxy), ["healthy"]);
    let proxy = Proxy::with(to(checked(&[address], about("other")))).await;
    assert_eq!(flags(&proxy), ["/failed_active_hc"]);
    assert_eq!(proxy.cluster_metric("health_check_network_failure"), 0);
}

#[tokio::test]
async fn http2_is_spoken_to_those_who_speak_it() {
    let upstream = Upstream::start_at(nobody(), Speaks::Http2, |request| async move {
        let agent = request.headers()[header::USER_AGENT].to_str().unwrap().to_owned();
        let seen = format!("{} {} {agent}", request.method(), request.uri());
        Ok(text(if seen == "GET http://c/health Envoy/HC" { 200 } else { 500 }, seen))
    });
    let probe = HttpProbe { http2: true, ..HttpProbe::get("/health") };
    let proxy = Proxy::with(to(checked(&[upstream.address], check(Probe::Http(Box::new(probe)))))).await;
    assert_eq!(flags(&proxy), ["healthy"]);
}

#[tokio::test]
async fn an_endpoint_that_is_taken_out_stays_until_it_fails() {
    let ((a, of_a), (b, _)) = (upstream("a"), upstream("b"));
    let endpoints = |addresses: &[SocketAddr]| {
        let endpoints = addresses.iter().copied().map(Endpoint::new).collect();
        Arc::new(ClusterLoadAssignment::flat("c", endpoints))
    };
    let eds = Cluster {
        discovery: Discovery::Eds { service_name: None },
        ..checked(&[], HealthCheck { reuse_connection: false, ..by_http() })
    };
    let mut snapshot = to(eds);
    snapshot.endpoints.insert("c".into(), endpoints(&[a.address, b.address]));
    let mut proxy = Proxy::with(snapshot.clone()).await;
    snapshot.endpoints.insert("c".into(), endpoints(&[b.address]));
    proxy.apply(snapshot).await;
    assert_eq!(flags(&proxy), ["healthy", "/pending_dynamic_removal"]);
    assert_eq!(answers(&proxy).await, ["200 a", "200 b"]);
    of_a.store(500, Ordering::Relaxed);
    proxy.until_left().await;
    assert_eq!(flags(&proxy), ["healthy"]);
    assert_eq!(answers(&proxy).await, ["200 b"]);
}

#[tokio::test]
async fn changes_are_written_down() {
    let (a, of_a) = upstream("a");
    let path = std::env::temp_dir().join(format!("ripstop-health-{}.log", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let log = HealthLog { files: vec![path.to_str().unwrap().into()], ..HealthLog::default() };
    let proxy = Proxy::with(to(checked(&[a.address], HealthCheck { log, ..by_http() }))).await;
    of_a.store(503, Ordering::Relaxed);
    until_flags(&proxy, &["/failed_active_hc"]).await;
    let written = async || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        (text.lines().count() == 2).then_some(text)
    };
    let text = until("two lines", written).await;
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["add_healthy_event"]["first_check"], true);
    let ejected = serde_json::json!({ "failure_type": "ACTIVE", "http_status_code": 503 });
    assert_eq!((&lines[1]["eject_unhealthy_event"], &lines[1]["cluster_name"]), (&ejected, &"c".into()));
    std::fs::remove_file(&path).unwrap();
}
