//! product-service: versions, validation, bulk transfer, statistics.

use actix_web::{
    http::Method,
    test::{self, TestRequest},
    web,
};
use futures_util::FutureExt;
use ripstop_shop::{
    products::{self, slow::SlowStats, transfer::MAX_TRANSFER_BYTES},
    server,
};
use serde_json::{Value, json};

use crate::{about, call, get, send};

macro_rules! product_service {
    ($version:expr) => {{
        let store = web::Data::new(products::seeded_store());
        let stats = web::Data::new(SlowStats::default());
        let routes = move |app: &mut web::ServiceConfig| products::routes(app, &store, &stats);
        test::init_service(server::app(&about("product-service", $version), routes)).await
    }};
}

#[actix_web::test]
async fn every_answer_tells_the_version() {
    let app = product_service!("v2");
    let list = get(&app, "/products").await;
    assert!(!list.json.as_array().unwrap().is_empty());
    assert!(list.json.as_array().unwrap().iter().all(|product| product["served_by"] == "v2"));
    for uri in ["/products", "/products/1", "/products/none", "/health", "/nowhere"] {
        assert_eq!(get(&app, uri).await.headers.get("x-version").unwrap(), "v2", "{uri}");
    }
}

#[actix_web::test]
async fn products_are_created_changed_and_deleted() {
    let app = product_service!("v1");
    let created = call(&app, Method::POST, "/products", json!({ "name": "Needle", "price_cents": 25 })).await;
    assert_eq!(created.status, 201);
    let address = format!("/products/{}", created.json["product_id"].as_str().unwrap());

    let mut changed = created.json.clone();
    changed["price_cents"] = json!(30);
    assert_eq!(call(&app, Method::PUT, &address, changed.clone()).await.status, 200);
    assert_eq!(get(&app, &address).await.json, changed);
    assert_eq!(call(&app, Method::DELETE, &address, Value::Null).await.status, 204);
    assert_eq!(get(&app, &address).await.status, 404);
}

#[actix_web::test]
async fn all_problems_of_a_product_are_answered_by_field() {
    let app = product_service!("v1");
    let answer = call(&app, Method::POST, "/products", json!({ "name": "", "price_cents": 1.5 })).await;
    assert_eq!(answer.status, 400);
    let expected = json!({
        "name": ["must have 1 to 100 characters"],
        "price_cents": ["must be a whole number from 0 to 100000000"],
    });
    assert_eq!(answer.json["problems"], expected);
}

#[actix_web::test]
async fn an_export_has_the_size_asked_for() {
    let app = product_service!("v1");
    let request = TestRequest::get().uri("/products/export?bytes=300000").to_request();
    let response = test::call_service(&app, request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().get("content-type").unwrap(), "text/csv");
    assert_eq!(test::read_body(response).await.len(), 300_000);

    let too_much = format!("/products/export?bytes={}", MAX_TRANSFER_BYTES + 1);
    for uri in ["/products/export", "/products/export?bytes=-1", &too_much] {
        let answer = get(&app, uri).await;
        assert_eq!(answer.status, 400, "{uri}");
        assert!(answer.json["error"].is_string());
    }
}

#[actix_web::test]
async fn an_import_counts_what_it_received() {
    let app = product_service!("v1");
    let request = TestRequest::post().uri("/products/import").set_payload(vec![b'x'; 300_000]);
    let answer = send(&app, request).await;
    assert_eq!((answer.status, answer.json), (200, json!({ "received_bytes": 300_000 })));

    let declared = ("content-length", (MAX_TRANSFER_BYTES + 1).to_string());
    let request = TestRequest::post().uri("/products/import").insert_header(declared);
    assert_eq!(send(&app, request).await.status, 413);
}

#[actix_web::test]
async fn slow_requests_are_counted_by_how_they_ended() {
    let app = product_service!("v1");
    assert_eq!(get(&app, "/products/slow?seconds=0").await.status, 200);
    assert_eq!(get(&app, "/products/slow?seconds=61").await.status, 400);
    // Polled once and dropped.
    assert!(get(&app, "/products/slow?seconds=60").now_or_never().is_none());
    assert_eq!(get(&app, "/stats").await.json, json!({ "started": 2, "finished": 1, "cancelled": 1 }));
}
