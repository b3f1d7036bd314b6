//! How much of the load each priority level takes, and which levels are in panic.
//!
//! Envoy's arithmetic ("Priority levels", "Degraded endpoints" and "Panic threshold" in its documentation), in whole
//! percent. A level's health is the share of its hosts that are well times the overprovisioning factor, at most 100.
//! The highest level takes as much of the load as its health, the next takes what is left, and so on; degraded hosts of
//! all levels come after the healthy hosts of all levels. When the healths of all levels do not add up to 100, they are
//! scaled up. A level is in panic when fewer of its hosts are well than the threshold says, unless all levels together
//! have a health of 100. When every level is in panic, the load is spread by the number of hosts.

use ripstop_model::Percent;

/// How the hosts of one priority are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// All of them.
    pub total: usize,
    /// Those that do not count when the health of the level is looked at.
    pub excluded: usize,
    /// Those that take requests in the ordinary case.
    pub available: usize,
    /// Those that take requests when healthy ones are short.
    pub degraded: usize,
}

impl Availability {
    fn counted(&self) -> usize {
        self.total.saturating_sub(self.excluded)
    }
}

/// Hosts of one level that take a part of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The level.
    pub priority: usize,
    /// Its degraded hosts, not its healthy ones.
    pub degraded: bool,
    /// Of the load, in percent.
    pub percent: u32,
}

/// The load of all levels.
#[derive(Clone, Debug, Default)]
pub struct PriorityLoad {
    /// Adds up to 100, or is empty when no host takes requests.
    shares: Vec<Share>,
    panic: Vec<bool>,
}

impl PriorityLoad {
    /// The load of levels with these hosts, highest priority first.
    pub fn compute(
        levels: &[Availability],
        overprovisioning_percent: u32,
        panic_threshold: Percent,
    ) -> PriorityLoad {
        let health = |well: usize, total: usize| match total {
            0 => 0,
            // At most 100, so the cast is lossless.
            _ => (u64::from(overprovisioning_percent) * well as u64 / total as u64).min(100) as u32,
        };
        let healthy: Vec<u32> = levels.iter().map(|l| health(l.available, l.counted())).collect();
        let degraded: Vec<u32> = levels.iter().map(|l| health(l.degraded, l.counted())).collect();
        let sum = healthy.iter().chain(&degraded).sum::<u32>().min(100);

        let below_threshold = |level: &Availability| {
            // In millionths of hosts times hosts: exact, and zero hosts are below every threshold but zero.
            let well = (level.available + level.degraded) as u128 * 1_000_000;
            let needed = u128::from(panic_threshold.as_per_million()) * level.counted().max(1) as u128;
            well < needed
        };
        let panic: Vec<bool> = levels.iter().map(|level| sum < 100 && below_threshold(level)).collect();

        let all_panic = panic.iter().all(|&panic| panic);
        let shares = if all_panic { by_hosts(levels) } else { by_health(&healthy, &degraded, sum) };
        PriorityLoad { shares, panic }
    }

    /// The hosts that a throw of the dice (0 to 99) falls on; `None` when no host takes requests.
    pub fn choose(&self, thrown: u32) -> Option<Share> {
        let mut below = 0;
        self.shares.iter().copied().find(|share| {
            below += share.percent;
            thrown < below
        })
    }

    /// Whether a level is in panic, so that all its hosts are picked from.
    pub fn panic(&self, priority: usize) -> bool {
        self.panic.get(priority).copied().unwrap_or(false)
    }

    /// Who takes how much. Shares of zero are left out.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }
}

/// Spreads the load by health: healthy hosts of all levels first, then degraded ones.
fn by_health(healthy: &[u32], degraded: &[u32], sum: u32) -> Vec<Share> {
    if sum == 0 {
        return Vec::new();
    }
    let mut left = 100;
    let mut shares = Vec::new();
    for (kind_is_degraded, healths) in [(false, healthy), (true, degraded)] {
        for (priority, health) in healths.iter().enumerate() {
            let percent = left.min(health * 100 / sum);
            left -= percent;
            if percent > 0 {
                shares.push(Share { priority, degraded: kind_is_degraded, percent });
            }
        }
    }
    // What rounding has left goes to the first.
    if let Some(first) = shares.first_mut() {
        first.percent += left;
    }
    shares
}

