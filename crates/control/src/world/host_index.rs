//! Resources by the hosts that they are about, so that finding those for one host does not look at all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::Name;

use crate::world::host;

/// Resources by host.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HostIndex<T> {
    exact: BTreeMap<Name, Vec<Arc<T>>>,
    /// `*.suffix` and `*`.
    patterns: Vec<(Name, Arc<T>)>,
}

impl<T> Default for HostIndex<T> {
    fn default() -> HostIndex<T> {
        HostIndex { exact: BTreeMap::new(), patterns: Vec::new() }
    }
}

impl<T> HostIndex<T> {
    /// Adds a resource under a full name or a pattern.
    pub(super) fn insert(&mut self, host: Name, resource: Arc<T>) {
        match host.starts_with('*') {
            true => self.patterns.push((host, resource)),
            false => self.exact.entry(host).or_default().push(resource),
        }
    }

    /// What is about `name`, with how specific it is; of equal ones in the order in which they were added.
    pub(super) fn about(&self, name: &str) -> impl Iterator<Item = (usize, &Arc<T>)> {
        let exact = self.exact.get(name).into_iter().flatten().map(|one| (usize::MAX, one));
        let patterns = self.patterns.iter().filter(move |(pattern, _)| host::covers(pattern, name));
        exact.chain(patterns.map(|(pattern, one)| (host::specificity(pattern), one)))
    }
}
