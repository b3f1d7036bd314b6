//! `POST /api/v1/explain`: what the mesh would do with a request, and why.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use serde_json::{Value, json};

use super::body::{Fields, Refused};
use super::{Api, reply};
use crate::explain::{
    self, Candidate, Decision, Explanation, Forwarding, Inbound, Question, Routing, Target,
};
use crate::provenance::Place;
use crate::resource::{Metadata, MtlsMode, ObjectKey};

const HELP: &str = "send {\"from\": \"workload.namespace\", \"url\": \"http://users/list?page=2\", \"method\": \"GET\", \"headers\": [{\"name\": \"x-user\", \"value\": \"ada\"}], \"listener_port\": 15101}; only `url` must be there";
/// Most headers of a request.
const MAX_HEADERS: usize = 100;

pub(super) async fn page(State(api): State<Arc<Api>>, body: Result<Bytes, BytesRejection>) -> Response {
    let question = match read(body) {
        Ok(question) => question,
        Err(refused) => return *refused,
    };
    let in_force = api.in_force();
    let world = Arc::clone(&in_force.world);
    let explained = tokio::task::spawn_blocking(move || explain::explain(&world, &question));
    match explained.await {
        Ok(Ok(explanation)) => reply::document(StatusCode::OK, &document(&explanation, in_force.revision)),
        Ok(Err(error)) => {
            let help = "`ripstop get workloads` lists the workloads; name one as `from`, and its port as `listener_port` (`--port`) if it has several";
            reply::error(StatusCode::NOT_FOUND, &error.to_string(), help)
        }
        Err(_) => reply::broken(),
    }
}

fn read(body: Result<Bytes, BytesRejection>) -> Result<Question, Refused> {
    let known = ["from", "url", "method", "headers", "listener_port"];
    let fields = Fields::read(body, &known, HELP)?;
    let url = fields.required_text("url")?;
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() || !["http", "https"].contains(&scheme) {
        return Err(fields.bad("`url` must be as http://host/path"));
    }
    let mut headers = HeaderMap::new();
    for header in fields.objects("headers")?.into_iter().take(MAX_HEADERS) {
        let text = |key| header.get(key).and_then(Value::as_str);
        let parsed = (
            text("name").and_then(|name| HeaderName::try_from(name).ok()),
            text("value").and_then(|value| HeaderValue::try_from(value).ok()),
        );
        let (Some(name), Some(value)) = parsed else {
            return Err(fields.bad("each of `headers` has a `name` and a `value` as HTTP allows them"));
        };
        headers.append(name, value);
    }
    let port = fields.number("listener_port")?;
    let listener_port = port.map(u16::try_from).transpose();
    Ok(Question {
        from: fields.text("from")?.filter(|from| !from.is_empty()).map(key),
        scheme: scheme.to_owned(),
        authority: authority.to_owned(),
        path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
        method: fields.text("method")?.unwrap_or("GET").to_owned(),
        headers,
        listener_port: listener_port.map_err(|_| fields.bad("`listener_port` must be a port"))?,
    })
}

/// `workload` or `workload.namespace`.
pub(super) fn key(text: &str) -> ObjectKey {
    match text.rsplit_once('.') {
        Some((name, namespace)) => ObjectKey::new(namespace, name),
        None => ObjectKey::new(Metadata::DEFAULT_NAMESPACE, text),
    }
}

fn document(explanation: &Explanation, revision: u64) -> Value {
    let Explanation { proxy, identity, listener, listener_place, routing, decision } = explanation;
    json!({
        "revision": revision,
        "proxy": proxy.to_string(),
        "identity": identity.as_str(),
        "listener": &**listener,
        "listener_place": listener_place.as_ref().map(place),
        "routing": routing.as_ref().map(of_routing),
        "decision": match decision {
            Decision::Answer { status, why, location } => {
                json!({"answer": {"status": status, "why": why, "location": location}})
            }
            Decision::Forward(forwarding) => json!({"forward": of_forwarding(forwarding)}),
        },
    })
}

fn of_routing(routing: &Routing) -> Value {
    let routes: Vec<Value> = routing
        .routes
        .iter()
        .map(|tried| {
            json!({
                "name": &*tried.name,
                "taken": tried.why_not.is_none(),
                "why_not": tried.why_not,
                "place": tried.place.as_ref().map(place),
            })
        })
        .collect();
    let host = routing.virtual_host.as_ref().map(|(name, domains)| {
        json!({"name": &**name, "domains": domains.iter().map(|domain| &**domain).collect::<Vec<_>>()})
    });
    json!({
        "configuration": &*routing.configuration,
        "path": routing.path,
        "virtual_host": host,
        "routes": routes,
    })
}

fn of_forwarding(forwarding: &Forwarding) -> Value {
    let retries = forwarding.retries.as_ref().map(|retries| {
        json!({
            "attempts": retries.attempts,
            "on": retries.on,
            "per_try_timeout_ms": retries.per_try_timeout.map(milliseconds),
            "repeats_processed": retries.repeats_processed,
        })
    });
    json!({
        "path": forwarding.path,
        "host": forwarding.host,
        "timeout_ms": forwarding.timeout.map(milliseconds),
        "retries": retries,
        "targets": forwarding.targets.iter().map(of_target).collect::<Vec<_>>(),
        "mirrors": forwarding.mirrors.iter().map(|name| &**name).collect::<Vec<_>>(),
    })
}

fn of_target(target: &Target) -> Value {
    json!({
        "cluster": &*target.cluster,
        "percent": target.percent,
        "places": target.places.iter().map(place).collect::<Vec<_>>(),
        "balancer": target.balancer,
        "mtls": target.mtls,
        "ejection": target.ejection,
        "candidates": target.candidates.iter().map(of_candidate).collect::<Vec<_>>(),
    })
}

fn of_candidate(candidate: &Candidate) -> Value {
    json!({
        "address": candidate.address,
        "workload": candidate.workload.as_ref().map(|key| format!("{}.{}", key.name, key.namespace)),
        "health": candidate.health,
        "priority": candidate.priority,
        "weight": candidate.weight,
        "inbound": candidate.inbound.as_ref().map(of_inbound),
    })
}

fn of_inbound(inbound: &Inbound) -> Value {
    let mode = match inbound.mode {
        MtlsMode::Strict => "STRICT",
        MtlsMode::Permissive => "PERMISSIVE",
        MtlsMode::Disable => "DISABLE",
    };
    json!({
        "proxy": inbound.proxy.to_string(),
        "listener": &*inbound.listener,
        "listener_place": inbound.listener_place.as_ref().map(place),
        "mtls": mode,
        "mtls_place": inbound.mode_place.as_ref().map(place),
        "refused": inbound.refused,
        "application": inbound.application.map(|address| address.to_string()),
    })
}

/// A place in a resource.
pub(super) fn place(place: &Place) -> Value {
    json!({
        "kind": place.kind.as_str(),
        "namespace": &*place.key.namespace,
        "name": &*place.key.name,
        "path": &*place.origin.path,
        "file": &*place.origin.file,
        "line": place.origin.line,
    })
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
