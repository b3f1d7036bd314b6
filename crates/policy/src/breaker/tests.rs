//! Transitions, one by one, under a clock of the test's.

use std::num::NonZeroU32;

use ripstop_model::Percent;
use ripstop_model::circuit_breaker::SlowCalls;

use super::*;

const FAST: Duration = Duration::from_millis(5);
const SECOND: Duration = Duration::from_secs(1);

fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn breaker(config: CircuitBreaker, now: Instant) -> Arc<Breaker> {
    Arc::new(Breaker::new(config, now))
}

/// Sends a request that ends at once.
fn send(breaker: &Arc<Breaker>, failed: bool, now: Instant) -> Result<Option<Transition>, Refused> {
    let (pass, before) = breaker.admit(now);
    let after = pass?.record(Outcome { failed, took: FAST }, now);
    Ok(after.or(before))
}

/// One that opened at `now`, for a second.
fn opened(config: CircuitBreaker, now: Instant) -> Arc<Breaker> {
    let breaker = breaker(CircuitBreaker { failures: Some(count(1)), open: SECOND, ..config }, now);
    let transition = send(&breaker, true, now).unwrap().unwrap();
    assert_eq!((transition.from, transition.to), (State::Closed, State::Open));
    assert_eq!(transition.open_for, Some(SECOND));
    breaker
}

#[test]
fn it_opens_on_number_or_share_whichever_comes_first() {
    let now = Instant::now();
    let check = |config: CircuitBreaker, outcomes: &str, expected: Option<&str>| {
        let breaker = breaker(config, now);
        let mut cause = None;
        for outcome in outcomes.bytes() {
            assert_eq!(cause, None, "{outcomes}: it opens with the last of them");
            cause = send(&breaker, outcome == b'x', now).unwrap().map(|t| t.cause.as_str());
        }
        assert_eq!(cause, expected, "{outcomes}");
    };
    let by_share = CircuitBreaker {
        min_requests: count(4),
        failure_percent: Some(Percent::whole(50)),
        ..Default::default()
    };
    check(by_share.clone(), "xxx", None);
    check(by_share.clone(), "xxxx", Some("failure_percent"));
    check(by_share.clone(), "....xxx", None);
    check(by_share.clone(), "....xxxx", Some("failure_percent"));
    check(by_share.clone(), "xx..", None);
    let by_number = CircuitBreaker { failures: Some(count(3)), failure_percent: None, ..by_share.clone() };
    check(by_number.clone(), "x......x......x", Some("failures"));
    check(
        CircuitBreaker { failure_percent: Some(Percent::whole(50)), ..by_number },
        "xx.x",
        Some("failures"),
    );
    check(CircuitBreaker { failure_percent: None, ..by_share }, "xxxxxxxxxxxxx", None);
}

#[test]
fn failures_of_long_ago_do_not_count() {
    let start = Instant::now();
    let config = CircuitBreaker { failures: Some(count(3)), failure_percent: None, ..Default::default() };
    let breaker = breaker(config, start);
    for second in 0..60 {
        assert_eq!(send(&breaker, second % 5 == 0, start + SECOND * second), Ok(None), "{second}");
    }
    for second in [61, 62] {
        let _ = send(&breaker, true, start + SECOND * second);
    }
    assert_eq!(breaker.status(start + SECOND * 62).state, State::Open);
}

#[test]
fn slow_answers_open_it_and_a_slow_probe_is_a_failure() {
    let now = Instant::now();
    let slow = SlowCalls { threshold: Duration::from_millis(100), percent: Percent::whole(80) };
    let config =
        CircuitBreaker { slow: Some(slow), min_requests: count(5), open: SECOND, ..Default::default() };
    let breaker = breaker(config, now);
    let answer = |millis, now| {
        let outcome = Outcome { failed: false, took: Duration::from_millis(millis) };
        breaker.admit(now).0.unwrap().record(outcome, now)
    };
    for millis in [50, 150, 150, 150] {
        assert_eq!(answer(millis, now), None);
    }
    let cause = answer(150, now).unwrap().cause;
    assert_eq!(cause, Cause::SlowShare(Counts { total: 5, failed: 0, slow: 4 }));
    let transition = answer(101, now + SECOND).unwrap();
    assert_eq!((transition.from, transition.to), (State::HalfOpen, State::Open));
    assert_eq!(transition.cause, Cause::ProbeFailed);
}

