//! When a proxy that has lost its authority tries again: pure arithmetic. All proxies lose it at the same moment when it restarts,
//! so each waits for a time of its own, and the longer the less it helps.

use std::time::Duration;

/// Having lost a stream, the next attempt comes within this time, drawn evenly. Ten thousand proxies are a thousand a second then.
/// Nothing is urgent: what was announced holds, and certificates have hours left.
pub(super) const SPREAD: Duration = Duration::from_secs(10);

/// After an attempt that failed, the next comes within this time …
const FIRST: Duration = Duration::from_secs(2);
/// … doubled each time up to this one. Ten thousand proxies then try less often than a slow authority can answer, so that it is
/// never busy with those who have given up.
const LONGEST: Duration = Duration::from_secs(120);

/// The pauses of one proxy.
#[derive(Debug, Default)]
pub(super) struct Reconnect {
    failures: u32,
}

impl Reconnect {
    /// A stream that was open is lost.
    pub(super) fn lost(&mut self, dice: &mut fastrand::Rng) -> Duration {
        self.failures = 0;
        SPREAD.mul_f64(dice.f64())
    }

    /// An attempt has failed.
    pub(super) fn failed(&mut self, dice: &mut fastrand::Rng) -> Duration {
        let within = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // At least a tenth, so that nobody spins.
        within.mul_f64(0.1 + 0.9 * dice.f64())
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;

    /// Ten thousand proxies lose an authority that is gone for a while and then takes so many handshakes a second, each of which
    /// has to be over within 5 s.
    struct Herd {
        per_second: u64,
        away_ms: u64,
    }

    #[derive(Debug)]
    struct Outcome {
        all_after_ms: u64,
        attempts: u64,
        busiest_second: u64,
        timeouts: u64,
    }

    impl Herd {
        fn run(&self, proxies: usize, seed: u64) -> Outcome {
            let mut dice = fastrand::Rng::with_seed(seed);
            let mut pauses: Vec<Reconnect> = (0..proxies).map(|_| Reconnect::default()).collect();
            let ms = |pause: Duration| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            let mut due = BinaryHeap::new();
            for (at, pause) in pauses.iter_mut().enumerate() {
                due.push(Reverse((ms(pause.lost(&mut dice)), at)));
            }
            let mut outcome = Outcome { all_after_ms: 0, attempts: 0, busiest_second: 0, timeouts: 0 };
            let mut by_second = std::collections::HashMap::new();
            // When the server is done with what it has.
            let mut free_at = self.away_ms;
            while let Some(Reverse((now, at))) = due.pop() {
                outcome.attempts += 1;
                assert!(outcome.attempts < 100 * proxies as u64, "no end of it: {outcome:?}");
                *by_second.entry(now / 1000).or_insert(0_u64) += 1;
                let done = free_at.max(now) + 1000 / self.per_second.min(1000);
                if now < self.away_ms {
                    due.push(Reverse((now + ms(pauses[at].failed(&mut dice)), at)));
                } else if done > now + 5_000 {
                    // The server works on it all the same.
                    free_at = done;
                    outcome.timeouts += 1;
                    due.push(Reverse((now + 5_000 + ms(pauses[at].failed(&mut dice)), at)));
                } else {
                    free_at = done;
                    outcome.all_after_ms = outcome.all_after_ms.max(done);
                }
            }
            outcome.busiest_second = by_second.values().copied().max().unwrap_or(0);
            outcome
        }
    }

    #[test]
    fn a_herd_of_ten_thousand_is_spread() {
        // A restart within a second, by an authority with one core.
        let restart = Herd { per_second: 1_000, away_ms: 1_000 }.run(10_000, 1);
        assert!(restart.all_after_ms < 20_000 && restart.timeouts == 0, "{restart:?}");
        assert!(restart.busiest_second < 2_000, "{restart:?}");
        // It was away for ten minutes: everybody tries every minute or so, and comes back within two.
        let away = Herd { per_second: 1_000, away_ms: 600_000 }.run(10_000, 2);
        assert!(away.all_after_ms < 740_000 && away.timeouts == 0, "{away:?}");
        assert!(away.attempts < 10_000 * 20, "{away:?}");
        // A slow one, too.
        let slow = Herd { per_second: 300, away_ms: 5_000 }.run(10_000, 3);
        assert!(slow.all_after_ms < 600_000, "{slow:?}");
        println!("restart {restart:?}\naway {away:?}\nslow {slow:?}");
    }
}
