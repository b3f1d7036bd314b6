//! What is counted of every endpoint, where a cluster asks for it (`per_endpoint_stats`) or who looks does (`?endpoints`): by
//! Envoy's names where it has them. What clusters count as a whole is in [`super::process`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ripstop_policy::host::HostEntry;

use crate::generation::Generation;
use crate::generation::cluster::ActiveCluster;
use crate::stats::prometheus::Text;
use crate::stats::series::{Series, Value};

/// So many endpoints are shown; each makes some 15 lines.
pub(super) const MOST: usize = 10_000;

/// Reads a value of an endpoint.
type OfEndpoint = fn(&HostEntry) -> Value;

/// By the last part of the name. Envoy has the first ten.
const OF_ENDPOINTS: &[(&str, OfEndpoint)] = &[
    ("cx_connect_fail", |entry| counter(&entry.host.totals().cx_connect_fail)),
    ("cx_total", |entry| counter(&entry.host.totals().cx_total)),
    ("rq_error", |entry| counter(&entry.host.totals().rq_error)),
    ("rq_success", |entry| counter(&entry.host.totals().rq_success)),
    ("rq_timeout", |entry| counter(&entry.host.totals().rq_timeout)),
    ("rq_total", |entry| counter(&entry.host.totals().rq_total)),
    ("cx_active", |entry| Value::Gauge(entry.host.active_connections().into())),
    ("rq_active", |entry| Value::Gauge(entry.host.active_requests().into())),
    ("rq_pending_active", |entry| Value::Gauge(entry.host.pending_requests().into())),
    ("healthy", |entry| Value::Gauge(entry.is_available().into())),
    ("ejections", |entry| Value::Counter(entry.host.ejection_count().into())),
    ("weight", |entry| Value::Gauge(entry.endpoint.weight.get().into())),
    ("latency_us", |entry| {
        let latency = entry.host.latency().unwrap_or_default();
        Value::Gauge(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX))
    }),
];

fn counter(total: &std::sync::atomic::AtomicU64) -> Value {
    Value::Counter(total.load(Ordering::Relaxed))
}

/// The endpoints that are shown, and how many are left out.
pub(super) struct Shown<'g> {
    all: Vec<(&'g ActiveCluster, &'g HostEntry)>,
    /// Endpoints beyond [`MOST`].
    pub(super) left_out: u64,
}

impl<'g> Shown<'g> {
    /// `everywhere`: of all clusters, whether or not they ask for it.
    pub(super) fn of(generation: &'g Generation, everywhere: bool) -> Shown<'g> {
        let mut clusters: Vec<&Arc<ActiveCluster>> = generation
            .all_clusters()
            .filter(|cluster| everywhere || cluster.config.endpoint_metrics)
            .collect();
        clusters.sort_by(|a, b| a.name().cmp(b.name()));
        let mut shown = Shown { all: Vec::new(), left_out: 0 };
        for cluster in clusters {
            let entries = cluster.hosts.entries();
            let room = MOST - shown.all.len();
            shown.left_out += entries.len().saturating_sub(room) as u64;
            shown.all.extend(entries.iter().take(room).map(|entry| (&**cluster, &**entry)));
        }
        shown
    }

    /// By dotted name: `cluster.NAME.endpoint.127.0.0.1_80.rq_total`.
    pub(super) fn series(&self, all: &mut Vec<Series>) {
        for (cluster, entry) in &self.all {
            let address = entry.host.address().to_string().replace(':', "_");
            let place = format!("cluster.{}.endpoint.{address}", cluster.name());
            for (name, value) in OF_ENDPOINTS {
                all.push(Series { name: format!("{place}.{name}"), value: value(entry), used: true });
            }
            for (name, _, word) in states(cluster, entry) {
                all.push(Series {
                    name: format!("{place}.{name}.{word}"),
                    value: Value::Gauge(1),
                    used: true,
                });
            }
        }
    }

    /// For Prometheus: one family after the other.
    pub(super) fn exposition(&self, out: &mut Text) {
        if self.all.is_empty() {
            return;
        }
        let tags: Vec<Vec<(&str, String)>> =
            self.all.iter().map(|(cluster, entry)| tags(cluster, entry)).collect();
        for (name, value) in OF_ENDPOINTS {
            let values = self.all.iter().zip(&tags).map(|((_, entry), tags)| (tags, number(&value(entry))));
            let kind = match value(self.all[0].1) {
                Value::Counter(_) => "counter",
                Value::Gauge(_) | Value::Histogram(_) => "gauge",
            };
            out.tagged(&format!("envoy_cluster_endpoint_{name}"), kind, values);
        }
        for family in ["health_flag", "ejected", "breaker"] {
            let mut values = Vec::new();
            for ((cluster, entry), tags) in self.all.iter().zip(&tags) {
                let states = states(cluster, entry).into_iter().filter(|(name, ..)| *name == family);
                values.extend(states.map(|(_, tag, word)| {
                    (tags.iter().cloned().chain([(tag, word.to_owned())]).collect::<Vec<_>>(), 1)
                }));
            }
            let values = values.iter().map(|(tags, value)| (tags, *value));
            out.tagged(&format!("envoy_cluster_endpoint_{family}"), "gauge", values);
        }
    }
}

fn number(value: &Value) -> u64 {
    match value {
        Value::Counter(value) | Value::Gauge(value) => *value,
        Value::Histogram(_) => 0,
    }
}

fn tags(cluster: &ActiveCluster, entry: &HostEntry) -> Vec<(&'static str, String)> {
    let mut tags = vec![
        ("envoy_cluster_name", cluster.name().to_string()),
        ("envoy_endpoint_address", entry.host.address().to_string()),
    ];
    if !entry.endpoint.hostname.is_empty() {
        tags.push(("envoy_endpoint_hostname", entry.endpoint.hostname.to_string()));
    }
    tags
}

/// What is the case with an endpoint: the name of the metric, of its tag, and the word that stands there.
fn states(cluster: &ActiveCluster, entry: &HostEntry) -> Vec<(&'static str, &'static str, &'static str)> {
    let flags = entry.flags().map(|flag| ("health_flag", "flag", flag));
    let ejected = entry.host.ejection().map(|ejection| ("ejected", "reason", ejection.reason.as_str()));
    let breaker = cluster.breaker_of(entry.host.address());
    let breaker = breaker.map(|breaker| ("breaker", "state", breaker.state().as_str()));
    flags.chain(ejected).chain(breaker).collect()
}
