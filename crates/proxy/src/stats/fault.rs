//! Faults that were made up (Envoy's `http.<stat_prefix>.fault.*`), in all and by the service that called.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::cell::Cell;
use super::per_worker::PerWorker;
use super::prometheus::Text;

/// Callers that have counters of their own in one worker; faults of further ones are counted in all only. Who calls is said by
/// a header, which anybody may send.
pub const MAX_CALLERS: usize = 256;

/// What is counted in one worker.
#[derive(Debug, Default)]
pub struct FaultStats {
    /// Requests that were answered with a fault.
    pub aborts: Cell,
    /// Requests that were kept waiting.
    pub delays: Cell,
    /// Answers that were slowed down.
    pub answers_slowed: Cell,
    /// Faults that were left out because there were too many at once.
    pub overflow: Cell,
    /// Requests under a fault at the moment.
    pub active: Cell,
    /// The lock is the worker's alone but for scrapes.
    callers: Mutex<BTreeMap<String, CallerFaults>>,
}

/// Faults of one caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerFaults {
    /// Requests that were answered with a fault.
    pub aborts: u64,
    /// Requests that were kept waiting.
    pub delays: u64,
}

impl FaultStats {
    /// A request is answered with a fault.
    pub fn aborted(&self, caller: Option<&str>) {
        self.aborts.inc();
        self.count(caller, |faults| faults.aborts += 1);
    }

    /// A request is kept waiting.
    pub fn delayed(&self, caller: Option<&str>) {
        self.delays.inc();
        self.count(caller, |faults| faults.delays += 1);
    }

    fn count(&self, caller: Option<&str>, change: impl FnOnce(&mut CallerFaults)) {
        let Some(caller) = caller else { return };
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(faults) = callers.get_mut(caller) {
            change(faults);
        } else if callers.len() < MAX_CALLERS {
            change(callers.entry(caller.to_owned()).or_default());
        }
    }

    /// Begins again at nothing, for callers; the cells are reset with the others.
    pub fn reset_callers(&self) {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The faults of each caller, summed up over all workers.
pub fn by_caller<T: Default>(
    block: &PerWorker<T>,
    of: impl Fn(&T) -> &FaultStats,
) -> BTreeMap<String, CallerFaults> {
    let mut sums = BTreeMap::<String, CallerFaults>::new();
    for worker in block.iter() {
        let callers = of(worker).callers.lock().unwrap_or_else(PoisonError::into_inner);
        for (caller, faults) in callers.iter() {
            let sum = sums.entry(caller.clone()).or_default();
            sum.aborts += faults.aborts;
            sum.delays += faults.delays;
        }
    }
    sums
}

impl CallerFaults {
    /// Every counter that has counted, by the last part of its name.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = [("aborts_injected", self.aborts), ("delays_injected", self.delays)];
        all.into_iter().filter(|(_, count)| *count > 0)
    }
}

impl Text {
    /// Faults of callers, by connection manager.
    pub(super) fn faults<T: Default>(
        &mut self,
        managers: &[(&str, &PerWorker<T>)],
        of: fn(&T) -> &FaultStats,
    ) {
        for (manager, block) in managers {
            for (caller, faults) in by_caller(block, of) {
                let tags = [
                    ("envoy_fault_downstream_cluster", caller.as_str()),
                    ("envoy_http_conn_manager_prefix", *manager),
                ];
                for (name, count) in faults.counters() {
                    self.counter(&format!("envoy_http_fault_{name}"), &tags, count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_have_counters_of_their_own_until_they_run_out() {
        let block = PerWorker::<FaultStats>::new(2);
        for worker in 0..2 {
            for number in 0..MAX_CALLERS + 5 {
                block.of(worker).delayed(Some(&format!("c{number}")));
            }
            block.of(worker).aborted(Some("c0"));
            block.of(worker).aborted(None);
        }
        let callers = by_caller(&block, |stats| stats);
        assert_eq!(callers.len(), MAX_CALLERS);
        assert_eq!(callers["c0"], CallerFaults { aborts: 2, delays: 2 });
        assert_eq!(block.sum(|stats| stats.aborts.get()), 4);
        block.iter().for_each(FaultStats::reset_callers);
        assert!(by_caller(&block, |stats| stats).is_empty());
    }
}
