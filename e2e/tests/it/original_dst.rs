//! Connections that the kernel redirects reach the listener that they were meant for, under Envoy and under Ripstop.

use ripstop_e2e::{binaries, envoy};
use tokio::process::Command;

#[tokio::test]
async fn redirected_connections_reach_the_listener_they_were_meant_for() {
    let script = binaries::repository().join("e2e/tests/it/original_dst.sh");
    let output = Command::new(script)
        .env("BINARIES", binaries::directory())
        .env("RIPSTOP_E2E_ENVOY", envoy::path().unwrap())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{complained} (it needs unshare, ip and nft: see .ci/run)");
    let (theirs, ours) = said.split_once("ripstop\n").unwrap_or_else(|| panic!("{said}{complained}"));
    let expected = "18080: the listener of 18080\n18081: the listener of 18081\n\
        18082: the listener that takes all\n15001: the listener that takes all\n";
    assert_eq!(theirs.strip_prefix("envoy\n"), Some(expected));
    assert_eq!(ours, expected);
}
