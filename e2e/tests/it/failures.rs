//! What callers notice when instances die: nothing.

use std::time::{Duration, Instant};

use ripstop_e2e::load::Load;
use ripstop_e2e::mesh::Mesh;
use ripstop_e2e::processes;
use ripstop_testkit::wait::until;
use rustix::process::Signal;

/// Requests that the gateway has sent to the endpoint at an inbound port.
async fn requests_to(mesh: &Mesh, inbound: u16) -> u64 {
    let address = mesh.at(inbound).to_string();
    let page = mesh.page(9901, "/clusters").await;
    let line = format!("::{address}::rq_total::");
    page.lines().filter_map(|l| l.split_once(&line)?.1.parse::<u64>().ok()).sum()
}

async fn kill_under_load(mesh: &Mesh, victim: impl Fn() -> u32) {
    let load = Load::start(mesh.at(10000), "/api/products", 200);
    load.run_for(200).await;
    let first = victim();
    processes::signal(first, Signal::KILL);
    let killed = Instant::now();
    let address = mesh.at(15002).to_string();
    until("the dead endpoint is ejected", async || {
        let page = mesh.page(9901, "/clusters").await;
        let ejected = |line: &str| line.contains(&format!("::{address}::ejected::"));
        page.lines().any(ejected).then_some(())
    })
    .await;
    println!("ejected {} ms after the kill", killed.elapsed().as_millis());
    let before = requests_to(mesh, 15002).await;
    until("it gets traffic again", async || (requests_to(mesh, 15002).await > before + 20).then_some(()))
        .await;
    println!("has traffic again {:.1} s after the kill", killed.elapsed().as_secs_f64());
    load.run_for(200).await;
    let outcome = load.stop().await;
    println!("{} requests, {} failed", outcome.total(), outcome.failed());
    assert_eq!(outcome.failed(), 0, "{outcome:?}");
}

#[tokio::test]
async fn a_killed_application_costs_no_request() {
    let mesh = Mesh::shop("kill-app").await;
    let port = mesh.at(8082).port();
    kill_under_load(&mesh, || application(&mesh, port)).await;
}

#[tokio::test]
async fn a_killed_sidecar_costs_no_request() {
    let mesh = Mesh::shop("kill-sidecar").await;
    kill_under_load(&mesh, || mesh.pid_of("~product-1.")).await;
}

/// The process that listens on an application's port: its environment says `PORT=…`.
fn application(mesh: &Mesh, port: u16) -> u32 {
    let wanted = format!("PORT={port}");
    let mine = mesh.processes();
    let pids = mine.iter().filter_map(|line| line.split_once(' ')?.0.parse::<u32>().ok());
    let has = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
    };
    pids.into_iter().find(has).unwrap_or_else(|| panic!("no process has {wanted}: {mine:#?}"))
}

#[tokio::test]
async fn the_mesh_serves_on_without_its_control_plane() {
    let mesh = Mesh::shop("no-control").await;
    let control = mesh.pid_of("ripstop control");
    processes::signal(control, Signal::STOP);
    for _ in 0..100 {
        assert_eq!(mesh.get("/api/users").await.status, 200);
    }
    processes::signal(control, Signal::CONT);
    processes::signal(control, Signal::KILL);
    for _ in 0..100 {
        assert_eq!(mesh.get("/api/users").await.status, 200);
    }
    let back = Instant::now();
    until("every proxy follows the new one", async || {
        for admin in [9901, 9902, 9903, 9904, 9905, 9906] {
            if mesh.metric(admin, "envoy_control_plane_connected_state", "").await != 1 {
                return None;
            }
        }
        (mesh.pid_of("ripstop control") != control).then_some(())
    })
    .await;
    assert!(back.elapsed() < Duration::from_secs(20));
    mesh.files().edit("traffic.yaml", "weight: 90", "weight: 0");
    until("edits are followed again", async || {
        let reply = mesh.get("/api/products").await;
        (reply.headers["x-version"] == "v2").then_some(())
    })
    .await;
}
