//! Whether a process can do its work yet, and if not, what it waits for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Ready when nothing is waited for any more. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    waiting: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Readiness {
    /// Not ready until every one of these has been [`Readiness::done`].
    pub fn waiting_for(what: &[&'static str]) -> Readiness {
        Readiness { waiting: Arc::new(Mutex::new(what.iter().copied().collect())) }
    }

    /// `what` need not be waited for any longer.
    pub fn done(&self, what: &'static str) {
        self.lock().remove(what);
    }

    /// `what` has to be waited for (again), for instance while draining.
    pub fn wait(&self, what: &'static str) {
        self.lock().insert(what);
    }

    /// What is still waited for. Empty: ready.
    pub fn missing(&self) -> Vec<&'static str> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        // A set of words cannot be left half-changed by a panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_all_is_done() {
        let ready = Readiness::waiting_for(&["certificate", "configuration"]);
        ready.done("certificate");
        assert_eq!(ready.missing(), ["configuration"]);
        ready.done("configuration");
        assert!(ready.missing().is_empty());
        ready.wait("drain");
        assert_eq!(ready.clone().missing(), ["drain"]);
    }
}
