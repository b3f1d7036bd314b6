//! All blocks of cells by name. A name is forgotten when no configuration uses it any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ripstop_model::Name;

use super::cluster::ClusterStats;
use super::connection::{
    ConnectionLimitStats, InspectorStats, ProxyProtocolStats, RateLimitStats, RbacStats, TcpStats,
};
use super::connection_text::ConnectionTables;
use super::connection_text::TCP;
use super::health::{HEALTH, HealthStats};
use super::http::HttpStats;
use super::listener::ListenerStats;
use super::per_worker::PerWorker;
use super::prometheus::{CLUSTER, Field, HTTP, Kind, LISTENER};

/// Every block there is. Only configuration changes and scrapes lock it, never a request.
#[derive(Debug)]
pub struct Registry {
    workers: usize,
    tables: Mutex<Tables>,
}

/// The blocks by kind and name.
#[derive(Debug, Default)]
pub struct Tables {
    /// By cluster name.
    pub clusters: BTreeMap<Name, Arc<PerWorker<ClusterStats>>>,
    /// Of health checks, by cluster name.
    pub health: BTreeMap<Name, Arc<PerWorker<HealthStats>>>,
    /// By stat prefix.
    pub http: BTreeMap<Name, Arc<PerWorker<HttpStats>>>,
    /// By address, as Envoy writes it: `127.0.0.1_80`.
    pub listeners: BTreeMap<Name, Arc<PerWorker<ListenerStats>>>,
    /// Of listener filters and network filters.
    pub connections: ConnectionTables,
}

impl Registry {
    /// An empty registry for so many workers.
    pub fn new(workers: usize) -> Registry {
        Registry { workers, tables: Mutex::default() }
    }

    /// How many workers count.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The block of a cluster.
    pub fn cluster(&self, name: &Name) -> Arc<PerWorker<ClusterStats>> {
        block(&mut self.tables().clusters, name, self.workers)
    }

    /// The block of the health checks of a cluster. The control thread alone writes it.
    pub fn health(&self, name: &Name) -> Arc<PerWorker<HealthStats>> {
        block(&mut self.tables().health, name, 1)
    }

    /// Sets the counters of health checks to nothing. It is called by the control thread, which alone writes them.
    pub fn reset_health_counters(&self) {
        for block in self.tables().health.values().filter_map(|block| block.get(0)) {
            reset(&HEALTH, block);
        }
    }

    /// The block of a connection manager.
    pub fn http(&self, stat_prefix: &Name) -> Arc<PerWorker<HttpStats>> {
        block(&mut self.tables().http, stat_prefix, self.workers)
    }

    /// The block of a listener.
    pub fn listener(&self, address: &str) -> Arc<PerWorker<ListenerStats>> {
        block(&mut self.tables().listeners, &address.replace(':', "_").into(), self.workers)
    }

    /// The block of all inspectors.
    pub fn inspectors(&self) -> Arc<PerWorker<InspectorStats>> {
        block(&mut self.tables().connections.inspectors, &Name::from(""), self.workers)
    }

    /// The block of a PROXY protocol filter.
    pub fn proxy_protocol(&self, stat_prefix: &Name) -> Arc<PerWorker<ProxyProtocolStats>> {
        block(&mut self.tables().connections.proxy_protocol, stat_prefix, self.workers)
    }

    /// The block of a TCP proxy.
    pub fn tcp(&self, stat_prefix: &Name) -> Arc<PerWorker<TcpStats>> {
        block(&mut self.tables().connections.tcp, stat_prefix, self.workers)
    }

    /// The block of a connection limit.
    pub fn connection_limit(&self, stat_prefix: &Name) -> Arc<PerWorker<ConnectionLimitStats>> {
        block(&mut self.tables().connections.connection_limit, stat_prefix, self.workers)
    }

    /// The block of a local rate limit.
    pub fn rate_limit(&self, stat_prefix: &Name) -> Arc<PerWorker<RateLimitStats>> {
        block(&mut self.tables().connections.rate_limit, stat_prefix, self.workers)
    }

    /// The block of network RBAC.
    pub fn rbac(&self, stat_prefix: &Name) -> Arc<PerWorker<RbacStats>> {
        block(&mut self.tables().connections.rbac, stat_prefix, self.workers)
    }

    /// Sets the counters of `worker` to nothing. It is called by that worker, which alone writes them.
    pub fn reset_counters(&self, worker: usize) {
        let tables = self.tables();
        for block in tables.clusters.values().filter_map(|block| block.get(worker)) {
            reset(CLUSTER, block);
            block.rq_status.reset();
            block.grpc.reset();
        }
        for block in tables.http.values().filter_map(|block| block.get(worker)) {
            reset(HTTP, block);
            block.rq_status.reset();
            block.faults.reset_callers();
        }
        for block in tables.listeners.values().filter_map(|block| block.get(worker)) {
            reset(LISTENER, block);
        }
        for block in tables.connections.tcp.values().filter_map(|block| block.get(worker)) {
            reset(&TCP, block);
        }
    }

    /// Forgets the blocks that nobody but the registry holds.
    pub fn forget_unused(&self) {
        let mut tables = self.tables();
        tables.clusters.retain(|_, block| Arc::strong_count(block) > 1);
        tables.health.retain(|_, block| Arc::strong_count(block) > 1);
        tables.http.retain(|_, block| Arc::strong_count(block) > 1);
        tables.listeners.retain(|_, block| Arc::strong_count(block) > 1);
        tables.connections.forget_unused();
    }

    /// The blocks, for a scrape.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        // Maps of handles are whole after a panic elsewhere.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reset<T>(fields: &[Field<T>], block: &T) {
    for (_, _, cell) in fields.iter().filter(|(_, kind, _)| *kind == Kind::Counter) {
        cell(block).reset();
    }
}

fn block<T: Default>(
    table: &mut BTreeMap<Name, Arc<PerWorker<T>>>,
    name: &Name,
    workers: usize,
) -> Arc<PerWorker<T>> {
    table.entry(name.clone()).or_insert_with(|| Arc::new(PerWorker::new(workers))).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_lives_as_long_as_it_is_used() {
        let registry = Registry::new(2);
        let cluster = registry.cluster(&"a".into());
        cluster.of(0).rq_total.inc();
        registry.cluster(&"a".into()).of(1).rq_total.inc();
        assert_eq!(cluster.sum(|c| c.rq_total.get()), 2);
        registry.forget_unused();
        assert_eq!(registry.tables().clusters.len(), 1);
        drop(cluster);
        registry.forget_unused();
        assert!(registry.tables().clusters.is_empty());
    }
}
