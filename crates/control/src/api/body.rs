//! Bodies of requests: JSON objects of known fields, read strictly, so that a misspelt field is no silent default.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};

use super::reply;

/// Largest body that holds documents.
pub(super) const MAX_DOCUMENTS_BYTES: usize = 8 << 20;

/// The fields of a request.
pub(super) struct Fields<'a> {
    fields: Map<String, Value>,
    help: &'a str,
}

/// A refusal to be sent as it is.
pub(super) type Refused = Box<Response>;

impl<'a> Fields<'a> {
    /// Reads a body that may have the fields `known`; `help` shows an example. An empty body has no fields.
    pub(super) fn read(
        body: Result<Bytes, BytesRejection>,
        known: &[&str],
        help: &'a str,
    ) -> Result<Fields<'a>, Refused> {
        let bad = |status, error: &str| Box::new(reply::error(status, error, help));
        let body = body.map_err(|rejection| bad(rejection.status(), &rejection.body_text()))?;
        if body.is_empty() {
            return Ok(Fields { fields: Map::new(), help });
        }
        let fields = match serde_json::from_slice(&body) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(bad(StatusCode::BAD_REQUEST, "the body is not a JSON object")),
            Err(error) => {
                return Err(bad(StatusCode::BAD_REQUEST, &format!("the body is not JSON: {error}")));
            }
        };
        if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
            let unknown: String = unknown.chars().take(64).collect();
            return Err(bad(StatusCode::BAD_REQUEST, &format!("unknown field `{unknown}`")));
        }
        Ok(Fields { fields, help })
    }

    /// A text that may be absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Refused> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.bad(&format!("`{name}` must be a text"))),
        }
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, name: &str) -> Result<&str, Refused> {
        self.text(name)?.ok_or_else(|| self.bad(&format!("`{name}` is missing")))
    }

    /// `false` if absent.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refused> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.bad(&format!("`{name}` must be true or false"))),
        }
    }

    /// A whole number that may be absent.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refused> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or_else(|| self.bad(&format!("`{name}` must be a whole number, 0 or more"))),
        }
    }

    /// Whole seconds that may be absent.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<Duration>, Refused> {
        Ok(self.number(name)?.map(Duration::from_secs))
    }

    /// A list of objects; each is given as its fields.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<&Map<String, Value>>, Refused> {
        let wrong = || self.bad(&format!("`{name}` must be a list of objects"));
        let list = match self.fields.get(name) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(wrong()),
        };
        list.iter().map(|one| one.as_object().ok_or_else(wrong)).collect()
    }

    /// 400 with the help of the page.
    pub(super) fn bad(&self, error: &str) -> Refused {
        Box::new(reply::error(StatusCode::BAD_REQUEST, error, self.help))
    }
}
