//! Numbers for cluster names, so that a request finds its cluster by index and a change of endpoints does
//! not touch the route tables.

use std::collections::HashMap;
use std::sync::Arc;

use ripstop_model::Name;

/// The number of a cluster name, for as long as anybody holds it.
#[derive(Debug, PartialEq, Eq)]
pub struct ClusterSlot {
    name: Name,
    index: usize,
}

impl ClusterSlot {
    /// The name of the cluster.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The place of the cluster in [`super::Generation::clusters`].
    pub fn index(&self) -> usize {
        self.index
    }
}

/// Hands out slots. The number of a name that nobody holds any more is used again.
#[derive(Debug, Default)]
pub struct ClusterSlots {
    by_name: HashMap<Name, Arc<ClusterSlot>>,
    free: Vec<usize>,
    len: usize,
}

impl ClusterSlots {
    /// The slot of a name.
    pub fn of(&mut self, name: &Name) -> Arc<ClusterSlot> {
        if let Some(slot) = self.by_name.get(name) {
            return slot.clone();
        }
        let index = self.free.pop().unwrap_or(self.len);
        self.len = self.len.max(index + 1);
        let slot = Arc::new(ClusterSlot { name: name.clone(), index });
        self.by_name.insert(name.clone(), slot.clone());
        slot
    }

    /// One more than the highest number ever in use at once.
    pub fn end(&self) -> usize {
        self.len
    }

    /// Takes back the numbers that only the table itself still holds.
    pub fn forget_unused(&mut self) {
        self.by_name.retain(|_, slot| {
            let used = Arc::strong_count(slot) > 1;
            if !used {
                self.free.push(slot.index);
            }
            used
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_used_again_only_when_nobody_holds_it() {
        let mut slots = ClusterSlots::default();
        let a = slots.of(&"a".into());
        let b = slots.of(&"b".into());
        assert_eq!((a.index(), b.index(), slots.end()), (0, 1, 2));
        assert_eq!(slots.of(&"a".into()), a);
        drop(a);
        slots.forget_unused();
        let c = slots.of(&"c".into());
        assert_eq!(c.index(), 0);
        assert_ne!(slots.of(&"a".into()).index(), c.index());
    }
}
