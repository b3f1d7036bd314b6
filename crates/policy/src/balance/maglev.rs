//! Consistent hashing in a table ("Maglev", Eisenbud et al., NSDI 2016), filled as Envoy fills it, so that both send the same
//! request to the same host. Knows keys and weights, not hosts.

use super::hash::{xx, xx_seeded};

/// Positions of keys, in the places of a table.
#[derive(Debug)]
pub struct Maglev {
    table: Box<[u32]>,
}

/// A key while the table is filled.
struct Filling {
    position: u32,
    offset: u64,
    skip: u64,
    weight: f64,
    /// It gets its next place when its weight times the round has come this far.
    target: f64,
    next: u64,
}

impl Filling {
    fn place(&mut self, size: u64) -> usize {
        let place = self.offset.wrapping_add(self.skip.wrapping_mul(self.next)) % size;
        self.next += 1;
        place as usize
    }
}

/// A place that nobody has.
const FREE: u32 = u32::MAX;

impl Maglev {
    /// A table of `size` places, a prime, for keys with weights above zero.
    pub fn new(keys: &[(&str, f64)], size: u32) -> Maglev {
        if keys.is_empty() {
            return Maglev { table: Box::from([]) };
        }
        let size = u64::from(size.max(2));
        let most = keys.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
        let mut order: Vec<u32> = (0..).take(keys.len()).collect();
        // The order of the assignment must not matter.
        order.sort_by(|&a, &b| keys[a as usize].0.cmp(keys[b as usize].0));
        let mut filling: Vec<Filling> = order
            .into_iter()
            .map(|position| {
                let (key, weight) = keys[position as usize];
                Filling {
                    position,
                    offset: xx(key.as_bytes()) % size,
                    skip: xx_seeded(key.as_bytes(), 1) % (size - 1) + 1,
                    weight,
                    target: 0.0,
                    next: 0,
                }
            })
            .collect();
        let mut table = vec![FREE; size as usize];
        let mut filled = 0;
        let mut round = 1.0;
        while filled < table.len() {
            for key in &mut filling {
                if filled == table.len() || round * key.weight < key.target {
                    continue;
                }
                key.target += most;
                let mut place = key.place(size);
                while table[place] != FREE {
                    place = key.place(size);
                }
                table[place] = key.position;
                filled += 1;
            }
            round += 1.0;
        }
        Maglev { table: table.into() }
    }

    /// The position of the key that a hash belongs to; another one, most likely, for another attempt. 0 when there is none.
    pub fn at(&self, hash: u64, attempt: usize) -> usize {
        if self.table.is_empty() {
            return 0;
        }
        let hash =
            if attempt > 0 { hash ^ (!0u64).wrapping_sub(attempt as u64).wrapping_add(1) } else { hash };
        self.table[(hash % self.table.len() as u64) as usize] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u32 = 65_537;

    fn keys(n: usize) -> Vec<String> {
        (1..=n).map(|i| format!("10.0.0.{i}:80")).collect()
    }

    fn table(keys: &[String], weight: impl Fn(usize) -> f64) -> Maglev {
        let keys: Vec<_> = keys.iter().enumerate().map(|(i, key)| (key.as_str(), weight(i))).collect();
        Maglev::new(&keys, SIZE)
    }

    fn counts(table: &Maglev, n: usize) -> Vec<u32> {
        let mut counts = vec![0; n];
        table.table.iter().for_each(|&position| counts[position as usize] += 1);
        counts
    }

    #[test]
    fn shares_follow_weights_almost_exactly() {
        let equal = counts(&table(&keys(7), |_| 1.0), 7);
        assert!(equal.iter().all(|n| n.abs_diff(SIZE / 7) <= 1), "{equal:?}");
        let weighted = counts(&table(&keys(4), |i| if i == 0 { 3.0 } else { 1.0 }), 4);
        assert!(weighted[0].abs_diff(SIZE / 2) <= 3 && weighted[1].abs_diff(SIZE / 6) <= 3, "{weighted:?}");
    }

    #[test]
    fn a_key_that_goes_moves_little_else() {
        let all = keys(20);
        let (before, after) = (table(&all, |_| 1.0), table(&all[..19], |_| 1.0));
        let moved = (0..u64::from(SIZE)).filter(|&hash| {
            let old = before.at(hash, 0);
            old != 19 && old != after.at(hash, 0)
        });
        let moved = moved.count();
        assert!(moved < SIZE as usize / 20, "{moved} of those that could stay");
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let (forth, mut back) = (keys(9), keys(9));
        back.reverse();
        let (forth, back) = (table(&forth, |_| 1.0), table(&back, |_| 1.0));
        assert!((0..u64::from(SIZE)).all(|hash| forth.at(hash, 0) == 8 - back.at(hash, 0)));
        assert_eq!(Maglev::new(&[], SIZE).at(3, 1), 0);
    }
}
