//! Python's gRPC follows the mesh without a proxy, on the bootstrap file of docs/interop.md.

use std::collections::BTreeMap;
use std::fs;

use ripstop_e2e::control::Control;
use ripstop_e2e::grpc_python::{self, Client, Service};
use ripstop_testkit::wait::until;

use crate::interop_page;

/// Two instances of v1 and one of v2, and the shares of the two.
fn documents(services: &[Service; 3], shares: [u32; 2]) -> String {
    let mut text = String::from(
        "apiVersion: ripstop.io/v1\nkind: Service\nmetadata: {name: echo}\n\
         spec: {ports: [{name: grpc, port: 50051, protocol: GRPC}]}\n",
    );
    for (number, service) in services.iter().enumerate() {
        let version = if number < 2 { "v1" } else { "v2" };
        text += &format!(
            "---\napiVersion: ripstop.io/v1\nkind: Workload\n\
             metadata: {{name: echo-{number}, labels: {{version: {version}}}}}\n\
             spec: {{service: echo, address: 127.0.0.1, ports: {{grpc: {{app: {}}}}}}}\n",
            service.port
        );
    }
    let [v1, v2] = shares;
    text += &format!(
        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: echo}}\n\
         spec: {{host: echo, subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]}}\n\
         ---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: echo}}\n\
         spec:\n  hosts: [echo]\n  http:\n  - route:\n\
         \x20   - {{destination: {{host: echo, subset: v1}}, weight: {v1}}}\n\
         \x20   - {{destination: {{host: echo, subset: v2}}, weight: {v2}}}\n"
    );
    text
}

fn total(answers: &BTreeMap<String, u64>) -> u64 {
    ["one", "two", "three"].iter().filter_map(|name| answers.get(*name)).sum()
}

#[tokio::test]
async fn grpc_balances_follows_weights_and_survives_its_control_plane() {
    let services = [Service::start("one").await, Service::start("two").await, Service::start("three").await];
    let mut control = Control::start("proxyless", &documents(&services, [100, 0])).await;
    let bootstrap = control.directory().join("grpc.json");
    let text = interop_page::block("grpc-bootstrap").replace("127.0.0.1:15012", &control.xds.to_string());
    fs::write(&bootstrap, text).unwrap();

    // Endpoints: only v1, both of its instances in turn.
    let mut client = Client::start("xds:///echo:50051", &bootstrap);
    until("both are connected", async || (client.call(10).await.len() == 2).then_some(())).await;
    let answers = client.call(100).await;
    println!("100/0: {answers:?}");
    assert!(answers.len() == 2 && answers["one"].abs_diff(answers["two"]) <= 10, "{answers:?}");

    // A weight changes under a channel that is open.
    control.write(&documents(&services, [20, 80]));
    let share = async |client: &mut Client| {
        let answers = client.call(50).await;
        assert_eq!(total(&answers), 50, "{answers:?}");
        answers.get("three").copied().unwrap_or(0)
    };
    until("the new shares are in force", async || (share(&mut client).await > 20).then_some(())).await;
    let answers = client.call(500).await;
    println!("20/80: {answers:?}");
    assert!((350..=450).contains(&answers["three"]), "{answers:?}");

    // Without its control plane it goes on with what it has …
    control.kill().await;
    assert_eq!(total(&client.call(100).await), 100);
    // … and follows the next one.
    control.write(&documents(&services, [100, 0]));
    control.run().await;
    until("the control plane is followed again", async || (share(&mut client).await == 0).then_some(()))
        .await;

    // Another control plane comes back to a configuration without the subset that most calls go to.
    control.write(&documents(&services, [10, 90]));
    until("most calls go to v2", async || (share(&mut client).await > 25).then_some(())).await;
    control.kill().await;
    let without_v2 = documents(&services, [100, 0])
        .replace(", {name: v2, labels: {version: v2}}", "")
        .replace("    - {destination: {host: echo, subset: v2}, weight: 0}\n", "");
    assert!(!["name: v2", "subset: v2"].iter().any(|text| without_v2.contains(text)), "{without_v2}");
    control.write(&without_v2);
    control.run().await;
    until("the subset is gone", async || (share(&mut client).await == 0).then_some(())).await;
    assert_eq!(share(&mut client).await, 0);

    let status = control.page("/api/v1/status").await;
    assert!(status.contains("gRPC"), "{status}");
    assert!(!status.contains("\"message\""), "nothing was refused: {status}");
    let words = ["client-1", "gRPC", "outbound|50051|v1|echo.default.svc.cluster.local"];
    let told = grpc_python::clients(control.xds, &words).await;
    assert_eq!(told, words.map(|word| (word.to_owned(), 3)).into());
}

#[tokio::test]
async fn every_name_of_a_service_can_be_dialled() {
    let services = [Service::start("one").await, Service::start("two").await, Service::start("three").await];
    let control = Control::start("proxyless-names", &documents(&services, [100, 0])).await;
    let bootstrap = control.directory().join("grpc.json");
    let text = interop_page::block("grpc-bootstrap").replace("127.0.0.1:15012", &control.xds.to_string());
    fs::write(&bootstrap, text).unwrap();
    for name in ["echo", "echo.default", "echo.default.svc", "echo.default.svc.cluster.local"] {
        let mut client = Client::start(&format!("xds:///{name}:50051"), &bootstrap);
        let answers = client.call(4).await;
        assert_eq!(total(&answers), 4, "{name}: {answers:?}");
    }
}
