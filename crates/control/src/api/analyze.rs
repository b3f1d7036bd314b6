//! `/api/v1/analyze`: what looks wrong across the resources in force, with what to do about it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::{Api, reply};
use crate::analyze::{Finding, analyze_world};

pub(super) async fn page(State(api): State<Arc<Api>>) -> Response {
    let in_force = api.in_force();
    let analyzed = tokio::task::spawn_blocking(move || {
        (in_force.revision, analyze_world(&in_force.world, &in_force.warnings))
    });
    let Ok((revision, findings)) = analyzed.await else { return reply::broken() };
    let findings: Vec<Value> = findings.iter().map(Finding::to_json).collect();
    reply::document(StatusCode::OK, &json!({"revision": revision, "findings": findings}))
}
