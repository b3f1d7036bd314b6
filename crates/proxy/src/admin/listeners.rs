//! `/listeners`: the listeners in force, and where they really listen.

use http::StatusCode;
use ripstop_runtime::admin::{Answer, Query, json, text};
use serde_json::{Value, json};

use super::Inspector;
use super::clusters::address_json;
use crate::listener::socket_key::sockets_of;

/// The page.
pub(super) fn show(inspector: &Inspector, query: &Query) -> Answer {
    let applied = inspector.applied.borrow().clone();
    let mut lines = String::new();
    let mut statuses: Vec<Value> = Vec::new();
    for listener in applied.generation.listeners.values() {
        let name = &*listener.config.name;
        let mut addresses = Vec::new();
        for (key, _) in sockets_of(&listener.config) {
            let actual = applied.bound.get(&key).map(ToString::to_string);
            let place = actual.clone().unwrap_or_else(|| key.place.to_string());
            let note = if actual.is_some() { "" } else { " (not bound)" };
            lines.push_str(&format!("{name}::{place}{note}\n"));
            addresses.push(address_json(&place));
        }
        let mut status = json!({ "name": name, "local_address": addresses.first() });
        let additional: Vec<Value> =
            addresses.into_iter().skip(1).map(|address| json!({ "address": address })).collect();
        if !additional.is_empty() {
            status["additional_local_addresses"] = additional.into();
        }
        statuses.push(status);
    }
    match query.get("format") {
        Some("json") => json(StatusCode::OK, format!("{:#}\n", json!({ "listener_statuses": statuses }))),
        _ => text(StatusCode::OK, lines),
    }
}
