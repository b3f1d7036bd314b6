//! Calls of gRPC to one cluster by method (Envoy's `cluster.<name>.grpc.*`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ripstop_model::Name;

use super::cell::Cell;
use super::histogram::{Histogram, Merged};
use super::per_worker::PerWorker;
use super::prometheus::Text;

/// Methods of one cluster that have counters of their own in one worker; what further ones do is counted without a name.
pub const MAX_METHODS: usize = 256;

/// Statuses that have names in gRPC; all others share a counter.
const STATUSES: usize = 17;

/// A service and a method of it; both empty: all that have no counters of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MethodName {
    /// With its package.
    pub service: Name,
    /// Without it.
    pub method: Name,
}

/// What is counted for one method in one worker.
#[derive(Debug, Default)]
pub struct MethodStats {
    statuses: [Cell; STATUSES + 1],
    /// Messages from clients.
    pub request_messages: Cell,
    /// Messages to clients.
    pub response_messages: Cell,
    /// From the end of a request to the end of its answer, where that is wanted.
    pub upstream_time: Histogram,
}

/// The methods of one cluster in one worker. The lock is the worker's alone but for scrapes.
#[derive(Debug, Default)]
pub struct GrpcStats(Mutex<BTreeMap<MethodName, Arc<MethodStats>>>);

impl GrpcStats {
    /// The cells of a method.
    pub fn of(&self, name: &MethodName) -> Arc<MethodStats> {
        let mut methods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = methods.get(name) {
            return found.clone();
        }
        let name = if methods.len() < MAX_METHODS { name.clone() } else { MethodName::default() };
        methods.entry(name).or_default().clone()
    }
}

impl GrpcStats {
    /// Begins again at nothing. For the worker that owns the cells.
    pub fn reset(&self) {
        for stats in self.0.lock().unwrap_or_else(PoisonError::into_inner).values() {
            stats
                .statuses
                .iter()
                .chain([&stats.request_messages, &stats.response_messages])
                .for_each(Cell::reset);
        }
    }
}

impl MethodStats {
    /// A call has ended.
    pub fn ended(&self, status: u32) {
        let place = usize::try_from(status).unwrap_or(STATUSES).min(STATUSES);
        self.statuses[place].inc();
    }
}

/// The sums of a method over all workers.
#[derive(Default)]
pub struct MethodSums {
    statuses: [u64; STATUSES + 1],
    request_messages: u64,
    response_messages: u64,
    upstream_time: Merged,
}

impl MethodSums {
    fn add(&mut self, stats: &MethodStats) {
        for (sum, cell) in self.statuses.iter_mut().zip(&stats.statuses) {
            *sum += cell.get();
        }
        self.request_messages += stats.request_messages.get();
        self.response_messages += stats.response_messages.get();
        stats.upstream_time.merge_into(&mut self.upstream_time);
    }

    /// Every counter by the last part of its name; those that never counted are left out, as with Envoy.
    pub fn counters(&self) -> Vec<(String, u64)> {
        let total: u64 = self.statuses.iter().sum();
        let mut all: Vec<(String, u64)> = self
            .statuses
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(status, count)| {
                (if status < STATUSES { status.to_string() } else { "other".to_owned() }, *count)
            })
            .collect();
        all.push(("success".to_owned(), self.statuses[0]));
        all.push(("failure".to_owned(), total - self.statuses[0]));
        all.push(("total".to_owned(), total));
        all.push(("request_message_count".to_owned(), self.request_messages));
        all.push(("response_message_count".to_owned(), self.response_messages));
        all.retain(|(_, count)| *count > 0);
        all
    }

    /// How long calls took, if that was measured.
    pub fn upstream_time(&self) -> Option<&Merged> {
        (self.upstream_time.count() > 0).then_some(&self.upstream_time)
    }
}

/// The methods of a cluster, summed up over its workers.
pub fn sums<T: Default>(
    block: &PerWorker<T>,
    of: impl Fn(&T) -> &GrpcStats,
) -> BTreeMap<MethodName, MethodSums> {
    let mut sums = BTreeMap::<MethodName, MethodSums>::new();
    for worker in block.iter() {
        let methods = of(worker).0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, stats) in methods.iter() {
            sums.entry(name.clone()).or_default().add(stats);
        }
    }
    sums
}

impl Text {
    /// The calls to clusters, by service and method.
    pub(super) fn grpc<T: Default>(&mut self, clusters: &[(&str, &PerWorker<T>)], of: fn(&T) -> &GrpcStats) {
        for (cluster, block) in clusters {
            for (MethodName { service, method }, sums) in sums(block, of) {
                let tags = [
                    ("envoy_cluster_name", *cluster),
                    ("envoy_grpc_bridge_service", &*service),
                    ("envoy_grpc_bridge_method", &*method),
                ];
                for (name, count) in sums.counters() {
                    self.counter(&format!("envoy_cluster_grpc_{name}"), &tags, count);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_counters_of_their_own_until_they_run_out() {
        let block = PerWorker::<GrpcStats>::new(2);
        let name = |number: usize| MethodName { service: "s".into(), method: format!("m{number}").into() };
        for worker in 0..2 {
            for number in 0..MAX_METHODS + 5 {
                block.of(worker).of(&name(number)).ended(if number == 0 { 5 } else { 0 });
            }
        }
        let sums = sums(&block, |stats| stats);
        assert_eq!(sums.len(), MAX_METHODS + 1);
        let count = |name: &MethodName, of: &str| {
            sums[name].counters().into_iter().find(|(known, _)| known == of).unwrap().1
        };
        assert_eq!(count(&name(0), "5"), 2);
        assert_eq!(count(&name(0), "failure"), 2);
        assert_eq!(count(&name(1), "success"), 2);
        assert_eq!(count(&MethodName::default(), "total"), 10);
    }
}
