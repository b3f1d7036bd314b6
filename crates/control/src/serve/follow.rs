//! Brings what comes into force to the proxies, and files to what comes into force. And gives back what was needed for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ripstop_runtime::memory;
use tokio::sync::watch;

use super::InForce;
use crate::change::Changes;
use crate::push::Hub;
use crate::source::{self, Watch, WatchError};

/// Memory goes back to the kernel when nothing was pushed and no proxy has answered for this long.
const REST: Duration = Duration::from_secs(1);

/// Takes files over whenever they change, for as long as the value lives.
pub(super) fn files(paths: Vec<PathBuf>, changes: &Arc<Changes>) -> Result<Watch, WatchError> {
    let changes = Arc::downgrade(changes);
    source::follow(paths, move |paths| {
        let Some(changes) = changes.upgrade() else { return false };
        changes.files_changed(source::documents(paths));
        true
    })
}

/// Pushes each world that comes from now on in turn, for ever; of those that come while one is pushed, the newest.
pub(super) fn push(mut in_force: watch::Receiver<Arc<InForce>>, hub: Hub) -> impl Future<Output = ()> + Send {
    let pushed = Arc::clone(&in_force.borrow_and_update());
    push_after(pushed, in_force, hub)
}

async fn push_after(mut pushed: Arc<InForce>, mut in_force: watch::Receiver<Arc<InForce>>, hub: Hub) {
    while in_force.changed().await.is_ok() {
        let next = Arc::clone(&in_force.borrow_and_update());
        if next.revision == pushed.revision && Arc::ptr_eq(&next.world, &pushed.world) {
            continue;
        }
        pushed = Arc::clone(&next);
        let hub = hub.clone();
        // Translating for many proxies takes longer than a task should hold its thread.
        if let Err(error) = tokio::task::spawn_blocking(move || hub.apply(next)).await {
            tracing::error!(%error, "the new configuration was not pushed to every proxy");
        }
    }
}

/// Gives back what pushes and answers to them have needed, whenever they have come to rest, for ever. When a thousand proxies
/// connect, each needs its messages at once and none of them later.
pub(super) async fn give_memory_back(hub: Hub) {
    loop {
        hub.next_rest(REST).await;
        memory::give_back();
    }
}
