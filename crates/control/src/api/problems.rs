//! `/api/v1/problems`: why the last edit was refused, and what is in force but hardly as its author expects.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use ripstop_yaml::{Problem, Severity};
use serde_json::{Value, json};

use super::{Api, reply};

pub(super) async fn page(State(api): State<Arc<Api>>) -> Response {
    let in_force = api.in_force();
    let report = api.hub.report();
    // Most proxies are told the same.
    let mut seen = BTreeSet::new();
    let of_proxies = report.proxies.iter().flat_map(|proxy| &proxy.warnings);
    let warnings: Vec<Value> = in_force
        .warnings
        .iter()
        .chain(of_proxies)
        .filter(|warning| seen.insert(warning.to_string()))
        .map(problem)
        .collect();
    let document = json!({
        "revision": in_force.revision,
        "refused": in_force.refused.iter().map(problem).collect::<Vec<_>>(),
        "warnings": warnings,
    });
    reply::document(StatusCode::OK, &document)
}

/// One problem.
pub(super) fn problem(problem: &Problem) -> Value {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    json!({
        "severity": severity,
        "file": &*problem.source,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.message,
        "help": problem.help,
        "code": problem.code,
        "text": problem.to_string(),
    })
}
