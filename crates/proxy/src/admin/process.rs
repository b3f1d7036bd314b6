//! What is counted of the process as a whole, and of clusters by their present state. What requests and connections count is
//! in [`crate::stats`].

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use ripstop_model::Name;
use ripstop_policy::adaptive::GradientStatus;
use ripstop_policy::breaker::State;
use ripstop_policy::limits::UnderWay;

use ripstop_xds::ResourceType;

use super::endpoint_metrics::Shown;
use super::state::state;
use super::{Inspector, outliers};
use crate::generation::Generation;
use crate::generation::cluster::ActiveCluster;
use crate::stats::prometheus::Text;
use crate::stats::series::{Series, Value};

/// Endpoints that are not shown because there are too many.
const LEFT_OUT: &str = "ripstop.endpoints_left_out";

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
        ("runtime.admin_overrides_active", Value::Gauge(u64::from(inspector.runtime.has_overrides()))),
        ("runtime.load_success", Value::Counter(inspector.runtime.loads())),
        ("server.hot_restart_epoch", Value::Gauge(0)),
        ("cluster_manager.cluster_added", Value::Counter(applied.totals.clusters.added)),
        ("cluster_manager.cluster_modified", Value::Counter(applied.totals.clusters.modified)),
        ("cluster_manager.cluster_removed", Value::Counter(applied.totals.clusters.removed)),
        ("listener_manager.listener_added", Value::Counter(applied.totals.listeners.added)),
        ("listener_manager.listener_modified", Value::Counter(applied.totals.listeners.modified)),
        ("listener_manager.listener_removed", Value::Counter(applied.totals.listeners.removed)),
        ("listener_manager.listener_in_place_updated", Value::Counter(applied.totals.listeners_in_place)),
        ("listener_manager.listener_create_failure", Value::Counter(applied.totals.listener_failures)),
        (
            "listener_manager.listener_create_success",
            Value::Counter(applied.totals.listeners.added + applied.totals.listeners.modified),
        ),
        ("ripstop.generation", Value::Gauge(generation.id)),
        ("ripstop.access_log_lines_lost", Value::Gauge(inspector.lost_log_lines.load(Ordering::Relaxed))),
    ];
    if let Some(status) = &inspector.xds {
        let xds = status.report();
        values.push(("control_plane.connected_state", Value::Gauge(u64::from(xds.connected))));
        values.push(("ripstop.xds_rejected_total", Value::Gauge(xds.rejected)));
    }
    let by_type = inspector.updates.report().by_type;
    for (kind, success, rejected) in UPDATES {
        if let Some((accepted, refused)) = by_type.get(&kind) {
            values.push((success, Value::Counter(*accepted)));
            values.push((rejected, Value::Counter(*refused)));
        }
    }
    if let Some(mesh) = &inspector.mesh {
        let agent = mesh.agent.borrow().clone();
        values.push(("ripstop.certificates_issued", Value::Gauge(agent.issued)));
        values.push(("ripstop.certificate_renewal_failures", Value::Gauge(agent.failures.into())));
        values.push(("ripstop.certificate_alarm", Value::Gauge(agent.alarm as u64)));
        values.push(("ripstop.authority_connected", Value::Gauge(u64::from(agent.connected))));
        if let Some(left) = seconds_of_certificate(inspector) {
            values.push(("ripstop.certificate_seconds_left", Value::Gauge(left)));
        }
    }
    values
}

/// Updates of listeners and clusters, taken and refused, whether ADS or a file brought them.
const UPDATES: [(ResourceType, &str, &str); 2] = [
    (ResourceType::Cluster, "cluster_manager.cds.update_success", "cluster_manager.cds.update_rejected"),
    (ResourceType::Listener, "listener_manager.lds.update_success", "listener_manager.lds.update_rejected"),
];

/// Reads a value of a cluster.
type OfCluster = fn(&ActiveCluster) -> u64;

/// Values of clusters that follow from their present state, by the last part of the name.
const OF_CLUSTERS: &[(&str, OfCluster)] = &[
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
    ("breakers_open", |cluster| breakers_in(cluster, State::Open)),
    ("breakers_half_open", |cluster| breakers_in(cluster, State::HalfOpen)),
    ("circuit_breakers.default.cx_open", |cluster| u64::from(remaining(cluster).connections == 0)),
    ("circuit_breakers.default.rq_open", |cluster| u64::from(remaining(cluster).requests == 0)),
    ("circuit_breakers.default.rq_pending_open", |cluster| u64::from(remaining(cluster).pending == 0)),
    ("circuit_breakers.default.rq_retry_open", |cluster| u64::from(remaining(cluster).retries == 0)),
    ("circuit_breakers.high.cx_open", |cluster| u64::from(remaining_high(cluster).connections == 0)),
    ("circuit_breakers.high.rq_open", |cluster| u64::from(remaining_high(cluster).requests == 0)),
    ("circuit_breakers.high.rq_pending_open", |cluster| u64::from(remaining_high(cluster).pending == 0)),
    ("circuit_breakers.high.rq_retry_open", |cluster| u64::from(remaining_high(cluster).retries == 0)),
    // As in Envoy, zero where nobody asked for it.
    ("circuit_breakers.default.remaining_cx", |cluster| tracked(cluster).connections.into()),
    ("circuit_breakers.default.remaining_pending", |cluster| tracked(cluster).pending.into()),
    ("circuit_breakers.default.remaining_rq", |cluster| tracked(cluster).requests.into()),
    ("circuit_breakers.default.remaining_retries", |cluster| tracked(cluster).retries.into()),
    ("upstream_rq_pending_active", |cluster| cluster.lasting.limits.under_way().pending.into()),
    ("max_host_weight", |cluster| {
        cluster.hosts.entries().iter().map(|entry| u64::from(entry.endpoint.weight.get())).max().unwrap_or(0)
    }),
];

