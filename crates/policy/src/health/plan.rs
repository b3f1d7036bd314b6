//! Which check is due when, over all hosts of all clusters, so that many hosts are not asked in one burst.
//!
//! The first checks of hosts that come together are spread: the first [`BURST`] begin at once, the others one by one, so
//! that the last begins no later than the interval of its cluster. Since a host is asked again a while after its last check,
//! they stay apart from then on.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

use ripstop_model::health_check::Intervals;

use super::interval;

/// So many hosts that come together are asked at once.
pub const BURST: usize = 64;

/// Pause between the first checks of hosts beyond that.
pub const PACE: Duration = Duration::from_millis(1);

/// Checks that wait for their time, by what they are for.
#[derive(Debug)]
pub struct Plan<K> {
    /// With those that were given up; they are known by their number.
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    waiting: HashMap<u64, K>,
    number_of: HashMap<K, u64>,
    next_number: u64,
}

impl<K: Clone + Eq + Hash> Default for Plan<K> {
    fn default() -> Plan<K> {
        Plan { queue: BinaryHeap::new(), waiting: HashMap::new(), number_of: HashMap::new(), next_number: 0 }
    }
}

impl<K: Clone + Eq + Hash> Plan<K> {
    /// Plans the check of `key` for this time, in place of one that was planned before.
    pub fn at(&mut self, key: K, due: Instant) {
        self.forget(&key);
        let number = self.next_number;
        self.next_number += 1;
        self.queue.push(Reverse((due, number)));
        self.number_of.insert(key.clone(), number);
        self.waiting.insert(number, key);
    }

    /// Plans the first checks of hosts that have come together to a cluster with these intervals.
    pub fn first(
        &mut self,
        keys: impl ExactSizeIterator<Item = K>,
        intervals: &Intervals,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) {
        let late = keys.len().saturating_sub(BURST);
        // Below 2^32, or else the pause is shorter than anything that could be measured.
        let count = u32::try_from(late).unwrap_or(u32::MAX).max(1);
        let pause = PACE.min(intervals.interval / count);
        for (index, key) in keys.enumerate() {
            let place = u32::try_from(index.saturating_sub(BURST - 1)).unwrap_or(u32::MAX);
            let place = if index < BURST { 0 } else { place };
            self.at(key, now + pause * place + interval::initial(intervals, rng));
        }
    }

    /// The checks whose time has come, the most overdue first, at most `room`.
    pub fn due(&mut self, now: Instant, room: usize) -> Vec<K> {
        let mut due = Vec::new();
        while due.len() < room
            && let Some(key) = self.pop(now)
        {
            due.push(key);
        }
        due
    }

    /// When the next check is due.
    pub fn next_due(&mut self) -> Option<Instant> {
        loop {
            let Reverse((due, number)) = *self.queue.peek()?;
            if self.waiting.contains_key(&number) {
                return Some(due);
            }
            self.queue.pop();
        }
    }

    /// The check of `key` is not wanted any more.
    pub fn forget(&mut self, key: &K) {
        if let Some(number) = self.number_of.remove(key) {
            self.waiting.remove(&number);
        }
        // What was given up must not outweigh what waits.
        if self.queue.len() > 2 * self.waiting.len() + BURST {
            let waiting = &self.waiting;
            self.queue.retain(|Reverse((_, number))| waiting.contains_key(number));
        }
    }

    /// How many checks wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no check waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn pop(&mut self, now: Instant) -> Option<K> {
        if self.next_due()? > now {
            return None;
        }
        let Reverse((_, number)) = self.queue.pop()?;
        let key = self.waiting.remove(&number)?;
        self.number_of.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many checks begin in each of the milliseconds from `now` on, each host being asked again an interval later.
    fn starts(hosts: u32, intervals: &Intervals, milliseconds: u32) -> Vec<usize> {
        let now = Instant::now();
        let mut plan = Plan::default();
        plan.first(0..hosts as usize, intervals, now, &mut fastrand::Rng::with_seed(1));
        let step = |ms| {
            let at = now + Duration::from_millis(1) * ms;
            let due = plan.due(at, usize::MAX);
            due.iter().for_each(|host| plan.at(*host, at + intervals.interval));
            due.len()
        };
        (0..milliseconds).map(step).collect()
    }

    #[test]
    fn ten_thousand_hosts_do_not_burst() {
        let starts = starts(10_000, &Intervals::every(SECOND * 10), 60_000);
        assert!(starts[1..10_000].iter().all(|count| *count <= 2), "{:?}", starts.iter().max());
        assert_eq!(starts[0], BURST);
        assert!(starts[10_000..].iter().all(|count| *count <= BURST), "nor later");
        for round in starts.chunks(10_000) {
            assert_eq!(round.iter().sum::<usize>(), 10_000, "each is asked once in each interval");
        }
    }

    #[test]
    fn the_first_round_never_takes_longer_than_the_interval() {
        let starts = starts(10_000, &Intervals::every(SECOND), 1001);
        assert_eq!(starts[..1001].iter().sum::<usize>(), 10_000 + BURST, "and the burst is due again");
        assert!(starts[1..1000].iter().all(|count| *count <= 11), "{:?}", starts[1..].iter().max());
    }

    #[test]
    fn few_hosts_are_asked_at_once_unless_jitter_is_wanted() {
        assert_eq!(starts(3, &Intervals::every(SECOND), 1), [3]);
        let jitter = Intervals { initial_jitter: SECOND, ..Intervals::every(SECOND) };
        let starts = starts(50, &jitter, 1001);
        assert!(starts.iter().filter(|count| **count > 0).count() > 30, "they are spread");
    }

    #[test]
    fn the_most_overdue_comes_first_and_what_is_given_up_never_comes() {
        let now = Instant::now();
        let mut plan = Plan::default();
        plan.at("late", now + SECOND * 2);
        plan.at("early", now + SECOND);
        plan.at("gone", now);
        plan.at("moved", now);
        plan.forget(&"gone");
        plan.at("moved", now + SECOND * 3);
        assert_eq!(plan.next_due(), Some(now + SECOND));
        assert_eq!(plan.due(now + SECOND * 9, 2), ["early", "late"]);
        assert_eq!(plan.due(now + SECOND * 9, 2), ["moved"]);
        assert!(plan.is_empty() && plan.next_due().is_none());
    }

    #[test]
    fn what_is_given_up_takes_no_room() {
        let now = Instant::now();
        let mut plan = Plan::default();
        for _ in 0..10_000 {
            plan.at("same", now);
        }
        assert!(plan.len() == 1 && plan.queue.len() < 3 * BURST, "{}", plan.queue.len());
    }
}
