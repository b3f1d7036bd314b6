//! Which page is where, and the pages that are about the control plane itself.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::door::Door;
use super::{Api, metrics, problems, reply, resources, status, tokens, workloads};

/// Path, method and purpose of each page.
const PAGES: [(&str, &str, &str); 8] = [
    ("/", "GET", "this list"),
    ("/ready", "GET", "200 if proxies are served, 503 with the reason if not"),
    ("/api/v1/status", "GET", "connected proxies: who, since when, what was sent, accepted and refused"),
    ("/api/v1/resources", "GET", "the resources in force, and where each is written"),
    ("/api/v1/problems", "GET", "errors of the last refused edit, and warnings in force"),
    ("/api/v1/workloads", "GET", "workloads, their identities, and whether their proxies are connected"),
    ("/metrics", "GET", "counters in the text format of Prometheus"),
    (
        "/api/v1/tokens",
        "POST",
        "a join token: {\"namespace\", \"workload\", \"ttl_seconds\"}; on the administrator's socket only",
    ),
];

/// All pages behind a door.
pub(super) fn router(door: &Door, api: Arc<Api>) -> Router {
    let pages = Router::new()
        .route("/", get(list))
        .route("/ready", get(ready))
        .route("/api/v1/status", get(status::page))
        .route("/api/v1/resources", get(resources::page))
        .route("/api/v1/problems", get(problems::page))
        .route("/api/v1/workloads", get(workloads::page))
        .route("/metrics", get(metrics::page));
    let pages = match door {
        Door::Network(_) => pages.route("/api/v1/tokens", get(other_door).post(other_door)),
        Door::Administrator => {
            pages.route("/api/v1/tokens", post(tokens::create).layer(tokens::body_limit()))
        }
    };
    pages.fallback(missing).method_not_allowed_fallback(wrong_method).with_state(api)
}

async fn list() -> Response {
    let pages: Vec<Value> = PAGES
        .iter()
        .map(|(path, method, purpose)| json!({"path": path, "method": method, "purpose": purpose}))
        .collect();
    reply::document(StatusCode::OK, &json!({ "pages": pages }))
}

async fn ready(State(api): State<Arc<Api>>) -> Response {
    let mut missing: Vec<String> = api.ready.missing().into_iter().map(str::to_owned).collect();
    let now = api.clock.now();
    if api.identity.svid().is_none_or(|svid| svid.is_expired(now)) {
        missing.push("a valid certificate of the control plane's own".to_owned());
    }
    if missing.is_empty() {
        return reply::document(StatusCode::OK, &json!({"ready": true}));
    }
    let error = format!("not ready: waiting for {}", missing.join(", "));
    reply::error(StatusCode::SERVICE_UNAVAILABLE, &error, "see the log of the control plane")
}

async fn missing(uri: Uri) -> Response {
    let path: String = uri.path().chars().take(256).collect();
    reply::error(StatusCode::NOT_FOUND, &format!("there is no page {path}"), "GET / lists the pages")
}

async fn wrong_method() -> Response {
    let error = "this page does not answer to this method";
    reply::error(StatusCode::METHOD_NOT_ALLOWED, error, "GET / lists the pages with their methods")
}

async fn other_door() -> Response {
    let help = "ask on the socket control.sock in the state directory, for instance with curl --unix-socket";
    reply::error(StatusCode::FORBIDDEN, "join tokens are not given out over the network", help)
}
