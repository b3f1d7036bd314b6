//! How many connections are open, and how many may be: a count that several workers share, exact at every moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A count with a limit.
#[derive(Debug)]
pub struct ConnectionCount {
    now: AtomicU32,
    limit: AtomicU32,
}

/// Without a limit.
impl Default for ConnectionCount {
    fn default() -> ConnectionCount {
        ConnectionCount::with_limit(u32::MAX)
    }
}

/// One connection that counts until this is dropped.
#[derive(Debug)]
#[must_use = "the connection counts until this is dropped"]
pub struct Counted {
    of: Arc<ConnectionCount>,
}

impl ConnectionCount {
    /// Nothing is open yet.
    pub fn with_limit(limit: u32) -> ConnectionCount {
        ConnectionCount { now: AtomicU32::new(0), limit: AtomicU32::new(limit) }
    }

    /// A new limit. What is open above it stays.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// One more; `None`: there are as many as there may be.
    pub fn try_add(self: &Arc<Self>) -> Option<Counted> {
        let limit = self.limit.load(Ordering::Relaxed);
        let raised = |now: u32| (now < limit).then_some(now.saturating_add(1));
        let raised = self.now.fetch_update(Ordering::AcqRel, Ordering::Relaxed, raised);
        raised.is_ok().then(|| Counted { of: Arc::clone(self) })
    }

    /// How many are open.
    pub fn now(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.of.now.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_connection_is_over() {
        let count = Arc::new(ConnectionCount::with_limit(2));
        let first = count.try_add().unwrap();
        let _second = count.try_add().unwrap();
        assert!(count.try_add().is_none());
        drop(first);
        let _third = count.try_add().unwrap();
        assert_eq!(count.now(), 2);
        count.set_limit(1);
        assert!(count.try_add().is_none());
        assert_eq!(Arc::<ConnectionCount>::default().try_add().unwrap().of.now(), 1);
    }
}
