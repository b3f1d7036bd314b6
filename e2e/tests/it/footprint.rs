//! How quickly the mesh is there and how much memory it takes. Printed; bounded where a bound holds for every profile.

use std::time::{Duration, Instant};

use ripstop_e2e::mesh::{Files, Mesh};
use ripstop_e2e::processes;
use ripstop_testkit::client::Http1;

/// More than a proxy may take. Unoptimised code is larger.
const MOST_KIB: u64 = if cfg!(debug_assertions) { 48 * 1024 } else { 20 * 1024 };

const PROXIES: [&str; 6] = ["ingress", "user-1", "product-1", "product-2", "product-3", "gateway-1"];

fn resident(mesh: &Mesh) -> Vec<(String, u64)> {
    let pid = |name: &str| mesh.pid_of(&format!("~{name}."));
    PROXIES.iter().map(|name| ((*name).to_owned(), processes::resident_kib(pid(name)))).collect()
}

#[tokio::test]
async fn start_to_first_answer_and_memory_of_each_proxy() {
    let mesh = Files::shop("footprint").up();
    let deadline = Instant::now() + Duration::from_secs(60);
    let first = loop {
        if let Ok(mut client) = Http1::connect(mesh.at(10000)).await
            && let Ok(reply) = client.get("/api/users").await
            && reply.status == 200
        {
            break mesh.started().elapsed();
        }
        assert!(Instant::now() < deadline, "{}\n{}", mesh.output(), mesh.logs());
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    println!("start to first 200 through mTLS: {} ms", first.as_millis());
    let mut mesh = mesh;
    mesh.ready().await;
    let idle = resident(&mesh);
    let mut client = Http1::connect(mesh.at(10000)).await.unwrap();
    for request in 0..10_000 {
        let path = if request % 2 == 0 { "/api/users" } else { "/api/products" };
        assert_eq!(client.get(path).await.unwrap().status, 200);
    }
    for ((name, idle), (_, loaded)) in idle.iter().zip(resident(&mesh)) {
        println!("{name:<10} resident {idle:>6} KiB idle, {loaded:>6} KiB after 10,000 requests");
        assert!(loaded < MOST_KIB, "{name} takes {loaded} KiB");
    }
    assert!(first < Duration::from_secs(10), "{first:?}");
}
