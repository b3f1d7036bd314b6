//! Changes over the API: `POST /api/v1/apply`, `DELETE /api/v1/resources/…`, `POST /api/v1/rollback`. Each is put in force
//! as a whole or not at all.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use ripstop_yaml::Source;
use serde_json::{Value, json};

use super::auth::Caller;
use super::body::{Fields, Refused};
use super::{Api, problems, reply, resources};
use crate::change::{Changes, Outcome, Reason, Refusal};
use crate::store::{Change, ObjectId};

const APPLY_HELP: &str = "send {\"documents\": [{\"name\": \"shop.yaml\", \"text\": \"…\"}], \"message\": \"why\", \"dry_run\": false}";
const ROLLBACK_HELP: &str = "send {\"revision\": 7, \"message\": \"why\", \"dry_run\": false}";

/// `POST /api/v1/apply`.
pub(super) async fn apply(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let read = || {
        let fields = Fields::read(body, &["documents", "author", "message", "dry_run"], APPLY_HELP)?;
        let mut sources = Vec::new();
        for document in fields.objects("documents")? {
            let text = |key| document.get(key).and_then(Value::as_str);
            let (Some(name), Some(text)) = (text("name"), text("text")) else {
                return Err(fields.bad("each of `documents` has a `name` and a `text`"));
            };
            sources.push(Source::new(name, text));
        }
        Ok((sources, reason(&fields, &caller)?, fields.flag("dry_run")?))
    };
    match read() {
        Ok((sources, reason, dry_run)) => {
            change(&api, dry_run, move |changes| changes.apply(&sources, &reason, dry_run)).await
        }
        Err(refused) => *refused,
    }
}

/// `DELETE /api/v1/resources/{kind}/{namespace}/{name}`.
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((kind, namespace, name)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let id = match resources::id(&kind, &namespace, &name) {
        Ok(id) => id,
        Err(refused) => return *refused,
    };
    let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let dry_run = text("dry_run") == "true";
    let reason = Reason::new(author(&caller, text("author")), text("message"));
    change(&api, dry_run, move |changes| changes.delete(&BTreeSet::from([id]), &reason, dry_run)).await
}

/// `POST /api/v1/rollback`.
pub(super) async fn rollback(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let read = || {
        let fields = Fields::read(body, &["revision", "author", "message", "dry_run"], ROLLBACK_HELP)?;
        let revision = fields.number("revision")?.ok_or_else(|| fields.bad("`revision` is missing"))?;
        let message = match fields.text("message")? {
            Some(message) if !message.is_empty() => message.to_owned(),
            _ => format!("back to revision {revision}"),
        };
        let reason = Reason::new(author(&caller, fields.text("author")?.unwrap_or_default()), &message);
        Ok::<_, Refused>((revision, reason, fields.flag("dry_run")?))
    };
    match read() {
        Ok((revision, reason, dry_run)) => {
            change(&api, dry_run, move |changes| changes.rollback(revision, &reason, dry_run)).await
        }
        Err(refused) => *refused,
    }
}

/// The disk is waited for on a thread that may wait.
async fn change(
    api: &Arc<Api>,
    dry_run: bool,
    change: impl FnOnce(&Changes) -> Result<Outcome, Refusal> + Send + 'static,
) -> Response {
    let changes = Arc::clone(&api.changes);
    match tokio::task::spawn_blocking(move || change(&changes)).await {
        Ok(Ok(outcome)) => reply::document(StatusCode::OK, &document(&outcome, dry_run)),
        Ok(Err(refusal)) => refused(&refusal),
        Err(error) => {
            tracing::error!(%error, "a change was not finished");
            let help = "see the log of the control plane";
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, "the change was not finished", help)
        }
    }
}

fn reason(fields: &Fields<'_>, caller: &Caller) -> Result<Reason, Refused> {
    let author = author(caller, fields.text("author")?.unwrap_or_default()).to_owned();
    Ok(Reason::new(&author, fields.text("message")?.unwrap_or_default()))
}

/// Whoever has a token is the one that the token names; others say who they are.
fn author<'a>(caller: &'a Caller, stated: &'a str) -> &'a str {
    match &caller.name {
        Some(name) => name,
        None if stated.is_empty() => "administrator",
        None => stated,
    }
}

fn document(outcome: &Outcome, dry_run: bool) -> Value {
    let unchanged = outcome.unchanged.iter().map(|id| {
        let mut value = id_fields(id);
        value["action"] = "unchanged".into();
        value
    });
    let objects: Vec<Value> = outcome.changes.iter().map(change_fields).chain(unchanged).collect();
    json!({
        "revision": outcome.revision,
        "dry_run": dry_run,
        "changed": !outcome.changes.is_empty(),
        "objects": objects,
        "warnings": outcome.warnings.iter().map(problems::problem).collect::<Vec<_>>(),
    })
}

/// Kind, namespace and name.
pub(super) fn id_fields(id: &ObjectId) -> Value {
    json!({"kind": id.kind.as_str(), "namespace": &*id.key.namespace, "name": &*id.key.name})
}

/// What became of one resource.
pub(super) fn change_fields(change: &Change) -> Value {
    let mut value = id_fields(&change.id);
    value["action"] = change.action().into();
    value["diff"] = change.diff().into();
    if let Some(version) = change.after.as_ref().or(change.before.as_ref()) {
        value["owner"] = version.owner.as_str().into();
        value["file"] = (&*version.file).into();
        value["line"] = version.line.into();
    }
    value
}

/// The answer to a change that was not accepted.
pub(super) fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Problems(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::OfFiles(_) => StatusCode::CONFLICT,
        Refusal::Missing(..) | Refusal::NoRevision { .. } => StatusCode::NOT_FOUND,
        Refusal::Empty | Refusal::TooMany(_) => StatusCode::BAD_REQUEST,
        Refusal::NotInText(_) | Refusal::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut document = json!({"error": refusal.to_string(), "help": refusal.help()});
    if let Refusal::Problems(found) = refusal {
        document["problems"] = found.iter().map(problems::problem).collect();
    }
    reply::document(status, &document)
}
