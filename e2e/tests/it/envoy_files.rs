//! The files of `examples/envoy` under Envoy and under Ripstop, unchanged.

use ripstop_e2e::{binaries, envoy};
use tokio::process::Command;

#[tokio::test]
async fn the_example_files_do_the_same_under_envoy_and_under_ripstop() {
    let envoy = envoy::path().unwrap();
    let script = binaries::repository().join("examples/envoy/compare.sh");
    let output = Command::new(script)
        .env("BINARIES", binaries::directory())
        .env("RIPSTOP_E2E_ENVOY", envoy)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("answer 10 requests alike"), "{said}");
    assert!(said.contains("Ada Lovelace") && said.contains("Sewing kit"), "{said}");
}
