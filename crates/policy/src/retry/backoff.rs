//! How long is waited before a retry. The growth is that of the policy; the dice decide how much of it counts.

use std::time::Duration;

use ripstop_model::route::{Backoff, Growth, Jitter};

/// The wait before retry `retry`, which counts from 0: never longer than the back-off's maximum.
///
/// The jitters are those of "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): full, and "equal", which is
/// called half here.
pub fn wait(backoff: Backoff, retry: u32, rng: &mut fastrand::Rng) -> Duration {
    let whole = longest(backoff, retry);
    match backoff.jitter {
        Jitter::None => whole,
        Jitter::Full => between(Duration::ZERO, whole, rng),
        Jitter::Half => between(whole / 2, whole, rng),
    }
}

/// The wait without jitter.
pub fn longest(backoff: Backoff, retry: u32) -> Duration {
    let factor = match backoff.growth {
        Growth::Exponential => 2_u32.saturating_pow(retry),
        Growth::Linear => retry.saturating_add(1),
        Growth::Constant => 1,
        Growth::Fibonacci => fibonacci(retry),
    };
    backoff.base.saturating_mul(factor).min(backoff.max)
}

/// The wait after an answer that said how long to wait: as in Envoy, up to a half more than that, so that not everybody
/// comes at once.
pub fn after_reset(asked: Duration, rng: &mut fastrand::Rng) -> Duration {
    between(asked, asked.saturating_add(asked / 2), rng)
}

fn between(least: Duration, most: Duration, rng: &mut fastrand::Rng) -> Duration {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.u64(nanos(least)..=nanos(most)))
}

/// 1, 1, 2, 3, 5, … from `n` = 0 on; as large as can be counted from the 47th on.
fn fibonacci(n: u32) -> u32 {
    let (mut this, mut next) = (1_u32, 1_u32);
    for _ in 0..n.min(47) {
        (this, next) = (next, this.saturating_add(next));
    }
    this
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn each_growth_grows_as_it_is_called_and_not_beyond_the_maximum() {
        let check = |growth, expected: &[u64]| {
            let backoff = Backoff { growth, ..Backoff::exponential(ms(100), ms(1000)) };
            let waits: Vec<_> = (0..7).map(|retry| longest(backoff, retry)).collect();
            assert_eq!(waits, expected.iter().map(|wait| ms(*wait)).collect::<Vec<_>>(), "{growth:?}");
            assert!(longest(backoff, u32::MAX) <= ms(1000), "{growth:?}");
        };
        check(Growth::Exponential, &[100, 200, 400, 800, 1000, 1000, 1000]);
        check(Growth::Linear, &[100, 200, 300, 400, 500, 600, 700]);
        check(Growth::Constant, &[100; 7]);
        check(Growth::Fibonacci, &[100, 100, 200, 300, 500, 800, 1000]);
    }

    #[test]
    fn jitter_takes_from_the_whole_and_never_adds() {
        let mut rng = fastrand::Rng::with_seed(5);
        for (jitter, least) in [(Jitter::Full, 0), (Jitter::Half, 125), (Jitter::None, 250)] {
            let backoff = Backoff { jitter, ..Backoff::exponential(ms(25), ms(250)) };
            for retry in [4, 40, u32::MAX] {
                let waits: Vec<_> = (0..500).map(|_| wait(backoff, retry, &mut rng)).collect();
                let shortest = waits.iter().min().copied().unwrap_or_default();
                let longest = waits.iter().max().copied().unwrap_or_default();
                assert!(longest <= ms(250) && longest > ms(225), "{jitter:?} {longest:?}");
                assert!(shortest >= ms(least) && shortest < ms(least + 25), "{jitter:?} {shortest:?}");
            }
        }
        wait(Backoff::exponential(Duration::MAX, Duration::MAX), u32::MAX, &mut rng);
    }

    #[test]
    fn a_wait_that_was_asked_for_is_never_cut_short() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..500 {
            let wait = after_reset(ms(1000), &mut rng);
            assert!(wait >= ms(1000) && wait <= ms(1500), "{wait:?}");
        }
        after_reset(Duration::MAX, &mut rng);
    }
}
