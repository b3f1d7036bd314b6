//! Leaves, issuers and roots follow each other under load, and nobody notices: no request fails, and no handshake.
//!
//! `RIPSTOP_E2E_ROTATIONS=full` is the whole of it: 20 leaves, 3 issuers and 3 roots at 1,000 requests a second, in two minutes.

use std::time::{Duration, Instant};

use ripstop_e2e::binaries;
use ripstop_e2e::load::Load;
use ripstop_e2e::mesh::{Files, Mesh};
use tokio::process::Command;

/// Admin ports of all proxies; the gateway's first.
const ADMINS: [u16; 6] = [9901, 9902, 9903, 9904, 9905, 9906];

struct Plan {
    leaves: u64,
    issuers: u32,
    roots: u32,
    per_second: u32,
}

fn plan() -> Plan {
    match std::env::var("RIPSTOP_E2E_ROTATIONS").as_deref() {
        Ok("full") => Plan { leaves: 20, issuers: 3, roots: 3, per_second: 1_000 },
        _ => Plan { leaves: 2, issuers: 1, roots: 1, per_second: 100 },
    }
}

async fn sum(mesh: &Mesh, family: &str) -> u64 {
    let mut all = 0;
    for admin in ADMINS {
        all += mesh.metric(admin, family, "").await;
    }
    all
}

async fn fewest_certificates(mesh: &Mesh) -> u64 {
    let mut fewest = u64::MAX;
    for admin in ADMINS {
        let page: serde_json::Value = serde_json::from_str(&mesh.page(admin, "/certs").await).unwrap();
        fewest = fewest.min(page["renewal"]["issued"].as_u64().unwrap());
    }
    fewest
}

/// What `ripstop cert` says; it has to succeed.
async fn cert(mesh: &Mesh, args: &[&str]) -> String {
    let output = Command::new(binaries::path("ripstop"))
        .arg("cert")
        .args(args)
        .arg("--state-dir")
        .arg(mesh.directory().join("state"))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test]
async fn nobody_notices_new_leaves_issuers_and_roots() {
    let plan = plan();
    let files = Files::shop("rotations");
    files.edit("mesh.yaml", "lifetime: 24h", "lifetime: 10s");
    // There are always handshakes.
    files.end_connections_after(20);
    let mut mesh = files.up();
    mesh.ready().await;
    let trust_root = mesh.directory().join("state/trust-root.pem");
    let first_root = std::fs::read_to_string(&trust_root).unwrap();
    let load = Load::start(mesh.at(10000), "/api/users", plan.per_second);
    load.run_for(100).await;
    let begun = Instant::now();
    let certificates = fewest_certificates(&mesh).await;
    for _ in 0..plan.issuers {
        println!("{}", cert(&mesh, &["rotate-issuer", "--wait=60"]).await.trim_end());
    }
    for _ in 0..plan.roots {
        println!("{}", cert(&mesh, &["rotate-root", "--wait=60"]).await.trim_end());
    }
    while fewest_certificates(&mesh).await < certificates + plan.leaves {
        assert!(begun.elapsed() < Duration::from_secs(240), "{}", cert(&mesh, &["status"]).await);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let took = begun.elapsed();
    let outcome = load.stop().await;
    let handshakes = sum(&mesh, "envoy_listener_ssl_handshake").await;
    let failed_handshakes = sum(&mesh, "envoy_listener_ssl_connection_error").await;
    let failed_connects = sum(&mesh, "envoy_cluster_upstream_cx_connect_fail").await;
    println!(
        "{:.0} s: {} requests, {} failed; {handshakes} handshakes, {failed_handshakes} failed, {failed_connects} connections could not be made; \
         {} certificates for each proxy at least, {} issuers, {} roots",
        took.as_secs_f64(),
        outcome.total(),
        outcome.failed(),
        fewest_certificates(&mesh).await - certificates,
        plan.issuers,
        plan.roots,
    );
    println!("{}", cert(&mesh, &["status"]).await);
    assert_eq!((outcome.failed(), outcome.reconnects), (0, 0), "{outcome:?}");
    assert_eq!((failed_handshakes, failed_connects), (0, 0));
    assert!(handshakes > outcome.total() / 50, "{handshakes} handshakes: too few to tell anything");
    let last_root = std::fs::read_to_string(&trust_root).unwrap();
    assert_ne!(first_root, last_root);
    assert_eq!(last_root.matches("BEGIN CERTIFICATE").count(), 1, "the old root is not trusted any more");
    // One proxy, as somebody would look at it.
    let user = cert(&mesh, &["inspect", "user-1"]).await;
    assert!(user.contains("ns/default/sa/user-service") && user.contains("the one that signs"), "{user}");
}
