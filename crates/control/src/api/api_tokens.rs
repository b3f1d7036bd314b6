//! `/api/v1/api-tokens`: who may use the API over the network. A token is shown once, when it is made.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::auth::NotMade;
use super::body::{Fields, Refused};
use super::time::rfc3339;
use super::{Api, reply};
use crate::role::Role;
use crate::store::StoreError;

/// Longest name.
const MAX_NAME_BYTES: usize = 128;
/// Longest life that can be asked for.
const MAX_LIFETIME: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
const HELP: &str = "send {\"name\": \"ci\", \"role\": \"read\", \"ttl_seconds\": 86400}; the roles are read, write and admin";

/// `GET`: all tokens, without their secrets.
pub(super) async fn list(State(api): State<Arc<Api>>) -> Response {
    let now = api.clock.now();
    let tokens: Vec<Value> = api
        .api_tokens
        .list()
        .iter()
        .map(|token| {
            json!({
                "name": token.name,
                "role": token.role.as_str(),
                "created": rfc3339(token.created),
                "expires": token.expires.map(rfc3339),
                "expired": token.expires.is_some_and(|end| end <= now),
            })
        })
        .collect();
    reply::document(StatusCode::OK, &json!({ "tokens": tokens }))
}

/// `POST`: a new one.
pub(super) async fn create(State(api): State<Arc<Api>>, body: Result<Bytes, BytesRejection>) -> Response {
    let now = api.clock.now();
    let (name, role, expires) = match read(body, now) {
        Ok(wish) => wish,
        Err(refused) => return *refused,
    };
    match api.api_tokens.create(&name, role, expires, now) {
        Ok(token) => {
            tracing::info!(name, role = role.as_str(), "API token made");
            let document = json!({
                "token": token.expose(),
                "name": name,
                "role": role.as_str(),
                "expires": expires.map(rfc3339),
            });
            reply::document(StatusCode::CREATED, &document)
        }
        Err(error @ (NotMade::Taken(_) | NotMade::Store(StoreError::TooManyTokens))) => {
            reply::error(StatusCode::CONFLICT, &error.to_string(), "DELETE /api/v1/api-tokens/NAME ends one")
        }
        Err(error) => {
            tracing::error!(%error, "no API token was made");
            reply::error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string(), "try again later")
        }
    }
}

/// `DELETE /api/v1/api-tokens/{name}`.
pub(super) async fn delete(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Response {
    match api.api_tokens.delete(&name) {
        Ok(true) => {
            tracing::info!(name, "API token ended");
            reply::document(StatusCode::OK, &json!({"name": name, "deleted": true}))
        }
        Ok(false) => {
            let shown: String = name.chars().take(MAX_NAME_BYTES).collect();
            let error = format!("there is no token `{shown}`");
            reply::error(StatusCode::NOT_FOUND, &error, "GET /api/v1/api-tokens lists them")
        }
        Err(error) => {
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string(), "the token still holds")
        }
    }
}

fn read(
    body: Result<Bytes, BytesRejection>,
    now: SystemTime,
) -> Result<(String, Role, Option<SystemTime>), Refused> {
    let fields = Fields::read(body, &["name", "role", "ttl_seconds"], HELP)?;
    let name = fields.required_text("name")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(is_plain) {
        return Err(fields.bad("`name` must be 1 to 128 letters, digits, `-`, `_`, `.` or `@`"));
    }
    let role = Role::parse(fields.required_text("role")?)
        .ok_or_else(|| fields.bad("`role` must be read, write or admin"))?;
    let expires = match fields.seconds("ttl_seconds")? {
        None => None,
        Some(life) if !life.is_zero() && life <= MAX_LIFETIME => now.checked_add(life),
        Some(_) => return Err(fields.bad("`ttl_seconds` must be 1 second to 10 years")),
    };
    Ok((name.to_owned(), role, expires))
}
