//! The gateway application: passes reads on to the two services and joins their answers. It stores nothing.

pub mod peer;

use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::try_join;
use serde_json::{Value, json};

use crate::{about::About, api_error::ApiError};
use peer::{Peer, PeerError, http_client};

/// The services behind this one.
#[derive(Debug)]
pub struct Peers {
    users: Peer,
    products: Peer,
}

impl Peers {
    /// The services at these addresses (`http://host:port`, without a slash at the end).
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(users_url: &str, products_url: &str) -> Result<Self, reqwest::Error> {
        let client = http_client()?;
        Ok(Self {
            users: Peer::new("user-service", users_url, client.clone()),
            products: Peer::new("product-service", products_url, client),
        })
    }
}

/// Adds `/` and what is below `/api`.
pub fn routes(app: &mut web::ServiceConfig, peers: &web::Data<Peers>) {
    app.app_data(peers.clone())
        .service(web::resource("/").get(index))
        .service(web::resource("/api/users").get(users))
        .service(web::resource("/api/users/{id}").get(user))
        .service(web::resource("/api/products").get(products))
        .service(web::resource("/api/products/{id}").get(product))
        .service(web::resource("/api/overview").get(overview))
        .service(web::resource("/api/whoami").get(whoami));
}

async fn index(about: web::Data<About>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "service": about.service,
        "version": about.version,
        "endpoints": {
            "/api/users": "all users",
            "/api/users/{id}": "one user",
            "/api/products": "all products",
            "/api/products/{id}": "one product",
            "/api/overview": "users and products together",
            "/api/whoami": "all three services and the request headers each of them saw",
            "/whoami": "this service and the request headers it saw",
            "/health": "whether this service is up",
        },
    }))
}

async fn users(peers: web::Data<Peers>, request: HttpRequest) -> Result<HttpResponse, PeerError> {
    Ok(peers.users.get("/users", request.headers()).await?.pass_on())
}

async fn products(peers: web::Data<Peers>, request: HttpRequest) -> Result<HttpResponse, PeerError> {
    Ok(peers.products.get("/products", request.headers()).await?.pass_on())
}

async fn user(
    peers: web::Data<Peers>,
    id: web::Path<String>,
    request: HttpRequest,
) -> actix_web::Result<HttpResponse> {
    let path = entry_path("user", "/users", &id)?;
    Ok(peers.users.get(&path, request.headers()).await?.pass_on())
}

async fn product(
    peers: web::Data<Peers>,
    id: web::Path<String>,
    request: HttpRequest,
) -> actix_web::Result<HttpResponse> {
    let path = entry_path("product", "/products", &id)?;
    Ok(peers.products.get(&path, request.headers()).await?.pass_on())
}

async fn overview(peers: web::Data<Peers>, request: HttpRequest) -> Result<HttpResponse, PeerError> {
    let headers = request.headers();
    let (users, products) =
        try_join(peers.users.get_json("/users", headers), peers.products.get_json("/products", headers))
            .await?;
    Ok(HttpResponse::Ok().json(json!({ "users": counted(users), "products": counted(products) })))
}

async fn whoami(
    about: web::Data<About>,
    peers: web::Data<Peers>,
    request: HttpRequest,
) -> Result<HttpResponse, PeerError> {
    let headers = request.headers();
    let (users, products) =
        try_join(peers.users.get_json("/whoami", headers), peers.products.get_json("/whoami", headers))
            .await?;
    let this = about.describe(headers);
    Ok(HttpResponse::Ok().json(json!({ "gateway": this, "users": users, "products": products })))
}

fn counted(items: Value) -> Value {
    json!({ "count": items.as_array().map_or(0, Vec::len), "items": items })
}

/// Only what can be the identifier of an entry may become part of a path: never `..` or a further segment.
fn entry_path(kind: &'static str, parent: &str, id: &str) -> Result<String, ApiError> {
    if id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        Ok(format!("{parent}/{id}"))
    } else {
        Err(ApiError::NotFound { kind, id: id.to_owned() })
    }
}
