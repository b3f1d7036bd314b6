//! Every value that is counted, by its dotted name, as Envoy's `/stats` has them. How Prometheus gets them is
//! [`super::prometheus`].

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::Name;

use super::cell::StatusCounts;
use super::cluster::ClusterStats;
use super::connection_text::{
    CONNECTION_LIMIT, ConnectionTables, INSPECTORS, PROXY_PROTOCOL, RATE_LIMIT, RBAC, TCP,
};
use super::fault;
use super::grpc;
use super::health::HEALTH;
use super::histogram::{Histogram, Merged};
use super::per_worker::PerWorker;
use super::prometheus::{CLUSTER, Field, HTTP, Kind, LISTENER};
use super::registry::Tables;

/// One value by its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// For instance `cluster.shop.upstream_rq_total`.
    pub name: String,
    /// Its value now.
    pub value: Value,
    /// Whether anything was ever counted here, as far as can be told.
    pub used: bool,
}

/// A value by its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// It only grows.
    Counter(u64),
    /// It comes and goes.
    Gauge(u64),
    /// Durations by bucket.
    Histogram(Box<Merged>),
}

/// Everything in `tables`, in the order of the names.
pub fn of_tables(tables: &Tables) -> Vec<Series> {
    let mut all = Vec::new();
    scope(&mut all, "cluster", &tables.clusters, CLUSTER, |block, out| {
        statuses(block, "upstream_rq", true, |s| &s.rq_status, out);
        times(block, "upstream_rq_time", |s| &s.rq_time, out);
        times(block, "upstream_cx_connect_ms", |s| &s.cx_connect_ms, out);
        times(block, "upstream_cx_length_ms", |s| &s.cx_length_ms, out);
        calls(block, out);
    });
    scope(&mut all, "cluster", &tables.health, &HEALTH, |_, _| {});
    scope(&mut all, "http", &tables.http, HTTP, |block, out| {
        for (caller, faults) in fault::by_caller(block, |s| &s.faults) {
            let name = |counter: &str| format!("fault.{caller}.{counter}");
            out.extend(faults.counters().map(|(counter, count)| (name(counter), Value::Counter(count))));
        }
        statuses(block, "downstream_rq", false, |s| &s.rq_status, out);
        times(block, "downstream_rq_time", |s| &s.rq_time, out);
        times(block, "downstream_cx_length_ms", |s| &s.cx_length_ms, out);
    });
    scope(&mut all, "listener", &tables.listeners, LISTENER, |block, out| {
        times(block, "downstream_cx_length_ms", |s| &s.cx_length_ms, out);
        for (worker, of) in block.by_worker() {
            let name = |what: &str| format!("worker_{worker}.downstream_cx_{what}");
            out.push((name("active"), Value::Gauge(of.map_or(0, |s| s.cx_active.get()))));
            out.push((name("total"), Value::Counter(of.map_or(0, |s| s.cx_total.get()))));
        }
    });
    let connections = &tables.connections;
    scope(&mut all, "tcp", &connections.tcp, &TCP, |_, _| {});
    scope(&mut all, "connection_limit", &connections.connection_limit, &CONNECTION_LIMIT, |_, _| {});
    scope(&mut all, "local_rate_limit", &connections.rate_limit, &RATE_LIMIT, |_, _| {});
    scope(&mut all, "rbac", &connections.rbac, &RBAC, |_, _| {});
    inspectors(&mut all, connections);
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// What listener filters count; some of it for all listeners together, and so without a name in the middle.
fn inspectors(all: &mut Vec<Series>, tables: &ConnectionTables) {
    let mut push = |name: String, value: u64| {
        all.push(Series { name, value: Value::Counter(value), used: value > 0 });
    };
    for block in tables.inspectors.values() {
        for (name, _, cell) in &INSPECTORS {
            let dotted = name.replacen("inspector_", "inspector.", 1);
            push(dotted, block.sum(|s| cell(s).get()));
        }
    }
    for (prefix, block) in &tables.proxy_protocol {
        for (name, version, cell) in &PROXY_PROTOCOL {
            let parts =
                ["proxy_proto", &**prefix, if version.is_empty() { "" } else { "versions" }, version, name];
            let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            let dotted = parts.join(".").replace("versions.", "versions.v");
            push(dotted, block.sum(|s| cell(s).get()));
        }
    }
}

/// Values of one block, by the last part of their names.
type Part = Vec<(String, Value)>;

fn scope<T: Default>(
    all: &mut Vec<Series>,
    kind: &str,
    blocks: &BTreeMap<Name, Arc<PerWorker<T>>>,
    fields: &[Field<T>],
    more: impl Fn(&PerWorker<T>, &mut Part),
) {
    for (label, block) in blocks {
        let mut part: Part = Vec::with_capacity(fields.len() + 8);
        for (name, kind, cell) in fields {
            let sum = block.sum(|s| cell(s).get());
            part.push(match kind {
                Kind::Counter => ((*name).to_owned(), Value::Counter(sum)),
                Kind::Gauge => ((*name).to_owned(), Value::Gauge(sum)),
            });
        }
        more(block, &mut part);
        let is_used = part.iter().any(|(_, value)| matches!(value, Value::Counter(1..)));
        all.extend(part.into_iter().map(|(name, value)| {
            let used = match &value {
                Value::Counter(count) => *count > 0,
                // That a gauge was raised and fell again shows in the counters beside it.
                Value::Gauge(value) => *value > 0 || is_used,
                Value::Histogram(merged) => merged.count() > 0,
            };
            Series { name: format!("{kind}.{label}.{name}"), value, used }
        }));
    }
}

/// Calls of gRPC: `grpc.SERVICE.METHOD.total` and so on, without the names where methods share counters.
fn calls(block: &PerWorker<ClusterStats>, out: &mut Part) {
    for (name, sums) in grpc::sums(block, |s| &s.grpc) {
        let prefix = match name.service.is_empty() {
            true => "grpc".to_owned(),
            false => format!("grpc.{}.{}", name.service, name.method),
        };
        let counters = sums.counters().into_iter();
        out.extend(counters.map(|(counter, count)| (format!("{prefix}.{counter}"), Value::Counter(count))));
        if let Some(time) = sums.upstream_time() {
            out.push((format!("{prefix}.upstream_rq_time"), Value::Histogram(Box::new(time.clone()))));
        }
    }
}

/// `by_code`: whether every status has a counter of its own besides that of its class.
fn statuses<T: Default>(
    block: &PerWorker<T>,
    name: &str,
    by_code: bool,
    counts: impl Fn(&T) -> &StatusCounts,
    out: &mut Part,
) {
    let mut codes = BTreeMap::<u16, u64>::new();
    for (code, count) in block.iter().flat_map(|s| counts(s).counts()) {
        *codes.entry(code).or_default() += count;
    }
    let mut classes = [0u64; 6];
    for (code, count) in &codes {
        classes[usize::from(code / 100).min(5)] += count;
        if by_code && *code > 0 {
            out.push((format!("{name}_{code}"), Value::Counter(*count)));
        }
    }
    for (class, count) in classes.iter().enumerate().skip(1) {
        // Envoy has those of the manager from the beginning, and those of a cluster when there is one to count.
        if !by_code || *count > 0 {
            out.push((format!("{name}_{class}xx"), Value::Counter(*count)));
        }
    }
    out.push((format!("{name}_completed"), Value::Counter(codes.values().sum())));
}

fn times<T: Default>(block: &PerWorker<T>, name: &str, histogram: impl Fn(&T) -> &Histogram, out: &mut Part) {
    let mut merged = Merged::default();
    block.iter().for_each(|s| histogram(s).merge_into(&mut merged));
    out.push((name.to_owned(), Value::Histogram(Box::new(merged))));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::stats::registry::Registry;
    use std::time::Duration;

    #[test]
    fn names_are_envoys() {
        let registry = Registry::new(2);
        let cluster = registry.cluster(&"a".into());
        for worker in 0..2 {
            cluster.of(worker).rq_total.inc();
            cluster.of(worker).rq_status.inc(503);
            cluster.of(worker).rq_time.record(Duration::from_millis(3));
        }
        let http = registry.http(&"in".into());
        let all = of_tables(&registry.tables());
        let find = |name: &str| all.iter().find(|series| series.name == name).unwrap();
        assert_eq!(find("cluster.a.upstream_rq_total").value, Value::Counter(2));
        assert_eq!(find("cluster.a.upstream_rq_503").value, Value::Counter(2));
        assert_eq!(find("cluster.a.upstream_rq_5xx").value, Value::Counter(2));
        assert_eq!(find("cluster.a.upstream_rq_completed").value, Value::Counter(2));
        assert!(find("cluster.a.upstream_rq_active").used);
        let Value::Histogram(times) = &find("cluster.a.upstream_rq_time").value else { panic!() };
        assert_eq!(times.count(), 2);
        assert_eq!(find("http.in.downstream_rq_2xx").value, Value::Counter(0));
        assert!(!find("http.in.downstream_rq_active").used);
        drop(http);
    }
}
