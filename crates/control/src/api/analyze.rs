//! `/api/v1/analyze`: what looks wrong across the resources in force, with what to do about it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use ripstop_yaml::Severity;
use serde_json::{Value, json};

use super::{Api, reply};
use crate::analyze::{Finding, analyze_world};

pub(super) async fn page(State(api): State<Arc<Api>>) -> Response {
    let in_force = api.in_force();
    let analyzed = tokio::task::spawn_blocking(move || {
        (in_force.revision, analyze_world(&in_force.world, &in_force.warnings))
    });
    let Ok((revision, findings)) = analyzed.await else { return reply::broken() };
    let findings: Vec<Value> = findings.iter().map(finding).collect();
    reply::document(StatusCode::OK, &json!({"revision": revision, "findings": findings}))
}

fn finding(finding: &Finding) -> Value {
    let object = finding
        .object
        .as_ref()
        .map(|(kind, key)| json!({"kind": kind.as_str(), "namespace": &*key.namespace, "name": &*key.name}));
    json!({
        "code": finding.code,
        "severity": if finding.severity == Severity::Error { "error" } else { "warning" },
        "object": object,
        "file": &*finding.file,
        "line": finding.line,
        "column": finding.column,
        "path": &*finding.path,
        "message": finding.message,
        "remedy": finding.remedy,
    })
}
