//! The users: reading, adding, changing and removing them over HTTP.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::{
    api_error::{ApiError, parse_id},
    form::{Fields, Form},
    store::Store,
};

/// How many users the store holds at most.
pub const MAX_USERS: usize = 10_000;

/// A user, without the identifier it is stored under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The full name, 1 to 100 characters.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// A user as it is answered.
#[derive(Serialize)]
struct UserAnswer {
    user_id: String,
    name: String,
    email: String,
}

/// The store as it is when the service starts.
#[must_use]
pub fn seeded_store() -> Store<User> {
    let users = [
        ("Ada Lovelace", "ada@example.com"),
        ("Alan Turing", "alan@example.com"),
        ("Grace Hopper", "grace@example.com"),
    ];
    Store::new(MAX_USERS, users.map(|(name, email)| User { name: name.into(), email: email.into() }))
}

/// Adds `/users` and `/users/{id}`.
pub fn routes(app: &mut web::ServiceConfig, store: &web::Data<Store<User>>) {
    app.app_data(store.clone())
        .service(web::resource("/users").get(list).post(create))
        .service(web::resource("/users/{id}").get(show).put(replace).delete(remove));
}

async fn list(store: web::Data<Store<User>>) -> HttpResponse {
    let users: Vec<UserAnswer> = store.list().into_iter().map(|(id, user)| answer(id, user)).collect();
    HttpResponse::Ok().json(users)
}

async fn show(store: web::Data<Store<User>>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let number = parse_id("user", &id)?;
    let user = store.get(number).ok_or_else(|| not_found(&id))?;
    Ok(HttpResponse::Ok().json(answer(number, user)))
}

async fn create(store: web::Data<Store<User>>, body: web::Json<Fields>) -> Result<HttpResponse, ApiError> {
    let user = read(body.into_inner())?;
    let number = store.insert(user.clone())?;
    Ok(HttpResponse::Created().json(answer(number, user)))
}

async fn replace(
    store: web::Data<Store<User>>,
    id: web::Path<String>,
    body: web::Json<Fields>,
) -> Result<HttpResponse, ApiError> {
    let number = parse_id("user", &id)?;
    let user = read(body.into_inner())?;
    if !store.replace(number, user.clone()) {
        return Err(not_found(&id));
    }
    Ok(HttpResponse::Ok().json(answer(number, user)))
}

async fn remove(store: web::Data<Store<User>>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let number = parse_id("user", &id)?;
    if store.remove(number) { Ok(HttpResponse::NoContent().finish()) } else { Err(not_found(&id)) }
}

/// The identifier is the service's to give: a client that sends back what it read may include it, without effect.
fn read(fields: Fields) -> Result<User, ApiError> {
    let mut form = Form::new(fields);
    form.ignore("user_id");
    let user = User { name: form.text("name", 1..=100), email: form.email("email") };
    form.finish()?;
    Ok(user)
}

fn answer(id: u64, user: User) -> UserAnswer {
    UserAnswer { user_id: id.to_string(), name: user.name, email: user.email }
}

fn not_found(id: &str) -> ApiError {
    ApiError::NotFound { kind: "user", id: id.to_owned() }
}
