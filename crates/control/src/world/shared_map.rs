//! A sorted map whose copies share what is the same in both: copying it, and then changing one entry, costs a pointer for
//! each hundred entries and the copy of one hundred. What differs between two copies is found without looking at what they
//! share. It is as fast as a sorted list to read.

use std::sync::Arc;

/// Most entries of a piece; a piece that has more becomes two.
const MAX_PIECE: usize = 128;

/// Entries in order, in pieces. No piece is empty.
#[derive(Clone, Debug)]
pub(super) struct SharedMap<K, V> {
    pieces: Vec<Arc<Vec<(K, V)>>>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> SharedMap<K, V> {
        SharedMap { pieces: Vec::new(), len: 0 }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &SharedMap<K, V>) -> bool {
        self.len == other.len && self.entries().eq(other.entries())
    }
}

impl<K, V> SharedMap<K, V> {
    fn entries(&self) -> impl Iterator<Item = (&K, &V)> {
        self.pieces.iter().flat_map(|piece| piece.iter()).map(|(key, value)| (key, value))
    }

    /// All values in the order of their keys.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries().map(|(_, value)| value)
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    /// The piece that has a key, if any has.
    fn piece_of(&self, key: &K) -> usize {
        let behind =
            self.pieces.partition_point(|piece| piece.first().is_some_and(|(first, _)| first <= key));
        behind.saturating_sub(1)
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let piece = self.pieces.get(self.piece_of(key))?;
        let place = piece.binary_search_by(|(other, _)| other.cmp(key)).ok()?;
        Some(&piece[place].1)
    }

    /// The values of a key and of all behind it.
    pub(super) fn values_from<'a>(&'a self, key: &K) -> impl Iterator<Item = &'a V> + use<'a, K, V> {
        let first = self.piece_of(key);
        let place = self.pieces.get(first).map_or(0, |piece| piece.partition_point(|(other, _)| other < key));
        let entries = self.pieces.iter().skip(first).flat_map(|piece| piece.iter());
        entries.skip(place).map(|(_, value)| value)
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// The value of a key, to be changed.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let index = self.piece_of(key);
        let place = self.pieces.get(index)?.binary_search_by(|(other, _)| other.cmp(key)).ok()?;
        Arc::make_mut(&mut self.pieces[index]).get_mut(place).map(|(_, value)| value)
    }

    /// Sets the value of a key.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let index = self.piece_of(&key);
        let Some(piece) = self.pieces.get_mut(index) else {
            self.pieces.push(Arc::new(vec![(key, value)]));
            self.len = 1;
            return;
        };
        let piece = Arc::make_mut(piece);
        match piece.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(place) => piece[place].1 = value,
            Err(place) => {
                piece.insert(place, (key, value));
                self.len += 1;
            }
        }
        if piece.len() > MAX_PIECE {
            let rest = piece.split_off(MAX_PIECE / 2);
            self.pieces.insert(index + 1, Arc::new(rest));
        }
    }

    /// Takes a key away.
    pub(super) fn remove(&mut self, key: &K) {
        let index = self.piece_of(key);
        let Some(piece) = self.pieces.get_mut(index) else { return };
        let Ok(place) = piece.binary_search_by(|(other, _)| other.cmp(key)) else { return };
        let piece = Arc::make_mut(piece);
        piece.remove(place);
        self.len -= 1;
        if piece.is_empty() {
            self.pieces.remove(index);
        }
    }

    /// The keys whose values are not the `same` in both, in order. What both share is not looked at.
    pub(super) fn differences(&self, other: &SharedMap<K, V>, same: impl Fn(&V, &V) -> bool) -> Vec<K> {
        let mut differences = Vec::new();
        let (mut ours, mut theirs) = (Walk::new(self), Walk::new(other));
        loop {
            if let (Some(one), Some(two)) = (ours.whole(), theirs.whole())
                && Arc::ptr_eq(one, two)
            {
                ours.skip();
                theirs.skip();
                continue;
            }
            match (ours.entry(), theirs.entry()) {
                (None, None) => return differences,
                (Some((one, a)), Some((two, b))) if one == two => {
                    if !same(a, b) {
                        differences.push(one.clone());
                    }
                    ours.step();
                    theirs.step();
                }
                (Some((one, _)), two) if two.is_none_or(|(two, _)| one < two) => {
                    differences.push(one.clone());
                    ours.step();
                }
                (_, Some((two, _))) => {
                    differences.push(two.clone());
                    theirs.step();
                }
                // The case before the last has taken it.
                (Some(_), None) => return differences,
            }
        }
    }
}

/// A place in a map.
struct Walk<'a, K, V> {
    pieces: &'a [Arc<Vec<(K, V)>>],
    place: usize,
}

impl<'a, K, V> Walk<'a, K, V> {
    fn new(map: &'a SharedMap<K, V>) -> Walk<'a, K, V> {
        Walk { pieces: &map.pieces, place: 0 }
    }

    /// The piece that begins here.
    fn whole(&self) -> Option<&'a Arc<Vec<(K, V)>>> {
        self.pieces.first().filter(|_| self.place == 0)
    }

    fn entry(&self) -> Option<&'a (K, V)> {
        self.pieces.first()?.get(self.place)
    }

    fn step(&mut self) {
        self.place += 1;
        if self.pieces.first().is_some_and(|piece| self.place >= piece.len()) {
            self.skip();
        }
    }

    fn skip(&mut self) {
        self.pieces = self.pieces.get(1..).unwrap_or_default();
        self.place = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_is_a_sorted_map() {
        let mut rng = fastrand::Rng::with_seed(7);
        let (mut map, mut model) = (SharedMap::default(), BTreeMap::new());
        let mut earlier = Vec::new();
        for round in 0..20_000u32 {
            let key = rng.u16(..2_000);
            if rng.u8(..3) == 0 {
                map.remove(&key);
                model.remove(&key);
            } else {
                map.insert(key, round);
                model.insert(key, round);
            }
            let probe = rng.u16(..2_000);
            assert_eq!(map.get(&probe), model.get(&probe));
            if round % 1_000 == 0 {
                assert!(map.entries().eq(model.iter()), "{round}");
                assert!(map.values_from(&probe).eq(model.range(probe..).map(|(_, value)| value)), "{round}");
                assert_eq!(map.len, model.len());
                earlier.push((map.clone(), model.clone()));
            }
        }
        for (before, model_before) in earlier {
            assert!(before.entries().eq(model_before.iter()), "a copy stays as it is");
            let mut keys: Vec<u16> = model_before.keys().chain(model.keys()).copied().collect();
            keys.sort_unstable();
            keys.dedup();
            keys.retain(|key| model_before.get(key) != model.get(key));
            assert_eq!(before.differences(&map, |a, b| a == b), keys);
            assert_eq!(before == map, keys.is_empty());
        }
    }

    #[test]
    fn copies_share_what_they_have_in_common() {
        let mut map = SharedMap::default();
        for key in 0..10_000u32 {
            map.insert(key, key);
        }
        let mut other = map.clone();
        other.insert(5_000, 0);
        let own = other.pieces.iter().filter(|piece| Arc::strong_count(piece) == 1).count();
        assert_eq!(own, 1);
        // Only values of the piece that is not shared are compared.
        let compared = std::cell::Cell::new(0);
        let same = |a: &u32, b: &u32| {
            compared.set(compared.get() + 1);
            a == b
        };
        assert_eq!(map.differences(&other, same), [5_000]);
        assert!(compared.get() <= MAX_PIECE, "{}", compared.get());
    }
}
