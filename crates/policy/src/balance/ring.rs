//! Consistent hashing on a ring (ketama), place for place as Envoy lays it, so that both send the same request to the same
//! host. Knows keys and weights, not hosts.

use ripstop_model::load_balancing::HashFunction;

use super::hash::{murmur2, xx};

/// Hashes of the keys, in order, each with the position of its key.
#[derive(Debug)]
pub struct Ring {
    places: Box<[(u64, u32)]>,
}

/// How large a ring is and how its places are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSize {
    /// At least this many places.
    pub min: u32,
    /// At most this many places.
    pub max: u32,
    /// What places are hashed with.
    pub function: HashFunction,
}

impl Ring {
    /// A ring of keys with weights above zero. The key of the least weight gets a whole number of places, the others in
    /// proportion.
    pub fn new(keys: &[(&str, f64)], size: RingSize) -> Ring {
        let sum: f64 = keys.iter().map(|(_, weight)| weight).sum();
        let least = keys.iter().map(|(_, weight)| weight / sum).fold(1.0, f64::min);
        let scale = ((least * f64::from(size.min)).ceil() / least).min(f64::from(size.max));
        let mut places = Vec::with_capacity(scale.ceil() as usize);
        let (mut placed, mut due) = (0.0, 0.0);
        let mut text = String::new();
        for (position, (key, weight)) in (0u32..).zip(keys) {
            due += scale * weight / sum;
            let mut number = 0u64;
            while placed < due {
                text.clear();
                // Writing to a string cannot fail.
                let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{key}_{number}"));
                let hash = match size.function {
                    HashFunction::Xx => xx(text.as_bytes()),
                    HashFunction::Murmur2 => murmur2(text.as_bytes()),
                };
                places.push((hash, position));
                number += 1;
                placed += 1.0;
            }
        }
        places.sort_unstable();
        Ring { places: places.into() }
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The position of the key that a hash belongs to: that of the next place on the ring, or for another attempt, of
    /// the one `attempt` places further. 0 when the ring is empty.
    pub fn at(&self, hash: u64, attempt: usize) -> usize {
        if self.places.is_empty() {
            return 0;
        }
        let place = self.places.partition_point(|&(at, _)| at < hash);
        self.places[(place + attempt) % self.places.len()].1 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: RingSize = RingSize { min: 1024, max: 8 << 20, function: HashFunction::Xx };

    fn keys(n: usize) -> Vec<String> {
        (1..=n).map(|i| format!("10.0.0.{i}:80")).collect()
    }

    fn ring(keys: &[String], weight: impl Fn(usize) -> f64, size: RingSize) -> Ring {
        let keys: Vec<_> = keys.iter().enumerate().map(|(i, key)| (key.as_str(), weight(i))).collect();
        Ring::new(&keys, size)
    }

    #[test]
    fn shares_follow_weights() {
        let keys = keys(10);
        for function in [HashFunction::Xx, HashFunction::Murmur2] {
            let ring =
                ring(&keys, |i| if i == 0 { 4.0 } else { 1.0 }, RingSize { min: 40_000, function, ..SIZE });
            let mut counts = [0u32; 10];
            let mut rng = fastrand::Rng::with_seed(1);
            for _ in 0..130_000 {
                counts[ring.at(rng.u64(..), 0)] += 1;
            }
            assert!(counts[0].abs_diff(40_000) < 3_000, "{counts:?}");
            assert!(counts[1..].iter().all(|n| n.abs_diff(10_000) < 1_500), "{counts:?}");
        }
    }

    #[test]
    fn the_ring_is_as_large_as_asked_for() {
        assert_eq!(ring(&keys(3), |_| 1.0, SIZE).len(), 1026, "a whole number for each of three");
        assert_eq!(ring(&keys(3), |_| 1.0, RingSize { max: 100, ..SIZE }).len(), 100);
        assert_eq!(ring(&keys(0), |_| 1.0, SIZE).at(7, 0), 0);
    }

    #[test]
    fn a_key_that_goes_moves_its_own_share_only() {
        let (all, rng) = (keys(20), &mut fastrand::Rng::with_seed(2));
        let before = ring(&all, |_| 1.0, SIZE);
        let after = ring(&all[..19], |_| 1.0, SIZE);
        let mut moved = 0;
        for _ in 0..20_000 {
            let hash = rng.u64(..);
            let (old, new) = (before.at(hash, 0), after.at(hash, 0));
            moved += u32::from(old != new);
            // 52 places each before and 54 after: a few more than those of the lost key change hands.
            assert!(old == 19 || old == new || moved < 2_500);
        }
        assert!((500..2_500).contains(&moved), "{moved}");
    }

    #[test]
    fn another_attempt_goes_on_round_the_ring() {
        let ring = ring(&keys(5), |_| 1.0, SIZE);
        let seen: std::collections::HashSet<_> = (0..100).map(|attempt| ring.at(u64::MAX, attempt)).collect();
        assert_eq!(seen.len(), 5);
    }
}
