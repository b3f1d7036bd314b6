//! Answers in their common form.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

/// A JSON document.
pub(super) fn document(status: StatusCode, value: &Value) -> Response {
    // Made for people too: the alternate form is indented.
    with_type(status, "application/json", format!("{value:#}\n"))
}

/// What is wrong, and what can be done.
pub(super) fn error(status: StatusCode, error: &str, help: &str) -> Response {
    document(status, &json!({"error": error, "help": help}))
}

/// A task of ours has panicked; the log has the rest.
pub(super) fn broken() -> Response {
    let error = "the request was not finished";
    self::error(StatusCode::INTERNAL_SERVER_ERROR, error, "see the log of the control plane")
}

/// A body of a certain type that is not to be kept or guessed at.
pub(super) fn with_type(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
