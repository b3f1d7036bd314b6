//! `/runtime` and `/runtime_modify`: what is set by name, and setting it.

use http::StatusCode;
use ripstop_runtime::admin::{Answer, Query, json, text};
use serde_json::{Map, Value, json};

use super::Inspector;
use crate::runtime_layers::ModifyError;

/// What stands for nothing in the answer to a request without parameters.
const USAGE: &str = "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n       \
    or send the parameters as form values\nuse an empty value to remove a previously added override";

/// Every value, and what each layer says of it.
pub fn show(inspector: &Inspector, _: &Query) -> Answer {
    let runtime = inspector.runtime.current();
    let names: Vec<&str> = runtime.layers().iter().map(|(name, _)| name.as_str()).collect();
    let entries: Map<String, Value> = runtime
        .values()
        .map(|(key, value)| {
            let layers = runtime.layers().iter();
            let by_layer: Vec<&str> =
                layers.map(|(_, values)| values.get(key).map_or("", |value| value.text.as_str())).collect();
            (key.to_owned(), json!({ "layer_values": by_layer, "final_value": value.text }))
        })
        .collect();
    let page = json!({ "layers": names, "entries": entries });
    json(StatusCode::OK, format!("{page:#}\n"))
}

/// Sets values in the layer that is for that.
pub fn modify(inspector: &Inspector, query: &Query) -> Answer {
    if query.iter().next().is_none() {
        return text(StatusCode::BAD_REQUEST, USAGE);
    }
    match inspector.runtime.modify(query.iter()) {
        Ok(()) => text(StatusCode::OK, "OK\n"),
        Err(error @ ModifyError::NoAdminLayer) => text(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(error @ ModifyError::TooMany) => text(StatusCode::BAD_REQUEST, error.to_string()),
    }
}
