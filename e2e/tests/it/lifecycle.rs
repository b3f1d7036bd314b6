//! Starting and stopping: clear errors, and nothing left behind.

use ripstop_e2e::mesh::{Files, Mesh};
use ripstop_e2e::ports;
use rustix::process::Signal;
use tokio::process::Command;

#[tokio::test]
async fn nothing_is_left_after_ctrl_c() {
    let mut mesh = Mesh::shop("ctrl-c").await;
    assert!(mesh.processes().len() >= 12, "{:#?}", mesh.processes());
    assert_eq!(mesh.end(Signal::INT).await, Some(0));
    mesh.gone().await;
}

#[tokio::test]
async fn nothing_is_left_after_sigterm() {
    let mut mesh = Mesh::shop("sigterm").await;
    assert_eq!(mesh.end(Signal::TERM).await, Some(0));
    mesh.gone().await;
}

#[tokio::test]
async fn nothing_is_left_after_sigkill() {
    let mut mesh = Mesh::shop("sigkill").await;
    assert_eq!(mesh.end(Signal::KILL).await, None);
    mesh.gone().await;
}

#[tokio::test]
async fn a_second_start_and_a_taken_port_are_explained() {
    let mesh = Mesh::shop("twice").await;
    let run = async |state: &str, directory: &std::path::Path| {
        let mut up = Command::new(ripstop_e2e::binaries::path("ripstop"));
        up.args(["up", "-f"]).arg(directory.join("mesh")).arg("--state-dir").arg(directory.join(state));
        let output = up.kill_on_drop(true).output().await.unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let same_state = run("state", mesh.directory()).await;
    assert!(same_state.contains(&mesh.pid().to_string()), "{same_state}");

    let port = mesh.at(15012).port().to_string();
    let same_ports = run("other-state", mesh.directory()).await;
    assert!(same_ports.contains(&format!("port {port} is taken")), "the port is named: {same_ports}");
    assert!(same_ports.contains("ripstop control"), "its holder is named: {same_ports}");

    // A mesh of its own whose gateway port is held by this test.
    let files = Files::shop("taken");
    let taken = ports::free();
    let held = std::net::TcpListener::bind(("127.0.0.1", taken)).unwrap();
    let gateway = files.ports[&10000].to_string();
    files.edit("traffic.yaml", &gateway, &taken.to_string());
    let said = run("state", &files.directory).await;
    assert!(said.contains(&taken.to_string()), "{said}");
    assert!(said.contains(&std::process::id().to_string()), "the holder's pid is named: {said}");
    drop(held);
    assert_eq!(mesh.get("/api/users").await.status, 200, "the first mesh is untouched");
}
