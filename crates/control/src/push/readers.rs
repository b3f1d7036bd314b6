//! Which proxies call a host, so that a change of its instances concerns nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ripstop_model::Name;
use ripstop_xds::{EncodedSnapshot, ResourceType};

use crate::translate::{ProxyRef, names};

/// Proxies by the hosts that they have clusters of.
#[derive(Debug, Default)]
pub(super) struct Readers(BTreeMap<Name, BTreeSet<Arc<ProxyRef>>>);

impl Readers {
    /// Those that call `host`.
    pub(super) fn of(&self, host: &str) -> impl Iterator<Item = &Arc<ProxyRef>> {
        self.0.get(host).into_iter().flatten()
    }

    /// A proxy has another snapshot, its first one, or none any more.
    pub(super) fn replace(
        &mut self,
        proxy: &Arc<ProxyRef>,
        before: Option<&EncodedSnapshot>,
        after: Option<&EncodedSnapshot>,
    ) {
        let clusters = |snapshot: &EncodedSnapshot| snapshot.of(ResourceType::Cluster).names_hash();
        if before.map(clusters) == after.map(clusters) {
            return;
        }
        let (before, after) = (before.map(hosts).unwrap_or_default(), after.map(hosts).unwrap_or_default());
        for host in before.difference(&after) {
            if let Some(readers) = self.0.get_mut(*host) {
                readers.remove(proxy);
                if readers.is_empty() {
                    self.0.remove(*host);
                }
            }
        }
        for host in after.difference(&before) {
            match self.0.get_mut(*host) {
                Some(readers) => drop(readers.insert(Arc::clone(proxy))),
                None => drop(self.0.insert(Name::from(*host), BTreeSet::from([Arc::clone(proxy)]))),
            }
        }
    }
}

fn hosts(snapshot: &EncodedSnapshot) -> BTreeSet<&str> {
    let clusters = &snapshot.of(ResourceType::Cluster).resources;
    clusters.keys().filter_map(|name| names::host_of(name)).collect()
}
