//! Two meshes that trust each other: each asks the other for its roots, and follows when they change.

use std::process::Stdio;

use ripstop_e2e::pieces::Parts;
use ripstop_e2e::ports;
use ripstop_testkit::wait::until;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

fn documents(domain: &str, endpoint: u16, other: &str, other_endpoint: u16) -> String {
    format!(
        "apiVersion: ripstop.io/v1
kind: Mesh
metadata: {{name: mesh}}
spec:
  trustDomain: {domain}
  control: {{bundleEndpoint: '127.0.0.1:{endpoint}', bundleRefresh: 5s}}
  federation:
    - trustDomain: {other}
      bundleFile: {other}.pem
      bundleEndpoint: {{address: '127.0.0.1:{other_endpoint}', identity: 'spiffe://{other}/ns/ripstop/sa/control'}}
"
    )
}

/// What OpenSSL gets from a bundle endpoint.
async fn bundle(endpoint: u16) -> String {
    let address = format!("127.0.0.1:{endpoint}");
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("openssl is needed");
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(b"GET / HTTP/1.1\r\nhost: bundle\r\nconnection: close\r\n\r\n").await.unwrap();
    let output = client.wait_with_output().await.unwrap();
    drop(stdin);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn two_meshes_follow_each_others_roots() {
    let endpoints = [ports::free(), ports::free()];
    let names = ["one.example", "two.example"];
    let mut meshes = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let other = 1 - at;
        let text = documents(name, endpoints[at], names[other], endpoints[other]);
        meshes.push(Parts::start(name, &text, ports::free(), ports::free()).await);
    }
    // The first roots are carried over by hand; each is proved by them when it is asked for the next ones.
    for at in [0, 1] {
        let roots = std::fs::read_to_string(meshes[at].path("state/trust-root.pem")).unwrap();
        std::fs::write(meshes[1 - at].path(&format!("mesh/{}.pem", names[at])), roots).unwrap();
    }
    for at in [0, 1] {
        until("they know each other", async || {
            let status = meshes[at].run(&["cert", "status"]).await;
            status.contains(&format!("Federated     {}", names[1 - at])).then_some(())
        })
        .await;
    }
    let before = bundle(endpoints[0]).await;
    assert!(before.contains("\"use\": \"x509-svid\"") && before.contains("spiffe_sequence"), "{before}");
    let version = async || -> serde_json::Value {
        let status = meshes[1].run(&["cert", "status", "-o", "json"]).await;
        serde_json::from_str::<serde_json::Value>(&status).unwrap()["trust_version"].take()
    };
    let known = version().await;
    println!("{}", meshes[0].run(&["cert", "rotate-root", "--wait=90"]).await);
    assert_ne!(bundle(endpoints[0]).await, before);
    // It asks every five seconds.
    let mut waited = 0;
    while version().await == known {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        waited += 1;
        assert!(waited < 60, "the other mesh does not follow");
    }
}
