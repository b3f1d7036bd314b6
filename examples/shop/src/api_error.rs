//! The errors a service answers with, as JSON: `{"error": …}`, and for invalid input `"problems"` by field.

use std::collections::BTreeMap;

use actix_web::{
    HttpResponse, ResponseError,
    error::{JsonPayloadError, PayloadError},
    http::StatusCode,
    web,
};
use serde_json::json;

use crate::store::StoreFull;

/// The largest JSON body accepted.
pub const JSON_LIMIT_BYTES: usize = 64 * 1024;

/// What is wrong with an input: the field, and every complaint about it.
pub type Problems = BTreeMap<String, Vec<String>>;

/// A request that was refused, with the reason its sender is told.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Input that was understood and is not acceptable.
    #[error("the request is not valid")]
    Invalid(Problems),
    /// A body or query that could not be read.
    #[error("{0}")]
    Unreadable(String),
    /// A body that is not declared to be JSON.
    #[error("the body must be JSON: send it with `content-type: application/json`")]
    NotJson,
    /// A body above the limit of its address.
    #[error("the body is larger than {limit_bytes} bytes")]
    BodyTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// No such entry.
    #[error("there is no {kind} `{id}`")]
    NotFound {
        /// What was looked for.
        kind: &'static str,
        /// The identifier as it was given.
        id: String,
    },
    /// No such address.
    #[error("nothing is served at `{path}`")]
    NoSuchPath {
        /// The path as it was given.
        path: String,
    },
    /// No room for another entry.
    #[error(transparent)]
    StoreFull(#[from] StoreFull),
}

impl ApiError {
    /// Input with one problem in one field.
    #[must_use]
    pub fn invalid(field: &str, problem: String) -> Self {
        Self::Invalid(BTreeMap::from([(field.to_owned(), vec![problem])]))
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotFound { .. } | Self::NoSuchPath { .. } => StatusCode::NOT_FOUND,
            Self::StoreFull(_) => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut body = json!({ "error": self.to_string() });
        if let Self::Invalid(problems) = self {
            body["problems"] = json!(problems);
        }
        HttpResponse::build(self.status_code()).json(body)
    }
}

impl From<PayloadError> for ApiError {
    fn from(error: PayloadError) -> Self {
        Self::Unreadable(format!("the body could not be read: {error}"))
    }
}

impl From<JsonPayloadError> for ApiError {
    fn from(error: JsonPayloadError) -> Self {
        match error {
            JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => {
                Self::BodyTooLarge { limit_bytes: JSON_LIMIT_BYTES as u64 }
            }
            JsonPayloadError::ContentType => Self::NotJson,
            JsonPayloadError::Deserialize(error) => {
                Self::Unreadable(format!("the body is not a JSON object: {error}"))
            }
            JsonPayloadError::Payload(error) => error.into(),
            error => Self::Unreadable(error.to_string()),
        }
    }
}

/// Makes the extractors of bodies and queries answer with an [`ApiError`], and limits JSON bodies.
pub(crate) fn extractors(app: &mut web::ServiceConfig) {
    app.app_data(
        web::JsonConfig::default()
            .limit(JSON_LIMIT_BYTES)
            .error_handler(|error, _| ApiError::from(error).into()),
    )
    .app_data(web::QueryConfig::default().error_handler(|error, _| {
        ApiError::Unreadable(format!("the query could not be read: {error}")).into()
    }));
}

/// Reads the identifier of an entry from a path. Anything but a number names no entry.
///
/// # Errors
/// [`ApiError::NotFound`] when it is not a number.
pub(crate) fn parse_id(kind: &'static str, id: &str) -> Result<u64, ApiError> {
    id.parse().map_err(|_| ApiError::NotFound { kind, id: id.to_owned() })
}
