//! The two doors of the API.

use crate::http::{ask, get, get_unix, post_unix};
use crate::running::{Running, Scratch};

#[tokio::test]
async fn pages_are_listed_and_answer() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let pages = running.json("/").await;
    let pages = pages["pages"].as_array().unwrap();
    let is_open = |page: &&serde_json::Value| page["method"] == "GET" && page["role"] != "admin";
    for page in pages.iter().filter(is_open) {
        let path = page["path"].as_str().unwrap();
        if path.contains('{') {
            continue;
        }
        assert_eq!(get(running.api, path).await.status, 200, "{path}");
        assert_eq!(get_unix(&running.socket, path).await.status, 200, "{path}");
    }
    assert!(get(running.api, "/nothing").await.error().contains("there is no page /nothing"));
    assert_eq!(running.json("/ready").await["ready"], true);

    let resources = running.json("/api/v1/resources").await;
    let resources = resources["resources"].as_array().unwrap();
    let found = resources.iter().find(|r| r["kind"] == "DestinationRule").unwrap();
    assert_eq!((&found["name"], &found["namespace"]), (&"product-service".into(), &"default".into()));
    assert!(found["file"].as_str().unwrap().ends_with("traffic.yaml"));
    assert!(found["line"].as_u64().unwrap() > 1);

    let workloads = running.json("/api/v1/workloads").await;
    let ingress = workloads["workloads"].as_array().unwrap().iter().find(|w| w["name"] == "ingress").unwrap();
    assert_eq!(ingress["identity"], "spiffe://cluster.local/ns/default/sa/ingress");
    assert_eq!((&ingress["proxy"], &ingress["connected"]), (&"gateway".into(), &false.into()));
    running.stop().await;
}

#[tokio::test]
async fn the_network_only_reads_here_and_only_by_address() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let api = running.api;
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1"] {
        let answer = ask(api, &format!("GET /api/v1/status HTTP/1.1\r\nhost: {host}\r\n"), "").await;
        assert_eq!(answer.status, 403, "{host}");
        assert!(answer.error().contains("is not an address of this control plane"));
    }
    let absolute = "GET http://evil.example/api/v1/status HTTP/1.1\r\nhost: localhost\r\n";
    assert_eq!(ask(api, absolute, "").await.status, 403);
    let twice = "GET /ready HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n";
    assert_ne!(ask(api, twice, "").await.status, 200);
    assert_eq!(ask(api, "GET /ready HTTP/1.1\r\nhost: localhost\r\n", "").await.status, 200);

    let wish = r#"{"namespace": "default", "workload": "user-1"}"#;
    let post = |path: &str| format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n");
    let answer = ask(api, &post("/api/v1/tokens"), wish).await;
    assert_eq!(answer.status, 403);
    assert!(answer.error().contains("control.sock"), "{}", answer.body);
    assert_eq!(ask(api, &post("/api/v1/apply"), "").await.status, 403);
    assert_eq!(ask(api, &post("/api/v1/status"), "").await.status, 405);
    assert_eq!(running.metric("ripstop_control_join_tokens").await, 0.0);
    running.stop().await;
}

#[tokio::test]
async fn tokens_are_made_for_workloads_that_there_are() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let check = async |body: &str, status: u16, part: &str| {
        let answer = post_unix(&running.socket, "/api/v1/tokens", body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.error().contains(part), "{}", answer.body);
    };
    check(r#"{"namespace": "default", "workload": "usr-1"}"#, 404, "did you mean `user-1`?").await;
    check(r#"{"namespace": "other", "workload": "user-1"}"#, 404, "in namespace `other`").await;
    check("not json", 400, "the body is not JSON").await;
    let long = r#"{"namespace": "default", "workload": "user-1", "ttl_seconds": 604801}"#;
    check(long, 400, "1 s to 7 days").await;
    check(&"x".repeat(65 * 1024), 413, "").await;

    let wish = r#"{"namespace": "default", "workload": "user-1", "ttl_seconds": 60}"#;
    let answer = post_unix(&running.socket, "/api/v1/tokens", wish).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json()["expires_in_seconds"], 60);
    assert_eq!(answer.json()["spiffe_id"], "spiffe://cluster.local/ns/default/sa/user-service");
    assert_eq!(running.metric("ripstop_control_join_tokens").await, 1.0);
    running.stop().await;
}
