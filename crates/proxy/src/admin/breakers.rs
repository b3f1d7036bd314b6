//! `/breakers`: every circuit breaker, its state and why; and the page that forces them open or closed.

use std::fmt::Write;
use std::time::Instant;

use http::StatusCode;
use ripstop_policy::breaker::{Breaker, By, Cause, Forced, Status};
use ripstop_runtime::admin::{Answer, Query, json, text};
use serde_json::{Value, json};

use super::Inspector;
use crate::generation::breakers::Breakers;
use crate::generation::cluster::ActiveCluster;

/// The page.
pub(super) fn show(inspector: &Inspector, query: &Query) -> Answer {
    let generation = inspector.applied.borrow().generation.clone();
    let mut clusters: Vec<_> = generation.all_clusters().collect();
    clusters.sort_by(|a, b| a.name().cmp(b.name()));
    let now = Instant::now();
    let all = clusters.iter().flat_map(|cluster| of(cluster).map(|(of, breaker)| (of, breaker.status(now))));
    if query.get("format") == Some("json") {
        let list: Vec<Value> = all.map(|(of, status)| as_json(&of, &status, now)).collect();
        return json(StatusCode::OK, format!("{:#}\n", json!({ "breakers": list })));
    }
    let mut out = String::new();
    for (of, status) in all {
        as_text(&of, &status, now, &mut out);
    }
    text(StatusCode::OK, out)
}

/// Forces breakers, or lets outcomes decide again.
pub(super) fn force(inspector: &Inspector, query: &Query) -> Answer {
    let Some(forced) = query.get("state").and_then(Forced::from_word) else {
        return text(StatusCode::BAD_REQUEST, "state must be open, closed or auto\n");
    };
    let Some(name) = query.get("cluster") else {
        return text(StatusCode::BAD_REQUEST, "cluster must name a cluster\n");
    };
    let endpoint = query.get("endpoint");
    let generation = inspector.applied.borrow().generation.clone();
    let mut count = 0;
    for cluster in generation.all_clusters().filter(|cluster| **cluster.name() == *name) {
        for (of, breaker) in of(cluster) {
            if endpoint.is_none() || endpoint == of.endpoint.as_deref() {
                breaker.force(By::Administrator, forced);
                count += 1;
            }
        }
    }
    if count == 0 {
        return text(StatusCode::NOT_FOUND, "no circuit breaker there\n");
    }
    tracing::warn!(
        cluster = name,
        endpoint,
        forced = forced.word(),
        count,
        "circuit breakers forced by an administrator"
    );
    text(StatusCode::OK, format!("OK: {count}\n"))
}

/// Whose a breaker is.
struct Of {
    cluster: String,
    endpoint: Option<String>,
}

fn of(cluster: &ActiveCluster) -> impl Iterator<Item = (Of, &Breaker)> {
    let each = matches!(cluster.breakers, Breakers::Endpoints(_));
    cluster.breakers.all().enumerate().map(move |(index, breaker)| {
        let entry = cluster.hosts.entries().get(index).filter(|_| each);
        let endpoint = entry.map(|entry| entry.host.address().to_string());
        (Of { cluster: cluster.name().to_string(), endpoint }, &**breaker)
    })
}

fn as_text(of: &Of, status: &Status, now: Instant, out: &mut String) {
    let place = match &of.endpoint {
        Some(endpoint) => format!("{}::{endpoint}", of.cluster),
        None => of.cluster.clone(),
    };
    // Writing to a string cannot fail.
    let mut line = |what: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{place}::{what}::{value}");
    };
    line("state", &status.state.as_str());
    line("forced", &status.forced.word());
    line("since_ms", &now.saturating_duration_since(status.since).as_millis());
    line("cause", &status.cause.map_or("-", Cause::as_str));
    if let Some(left) = status.left {
        line("left_ms", &left.as_millis());
    }
    line("rq_total", &status.counts.total);
    line("rq_failed", &status.counts.failed);
    line("rq_slow", &status.counts.slow);
    line("opened", &status.opened);
}

fn as_json(of: &Of, status: &Status, now: Instant) -> Value {
    json!({
        "cluster": of.cluster,
        "endpoint": of.endpoint,
        "state": status.state.as_str(),
        "forced": status.forced.word(),
        "since_ms": now.saturating_duration_since(status.since).as_millis() as u64,
        "cause": status.cause.map(Cause::as_str),
        "left_ms": status.left.map(|left| left.as_millis() as u64),
        "window": {
            "total": status.counts.total,
            "failed": status.counts.failed,
            "slow": status.counts.slow,
        },
        "opened": status.opened,
    })
}
