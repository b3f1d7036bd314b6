//! The controller against a simulated server, and its steps one by one.

use ripstop_model::Percent;
use ripstop_model::runtime::RuntimeFeature;

use super::*;

fn config() -> AdaptiveConcurrency {
    AdaptiveConcurrency {
        enabled: RuntimeFeature { key: "".into(), default: true },
        percentile: Percent::whole(50),
        max_limit: 1000,
        min_limit: 3,
        update_interval: Duration::from_millis(100),
        min_rtt: MinRtt::Measured { interval: Duration::from_secs(60), requests: 50, jitter: Percent::ZERO },
        min_concurrency: 3,
        buffer_percent: 25,
        exceeded_status: 503,
    }
}

fn gradient(config: AdaptiveConcurrency, now: Instant) -> Arc<Gradient> {
    Arc::new(Gradient::new(config, now, fastrand::Rng::with_seed(1)))
}

/// Sends requests one after the other that take this long each; returns when the last one is over.
fn send(gradient: &Arc<Gradient>, count: u32, took: Duration, mut now: Instant) -> Instant {
    for _ in 0..count {
        let admitted = gradient.admit(now).unwrap();
        now += took;
        admitted.answered(now);
    }
    now
}

#[test]
fn it_measures_first_and_then_follows_the_gradient() {
    let (start, rtt) = (Instant::now(), Duration::from_millis(10));
    let gradient = gradient(config(), start);
    assert!(gradient.status().measuring);
    let held: Vec<_> = (0..3).map(|_| gradient.admit(start).unwrap()).collect();
    assert!(gradient.admit(start).is_none(), "the lowest limit while it measures");
    assert_eq!(gradient.status().refused, 1);
    drop(held);
    let now = send(&gradient, 50, rtt, start);
    let status = gradient.status();
    assert!(!status.measuring && status.min_rtt.as_millis().abs_diff(10) <= 1, "{status:?}");
    // As fast as without load, with 25 % of buffer: 3 × 1.25 + √3.75 = 5.7.
    let now = send(&gradient, 11, rtt, now);
    let status = gradient.status();
    assert_eq!(status.limit, 5, "{status:?}");
    // Twice as slow: down by 0.625 and up by the headroom, until these are in balance.
    let now = send(&gradient, 60, 2 * rtt, now);
    let status = gradient.status();
    assert!((0.6..0.65).contains(&status.gradient), "{status:?}");
    assert!((3..=5).contains(&status.limit), "{status:?}");
    // A request of which nobody knows how long it took says nothing.
    drop(gradient.admit(now));
    assert_eq!(gradient.status().under_way, 0);
}

#[test]
fn a_limit_that_stays_at_its_lowest_is_measured_anew() {
    let (start, rtt) = (Instant::now(), Duration::from_millis(10));
    let gradient = gradient(AdaptiveConcurrency { min_concurrency: 10, min_limit: 10, ..config() }, start);
    let mut now = send(&gradient, 50, rtt, start);
    let deadline = now + Duration::from_secs(10);
    while !gradient.status().measuring {
        now = send(&gradient, 1, 10 * rtt, now);
        assert!(now < deadline, "{:?}", gradient.status());
    }
    send(&gradient, 50, 10 * rtt, now);
    assert!(gradient.status().min_rtt.as_millis().abs_diff(100) <= 3);
}

#[test]
fn the_minimum_is_measured_again_after_the_interval_and_the_limit_comes_back() {
    let (start, rtt) = (Instant::now(), Duration::from_millis(10));
    let gradient = gradient(config(), start);
    let mut now = send(&gradient, 50, rtt, start);
    now = send(&gradient, 100, rtt, now);
    let limit = gradient.status().limit;
    now += Duration::from_secs(60);
    let old = gradient.admit(now - Duration::from_secs(1)).unwrap();
    now = send(&gradient, 1, rtt, now);
    assert!(gradient.status().measuring);
    assert_eq!(gradient.status().limit, 3);
    old.answered(now + Duration::from_secs(60));
    now = send(&gradient, 49, rtt, now);
    let status = gradient.status();
    assert!(!status.measuring && status.min_rtt < 2 * rtt, "what began before did not count: {status:?}");
    assert!(status.limit >= limit, "{status:?}");
    let _ = now;
}

/// A server with `workers` that each take `service` for a request; what is above waits. Closed loop of `clients`, who wait
/// for 5 ms after an answer and for 50 ms after a refusal.
fn simulate(gradient: &Arc<Gradient>, start: Instant, clients: usize, seconds: u64) -> (u64, Duration) {
    use std::cmp::Reverse;
    use std::collections::{BinaryHeap, VecDeque};
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Event {
        Answer(usize),
        Ask(usize),
    }
    const WORKERS: usize = 20;
    let service = Duration::from_millis(20);
    let mut rng = fastrand::Rng::with_seed(5);
    let (mut busy, mut queue, mut events) = (0, VecDeque::new(), BinaryHeap::new());
    let mut under_way: Vec<Option<Admitted>> = (0..clients).map(|_| None).collect();
    let (mut answered, mut slowest) = (0, Duration::ZERO);
    for client in 0..clients {
        events.push(Reverse((Duration::from_micros(client as u64), Event::Ask(client))));
    }
    let half = Duration::from_secs(seconds / 2);
    while let Some(Reverse((at, event))) = events.pop() {
        if at > Duration::from_secs(seconds) {
            break;
        }
        let now = start + at;
        match event {
            Event::Ask(client) => match gradient.admit(now) {
                None => events.push(Reverse((at + Duration::from_millis(50), Event::Ask(client)))),
                Some(admitted) => {
                    under_way[client] = Some(admitted);
                    queue.push_back(client);
                }
            },
            Event::Answer(client) => {
                busy -= 1;
                let admitted = under_way[client].take().unwrap();
                if at > half {
                    answered += 1;
                    slowest = slowest.max(now.saturating_duration_since(admitted.since));
                }
                admitted.answered(now);
                events.push(Reverse((at + Duration::from_millis(5), Event::Ask(client))));
            }
        }
        while busy < WORKERS {
            let Some(client) = queue.pop_front() else { break };
            busy += 1;
            let took = service.mul_f64(0.8 + 0.4 * rng.f64());
            events.push(Reverse((at + took, Event::Answer(client))));
        }
    }
    (answered, slowest)
}

#[test]
fn an_overloaded_server_stays_fast_and_busy() {
    let start = Instant::now();
    let free = AdaptiveConcurrency {
        min_rtt: MinRtt::Fixed(Duration::from_secs(3600)),
        min_limit: 100_000,
        min_concurrency: 100_000,
        max_limit: 100_000,
        ..config()
    };
    let (without, slow) = simulate(&gradient(free, start), start, 500, 60);
    let (with, fast) = simulate(&gradient(config(), start), start, 500, 60);
    println!(
        "20 workers of 20 ms, 500 clients: without limit {without} answers, slowest {slow:?}; with {with}, slowest {fast:?}"
    );
    assert!(slow > Duration::from_millis(400), "{slow:?}");
    assert!(fast < Duration::from_millis(150), "{fast:?}");
    assert!(with * 10 > without * 8, "{with} of {without}");
}
