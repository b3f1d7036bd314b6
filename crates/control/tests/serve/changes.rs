//! Changes over the API: from a request to every proxy that it concerns, and back.

use std::time::Duration;

use ripstop_control::role::Role;
use ripstop_control::serve::ControlConfig;
use ripstop_identity::tls::Present;
use serde_json::{Value, json};

use crate::eventually;
use crate::http::{Answer, ask, delete_unix, get, get_unix, post_unix};
use crate::proxy::Workload;
use crate::refusing::Refusing;
use crate::running::{Running, Scratch};
use crate::schema;

fn route(timeout: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: users}}\n\
         spec:\n  hosts: [user-service]\n  http:\n  - route: [{{destination: {{host: user-service}}}}]\n    timeout: {timeout}\n"
    )
}

impl Running {
    async fn apply(&self, text: &str) -> Answer {
        let body = json!({"documents": [{"name": "users.yaml", "text": text}], "author": "ada", "message": "because"});
        post_unix(&self.socket, "/api/v1/apply", &body.to_string()).await
    }

    async fn admin(&self, path: &str) -> Value {
        let answer = get_unix(&self.socket, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }
}

#[tokio::test]
async fn a_change_is_followed_to_the_last_proxy_that_it_concerns() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let caller = Workload::certified(&scratch, &running, "gateway-1").await;
    let mut caller = caller.follow("sidecar", "gateway-1", Present::CurrentSvid);
    let ingress = Workload::certified(&scratch, &running, "ingress").await;
    let mut ingress = ingress.follow("router", "ingress", Present::CurrentSvid);
    let (before, _) = (caller.snapshot().await, ingress.snapshot().await);

    let made = running.apply(&route("7s")).await;
    assert_eq!((made.status, &made.json()["revision"]), (200, &json!(2)), "{}", made.body);
    let rollout = running.admin("/api/v1/rollout/2?wait_seconds=20").await;
    assert_eq!(
        (&rollout["complete"], &rollout["concerned"], &rollout["accepted"]),
        (&json!(true), &json!(1), &json!(1))
    );
    let proxy = &rollout["proxies"][0];
    assert_eq!((&proxy["workload"], &proxy["state"]), (&json!("gateway-1"), &json!("accepted")));
    assert!(rollout["slowest_ms"].as_f64().unwrap() < 5_000.0, "{rollout}");
    let after = caller.snapshot().await;
    assert_ne!(after.routes, before.routes);

    // The gateway is concerned by nothing of it, and nobody by the same again.
    assert_eq!(running.proxy("ingress").await.unwrap()["changed_in"], 1);
    let again = running.apply(&route("7s")).await.json();
    assert_eq!((&again["changed"], &again["objects"][0]["action"]), (&json!(false), &json!("unchanged")));
    let missing = get_unix(&running.socket, "/api/v1/rollout/9").await;
    assert_eq!(missing.status, 404, "{}", missing.body);
    assert_eq!(get_unix(&running.socket, "/api/v1/rollout/1").await.status, 410);

    // Somebody who is away is named.
    drop(caller);
    eventually("it is gone", async || running.proxy("gateway-1").await.is_none().then_some(())).await;
    let rollout = running.admin("/api/v1/rollout/2").await;
    assert_eq!(
        (&rollout["complete"], &rollout["proxies"][0]["state"]),
        (&json!(false), &json!("disconnected"))
    );
    running.stop().await;
}

