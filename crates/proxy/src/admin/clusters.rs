//! `/clusters`: every cluster, every endpoint, how it fares and why it is put aside.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::StatusCode;
use ripstop_policy::host::HostEntry;
use ripstop_runtime::admin::{Answer, Query, json, text};
use serde_json::{Value, json};

use super::Inspector;
use crate::generation::cluster::ActiveCluster;

/// The page.
pub fn show(inspector: &Inspector, query: &Query) -> Answer {
    let generation = inspector.applied.borrow().generation.clone();
    let mut clusters: Vec<_> = generation.all_clusters().collect();
    clusters.sort_by(|a, b| a.name().cmp(b.name()));
    if query.get("format") == Some("json") {
        let statuses: Vec<Value> = clusters.iter().map(|cluster| as_json(cluster)).collect();
        return json(StatusCode::OK, format!("{:#}\n", json!({ "cluster_statuses": statuses })));
    }
    let mut out = String::new();
    for cluster in clusters {
        as_text(cluster, &mut out);
    }
    text(StatusCode::OK, out)
}

fn as_text(cluster: &ActiveCluster, out: &mut String) {
    let name = cluster.name();
    let limits = &cluster.config.limits;
    // Writing to a string cannot fail.
    let mut line = |what: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{name}::{what}::{value}");
    };
    line("default_priority::max_connections", &limits.max_connections);
    line("default_priority::max_pending_requests", &limits.max_pending_requests);
    line("default_priority::max_requests", &limits.max_requests);
    line("default_priority::max_retries", &limits.max_retries);
    for entry in cluster.hosts.entries() {
        let host = &entry.host;
        let address = host.address().to_string();
        let mut line = |what: &str, value: &dyn std::fmt::Display| line(&format!("{address}::{what}"), value);
        line("cx_active", &host.active_connections());
        line("cx_connect_fail", &host.totals.cx_connect_fail.load(Ordering::Relaxed));
        line("cx_total", &host.totals.cx_total.load(Ordering::Relaxed));
        line("rq_active", &host.active_requests());
        line("rq_error", &host.totals.rq_error.load(Ordering::Relaxed));
        line("rq_success", &host.totals.rq_success.load(Ordering::Relaxed));
        line("rq_timeout", &host.totals.rq_timeout.load(Ordering::Relaxed));
        line("rq_total", &host.totals.rq_total.load(Ordering::Relaxed));
        line("hostname", &entry.endpoint.hostname);
        line("health_flags", &entry.health_flags());
        if let Some(ejection) = ejection(entry) {
            line("ejected", &ejection);
        }
        line("weight", &entry.endpoint.weight);
        line("region", &entry.locality.region);
        line("zone", &entry.locality.zone);
        line("sub_zone", &entry.locality.sub_zone);
        line("priority", &entry.priority);
    }
}

/// Why an endpoint is put aside and for how long still.
fn ejection(entry: &HostEntry) -> Option<String> {
    let ejection = entry.host.ejection()?;
    let left = ejection.until.saturating_duration_since(Instant::now());
    Some(format!("{} (returns in {:.1} s)", ejection.reason.as_str(), left.as_secs_f64()))
}

fn as_json(cluster: &ActiveCluster) -> Value {
    let hosts: Vec<Value> = cluster
        .hosts
        .entries()
        .iter()
        .map(|entry| {
            let totals = &entry.host.totals;
            json!({
                "address": entry.host.address().to_string(),
                "hostname": &*entry.endpoint.hostname,
                "stats": {
                    "cx_active": entry.host.active_connections(),
                    "cx_connect_fail": totals.cx_connect_fail.load(Ordering::Relaxed),
                    "cx_total": totals.cx_total.load(Ordering::Relaxed),
                    "rq_active": entry.host.active_requests(),
                    "rq_error": totals.rq_error.load(Ordering::Relaxed),
                    "rq_success": totals.rq_success.load(Ordering::Relaxed),
                    "rq_timeout": totals.rq_timeout.load(Ordering::Relaxed),
                    "rq_total": totals.rq_total.load(Ordering::Relaxed),
                },
                "health_flags": entry.health_flags(),
                "ejected": ejection(entry),
                "weight": entry.endpoint.weight,
                "priority": entry.priority,
                "locality": { "region": &*entry.locality.region, "zone": &*entry.locality.zone },
            })
        })
        .collect();
    json!({ "name": &**cluster.name(), "host_statuses": hosts })
}
