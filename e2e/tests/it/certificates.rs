//! Certificates rotate under load without anybody noticing.

use std::time::Duration;

use ripstop_e2e::load::Load;
use ripstop_e2e::mesh::{Files, Mesh};
use ripstop_e2e::processes;
use ripstop_testkit::wait::until;

/// Lifetime in seconds: short enough for a test, or what `RIPSTOP_E2E_CERTIFICATE_SECONDS` says.
fn lifetime_s() -> u64 {
    let asked = std::env::var("RIPSTOP_E2E_CERTIFICATE_SECONDS").ok();
    asked.and_then(|seconds| seconds.parse().ok()).unwrap_or(10)
}

async fn issued(mesh: &Mesh) -> Vec<u64> {
    let mut all = Vec::new();
    for admin in [9901, 9902, 9903, 9904, 9905, 9906] {
        all.push(mesh.metric(admin, "ripstop_certificates_issued", "").await);
    }
    all
}

#[tokio::test]
async fn three_rotations_under_load() {
    let files = Files::shop("rotation");
    files.edit("mesh.yaml", "lifetime: 24h", &format!("lifetime: {}s", lifetime_s()));
    let mut mesh = files.up();
    mesh.ready().await;
    let load = Load::start(mesh.at(10000), "/api/users", 100);
    load.run_for(100).await;
    let connections = async || mesh.metric(9901, "envoy_cluster_upstream_cx_total", "user-service").await;
    let opened = connections().await;
    let start = issued(&mesh).await;
    let limit = Duration::from_secs(lifetime_s() * 4);
    let begun = std::time::Instant::now();
    loop {
        let now = issued(&mesh).await;
        if now.iter().zip(&start).all(|(now, start)| *now >= start + 3) {
            break;
        }
        assert!(begun.elapsed() < limit, "certificates issued: {now:?}, at first {start:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let outcome = load.stop().await;
    let now = issued(&mesh).await;
    println!(
        "lifetime {} s: {} requests, {} failed; certificates issued per proxy {now:?}; upstream connections {opened} -> {}",
        lifetime_s(),
        outcome.total(),
        outcome.failed(),
        connections().await,
    );
    assert_eq!(outcome.failed(), 0, "{outcome:?}");
    assert_eq!(outcome.reconnects, 0, "a client connection was closed");
    assert_eq!(connections().await, opened, "a connection between proxies was closed");
    // New connections use the new certificate.
    until("a fresh connection works", async || (mesh.get("/api/users").await.status == 200).then_some(()))
        .await;
}

#[tokio::test]
async fn a_proxy_that_slept_through_its_certificate_proves_itself_anew() {
    let files = Files::shop("asleep");
    files.edit("mesh.yaml", "lifetime: 24h", "lifetime: 10s");
    let mut mesh = files.up();
    mesh.ready().await;
    let renewal = async || -> serde_json::Value {
        serde_json::from_str::<serde_json::Value>(&mesh.page(9902, "/certs").await).unwrap()["renewal"].take()
    };
    let before = renewal().await["issued"].as_u64().unwrap();
    until("there are tokens in reserve", async || {
        mesh.page(15014, "/metrics").await.contains("\nripstop_control_join_tokens 6\n").then_some(())
    })
    .await;
    let sidecar = mesh.pid_of("~user-1.default~");
    processes::signal(sidecar, rustix::process::Signal::STOP);
    // Longer than a certificate lives, and than clocks may differ.
    tokio::time::sleep(Duration::from_secs(14)).await;
    processes::signal(sidecar, rustix::process::Signal::CONT);
    until("it has a certificate again", async || {
        (renewal().await["issued"].as_u64().unwrap() > before).then_some(())
    })
    .await;
    until("it is called again", async || (mesh.get("/api/users").await.status == 200).then_some(())).await;
    assert_eq!(renewal().await["alarm"], "Ok");
}
