//! What is counted of the process as a whole, and of clusters by their present state. What requests and connections count is
//! in [`crate::stats`].

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::Inspector;
use super::state::state;
use crate::generation::cluster::ActiveCluster;
use crate::stats::prometheus::Text;
use crate::stats::series::{Series, Value};

/// What Envoy says where there is no certificate.
const NO_CERTIFICATE: u64 = u32::MAX as u64;

/// Values without tags, by dotted name.
fn plain(inspector: &Inspector) -> Vec<(&'static str, Value)> {
    let applied = inspector.applied.borrow().clone();
    let generation = &applied.generation;
    let runtime = inspector.runtime.current();
    let memory = super::memory::resident_bytes();
    let connections = {
        let tables = inspector.registry.tables();
        tables.listeners.values().map(|block| block.sum(|s| s.cx_active.get())).sum()
    };
    let mut values = vec![
        ("server.live", Value::Gauge(u64::from(!inspector.is_draining()))),
        ("server.state", Value::Gauge(state(inspector).number())),
        ("server.uptime", Value::Gauge(inspector.started.elapsed().as_secs())),
        ("server.concurrency", Value::Gauge(inspector.registry.workers() as u64)),
        ("server.memory_allocated", Value::Gauge(memory)),
        ("server.memory_heap_size", Value::Gauge(memory)),
        ("server.memory_physical_size", Value::Gauge(memory)),
        ("server.total_connections", Value::Gauge(connections)),
        ("server.days_until_first_cert_expiring", Value::Gauge(days_of_certificate(inspector))),
        ("server.version", Value::Gauge(version_number())),
        ("cluster_manager.active_clusters", Value::Gauge(generation.all_clusters().count() as u64)),
        ("listener_manager.total_listeners_active", Value::Gauge(generation.listeners.len() as u64)),
        ("listener_manager.workers_started", Value::Gauge(u64::from(generation.id > 0))),
        ("runtime.num_keys", Value::Gauge(runtime.values().count() as u64)),
        ("runtime.num_layers", Value::Gauge(runtime.layers().len() as u64)),
        ("ripstop.generation", Value::Gauge(generation.id)),
        ("ripstop.access_log_lines_lost", Value::Gauge(inspector.lost_log_lines.load(Ordering::Relaxed))),
    ];
    if let Some(status) = &inspector.xds {
        let xds = status.report();
        values.push(("control_plane.connected_state", Value::Gauge(u64::from(xds.connected))));
        values.push(("ripstop.xds_rejected_total", Value::Gauge(xds.rejected)));
    }
    if let Some(mesh) = &inspector.mesh {
        let agent = mesh.agent.borrow().clone();
        values.push(("ripstop.certificates_issued", Value::Gauge(agent.issued)));
        values.push(("ripstop.certificate_renewal_failures", Value::Gauge(agent.failures.into())));
        if let Some(left) = seconds_of_certificate(inspector) {
            values.push(("ripstop.certificate_seconds_left", Value::Gauge(left)));
        }
    }
    values
}

/// Reads a value of a cluster.
type OfCluster = fn(&ActiveCluster) -> u64;

/// Values of clusters that follow from their present state, by the last part of the name.
const OF_CLUSTERS: [(&str, OfCluster); 6] = [
    ("membership_total", |cluster| cluster.hosts.len() as u64),
    ("membership_healthy", |cluster| cluster.hosts.available() as u64),
    ("membership_degraded", |cluster| {
        cluster.hosts.entries().iter().filter(|entry| entry.is_degraded()).count() as u64
    }),
    ("membership_excluded", |cluster| {
        cluster.hosts.entries().iter().filter(|entry| entry.is_excluded()).count() as u64
    }),
    ("outlier_detection.ejections_active", |cluster| {
        cluster.hosts.entries().iter().filter(|entry| entry.host.is_ejected()).count() as u64
    }),
    ("upstream_rq_pending_active", |cluster| cluster.lasting.limits.under_way().pending.into()),
];

/// All of it by dotted name.
pub(super) fn series(inspector: &Inspector) -> Vec<Series> {
    let mut all: Vec<Series> = plain(inspector)
        .into_iter()
        .map(|(name, value)| Series { name: name.to_owned(), value, used: true })
        .collect();
    let generation = inspector.applied.borrow().generation.clone();
    for cluster in generation.all_clusters() {
        for (name, value) in OF_CLUSTERS {
            let name = format!("cluster.{}.{name}", cluster.name());
            all.push(Series { name, value: Value::Gauge(value(cluster)), used: true });
        }
    }
    all
}

/// All metrics of the proxy for Prometheus.
pub(super) fn exposition(inspector: &Inspector) -> String {
    let mut out = Text::default();
    for (name, value) in plain(inspector) {
        let flat = name.replace('.', "_");
        let name = if name.starts_with("ripstop.") { flat } else { format!("envoy_{flat}") };
        if let Value::Counter(value) | Value::Gauge(value) = value {
            out.gauge(&name, value);
        }
    }
    let generation = inspector.applied.borrow().generation.clone();
    let clusters: Vec<_> = generation.all_clusters().collect();
    for (name, value) in OF_CLUSTERS {
        let values = clusters.iter().map(|cluster| (&**cluster.name(), value(cluster)));
        let name = format!("envoy_cluster_{}", name.replace('.', "_"));
        out.family(&name, "gauge", "envoy_cluster_name", values);
    }
    out.tables(&inspector.registry.tables());
    out.into_string()
}

fn seconds_of_certificate(inspector: &Inspector) -> Option<u64> {
    let svid = inspector.mesh.as_ref()?.identity.svid()?;
    Some(svid.not_after().duration_since(SystemTime::now()).unwrap_or_default().as_secs())
}

fn days_of_certificate(inspector: &Inspector) -> u64 {
    seconds_of_certificate(inspector).map_or(NO_CERTIFICATE, |seconds| seconds / 86_400)
}

/// The version in one number, `1.2.3` as 0x010203.
fn version_number() -> u64 {
    let parts = env!("CARGO_PKG_VERSION").split('.');
    parts.fold(0, |number, part| (number << 8) | part.parse::<u64>().unwrap_or(0).min(255))
}
