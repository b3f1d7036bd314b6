//! user-service: reading, changing, validation, limits.

use actix_web::{
    http::{Method, header::CONTENT_TYPE},
    test::{self, TestRequest},
    web,
};
use ripstop_shop::{
    server,
    store::Store,
    users::{self, User},
};
use serde_json::{Value, json};

use crate::{about, call, get, send};

macro_rules! user_service {
    ($store:expr) => {{
        let store = web::Data::new($store);
        test::init_service(server::app(&about("user-service", "v1"), move |app| users::routes(app, &store)))
            .await
    }};
}

#[actix_web::test]
async fn users_are_created_read_changed_and_deleted() {
    let app = user_service!(users::seeded_store());
    let before = get(&app, "/users").await.json.as_array().unwrap().len();

    let sent = json!({ "name": "Katherine Johnson", "email": "katherine@example.com" });
    let created = call(&app, Method::POST, "/users", sent).await;
    assert_eq!(created.status, 201);
    let id = created.json["user_id"].as_str().unwrap().to_owned();
    let address = format!("/users/{id}");
    assert_eq!(get(&app, &address).await.json, created.json);
    assert_eq!(get(&app, "/users").await.json.as_array().unwrap().len(), before + 1);

    let changed = json!({ "user_id": id, "name": "Katherine G. Johnson", "email": "kgj@example.com" });
    let answer = call(&app, Method::PUT, &address, changed.clone()).await;
    assert_eq!((answer.status, &answer.json), (200, &changed));
    assert_eq!(get(&app, &address).await.json, changed);

    assert_eq!(call(&app, Method::DELETE, &address, Value::Null).await.status, 204);
    for (method, body) in [(Method::GET, Value::Null), (Method::DELETE, Value::Null), (Method::PUT, changed)]
    {
        let answer = call(&app, method, &address, body).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json, json!({ "error": format!("there is no user `{id}`") }));
    }
}

#[actix_web::test]
async fn all_problems_of_a_user_are_answered_by_field() {
    let app = user_service!(users::seeded_store());
    let sent = json!({ "name": "x".repeat(101), "email": "nowhere", "age": 7 });
    let answer = call(&app, Method::POST, "/users", sent).await;
    assert_eq!(answer.status, 400);
    let expected = json!({
        "error": "the request is not valid",
        "problems": {
            "name": ["must have 1 to 100 characters"],
            "email": ["must be an e-mail address like `name@example.com`"],
            "age": ["is not known here"],
        },
    });
    assert_eq!(answer.json, expected);
}

#[actix_web::test]
async fn bodies_that_are_no_json_object_are_refused() {
    let app = user_service!(users::seeded_store());
    let post = || TestRequest::post().uri("/users");
    let json_text = |text: String| post().insert_header((CONTENT_TYPE, "application/json")).set_payload(text);
    for (request, status) in [
        (json_text("{".into()), 400),
        (json_text("[]".into()), 400),
        (json_text(format!("\"{}\"", "x".repeat(64 * 1024))), 413),
        (post().set_payload("name=Ada"), 415),
    ] {
        let answer = send(&app, request).await;
        assert_eq!(answer.status, status);
        assert!(answer.json["error"].is_string(), "{}", answer.json);
    }
}

#[actix_web::test]
async fn a_full_store_answers_507() {
    let user = User { name: "Ada".into(), email: "ada@example.com".into() };
    let app = user_service!(Store::new(1, [user]));
    let answer =
        call(&app, Method::POST, "/users", json!({ "name": "Bob", "email": "bob@example.com" })).await;
    assert_eq!(answer.status, 507);
    assert!(answer.json["error"].as_str().unwrap().contains("at most 1 entries"));
}

#[actix_web::test]
async fn every_service_tells_its_health_and_what_it_saw() {
    let app = user_service!(users::seeded_store());
    let health = get(&app, "/health").await;
    assert_eq!(health.status, 200);
    assert_eq!(health.json, json!({ "status": "healthy", "service": "user-service", "version": "v1" }));

    let request = TestRequest::get()
        .uri("/whoami")
        .insert_header(("x-forwarded-client-cert", "URI=spiffe://example.org/ns/shop/sa/gateway-service"))
        .insert_header(("authorization", "Bearer secret"));
    let headers = send(&app, request).await.json["headers"].take();
    assert_eq!(headers["x-forwarded-client-cert"], "URI=spiffe://example.org/ns/shop/sa/gateway-service");
    assert_eq!(headers["authorization"], "[redacted]");

    let nowhere = get(&app, "/nowhere").await;
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.json, json!({ "error": "nothing is served at `/nowhere`" }));
}
