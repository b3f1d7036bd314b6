//! Makes a snapshot share with an older one what is equal in both, so that it is encoded and held once.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::{Name, Snapshot};

/// Puts the resources of `old` in the place of equal ones in `new`.
pub(super) fn share(new: &mut Snapshot, old: &Snapshot) {
    share_equal(&mut new.listeners, &old.listeners);
    share_equal(&mut new.api_listeners, &old.api_listeners);
    share_equal(&mut new.routes, &old.routes);
    share_equal(&mut new.clusters, &old.clusters);
    share_equal(&mut new.endpoints, &old.endpoints);
}

fn share_equal<T: PartialEq>(new: &mut BTreeMap<Name, Arc<T>>, old: &BTreeMap<Name, Arc<T>>) {
    for (name, resource) in new {
        if let Some(same) = old.get(name).filter(|same| *same == resource) {
            *resource = Arc::clone(same);
        }
    }
}
