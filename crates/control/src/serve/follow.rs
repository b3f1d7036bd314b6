//! Follows what becomes of the documents: each new world gets its number and goes to the proxies.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use super::in_force::{InForce, Pinned, Reloads};
use crate::push::Hub;
use crate::source::State;

/// The documents' states, numbered.
pub(super) struct Followed {
    states: watch::Receiver<Arc<State>>,
    pinned: Pinned,
    reloads: Arc<Reloads>,
    in_force: watch::Sender<Arc<InForce>>,
}

impl Followed {
    /// Begins with the present value of `states` as generation 1.
    pub(super) fn new(
        mut states: watch::Receiver<Arc<State>>,
        pinned: Pinned,
        reloads: Arc<Reloads>,
    ) -> Followed {
        let first = pinned.next(&states.borrow_and_update(), 1, SystemTime::now());
        Followed { states, pinned, reloads, in_force: watch::Sender::new(Arc::new(first)) }
    }

    /// What is in force, and all that will be.
    pub(super) fn in_force(&self) -> watch::Receiver<Arc<InForce>> {
        self.in_force.subscribe()
    }

    /// Follows for ever.
    pub(super) async fn run(mut self, hub: Hub) {
        while self.states.changed().await.is_ok() {
            let state = Arc::clone(&self.states.borrow_and_update());
            self.reloads.count(!state.refused.is_empty());
            let changed = self.take(&state);
            if !changed {
                continue;
            }
            let (hub, in_force) = (hub.clone(), Arc::clone(&self.in_force.borrow()));
            // Translating for many proxies takes longer than a task should hold its thread.
            if let Err(error) = tokio::task::spawn_blocking(move || hub.apply(in_force)).await {
                tracing::error!(%error, "the new configuration was not pushed to every proxy");
            }
        }
    }

    /// Says whether there is another world than before.
    fn take(&self, state: &State) -> bool {
        let before = Arc::clone(&self.in_force.borrow());
        let mut next = self.pinned.next(state, before.generation + 1, SystemTime::now());
        let changed = next.world != before.world;
        if !changed {
            next.generation = before.generation;
            next.since = before.since;
            next.world = Arc::clone(&before.world);
        }
        for warning in next.warnings.iter().filter(|warning| !before.warnings.contains(warning)) {
            if !state.warnings.contains(warning) {
                tracing::warn!("{warning}");
            }
        }
        self.in_force.send_replace(Arc::new(next));
        changed
    }
}
