//! The products: reading, adding, changing and removing them over HTTP. Bulk transfer and the slow endpoint are in
//! the modules below.

pub mod slow;
pub mod transfer;

use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::{
    about::About,
    api_error::{ApiError, parse_id},
    form::{Fields, Form},
    store::Store,
};

/// How many products the store holds at most.
pub const MAX_PRODUCTS: usize = 10_000;
/// The highest price, in cents: one million.
const MAX_PRICE_CENTS: u64 = 100_000_000;

/// A product, without the identifier it is stored under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The name, 1 to 100 characters.
    pub name: String,
    /// The price in cents.
    pub price_cents: u64,
}

/// A product as it is answered.
#[derive(Serialize)]
struct ProductAnswer<'a> {
    product_id: String,
    name: String,
    price_cents: u64,
    /// The version of the service that answered.
    served_by: &'a str,
}

/// The store as it is when the service starts.
#[must_use]
pub fn seeded_store() -> Store<Product> {
    let products = [("Sewing kit", 1_290), ("Nylon thread", 450), ("Canvas, 1 m", 2_400)];
    Store::new(MAX_PRODUCTS, products.map(|(name, price_cents)| Product { name: name.into(), price_cents }))
}

/// Adds `/products`, what is below it, and `/stats`.
pub fn routes(
    app: &mut web::ServiceConfig,
    store: &web::Data<Store<Product>>,
    stats: &web::Data<slow::SlowStats>,
) {
    app.app_data(store.clone())
        .app_data(stats.clone())
        .service(web::resource("/stats").get(slow::show_stats))
        .service(web::resource("/products").get(list).post(create))
        .service(web::resource("/products/export").get(transfer::export))
        .service(web::resource("/products/import").post(transfer::import))
        .service(web::resource("/products/slow").get(slow::answer_slowly))
        .service(web::resource("/products/{id}").get(show).put(replace).delete(remove));
}

async fn list(about: web::Data<About>, store: web::Data<Store<Product>>) -> HttpResponse {
    let products: Vec<_> =
        store.list().into_iter().map(|(id, product)| answer(&about, id, product)).collect();
    HttpResponse::Ok().json(products)
}

async fn show(
    about: web::Data<About>,
    store: web::Data<Store<Product>>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let number = parse_id("product", &id)?;
    let product = store.get(number).ok_or_else(|| not_found(&id))?;
    Ok(HttpResponse::Ok().json(answer(&about, number, product)))
}

async fn create(
    about: web::Data<About>,
    store: web::Data<Store<Product>>,
    body: web::Json<Fields>,
) -> Result<HttpResponse, ApiError> {
    let product = read(body.into_inner())?;
    let number = store.insert(product.clone())?;
    Ok(HttpResponse::Created().json(answer(&about, number, product)))
}

async fn replace(
    about: web::Data<About>,
    store: web::Data<Store<Product>>,
    id: web::Path<String>,
    body: web::Json<Fields>,
) -> Result<HttpResponse, ApiError> {
    let number = parse_id("product", &id)?;
    let product = read(body.into_inner())?;
    if !store.replace(number, product.clone()) {
        return Err(not_found(&id));
    }
    Ok(HttpResponse::Ok().json(answer(&about, number, product)))
}

async fn remove(store: web::Data<Store<Product>>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let number = parse_id("product", &id)?;
    if store.remove(number) { Ok(HttpResponse::NoContent().finish()) } else { Err(not_found(&id)) }
}

/// The fields that the service sets may be sent back, without effect.
fn read(fields: Fields) -> Result<Product, ApiError> {
    let mut form = Form::new(fields);
    form.ignore("product_id");
    form.ignore("served_by");
    let product = Product {
        name: form.text("name", 1..=100),
        price_cents: form.integer("price_cents", 0..=MAX_PRICE_CENTS),
    };
    form.finish()?;
    Ok(product)
}

fn answer(about: &About, id: u64, product: Product) -> ProductAnswer<'_> {
    ProductAnswer {
        product_id: id.to_string(),
        name: product.name,
        price_cents: product.price_cents,
        served_by: &about.version,
    }
}

fn not_found(id: &str) -> ApiError {
    ApiError::NotFound { kind: "product", id: id.to_owned() }
}
