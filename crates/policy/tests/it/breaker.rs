//! An hour of traffic before circuit breakers and back-offs, under a virtual clock with seeded dice.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::circuit_breaker::CircuitBreaker;
use ripstop_model::route::{Backoff, Growth, Jitter};
use ripstop_policy::breaker::{Breaker, Outcome, State};
use ripstop_policy::retry::backoff;

const PER_SECOND: u64 = 200;
const TOOK: Duration = Duration::from_millis(10);

/// What became of an hour in which the upstream fails altogether for the second quarter of it.
#[derive(Debug, Default)]
struct Hour {
    /// Requests that reached the upstream while it was broken.
    into_the_fire: u32,
    /// Requests that were refused although it was well, at the time of the first of them.
    refused_while_well: u32,
    /// Seconds from the end of the outage to the closing of the breaker.
    closed_after: Option<u64>,
    opened: u64,
}

/// `noise`: share of requests that fail while the upstream is well.
fn an_hour(config: &CircuitBreaker, noise: f64) -> Hour {
    let start = Instant::now();
    let breaker = Arc::new(Breaker::new(config.clone(), start));
    let mut rng = fastrand::Rng::with_seed(3);
    let mut hour = Hour::default();
    let (from, to) = (Duration::from_secs(900), Duration::from_secs(1800));
    for tick in 0..3600 * PER_SECOND {
        let elapsed = Duration::from_micros(tick * 1_000_000 / PER_SECOND);
        let (now, broken) = (start + elapsed, (from..to).contains(&elapsed));
        let (pass, _) = breaker.admit(now);
        match pass {
            Ok(pass) => {
                hour.into_the_fire += u32::from(broken);
                let failed = broken || rng.f64() < noise;
                let _ = pass.record(Outcome { failed, took: TOOK }, now);
            }
            Err(_) => hour.refused_while_well += u32::from(!broken),
        }
        if elapsed >= to && breaker.state() == State::Closed && hour.closed_after.is_none() {
            hour.closed_after = Some((elapsed - to).as_secs());
        }
    }
    hour.opened = breaker.status(start + Duration::from_secs(3600)).opened;
    hour
}

#[test]
fn an_outage_of_a_quarter_of_an_hour_is_spared_and_noise_opens_nothing() {
    let config = CircuitBreaker::default();
    let hour = an_hour(&config, 0.05);
    println!("breaker, 200 requests/s, 15 minutes of outage: {hour:?}");
    // Half of a window of 2,000 requests; then a probe after 30, 60, 120, 240, 300 s.
    assert!(hour.into_the_fire <= 1_200, "{hour:?}");
    assert!(hour.into_the_fire >= 900, "{hour:?}");
    assert!((4..=8).contains(&hour.opened), "{hour:?}");
    assert!(hour.closed_after.is_some_and(|after| after <= config.max_open.as_secs()), "{hour:?}");
    let quiet = an_hour(&CircuitBreaker { failure_percent: None, ..config }, 0.05);
    assert_eq!((quiet.opened, quiet.refused_while_well), (0, 0), "without a rule it never opens");
}

#[test]
fn short_pauses_find_the_end_of_an_outage_sooner_and_cost_little() {
    let open = Duration::from_secs(5);
    let config =
        CircuitBreaker { open, max_open: open, failures: NonZeroU32::new(50), ..CircuitBreaker::default() };
    let hour = an_hour(&config, 0.0);
    println!("breaker, open for 5 s each time: {hour:?}");
    assert!(hour.into_the_fire <= 50 + 900 / 5 + 1, "one probe for each pause: {hour:?}");
    assert!(hour.closed_after.is_some_and(|after| after <= 5), "{hour:?}");
    assert!(hour.refused_while_well <= 5 * PER_SECOND as u32, "{hour:?}");
}

#[test]
fn full_jitter_spreads_those_who_failed_together_and_none_keeps_them_together() {
    /// Most of a thousand clients that come back within the same 10 ms, in four retries after a common failure.
    fn crowd(growth: Growth, jitter: Jitter) -> u32 {
        let backoff = Backoff {
            growth,
            jitter,
            ..Backoff::exponential(Duration::from_millis(200), Duration::from_secs(5))
        };
        let mut rng = fastrand::Rng::with_seed(11);
        let mut arrivals = std::collections::HashMap::<u128, u32>::new();
        for _ in 0..1000 {
            let mut at = Duration::ZERO;
            for retry in 0..4 {
                at += backoff::wait(backoff, retry, &mut rng);
                *arrivals.entry(at.as_millis() / 10).or_default() += 1;
            }
        }
        arrivals.into_values().max().unwrap_or_default()
    }
    println!("most of 1,000 clients that come back within 10 ms of each other:");
    for growth in [Growth::Exponential, Growth::Linear, Growth::Constant, Growth::Fibonacci] {
        let [full, half, none] =
            [Jitter::Full, Jitter::Half, Jitter::None].map(|jitter| crowd(growth, jitter));
        println!("  {:<12} full {full:4}  half {half:4}  none {none:4}", growth.word());
        assert!(full < 200 && half < 200, "{growth:?} {full} {half}");
        assert_eq!(none, 1000, "{growth:?}");
    }
}
