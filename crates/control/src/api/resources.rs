//! `/api/v1/resources`: everything that is in force, and the place where it is written.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::{Api, reply};
use crate::resource::{Kind, Metadata};

pub(super) async fn page(State(api): State<Arc<Api>>) -> Response {
    let in_force = api.in_force();
    let resources: Vec<Value> =
        in_force.world.resources().into_iter().map(|(kind, meta)| resource(kind, meta)).collect();
    let document = json!({"generation": in_force.generation, "resources": resources});
    reply::document(StatusCode::OK, &document)
}

fn resource(kind: Kind, meta: &Metadata) -> Value {
    json!({
        "kind": kind.as_str(),
        "namespace": &**meta.namespace(),
        "name": &**meta.name(),
        "file": &*meta.origin.file,
        "line": meta.origin.line,
    })
}
