//! Rings and tables that all workers use: one is built for a list of hosts when the first worker needs it, and goes when the
//! last lets go of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::consistent::Consistent;

/// What is built and in use somewhere.
#[derive(Debug, Default)]
pub struct SharedTables(Mutex<Vec<(Fingerprint, Weak<Consistent>)>>);

/// What a table was built from, hashed twice so that two never meet by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64, u64);

impl Fingerprint {
    /// Of everything that a table depends on.
    pub fn of(parts: impl Iterator<Item = impl Hash> + Clone) -> Fingerprint {
        let hash = |seed: u64| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            parts.clone().for_each(|part| part.hash(&mut hasher));
            hasher.finish()
        };
        Fingerprint(hash(0), hash(1))
    }
}

impl SharedTables {
    /// The table with this fingerprint, built now if nobody has it. Whoever else needs the same waits for it.
    pub fn get(&self, fingerprint: Fingerprint, build: impl FnOnce() -> Consistent) -> Arc<Consistent> {
        // A table is put in when it is whole, so a panic of another builder does no harm.
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.retain(|(_, table)| table.strong_count() > 0);
        let known = tables.iter().find(|(known, _)| *known == fingerprint);
        if let Some(table) = known.and_then(|(_, table)| table.upgrade()) {
            return table;
        }
        let built = Arc::new(build());
        tables.push((fingerprint, Arc::downgrade(&built)));
        built
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Instant;

    use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, LbPolicy};

    use super::*;
    use crate::host::{HostEntry, HostSet};

    fn entries(ports: std::ops::Range<u16>) -> Vec<Arc<HostEntry>> {
        let endpoints = ports.map(|port| Endpoint::new(Address::socket([10, 0, 0, 1], port))).collect();
        let assignment = ClusterLoadAssignment::flat("c", endpoints);
        HostSet::update(None, &assignment, Instant::now()).entries().to_vec()
    }

    #[test]
    fn the_same_hosts_have_one_table_as_long_as_anybody_uses_it() {
        let tables = SharedTables::default();
        let get = |policy, ports, weight| {
            let entries = entries(ports);
            Consistent::shared(&policy, &entries, &vec![weight; entries.len()], &tables).unwrap()
        };
        let first = get(LbPolicy::RING_HASH, 1..9, 1.0);
        assert!(Arc::ptr_eq(&first, &get(LbPolicy::RING_HASH, 1..9, 1.0)), "of another generation");
        for other in [
            get(LbPolicy::MAGLEV, 1..9, 1.0),
            get(LbPolicy::RING_HASH, 1..8, 1.0),
            get(LbPolicy::RING_HASH, 1..9, 2.0),
        ] {
            assert!(!Arc::ptr_eq(&first, &other));
        }
        drop(first);
        drop(get(LbPolicy::MAGLEV, 1..3, 1.0));
        drop(get(LbPolicy::MAGLEV, 1..3, 1.0));
        assert_eq!(tables.0.lock().unwrap().len(), 1, "what nobody uses is forgotten");
    }
}