#[test]
fn when_the_time_is_up_a_few_probes_pass_and_no_more() {
    let start = Instant::now();
    let config = CircuitBreaker { probes: count(2), successes: count(3), ..Default::default() };
    let breaker = opened(config, start);
    let almost = start + SECOND - Duration::from_millis(1);
    let left = Duration::from_millis(1);
    assert_eq!(breaker.admit(almost).0.unwrap_err(), Refused::Open { left });
    let now = start + SECOND;
    let (first, transition) = breaker.admit(now);
    assert_eq!(transition.unwrap().to, State::HalfOpen);
    let second = breaker.admit(now).0.unwrap();
    assert_eq!(breaker.admit(now).0.unwrap_err(), Refused::Probing);
    // Nobody knows how it went: its place is free again.
    drop(second);
    let second = breaker.admit(now).0.unwrap();
    let well = Outcome { failed: false, took: FAST };
    assert_eq!(first.unwrap().record(well, now), None);
    assert_eq!(second.record(well, now), None);
    let closed = breaker.admit(now).0.unwrap().record(well, now).unwrap();
    assert_eq!((closed.to, closed.cause), (State::Closed, Cause::ProbesSucceeded));
    assert_eq!(breaker.status(now).counts, Counts::default(), "it begins with an empty window");
}

#[test]
fn it_stays_open_longer_each_time_and_begins_anew_once_closed() {
    let mut now = Instant::now();
    let breaker = opened(CircuitBreaker { max_open: 5 * SECOND, ..Default::default() }, now);
    for (open_for, next) in [(1, 2), (2, 4), (4, 5), (5, 5)] {
        now += SECOND * open_for;
        let transition = send(&breaker, true, now).unwrap().unwrap();
        assert_eq!(transition.open_for, Some(SECOND * next));
    }
    now += 5 * SECOND;
    assert_eq!(send(&breaker, false, now).unwrap().unwrap().to, State::Closed);
    assert_eq!(send(&breaker, true, now).unwrap().unwrap().open_for, Some(SECOND));
    assert_eq!(breaker.status(now).opened, 6);
}

#[test]
fn probes_that_never_end_do_not_hold_it_half_open() {
    let start = Instant::now();
    let breaker = opened(CircuitBreaker::default(), start);
    let hangs = breaker.admit(start + SECOND).0.unwrap();
    assert_eq!(breaker.admit(start + SECOND).0.unwrap_err(), Refused::Probing);
    let other = breaker.admit(start + 2 * SECOND).0.unwrap();
    // What comes of the first does not count any more, nor does it make room for another.
    let failed = Outcome { failed: true, took: FAST };
    assert_eq!(hangs.record(failed, start + 2 * SECOND), None);
    assert_eq!(breaker.admit(start + 2 * SECOND).0.unwrap_err(), Refused::Probing);
    let closed = other.record(Outcome { failed: false, ..failed }, start + 2 * SECOND).unwrap();
    assert_eq!(closed.to, State::Closed);
}

#[test]
fn what_was_sent_before_it_opened_changes_nothing_afterwards() {
    let start = Instant::now();
    let config = CircuitBreaker { failures: Some(count(1)), open: SECOND, ..Default::default() };
    let breaker = breaker(config, start);
    let late = [breaker.admit(start).0.unwrap(), breaker.admit(start).0.unwrap()];
    let failed = Outcome { failed: true, took: FAST };
    for (number, pass) in late.into_iter().enumerate() {
        assert_eq!(pass.record(failed, start).is_some(), number == 0);
    }
    assert_eq!(breaker.status(start).opened, 1);
}

#[test]
fn it_can_be_forced_and_an_administrator_has_the_last_word() {
    let now = Instant::now();
    let breaker = breaker(CircuitBreaker { failures: Some(count(1)), ..Default::default() }, now);
    breaker.force(By::Runtime, Forced::Closed);
    assert_eq!(send(&breaker, true, now), Ok(None), "failures do not open it");
    breaker.force(By::Administrator, Forced::Open);
    assert_eq!(send(&breaker, false, now), Err(Refused::Forced));
    breaker.force(By::Administrator, Forced::No);
    assert_eq!(breaker.forced(), Forced::Closed);
    breaker.force(By::Runtime, Forced::No);
    assert_eq!(send(&breaker, true, now).unwrap().unwrap().to, State::Open);
    for forced in [Forced::No, Forced::Open, Forced::Closed] {
        assert_eq!(Forced::from_word(forced.word()), Some(forced));
    }
    assert_eq!(Forced::from_word("shut"), None);
}

#[test]
fn threads_never_see_more_probes_than_allowed() {
    let start = Instant::now();
    let config = CircuitBreaker { probes: count(3), successes: count(u32::MAX), ..Default::default() };
    let breaker = opened(config, start);
    let under_way = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    let Ok(pass) = breaker.admit(start + SECOND).0 else { continue };
                    assert!(under_way.fetch_add(1, Ordering::SeqCst) < 3);
                    under_way.fetch_sub(1, Ordering::SeqCst);
                    let _ = pass.record(Outcome { failed: false, took: FAST }, start + SECOND);
                }
            });
        }
    });
}
