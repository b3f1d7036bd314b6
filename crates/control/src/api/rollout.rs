//! `/api/v1/rollout/{revision}`: how far a change has come, and on request the wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use ripstop_xds::ResourceType;
use ripstop_xds::server::Nack;
use serde_json::{Value, json};

use super::{Api, explain, reply};
use crate::provenance;
use crate::push::{NoRollout, RolloutReport, Standing};
use crate::serve::InForce;
use crate::translate::ProxyRef;

/// Longest wait for an answer.
const MAX_WAIT: Duration = Duration::from_secs(300);

pub(super) async fn page(
    State(api): State<Arc<Api>>,
    Path(revision): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let wait = query.get("wait_seconds").map(|text| text.parse::<u64>()).transpose();
    let (Ok(revision), Ok(wait)) = (revision.parse::<u64>(), wait) else {
        let error = "the revision and `wait_seconds` must be whole numbers";
        return reply::error(
            StatusCode::BAD_REQUEST,
            error,
            "for instance /api/v1/rollout/7?wait_seconds=30",
        );
    };
    let report = match wait {
        None => api.hub.rollout(revision),
        Some(seconds) => api.hub.await_rollout(revision, Duration::from_secs(seconds).min(MAX_WAIT)).await,
    };
    match report {
        Ok(report) => reply::document(StatusCode::OK, &document(&api, &report)),
        Err(error @ NoRollout::NotPushed(_)) => {
            reply::error(StatusCode::NOT_FOUND, &error.to_string(), "GET /api/v1/history lists the revisions")
        }
        Err(error @ NoRollout::Forgotten(_)) => {
            reply::error(StatusCode::GONE, &error.to_string(), "GET /api/v1/status tells of all proxies")
        }
    }
}

fn document(api: &Api, report: &RolloutReport) -> Value {
    let in_force = api.in_force();
    let of_proxy = |(proxy, standing): &(ProxyRef, Standing)| of_proxy(api, &in_force, proxy, standing);
    let times = report.proxies.iter().filter_map(|(_, standing)| match standing {
        Standing::Accepted(after) => Some(*after),
        _ => None,
    });
    let accepted = times.clone().count();
    json!({
        "revision": report.revision,
        "concerned": report.proxies.len(),
        "accepted": accepted,
        "complete": report.is_accepted(),
        "slowest_ms": times.max().map(milliseconds),
        "proxies": report.proxies.iter().map(of_proxy).collect::<Vec<_>>(),
    })
}

fn of_proxy(api: &Api, in_force: &InForce, proxy: &ProxyRef, standing: &Standing) -> Value {
    let (state, after_ms, refusals) = words(api, in_force, proxy, standing);
    json!({
        "namespace": &*proxy.namespace,
        "workload": &*proxy.workload,
        "state": state,
        "after_ms": after_ms,
        "refusals": refusals,
    })
}

/// How a proxy stands: a word, milliseconds until it had accepted, and what it has refused, with the places of what it names.
pub(super) fn words(
    api: &Api,
    in_force: &InForce,
    proxy: &ProxyRef,
    standing: &Standing,
) -> (&'static str, Option<f64>, Vec<Value>) {
    let nacks = match standing {
        Standing::Accepted(after) => return ("accepted", Some(milliseconds(*after)), Vec::new()),
        Standing::Pending => return ("pending", None, Vec::new()),
        Standing::Disconnected => return ("disconnected", None, Vec::new()),
        Standing::Refused(nacks) => nacks,
    };
    let shown = api.hub.shown(proxy);
    let refusal = |(kind, nack): &(ResourceType, Nack)| {
        let snapshot = shown.as_ref().map(|shown| shown.source());
        let named = |snapshot| provenance::named_in(&in_force.world, proxy, snapshot, &nack.message);
        let places: Vec<Value> =
            snapshot.as_ref().map(named).unwrap_or_default().iter().map(explain::place).collect();
        json!({"type": kind.as_str(), "message": nack.message, "places": places})
    };
    ("refused", None, nacks.iter().map(refusal).collect())
}

/// With microseconds behind the point.
pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
