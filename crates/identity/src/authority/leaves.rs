//! The certificates below one root that are still good: until when somebody may hold one that nobody has replaced.
//!
//! Certificates are followed one by one as long as there is room. Those from before a restart are known only by the longest
//! life that any of them was given.

use std::collections::HashMap;
use std::time::SystemTime;

/// Most certificates that are followed one by one; the end of further ones is kept in common.
pub const MAX_FOLLOWED: usize = 100_000;

/// Certificates that are good, by serial number in hexadecimal.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    ends: HashMap<String, SystemTime>,
    /// The last end of those that are not followed one by one.
    others_end: Option<SystemTime>,
}

impl Leaves {
    /// Nothing is known but that all end by then.
    pub(super) fn unknown_until(end: SystemTime) -> Self {
        Self { ends: HashMap::new(), others_end: Some(end) }
    }

    /// One was issued.
    pub(super) fn issued(&mut self, serial: &str, end: SystemTime, now: SystemTime) {
        if self.ends.len() >= MAX_FOLLOWED {
            self.ends.retain(|_, end| *end >= now);
        }
        if self.ends.len() >= MAX_FOLLOWED {
            self.others_end = self.others_end.max(Some(end));
        } else {
            self.ends.insert(serial.to_owned(), end);
        }
    }

    /// Its holder has another one now.
    pub(super) fn replaced(&mut self, serial: &str) {
        self.ends.remove(serial);
    }

    /// When the last one ends; `None`: there is none at `now`.
    pub(super) fn last_end(&self, now: SystemTime) -> Option<SystemTime> {
        self.ends.values().copied().chain(self.others_end).filter(|end| *end >= now).max()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_last_one_that_was_not_replaced_counts() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut leaves = Leaves::default();
        assert_eq!(leaves.last_end(at(0)), None);
        leaves.issued("a", at(10), at(0));
        leaves.issued("b", at(20), at(0));
        assert_eq!(leaves.last_end(at(0)), Some(at(20)));
        leaves.replaced("b");
        assert_eq!((leaves.last_end(at(10)), leaves.last_end(at(11))), (Some(at(10)), None));
        assert_eq!(Leaves::unknown_until(at(30)).last_end(at(1)), Some(at(30)));
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_forgotten_too_soon() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut leaves = Leaves::default();
        for serial in 0..MAX_FOLLOWED + 1_000 {
            leaves.issued(&serial.to_string(), at(100), at(0));
        }
        leaves.issued("late", at(200), at(0));
        assert_eq!(leaves.ends.len(), MAX_FOLLOWED);
        leaves.replaced("late");
        assert_eq!(leaves.last_end(at(0)), Some(at(200)));
        leaves.issued("later", at(300), at(150));
        assert_eq!(leaves.ends.len(), 1);
    }
}
