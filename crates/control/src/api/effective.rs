//! `/api/v1/effective/{namespace}/{service}`: what holds for calls to a service in the end, and who says so.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use ripstop_yaml::nearest;
use serde_json::{Value, json};

use super::{Api, reply};
use crate::resource::ObjectKey;
use crate::world::EffectiveValue;

pub(super) async fn page(
    State(api): State<Arc<Api>>,
    Path((namespace, service)): Path<(String, String)>,
) -> Response {
    let in_force = api.in_force();
    let key = ObjectKey::new(namespace, service);
    let Some(values) = in_force.world.effective(&key) else {
        let known = in_force.world.services().map(|service| &service.meta.key);
        let known = known.filter(|known| known.namespace == key.namespace).map(|known| &*known.name);
        let help = match nearest(&key.name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`ripstop get services` lists the services".to_owned(),
        };
        return reply::error(StatusCode::NOT_FOUND, &format!("there is no Service {key}"), &help);
    };
    let values: Vec<Value> = values.iter().map(value).collect();
    let document = json!({
        "revision": in_force.revision,
        "namespace": &*key.namespace,
        "service": &*key.name,
        "values": values,
    });
    reply::document(StatusCode::OK, &document)
}

fn value(value: &EffectiveValue) -> Value {
    json!({
        "field": value.field,
        "value": value.value,
        "from": value.from.to_string(),
        "file": &*value.origin.file,
        "line": value.origin.line,
    })
}
