//! A bounded in-memory store of numbered entries. It knows nothing of HTTP, and nothing in it survives the process.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Entries by number. Numbers start at 1, grow, and are not given twice.
#[derive(Debug)]
pub struct Store<T> {
    capacity: usize,
    rows: Mutex<Rows<T>>,
}

#[derive(Debug)]
struct Rows<T> {
    last_id: u64,
    by_id: BTreeMap<u64, T>,
}

/// The store holds as many entries as it may.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the store is full: it holds at most {capacity} entries; delete some first")]
pub struct StoreFull {
    /// How many entries the store may hold.
    pub capacity: usize,
}

impl<T: Clone> Store<T> {
    /// A store of at most `capacity` entries, filled with the first of `entries`.
    #[must_use]
    pub fn new(capacity: usize, entries: impl IntoIterator<Item = T>) -> Self {
        let by_id: BTreeMap<u64, T> = (1..).zip(entries.into_iter().take(capacity)).collect();
        let last_id = by_id.len() as u64;
        Self { capacity, rows: Mutex::new(Rows { last_id, by_id }) }
    }

    /// All entries, ordered by number.
    #[must_use]
    pub fn list(&self) -> Vec<(u64, T)> {
        self.rows().by_id.iter().map(|(id, entry)| (*id, entry.clone())).collect()
    }

    /// The entry with this number.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<T> {
        self.rows().by_id.get(&id).cloned()
    }

    /// Adds an entry and answers its number.
    ///
    /// # Errors
    /// When the store is full.
    pub fn insert(&self, entry: T) -> Result<u64, StoreFull> {
        let mut rows = self.rows();
        if rows.by_id.len() >= self.capacity {
            return Err(StoreFull { capacity: self.capacity });
        }
        rows.last_id += 1;
        let id = rows.last_id;
        rows.by_id.insert(id, entry);
        Ok(id)
    }

    /// Puts `entry` in the place of an existing one; answers whether there was one.
    pub fn replace(&self, id: u64, entry: T) -> bool {
        match self.rows().by_id.get_mut(&id) {
            Some(place) => {
                *place = entry;
                true
            }
            None => false,
        }
    }

    /// Removes an entry; answers whether there was one.
    pub fn remove(&self, id: u64) -> bool {
        self.rows().by_id.remove(&id).is_some()
    }

    /// No operation leaves the rows half changed, so a lock poisoned by a panic elsewhere is still good.
    fn rows(&self) -> MutexGuard<'_, Rows<T>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_and_go_under_numbers_that_are_not_reused() {
        let store = Store::new(3, ["a", "b"]);
        assert_eq!(store.insert("c"), Ok(3));
        assert!(store.remove(3));
        assert!(!store.remove(3));
        assert_eq!(store.insert("d"), Ok(4));
        assert!(store.replace(1, "A"));
        assert!(!store.replace(3, "C"));
        assert_eq!(store.get(1), Some("A"));
        assert_eq!(store.list(), [(1, "A"), (2, "b"), (4, "d")]);
    }

    #[test]
    fn a_full_store_refuses_more() {
        let store = Store::new(1, ["a", "b"]);
        assert_eq!(store.list().len(), 1);
        assert_eq!(store.insert("c"), Err(StoreFull { capacity: 1 }));
        assert!(store.remove(1));
        assert_eq!(store.insert("c").unwrap(), 2);
    }
}
