//! `/api/v1/history`: every accepted change that is kept, the newest first, and what each was in full.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::apply::{change_fields, id_fields, refused};
use super::time::rfc3339;
use super::{Api, reply, resources};
use crate::change::Refusal;
use crate::store::Revision;

/// Revisions in one answer, unless the request asks for fewer; and most of them.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// `GET /api/v1/history?limit=&before=&kind=&namespace=&name=`.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let number = |name: &str| query.get(name).map(|text| text.parse::<u64>()).transpose();
    let (Ok(limit), Ok(before)) = (number("limit"), number("before")) else {
        let error = "`limit` and `before` must be whole numbers";
        return reply::error(StatusCode::BAD_REQUEST, error, "for instance ?limit=20&before=100");
    };
    let limit = limit.map_or(DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap_or(MAX_LIMIT));
    let limit = limit.clamp(1, MAX_LIMIT);
    let wanted = match resources::Filter::read(&query) {
        Ok(filter) => filter,
        Err(refused) => return *refused,
    };
    let store = api.changes.store();
    let found = tokio::task::spawn_blocking(move || {
        let concerns = |revision: &Revision| {
            wanted.is_open() || revision.changes.iter().any(|change| wanted.takes(&change.id))
        };
        store.revisions(before.unwrap_or(u64::MAX), limit, concerns)
    });
    match found.await {
        Ok(Ok(revisions)) => {
            let revisions: Vec<Value> = revisions.iter().map(head).collect();
            reply::document(StatusCode::OK, &json!({ "revisions": revisions }))
        }
        Ok(Err(error)) => refused(&Refusal::Store(error)),
        Err(_) => reply::broken(),
    }
}

/// `GET /api/v1/history/{revision}`.
pub(super) async fn one(State(api): State<Arc<Api>>, Path(number): Path<String>) -> Response {
    let Ok(wanted) = number.parse::<u64>() else {
        return reply::error(
            StatusCode::BAD_REQUEST,
            "a revision is a whole number",
            "`ripstop history` lists them",
        );
    };
    match api.changes.store().revision(wanted) {
        Ok(Some(revision)) => {
            let mut document = head(&revision);
            document["changes"] = revision.changes.iter().map(change_fields).collect();
            reply::document(StatusCode::OK, &document)
        }
        Ok(None) => {
            let error = format!("revision {wanted} is not kept, or is not there yet");
            reply::error(StatusCode::NOT_FOUND, &error, "`ripstop history` lists them")
        }
        Err(error) => refused(&Refusal::Store(error)),
    }
}

/// Without the differences.
fn head(revision: &Revision) -> Value {
    let changes: Vec<Value> = revision
        .changes
        .iter()
        .map(|change| {
            let mut value = id_fields(&change.id);
            value["action"] = change.action().into();
            value
        })
        .collect();
    json!({
        "revision": revision.number,
        "at": rfc3339(revision.at),
        "author": revision.author,
        "message": revision.message,
        "changes": changes,
    })
}
