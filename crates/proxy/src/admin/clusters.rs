//! `/clusters`: every cluster, every endpoint, how it fares and why it is put aside.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::StatusCode;
use ripstop_model::cluster::CircuitLimits;
use ripstop_model::{HealthStatus, LbPolicy};
use ripstop_policy::host::HostEntry;
use ripstop_policy::limits::UnderWay;
use ripstop_runtime::admin::{Answer, Query, json, text};
use serde_json::{Value, json};

use super::Inspector;
use crate::generation::breakers::Breakers;
use crate::generation::cluster::ActiveCluster;

/// The page.
pub fn show(inspector: &Inspector, query: &Query) -> Answer {
    let generation = inspector.applied.borrow().generation.clone();
    let filter = match super::stats::filter(query) {
        Ok(filter) => filter,
        Err(error) => return text(StatusCode::BAD_REQUEST, error),
    };
    let wanted = |name: &str| filter.as_ref().is_none_or(|filter| filter.is_match(name));
    let mut clusters: Vec<_> = generation.all_clusters().filter(|cluster| wanted(cluster.name())).collect();
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
    // Writing to a string cannot fail.
    let mut line = |what: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{name}::{what}::{value}");
    };
    line("observability_name", &name);
    if let Some(detector) = &cluster.lasting.outlier {
        for (of, rates) in ["", "local_origin_"].iter().zip(detector.rates()) {
            line(&format!("outlier::{of}success_rate_average"), &rate(rates.average));
            line(&format!("outlier::{of}success_rate_ejection_threshold"), &rate(rates.threshold));
        }
    }
    for (priority, limits, now) in priorities(cluster) {
        line(&format!("{priority}_priority::max_connections"), &limits.max_connections);
        line(&format!("{priority}_priority::max_pending_requests"), &limits.max_pending_requests);
        line(&format!("{priority}_priority::max_requests"), &limits.max_requests);
        line(&format!("{priority}_priority::max_retries"), &limits.max_retries);
        line(&format!("{priority}_priority::cx_active"), &now.connections);
        line(&format!("{priority}_priority::rq_pending_active"), &now.pending);
        line(&format!("{priority}_priority::rq_active"), &now.requests);
        line(&format!("{priority}_priority::rq_retry_active"), &now.retries);
    }
    if let Some(state) = breaker_state(cluster) {
        line("breaker", &state);
    }
    for entry in cluster.hosts.entries() {
        let host = &entry.host;
        let address = host.address().to_string();
        let mut line = |what: &str, value: &dyn std::fmt::Display| line(&format!("{address}::{what}"), value);
        line("cx_active", &host.active_connections());
        line("cx_connect_fail", &host.totals().cx_connect_fail.load(Ordering::Relaxed));
        line("cx_total", &host.totals().cx_total.load(Ordering::Relaxed));
        line("rq_active", &host.active_requests());
        line("rq_error", &host.totals().rq_error.load(Ordering::Relaxed));
        line("rq_pending_active", &host.pending_requests());
        line("rq_success", &host.totals().rq_success.load(Ordering::Relaxed));
        line("rq_timeout", &host.totals().rq_timeout.load(Ordering::Relaxed));
        line("rq_total", &host.totals().rq_total.load(Ordering::Relaxed));
        line("hostname", &entry.endpoint.hostname);
        line("health_flags", &entry.health_flags());
        if let Some(ejection) = ejection(entry) {
            line("ejected", &ejection);
        }
        if host.ejection_count() > 0 {
            line("ejections", &host.ejection_count());
        }
        if let Some(breaker) = cluster.breaker_of(host.address()) {
            line("breaker", &breaker.state().as_str());
        }
        if let Some(latency) = host.latency() {
            line("latency_ms", &milliseconds(latency));
        }
        for (name, value) in learnt(cluster, entry) {
            line(name, &value);
        }
        line("weight", &entry.endpoint.weight);
        line("region", &entry.locality.region);
        line("zone", &entry.locality.zone);
        line("sub_zone", &entry.locality.sub_zone);
        line("canary", &entry.endpoint.canary);
        line("priority", &entry.priority);
        for (of, cell) in ["", "local_origin_"].iter().zip(host.success_rates()) {
            line(&format!("{of}success_rate"), &rate(cell.get()));
        }
    }
}

/// The limits of each priority, and what is under way.
fn priorities(cluster: &ActiveCluster) -> [(&'static str, CircuitLimits, UnderWay); 2] {
    let (config, lasting) = (&cluster.config, &cluster.lasting);
    [
        ("default", config.limits, lasting.limits.under_way()),
        ("high", config.high_limits, lasting.high_limits.under_way()),
    ]
}

/// The state of the breaker that all endpoints share.
fn breaker_state(cluster: &ActiveCluster) -> Option<&'static str> {
    match &cluster.breakers {
        Breakers::Cluster(breaker) => Some(breaker.state().as_str()),
        Breakers::None | Breakers::Endpoints(_) => None,
    }
}

/// As Envoy: -1 where it is not known.
fn rate(percent: Option<f64>) -> f64 {
    percent.unwrap_or(-1.0)
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64() * 1000.0)
}