fn remaining(cluster: &ActiveCluster) -> UnderWay {
    cluster.lasting.limits.remaining()
}

fn remaining_high(cluster: &ActiveCluster) -> UnderWay {
    cluster.lasting.high_limits.remaining()
}

fn tracked(cluster: &ActiveCluster) -> UnderWay {
    let asked = cluster.config.limits.track_remaining;
    if asked { remaining(cluster) } else { UnderWay::default() }
}

/// How many circuit breakers of a cluster are in this state.
fn breakers_in(cluster: &ActiveCluster, state: State) -> u64 {
    cluster.breakers.all().filter(|breaker| breaker.state() == state).count() as u64
}

/// Reads a value of a connection manager that limits itself.
type OfGradient = fn(&GradientStatus) -> u64;

/// Values of adaptive concurrency, by the last part of the name.
const OF_GRADIENTS: &[(&str, OfGradient)] = &[
    ("burst_queue_size", |status| status.headroom.into()),
    ("concurrency_limit", |status| status.limit.into()),
    // In thousandths, as Envoy has it.
    ("gradient", |status| (status.gradient * 1000.0) as u64),
    ("min_rtt_calculation_active", |status| status.measuring.into()),
    ("min_rtt_msecs", |status| millis(status.min_rtt)),
    ("sample_rtt_msecs", |status| millis(status.sample_rtt)),
];

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The connection managers that limit themselves, by the prefix of their metrics; the first one of a prefix.
fn gradients(generation: &Generation) -> BTreeMap<Name, GradientStatus> {
    let managers = generation.listeners.values().flat_map(|listener| listener.managers());
    let mut all = BTreeMap::new();
    for manager in managers {
        if let Some(gradient) = &manager.gradient {
            all.entry(manager.config.stat_prefix.clone()).or_insert_with(|| gradient.status());
        }
    }
    all
}

/// All of it by dotted name. `endpoints`: those of every cluster as well.
pub(super) fn series(inspector: &Inspector, endpoints: bool) -> Vec<Series> {
    let mut all: Vec<Series> = plain(inspector)
        .into_iter()
        .map(|(name, value)| Series { name: name.to_owned(), value, used: true })
        .collect();
    let generation = inspector.applied.borrow().generation.clone();
    for cluster in generation.all_clusters() {
        for (name, value) in OF_CLUSTERS.iter().copied() {
            let name = format!("cluster.{}.{name}", cluster.name());
            all.push(Series { name, value: Value::Gauge(value(cluster)), used: true });
        }
        outliers::series(cluster, &mut all);
    }
    let shown = Shown::of(&generation, endpoints);
    shown.series(&mut all);
    all.push(Series { name: LEFT_OUT.to_owned(), value: Value::Gauge(shown.left_out), used: true });
    for (prefix, status) in gradients(&generation) {
        for (name, value) in OF_GRADIENTS {
            let name = format!("http.{prefix}.adaptive_concurrency.gradient_controller.{name}");
            all.push(Series { name, value: Value::Gauge(value(&status)), used: true });
        }
    }
    all
}

/// All metrics of the proxy for Prometheus. `endpoints`: those of every cluster as well.
pub(super) fn exposition(inspector: &Inspector, endpoints: bool) -> String {
    let mut out = Text::default();
    for (name, value) in plain(inspector) {
        let flat = name.replace('.', "_");
        let name = if name.starts_with("ripstop.") { flat } else { format!("envoy_{flat}") };
        match value {
            Value::Counter(value) => out.counter(&name, &[], value),
            Value::Gauge(value) => out.gauge(&name, value),
            Value::Histogram(_) => {}
        }
    }
    let generation = inspector.applied.borrow().generation.clone();
    let clusters: Vec<_> = generation.all_clusters().collect();
    for (name, value) in OF_CLUSTERS.iter().copied() {
        let values = clusters.iter().map(|cluster| (&**cluster.name(), value(cluster)));
        let name = format!("envoy_cluster_{}", name.replace('.', "_"));
        out.family(&name, "gauge", "envoy_cluster_name", values);
    }
    outliers::exposition(&clusters, &mut out);
    let shown = Shown::of(&generation, endpoints);
    shown.exposition(&mut out);
    out.gauge(&LEFT_OUT.replace('.', "_"), shown.left_out);
    let gradients = gradients(&generation);
    for (name, value) in OF_GRADIENTS {
        let values = gradients.iter().map(|(prefix, status)| (&**prefix, value(status)));
        let name = format!("envoy_http_adaptive_concurrency_gradient_controller_{name}");
        out.family(&name, "gauge", "envoy_http_conn_manager_prefix", values);
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
