//! gateway-service: passing on, joining, and what it says when another service is away.

use std::net::TcpListener;

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::Method,
    rt::spawn,
    test::{self, TestRequest},
    web,
};
use ripstop_shop::{
    gateway::{self, Peers},
    server,
};
use serde_json::{Value, json};

use crate::{about, call, get, send};

macro_rules! gateway_service {
    ($users_url:expr, $products_url:expr) => {{
        let peers = web::Data::new(Peers::new($users_url, $products_url).unwrap());
        let routes = move |app: &mut web::ServiceConfig| gateway::routes(app, &peers);
        test::init_service(server::app(&about("gateway-service", "v1"), routes)).await
    }};
}

/// A service that stands for both others: it answers a list, a single entry, 404, 500, or the headers it saw.
fn start_peer() -> String {
    async fn seen(request: HttpRequest) -> HttpResponse {
        let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        HttpResponse::Ok().json(json!({
            "x-request-id": header("x-request-id"),
            "traceparent": header("traceparent"),
            "authorization": header("authorization"),
        }))
    }
    let server = HttpServer::new(|| {
        let list =
            || async { HttpResponse::Ok().insert_header(("x-version", "v7")).json(json!([{ "id": 1 }])) };
        let missing = || async { HttpResponse::NotFound().json(json!({ "error": "none" })) };
        App::new()
            .route("/users", web::get().to(list))
            .route("/products", web::get().to(list))
            .route("/users/seen", web::get().to(seen))
            .route("/users/broken", web::get().to(HttpResponse::InternalServerError))
            .default_service(web::to(missing))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    spawn(server.run());
    url
}

/// The address of a port that was free a moment ago: nobody listens there.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[actix_web::test]
async fn answers_are_passed_on_with_status_and_version() {
    let peer = start_peer();
    let app = gateway_service!(&peer, &peer);
    let list = get(&app, "/api/products").await;
    assert_eq!((list.status, list.json), (200, json!([{ "id": 1 }])));
    assert_eq!(list.headers.get("x-version").unwrap(), "v7");
    assert_eq!(list.headers.get("content-type").unwrap(), "application/json");

    let missing = get(&app, "/api/users/9").await;
    assert_eq!((missing.status, missing.json), (404, json!({ "error": "none" })));
}

#[actix_web::test]
async fn the_overview_joins_both_services() {
    let peer = start_peer();
    let app = gateway_service!(&peer, &peer);
    let part = json!({ "count": 1, "items": [{ "id": 1 }] });
    assert_eq!(get(&app, "/api/overview").await.json, json!({ "users": part, "products": part }));
}

#[actix_web::test]
async fn only_tracing_headers_are_sent_on() {
    let peer = start_peer();
    let app = gateway_service!(&peer, &peer);
    let request = TestRequest::get()
        .uri("/api/users/seen")
        .insert_header(("x-request-id", "r-1"))
        .insert_header(("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        .insert_header(("authorization", "Bearer secret"));
    let expected = json!({
        "x-request-id": "r-1",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "authorization": null,
    });
    assert_eq!(send(&app, request).await.json, expected);
}

#[actix_web::test]
async fn a_service_that_is_away_or_failing_gives_503() {
    let peer = start_peer();
    let app = gateway_service!(&peer, &nobody());
    for uri in ["/api/products", "/api/products/1", "/api/overview", "/api/whoami"] {
        let answer = get(&app, uri).await;
        assert_eq!(answer.status, 503, "{uri}");
    }
    let away = get(&app, "/api/products").await.json;
    assert_eq!(away, json!({ "error": "product-service cannot be reached", "service": "product-service" }));

    let failing = get(&app, "/api/users/broken").await;
    assert_eq!(failing.status, 503);
    let expected = json!({ "error": "user-service answered with status 500", "service": "user-service" });
    assert_eq!(failing.json, expected);
}

#[actix_web::test]
async fn what_is_no_identifier_is_not_sent_on() {
    let app = gateway_service!(&nobody(), &nobody());
    for uri in ["/api/users/..", "/api/users/a%2Fb", "/api/products/1%3Fq"] {
        assert_eq!(get(&app, uri).await.status, 404, "{uri}");
    }
}

#[actix_web::test]
async fn the_index_lists_the_endpoints_and_nothing_can_be_written() {
    let app = gateway_service!(&nobody(), &nobody());
    let index = get(&app, "/").await;
    assert_eq!(index.status, 200);
    assert!(index.json["endpoints"]["/api/overview"].is_string());
    assert_eq!(call(&app, Method::POST, "/api/users", Value::Null).await.status, 405);
}