#[tokio::test]
async fn a_refusal_is_told_at_once_with_the_line_that_it_is_about() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let workload = Workload::certified(&scratch, &running, "ingress").await;
    let node = "router~127.0.0.1~ingress.default~default.svc.cluster.local";
    let message = "virtual host extra: route `VirtualService default/extra http[0]`: not with me";
    let proxy = Refusing::follow(workload.channel(), node, "http.10000", message);
    eventually("it has accepted everything", async || {
        running.proxy("ingress").await.filter(|proxy| proxy["state"] == "accepted")
    })
    .await;
    proxy.begin();
    let rule =
        route("7s").replace("name: users", "name: extra").replace("spec:\n", "spec:\n  gateways: [shop]\n");
    let made = running.apply(&rule.replace("hosts: [user-service]", "hosts: [extra.example]")).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let begun = std::time::Instant::now();
    let rollout = running.admin("/api/v1/rollout/2?wait_seconds=20").await;
    assert!(begun.elapsed() < Duration::from_secs(5), "a refusal ends the wait");
    let told = &rollout["proxies"][0];
    assert_eq!((&rollout["complete"], &told["state"]), (&json!(false), &json!("refused")), "{rollout}");
    let refusal = &told["refusals"][0];
    assert_eq!((&refusal["type"], refusal["message"].as_str()), (&json!("RDS"), Some(message)));
    let place = &refusal["places"][0];
    assert_eq!(
        (&place["name"], &place["path"], &place["file"]),
        (&json!("extra"), &json!("spec.http[0]"), &json!("users.yaml"))
    );
    assert_eq!(place["line"], 8);
    let status = running.proxy("ingress").await.unwrap();
    assert_eq!((&status["state"], &status["synced"]), (&json!("refused"), &json!(false)));
    assert_eq!(status["refusals"][0]["places"][0]["line"], 8);
    running.stop().await;
}

#[tokio::test]
async fn history_differences_and_the_way_back() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    running.apply(&route("7s")).await;
    running.apply(&route("8s")).await;
    let history = running.admin("/api/v1/history?kind=virtualservice&name=users").await;
    let revisions: Vec<_> =
        history["revisions"].as_array().unwrap().iter().map(|one| &one["revision"]).collect();
    assert_eq!(revisions, [3, 2]);
    assert_eq!(history["revisions"][0]["author"], "ada");
    let one = running.admin("/api/v1/history/3").await;
    let diff = one["changes"][0]["diff"].as_str().unwrap();
    assert!(diff.contains("-    timeout: 7s\n+    timeout: 8s\n"), "{diff}");

    let back = post_unix(&running.socket, "/api/v1/rollback", r#"{"revision": 2}"#).await;
    assert_eq!((back.status, &back.json()["revision"]), (200, &json!(4)), "{}", back.body);
    let users = running.admin("/api/v1/resources/VirtualService/default/users").await;
    assert!(users["text"].as_str().unwrap().contains("timeout: 7s"), "{users}");
    assert_eq!(
        (&users["owner"], &users["file"], &users["line"]),
        (&json!("api"), &json!("users.yaml"), &json!(1))
    );

    let path = "/api/v1/resources/VirtualService/default/users";
    assert_eq!(delete_unix(&running.socket, &format!("{path}?dry_run=true")).await.json()["revision"], 5);
    assert_eq!(delete_unix(&running.socket, path).await.status, 200);
    assert_eq!(get_unix(&running.socket, path).await.status, 404);
    let of_file = delete_unix(&running.socket, "/api/v1/resources/VirtualService/default/shop").await;
    assert_eq!(of_file.status, 409);
    assert!(of_file.error().contains("traffic.yaml:"), "{}", of_file.body);

    // A restart finds all of it.
    running.stop().await;
    let running = Running::start(&scratch).await;
    assert_eq!(running.admin("/api/v1/history").await["revisions"][0]["revision"], 5);
    let none = running.admin("/api/v1/resources?name=users").await;
    assert_eq!(none["resources"], json!([]));
    running.stop().await;
}

