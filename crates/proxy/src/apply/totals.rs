//! How many listeners and clusters came, changed and went, by Envoy's names.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::Name;

use crate::generation::Generation;

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Listeners.
    pub listeners: Changes,
    /// Of the listeners that changed, those that kept connections because only some chains did.
    pub listeners_in_place: u64,
    /// Listeners that could not be put in force.
    pub listener_failures: u64,
    /// Clusters.
    pub clusters: Changes,
}

/// What became of resources of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// They are new.
    pub added: u64,
    /// They are others than before.
    pub modified: u64,
    /// They are gone.
    pub removed: u64,
}

impl Totals {
    /// Counts what has changed from one generation to the next.
    pub fn count(&mut self, before: &Generation, after: &Generation) {
        self.listeners.count(&before.listeners, &after.listeners);
        let changed =
            after.listeners.iter().filter_map(|(name, next)| Some((before.listeners.get(name)?, next)));
        let in_place = changed.filter(|(old, next)| !Arc::ptr_eq(old, next) && next.chains_of(old).is_some());
        self.listeners_in_place += in_place.count() as u64;
        let by_name = |generation: &Generation| {
            generation
                .all_clusters()
                .map(|cluster| (cluster.name().clone(), cluster.config.clone()))
                .collect()
        };
        self.clusters.count(&by_name(before), &by_name(after));
    }
}

impl Changes {
    fn count<T>(&mut self, before: &BTreeMap<Name, Arc<T>>, after: &BTreeMap<Name, Arc<T>>) {
        for (name, next) in after {
            match before.get(name) {
                None => self.added += 1,
                Some(old) if !Arc::ptr_eq(old, next) => self.modified += 1,
                Some(_) => {}
            }
        }
        self.removed += before.keys().filter(|name| !after.contains_key(*name)).count() as u64;
    }
}
