//! Traffic is split by weight, and follows the file without a restart.

use ripstop_e2e::load::Load;
use ripstop_e2e::mesh::Mesh;
use ripstop_testkit::client::Http1;
use ripstop_testkit::wait::until;

async fn v2_of_a_thousand(mesh: &Mesh) -> u64 {
    let mut client = Http1::connect(mesh.at(10000)).await.unwrap();
    let mut v2 = 0;
    for _ in 0..1000 {
        let reply = client.get("/api/products").await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        v2 += u64::from(reply.headers["x-version"] == "v2");
    }
    v2
}

#[tokio::test]
async fn the_split_follows_the_file() {
    let mesh = Mesh::shop("canary").await;
    let v2 = v2_of_a_thousand(&mesh).await;
    println!("90/10: {v2} of 1000 answers from v2");
    assert!((70..=130).contains(&v2), "{v2} of 1000 with weight 10");

    let load = Load::start(mesh.at(10000), "/api/products", 200);
    load.run_for(100).await;
    let generation = async || mesh.metric(9901, "ripstop_generation", "").await;
    let before = generation().await;
    let files = mesh.files();
    let text =
        files.read("traffic.yaml").replace("weight: 90", "weight: 50").replace("weight: 10", "weight: 50");
    let edited = std::time::Instant::now();
    files.write("traffic.yaml", &text);
    until("the gateway has the edit", async || (generation().await > before).then_some(())).await;
    println!("edit in force after {} ms", edited.elapsed().as_millis());
    load.run_for(100).await;
    let outcome = load.stop().await;
    assert_eq!(outcome.failed(), 0, "{outcome:?}");
    assert_eq!(outcome.reconnects, 0, "an edit closed a connection");

    let v2 = v2_of_a_thousand(&mesh).await;
    println!("50/50: {v2} of 1000 answers from v2");
    assert!((430..=570).contains(&v2), "{v2} of 1000 with weight 50");
}

#[tokio::test]
async fn a_bad_edit_is_refused_by_name_and_changes_nothing() {
    let mesh = Mesh::shop("bad-edit").await;
    let files = mesh.files();
    files.edit("traffic.yaml", "weight: 10", "wieght: 10");
    let problem = until("the problem is told", async || {
        let problems = mesh.page(15014, "/api/v1/problems").await;
        problems.contains("wieght").then_some(problems)
    })
    .await;
    assert!(problem.contains("traffic.yaml"), "{problem}");
    assert!(problem.contains("weight"), "there is a suggestion: {problem}");
    assert_eq!(mesh.get("/api/products").await.status, 200);
    files.edit("traffic.yaml", "wieght: 10", "weight: 10");
    until("the problem is gone", async || {
        (!mesh.page(15014, "/api/v1/problems").await.contains("wieght")).then_some(())
    })
    .await;
}
