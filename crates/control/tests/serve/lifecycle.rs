//! Start and end: what is left behind, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use ripstop_control::serve::Control;
use ripstop_identity::tls::Present;
use tokio::net::TcpStream;

use crate::proxy::Workload;
use crate::running::{Running, Scratch};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_state_directory_is_private_and_has_one_owner() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let state = scratch.state();
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&running.socket), 0o600);
    assert_eq!(mode(&state.join("trust-root.pem")), 0o644);
    let is_root =
        |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("root-");
    let mut files = fs::read_dir(state.join("ca")).unwrap().map(|file| file.unwrap().path());
    let root = files.find(is_root).expect("a root");
    assert_eq!(mode(&root), 0o600);

    let error = Control::bind(scratch.config()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    running.stop().await;

    let root = fs::read(state.join("trust-root.pem")).unwrap();
    let again = Running::start(&scratch).await;
    assert_eq!(fs::read(state.join("trust-root.pem")).unwrap(), root, "the authority is kept");
    again.stop().await;
}

#[tokio::test]
async fn the_end_is_quick_and_leaves_no_socket() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let workload = Workload::certified(&scratch, &running, "user-1").await;
    let mut proxy = workload.follow("sidecar", "user-1", Present::CurrentSvid);
    proxy.snapshot().await;
    // Somebody who says nothing does not hold up the end.
    let _silent = TcpStream::connect(running.xds).await.unwrap();
    let (xds, api, socket) = (running.xds, running.api, running.socket.clone());
    let begun = Instant::now();
    running.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(!socket.exists());
    assert!(TcpStream::connect(xds).await.is_err());
    assert!(TcpStream::connect(api).await.is_err());
    assert!(proxy.refusal().await.contains("navailable"), "{}", proxy.refusal().await);
    assert!(proxy.snapshots.borrow().is_some(), "the proxy goes on with what it has");
}

#[tokio::test]
async fn the_socket_of_a_process_that_is_gone_is_replaced_and_no_other() {
    let scratch = Scratch::with_shop();
    let socket = scratch.state().join("control.sock");
    fs::create_dir(scratch.state()).unwrap();
    fs::set_permissions(scratch.state(), fs::Permissions::from_mode(0o700)).unwrap();

    let other = UnixListener::bind(&socket).unwrap();
    let error = Control::bind(scratch.config()).await.unwrap_err().to_string();
    assert!(error.contains("is answered by another process"), "{error}");
    drop(other);
    Running::start(&scratch).await.stop().await;

    fs::write(&socket, "").unwrap();
    let error = Control::bind(scratch.config()).await.unwrap_err().to_string();
    assert!(error.contains("is not a socket"), "{error}");
}

#[tokio::test]
async fn every_error_of_the_documents_is_told_at_the_start() {
    let scratch = Scratch::with_shop();
    scratch.edit("traffic.yaml", "weight: 90", "weigth: 90");
    scratch.edit("traffic.yaml", "maxEjectionPercent: 50", "maxEjectionPercent: 500");
    let error = Control::bind(scratch.config()).await.unwrap_err().to_string();
    assert!(error.contains("traffic.yaml:") && error.contains("did you mean `weight`?"), "{error}");
    assert!(error.contains("maxEjectionPercent"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let scratch = Scratch::with_shop();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let config = ripstop_control::serve::ControlConfig { xds_listen: taken, ..scratch.config() };
    let error = Control::bind(config).await.unwrap_err().to_string();
    assert!(error.contains(&taken.to_string()), "{error}");
}