#[tokio::test]
async fn mistakes_are_told_all_at_once() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let text = route("soon").replace("hosts:", "host:");
    let refused = running.apply(&text).await;
    assert_eq!(refused.status, 422);
    let problems = refused.json()["problems"].clone();
    let places: Vec<_> =
        problems.as_array().unwrap().iter().map(|one| (one["line"].clone(), one["path"].clone())).collect();
    assert!(places.contains(&(json!(8), json!("spec.http[0].timeout"))), "{problems}");
    assert!(places.contains(&(json!(5), json!("spec.host"))), "{problems}");
    assert_eq!(running.apply("# nothing").await.status, 400);
    for body in ["[]", r#"{"document": 1}"#, r#"{"documents": 1}"#, r#"{"documents": [{"name": "x"}]}"#] {
        assert_eq!(post_unix(&running.socket, "/api/v1/apply", body).await.status, 400, "{body}");
    }
    assert_eq!(post_unix(&running.socket, "/api/v1/apply", &"x".repeat((8 << 20) + 1)).await.status, 413);
    assert_eq!(running.metric("ripstop_control_config_revision").await, 1.0);
    running.stop().await;
}

#[tokio::test]
async fn tokens_allow_what_their_role_says() {
    let scratch = Scratch::with_shop();
    let running = Running::start_with(ControlConfig { api_loopback: None, ..scratch.config() }).await;
    let (api, socket) = (running.api, running.socket.clone());
    assert_eq!(get(api, "/ready").await.status, 200);
    let refused = get(api, "/api/v1/status").await;
    assert_eq!(refused.status, 401);
    assert!(refused.head.to_lowercase().contains("www-authenticate: bearer"), "{}", refused.head);

    let make = async |name: &str, role: &str| {
        let made =
            post_unix(&socket, "/api/v1/api-tokens", &json!({"name": name, "role": role}).to_string()).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()["token"].as_str().unwrap().to_owned()
    };
    let (reader, writer, admin) =
        (make("r", "read").await, make("w", "write").await, make("a", "admin").await);
    let call = async |token: &str, method: &str, path: &str, body: &str| {
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: mesh.example\r\nauthorization: Bearer {token}\r\n");
        ask(api, &head, body).await.status
    };
    let change = json!({"documents": [{"name": "users.yaml", "text": route("7s")}]}).to_string();
    for (token, look, write, administer) in
        [(&reader, 200, 403, 403), (&writer, 200, 200, 403), (&admin, 200, 200, 200)]
    {
        assert_eq!(call(token, "GET", "/api/v1/status", "").await, look);
        assert_eq!(call(token, "POST", "/api/v1/apply", &change).await, write);
        assert_eq!(call(token, "GET", "/api/v1/api-tokens", "").await, administer);
    }
    // The author is whoever the token names.
    assert_eq!(running.admin("/api/v1/history/2").await["author"], "w");
    let wrong = format!("{}0", &reader[..reader.len() - 1]);
    let wrong = if wrong == reader { format!("{}1", &reader[..reader.len() - 1]) } else { wrong };
    for token in [wrong.as_str(), "", "rst_x.y"] {
        assert_eq!(call(token, "GET", "/api/v1/status", "").await, 401, "{token}");
    }
    assert_eq!(
        post_unix(&socket, "/api/v1/api-tokens", r#"{"name": "r", "role": "read"}"#).await.status,
        409
    );
    assert_eq!(
        post_unix(&socket, "/api/v1/api-tokens", r#"{"name": "x y", "role": "read"}"#).await.status,
        400
    );
    assert_eq!(delete_unix(&socket, "/api/v1/api-tokens/r").await.status, 200);
    assert_eq!(call(&reader, "GET", "/api/v1/status", "").await, 401);

    running.stop().await;
    let store = std::fs::read(scratch.state().join("store.redb")).unwrap();
    let secret = writer.split_once('.').unwrap().1.as_bytes();
    assert!(!store.windows(secret.len()).any(|part| part == secret), "a secret is in the store");
}

#[tokio::test]
async fn a_web_page_can_change_nothing() {
    let scratch = Scratch::with_shop();
    let config = ControlConfig { api_loopback: Some(Role::Write), ..scratch.config() };
    let running = Running::start_with(config).await;
    let api = running.api;
    let change = json!({"documents": [{"name": "users.yaml", "text": route("7s")}]}).to_string();
    let post = async |origin: &str| {
        let head = format!("POST /api/v1/apply HTTP/1.1\r\nhost: {api}\r\norigin: {origin}\r\n");
        ask(api, &head, &change).await.status
    };
    for origin in
        ["http://evil.example", "null", "http://127.0.0.1:1", &format!("http://evil.example:{}", api.port())]
    {
        assert_eq!(post(origin).await, 403, "{origin}");
    }
    assert_eq!(post(&format!("http://localhost:{}", api.port())).await, 200);
    running.stop().await;
}

#[tokio::test]
async fn answers_are_as_the_openapi_document_says() {
    let scratch = Scratch::with_shop();
    let running = Running::start(&scratch).await;
    let workload = Workload::certified(&scratch, &running, "gateway-1").await;
    let mut proxy = workload.follow("sidecar", "gateway-1", Present::CurrentSvid);
    proxy.snapshot().await;
    let openapi = running.admin("/api/v1/openapi.json").await;
    let fits = |name: &str, answer: &Answer| {
        let faults = schema::faults(&openapi, name, &answer.json());
        assert!(faults.is_empty(), "{name}: {faults:#?}");
    };
    let socket = &running.socket;
    fits("Change", &running.apply(&route("7s")).await);
    fits("Error", &running.apply(&route("soon")).await);
    fits("Change", &post_unix(socket, "/api/v1/rollback", r#"{"revision": 1, "dry_run": true}"#).await);
    fits("Rollout", &get_unix(socket, "/api/v1/rollout/2?wait_seconds=20").await);
    for url in ["http://127.0.0.1:10000/api/products", "http://x/"] {
        fits("Explanation", &post_unix(socket, "/api/v1/explain", &json!({"url": url}).to_string()).await);
    }
    let wish =
        json!({"name": "ci", "role": "read", "ttl_seconds": Duration::from_secs(60).as_secs()}).to_string();
    fits("ApiToken", &post_unix(socket, "/api/v1/api-tokens", &wish).await);
    let wish = r#"{"namespace": "default", "workload": "user-1"}"#;
    fits("JoinToken", &post_unix(socket, "/api/v1/tokens", wish).await);
    scratch.edit("traffic.yaml", "weight: 90", "weigth: 90");
    eventually("the edit is refused", async || {
        let problems = running.json("/api/v1/problems").await;
        problems["refused"].as_array().unwrap().first().cloned()
    })
    .await;

    // Every page without further parts, and those with.
    let concrete = |path: &str| match path {
        "/api/v1/resources/{kind}/{namespace}/{name}" => {
            "/api/v1/resources/Service/default/user-service".to_owned()
        }
        "/api/v1/history/{revision}" => "/api/v1/history/2".to_owned(),
        "/api/v1/effective/{namespace}/{service}" => "/api/v1/effective/default/product-service".to_owned(),
        "/api/v1/rollout/{revision}" => "/api/v1/rollout/2".to_owned(),
        "/api/v1/proxies/{namespace}/{workload}/config" => {
            "/api/v1/proxies/default/ingress/config".to_owned()
        }
        path => path.to_owned(),
    };
    let mut looked_at = 0;
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        let good = &methods["get"]["responses"]["2XX"]["content"]["application/json"]["schema"]["$ref"];
        let Some(name) = good.as_str().map(|reference| reference.rsplit('/').next().unwrap()) else {
            continue;
        };
        let answer = get_unix(socket, &concrete(path)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        fits(name, &answer);
        looked_at += 1;
    }
    assert!(looked_at >= 12, "{looked_at}");
    fits("ApiTokenDeleted", &delete_unix(socket, "/api/v1/api-tokens/ci").await);
    running.stop().await;
}
