//! `/api/v1/resources`: everything that is in force, and the place where it is written.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::{Api, reply};
use crate::resource::{Kind, Metadata};
use crate::world::World;

pub(super) async fn page(State(api): State<Arc<Api>>) -> Response {
    let in_force = api.in_force();
    let resources: Vec<Value> =
        all(&in_force.world).into_iter().map(|(kind, meta)| resource(kind, meta)).collect();
    let document = json!({"generation": in_force.generation, "resources": resources});
    reply::document(StatusCode::OK, &document)
}

fn all(world: &World) -> Vec<(Kind, &Metadata)> {
    let mut found = vec![(Kind::Mesh, &world.mesh().meta)];
    found.extend(world.services().map(|r| (Kind::Service, &r.meta)));
    found.extend(world.instances().map(|r| (Kind::Workload, &r.workload.meta)));
    found.extend(world.gateways().map(|r| (Kind::Gateway, &r.meta)));
    found.extend(world.virtual_services().iter().map(|r| (Kind::VirtualService, &r.meta)));
    found.extend(world.destination_rules().iter().map(|r| (Kind::DestinationRule, &r.meta)));
    found.extend(world.peer_authentications().iter().map(|r| (Kind::PeerAuthentication, &r.meta)));
    found
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
