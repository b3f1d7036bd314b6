//! `/api/v1/workloads`: who is in the mesh, under which identity, and whether its proxy is connected.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{Api, reply};
use crate::translate::ProxyRef;
use crate::world::Instance;

pub(super) async fn page(State(api): State<Arc<Api>>) -> Response {
    let in_force = api.in_force();
    let workloads: Vec<Value> = in_force.world.instances().map(|instance| workload(instance, &api)).collect();
    let document = json!({"revision": in_force.revision, "workloads": workloads});
    reply::document(StatusCode::OK, &document)
}

fn workload(instance: &Instance, api: &Api) -> Value {
    let (key, workload) = (instance.key(), &instance.workload);
    let proxy = match (&workload.sidecar, &workload.gateway) {
        (Some(_), _) => Some("sidecar"),
        (None, Some(_)) => Some("gateway"),
        (None, None) => None,
    };
    let ports: Map<String, Value> = workload
        .ports
        .iter()
        .map(|(name, port)| (name.to_string(), json!({"app": port.app, "sidecar": port.sidecar})))
        .collect();
    let labels: Map<String, Value> =
        workload.meta.labels.iter().map(|(key, value)| (key.to_string(), json!(**value))).collect();
    json!({
        "namespace": &*key.namespace,
        "name": &*key.name,
        "service": workload.service.as_deref(),
        "identity": instance.identity.as_str(),
        "address": workload.address.to_string(),
        "ports": ports,
        "labels": labels,
        "proxy": proxy,
        "admin_port": workload.admin_port(),
        "connected": api.hub.is_connected(&ProxyRef::new(key.namespace.clone(), key.name.clone())),
    })
}
