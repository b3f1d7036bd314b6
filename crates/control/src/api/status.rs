//! `/api/v1/status`: the connected proxies and what became of what they were sent.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use ripstop_xds::server::{StreamReport, TypeReport};
use serde_json::{Map, Value, json};

use super::time::rfc3339;
use super::{Api, reply, rollout};
use crate::push::{ProxyReport, Standing, StreamView};
use crate::serve::InForce;

pub(super) async fn page(State(api): State<Arc<Api>>) -> Response {
    let in_force = api.in_force();
    let report = api.hub.report();
    let proxies: Vec<Value> = report.proxies.iter().map(|one| proxy(&api, &in_force, one)).collect();
    let svid = api.identity.svid();
    let document = json!({
        "started": rfc3339(api.started),
        "trust_domain": api.authority.trust_domain().as_str(),
        "identity": svid.as_ref().map(|svid| svid.id().as_str()),
        "certificate_not_after": svid.as_ref().map(|svid| rfc3339(svid.not_after())),
        "issuer_not_after": rfc3339(api.authority.issuer_not_after()),
        "root_not_after": rfc3339(api.authority.root_not_after()),
        "config": {
            "revision": in_force.revision,
            "since": rfc3339(in_force.since),
            "refused": !in_force.refused.is_empty(),
        },
        "proxies": proxies,
    });
    reply::document(StatusCode::OK, &document)
}

fn proxy(api: &Api, in_force: &InForce, report: &ProxyReport) -> Value {
    let (state, _, refusals) = rollout::words(api, in_force, &report.proxy, &report.standing);
    let waiting = matches!(report.standing, Standing::Pending | Standing::Refused(_));
    json!({
        "state": state,
        "refusals": refusals,
        "waiting_ms": waiting.then(|| rollout::milliseconds(report.age)),
        "namespace": &*report.proxy.namespace,
        "workload": &*report.proxy.workload,
        "identity": report.identity.as_ref().map(|identity| identity.as_str()),
        "revision": report.revision,
        "changed_in": report.changed_in,
        "synced": report.is_synced(),
        "streams": report.streams.iter().map(stream).collect::<Vec<_>>(),
    })
}

fn stream(view: &StreamView) -> Value {
    let StreamReport { connected, since, delta, types } = &view.report;
    let types: Map<String, Value> =
        types.iter().map(|(kind, report)| (kind.as_str().to_owned(), of_type(report))).collect();
    json!({
        "node": view.node,
        "user_agent": view.user_agent,
        "connected": connected,
        "connected_since": since.map(rfc3339),
        "protocol": if *delta { "delta" } else { "state-of-the-world" },
        "types": types,
    })
}

fn of_type(report: &TypeReport) -> Value {
    let last_nack = report
        .last_nack
        .as_ref()
        .map(|nack| json!({"message": nack.message, "version": nack.version, "at": rfc3339(nack.at)}));
    json!({
        "sent": report.sent,
        "acked": report.acked,
        "synced": report.is_synced(),
        "responses": report.responses,
        "nacks": report.nacks,
        "last_nack": last_nack,
    })
}