/// What its answers have taught, where the balancer goes by it.
fn learnt(cluster: &ActiveCluster, entry: &HostEntry) -> Vec<(&'static str, String)> {
    let (host, now) = (&entry.host, Instant::now());
    match cluster.config.lb.policy {
        LbPolicy::LeastResponseTime { decay } => {
            let average = host.response_time().map(|average| average.at(now, decay) * 1000.0);
            average.map(|ms| ("response_time_ms", format!("{ms:.3}"))).into_iter().collect()
        }
        LbPolicy::ClientWeighted(policy) => {
            let weight = host.load_weight(&policy, now);
            weight.map(|weight| ("reported_weight", weight.to_string())).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Why an endpoint is put aside and for how long still.
fn ejection(entry: &HostEntry) -> Option<String> {
    let ejection = entry.host.ejection()?;
    let left = ejection.until.saturating_duration_since(Instant::now());
    Some(format!("{} (returns in {:.1} s)", ejection.reason.as_str(), left.as_secs_f64()))
}

fn as_json(cluster: &ActiveCluster) -> Value {
    let hosts: Vec<Value> = cluster.hosts.entries().iter().map(|entry| host_json(cluster, entry)).collect();
    let thresholds: Vec<Value> = priorities(cluster)
        .into_iter()
        .map(|(priority, limits, now)| {
            json!({
                "priority": priority.to_uppercase(),
                "max_connections": limits.max_connections,
                "max_pending_requests": limits.max_pending_requests,
                "max_requests": limits.max_requests,
                "max_retries": limits.max_retries,
                "under_way": {
                    "connections": now.connections,
                    "pending_requests": now.pending,
                    "requests": now.requests,
                    "retries": now.retries,
                },
            })
        })
        .collect();
    json!({
        "name": &**cluster.name(),
        "host_statuses": hosts,
        "circuit_breakers": { "thresholds": thresholds },
        "breaker": breaker_state(cluster),
        "observability_name": &**cluster.name(),
    })
}

fn host_json(cluster: &ActiveCluster, entry: &HostEntry) -> Value {
    let (host, endpoint, locality) = (&entry.host, &entry.endpoint, &entry.locality);
    let totals = host.totals();
    // As protobuf has it: numbers of 64 bits are texts, and nothing is left out.
    let counter = |name: &str, value: u64| match value {
        0 => json!({ "name": name }),
        value => json!({ "name": name, "value": value.to_string() }),
    };
    let gauge = |name: &str, value: u32| match value {
        0 => json!({ "name": name, "type": "GAUGE" }),
        value => json!({ "name": name, "type": "GAUGE", "value": value.to_string() }),
    };
    let total = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let eds = match endpoint.health {
        HealthStatus::Unhealthy | HealthStatus::Timeout => "UNHEALTHY",
        HealthStatus::Draining => "DRAINING",
        HealthStatus::Degraded => "DEGRADED",
        HealthStatus::Unknown | HealthStatus::Healthy => "HEALTHY",
    };
    let mut health = json!({ "eds_health_status": eds });
    for flag in entry.flags() {
        let name = match flag {
            "failed_active_hc" => "failed_active_health_check",
            "degraded_active_hc" => "failed_active_degraded_check",
            // Told by its status above.
            "failed_eds_health" | "degraded_eds_health" | "eds_status_draining" => continue,
            same => same,
        };
        health[name] = true.into();
    }
    let mut status = json!({
        "address": address_json(&host.address().to_string()),
        "stats": [
            counter("cx_connect_fail", total(&totals.cx_connect_fail)),
            counter("cx_total", total(&totals.cx_total)),
            counter("rq_error", total(&totals.rq_error)),
            counter("rq_success", total(&totals.rq_success)),
            counter("rq_timeout", total(&totals.rq_timeout)),
            counter("rq_total", total(&totals.rq_total)),
            gauge("cx_active", host.active_connections()),
            gauge("rq_active", host.active_requests()),
            gauge("rq_pending_active", host.pending_requests()),
        ],
        "health_status": health,
        "weight": endpoint.weight,
        "locality": { "region": &*locality.region, "zone": &*locality.zone, "sub_zone": &*locality.sub_zone },
        "ejected": ejection(entry),
        "ejections": host.ejection_count(),
        "breaker": cluster.breaker_of(host.address()).map(|breaker| breaker.state().as_str()),
        "latency_ms": host.latency().map(|latency| latency.as_secs_f64() * 1000.0),
        "canary": endpoint.canary,
    });
    for (name, value) in learnt(cluster, entry) {
        status[name] = value.into();
    }
    for (name, cell) in ["success_rate", "local_origin_success_rate"].iter().zip(host.success_rates()) {
        if let Some(percent) = cell.get() {
            status[*name] = json!({ "value": percent });
        }
    }
    for (name, text) in [("hostname", &*endpoint.hostname)] {
        if !text.is_empty() {
            status[name] = text.into();
        }
    }
    if entry.priority > 0 {
        status["priority"] = entry.priority.into();
    }
    status
}

/// `127.0.0.1:80` or a path as Envoy's `Address`.
pub(super) fn address_json(text: &str) -> Value {
    match text.parse::<std::net::SocketAddr>() {
        Ok(address) => json!({
            "socket_address": { "address": address.ip().to_string(), "port_value": address.port() }
        }),
        Err(_) => json!({ "pipe": { "path": text } }),
    }
}