/// Spreads the load by the number of hosts, however they are.
fn by_hosts(levels: &[Availability]) -> Vec<Share> {
    let total: usize = levels.iter().map(|level| level.total).sum();
    if total == 0 {
        return Vec::new();
    }
    let mut left = 100;
    let mut shares = Vec::new();
    for (priority, level) in levels.iter().enumerate() {
        // At most 100, so the cast is lossless.
        let percent = (level.total as u64 * 100 / total as u64) as u32;
        left -= percent;
        if level.total > 0 {
            shares.push(Share { priority, degraded: false, percent });
        }
    }
    if let Some(first) = shares.first_mut() {
        first.percent += left;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(total: usize, available: usize, degraded: usize) -> Availability {
        Availability { total, excluded: 0, available, degraded }
    }

    /// `(priority, degraded, percent)` of each share, and which levels are in panic.
    fn check(levels: &[Availability], shares: &[(usize, bool, u32)], panic: &[bool]) {
        let load = PriorityLoad::compute(levels, 140, Percent::whole(50));
        let found: Vec<_> = load.shares().iter().map(|s| (s.priority, s.degraded, s.percent)).collect();
        assert_eq!((&found[..], &load.panic[..]), (shares, panic), "{levels:?}");
    }

    #[test]
    fn load_follows_envoys_tables() {
        // The table of two levels in Envoy's documentation, P1 wholly healthy.
        check(&[level(100, 100, 0), level(100, 100, 0)], &[(0, false, 100)], &[false, false]);
        check(&[level(100, 72, 0), level(100, 72, 0)], &[(0, false, 100)], &[false, false]);
        check(&[level(100, 71, 0), level(100, 71, 0)], &[(0, false, 99), (1, false, 1)], &[false, false]);
        let fifty = [level(100, 50, 0), level(100, 50, 0)];
        check(&fifty, &[(0, false, 70), (1, false, 30)], &[false, false]);
        check(&[level(100, 25, 0), level(100, 100, 0)], &[(0, false, 35), (1, false, 65)], &[false, false]);
        check(&[level(100, 0, 0), level(100, 100, 0)], &[(1, false, 100)], &[false, false]);
        // Healths of 35 each add up to 70, so both are scaled up; both are in panic, so hosts count.
        check(&[level(100, 25, 0), level(100, 25, 0)], &[(0, false, 50), (1, false, 50)], &[true, true]);
        check(&[level(100, 0, 0), level(300, 0, 0)], &[(0, false, 25), (1, false, 75)], &[true, true]);
    }

    #[test]
    fn degraded_hosts_come_after_all_healthy_ones() {
        check(&[level(2, 1, 1)], &[(0, false, 70), (0, true, 30)], &[false]);
        let degraded_first = [level(2, 0, 2), level(2, 2, 0)];
        check(&degraded_first, &[(1, false, 100)], &[false, false]);
    }

    #[test]
    fn one_level_panics_below_the_threshold_only() {
        check(&[level(2, 1, 0)], &[(0, false, 100)], &[false]);
        check(&[level(3, 1, 0)], &[(0, false, 100)], &[true]);
        let never = PriorityLoad::compute(&[level(3, 0, 0)], 140, Percent::ZERO);
        assert_eq!((never.choose(0), never.panic(0)), (None, false));
        assert_eq!(PriorityLoad::compute(&[], 140, Percent::whole(50)).choose(0), None);
    }

    #[test]
    fn hosts_that_do_not_count_cause_no_panic() {
        check(&[level(6, 1, 0)], &[(0, false, 100)], &[true]);
        check(&[Availability { excluded: 4, ..level(6, 1, 0) }], &[(0, false, 100)], &[false]);
        // With none that counts there is nobody but them.
        check(&[Availability { excluded: 6, ..level(6, 0, 0) }], &[(0, false, 100)], &[true]);
    }

    #[test]
    fn a_gap_between_priorities_takes_nothing() {
        check(&[level(0, 0, 0), level(4, 4, 0)], &[(1, false, 100)], &[false, false]);
    }
}
