//! An hour of traffic in milliseconds: balancers and outlier detection together, under a virtual clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::load_balancing::ClientWeighted;
use ripstop_model::outlier::OutlierDetection;
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, LbPolicy, LoadBalancing};
use ripstop_policy::balance::{Balancer, Pick, PickContext};
use ripstop_policy::host::HostSet;
use ripstop_policy::outlier::{Outcome, OutlierDetector};

const POLICIES: [LbPolicy; 3] = [LbPolicy::RoundRobin, LbPolicy::LEAST_REQUEST, LbPolicy::Random];

/// Every policy. Without hashes of requests, those that go by one take any.
fn all_policies() -> Vec<LbPolicy> {
    let others = [
        LbPolicy::RING_HASH,
        LbPolicy::MAGLEV,
        LbPolicy::LeastResponseTime { decay: LbPolicy::DEFAULT_DECAY },
        LbPolicy::ClientWeighted(ClientWeighted::default()),
    ];
    POLICIES.into_iter().chain(others).collect()
}

fn hosts(n: u16) -> Arc<HostSet> {
    let endpoints = (1..=n).map(|port| Endpoint::new(Address::socket([10, 0, 0, 1], port))).collect();
    Arc::new(HostSet::update(None, &ClusterLoadAssignment::flat("c", endpoints), Instant::now()))
}

fn balancer(policy: LbPolicy, set: &Arc<HostSet>) -> Balancer {
    Balancer::new(LoadBalancing::new(policy), Arc::clone(set), None, 1, Instant::now())
}

/// What happened in an hour in which the first of five hosts fails for the first forty minutes.
#[derive(Default)]
struct Hour {
    failures: u32,
    ejections: Vec<u64>,
    /// Seconds after the start at which the host returned.
    returns: Vec<u64>,
    picked_while_ejected: u32,
    /// Requests that the host got in the last ten minutes.
    at_the_end: u32,
}

fn an_hour(policy: LbPolicy) -> Hour {
    const PER_SECOND: u64 = 100;
    let (set, start) = (hosts(5), Instant::now());
    let detector = OutlierDetector::new(OutlierDetection::default());
    let mut balancer = balancer(policy, &set);
    let mut rng = fastrand::Rng::with_seed(9);
    let mut hour = Hour::default();
    for tick in 0..3600 * PER_SECOND {
        let elapsed = Duration::from_millis(tick * 1000 / PER_SECOND);
        let (now, second) = (start + elapsed, elapsed.as_secs());
        if tick % (10 * PER_SECOND) == 0 {
            hour.returns.extend(detector.sweep(&set, now, &mut rng).returned.iter().map(|_| second));
        }
        let Pick::Host { entry, panic } = balancer.pick(&PickContext::any(Instant::now()), &mut rng) else {
            panic!("no host")
        };
        hour.picked_while_ejected += u32::from(panic || entry.host.is_ejected());
        let failing = entry.index == 0 && second < 2400;
        hour.failures += u32::from(failing);
        hour.at_the_end += u32::from(entry.index == 0 && second >= 3000);
        let outcome = if failing { Outcome::ConnectFailure } else { Outcome::Status(200) };
        if let Some(ejection) = detector.record(&entry.host, outcome, &set, now, &mut rng) {
            hour.ejections.push(ejection.duration.as_secs());
        }
    }
    hour
}

#[test]
fn a_failing_host_is_put_aside_longer_and_longer_and_returns_when_well() {
    for policy in all_policies() {
        let hour = an_hour(policy);
        // Each time a little longer, until the maximum; the multiplier does not fade, because the host fails again
        // before the next sweep.
        let expected: Vec<u64> = (1..=hour.ejections.len() as u64).map(|n| (30 * n).min(300)).collect();
        assert_eq!(hour.ejections, expected, "{policy:?}");
        assert!(hour.ejections.len() >= 11, "{policy:?} {:?}", hour.ejections);
        assert_eq!(hour.returns.len(), hour.ejections.len(), "{policy:?}: it returned each time");
        assert_eq!(hour.picked_while_ejected, 0, "{policy:?}");
        // Five failures for each ejection: 60 or so of 240,000 requests.
        assert_eq!(hour.failures as usize, 5 * hour.ejections.len(), "{policy:?}");
        // In the end it has its fifth of 60,000 requests again.
        let tolerance = if policy.is_consistent() { 1_500 } else { 500 };
        assert!(hour.at_the_end.abs_diff(12_000) < tolerance, "{policy:?} {}", hour.at_the_end);
    }
}

/// How many requests each of ten hosts got, of which the first answers ten times slower than the others.
fn load_with_a_slow_host(policy: LbPolicy) -> Vec<u32> {
    let set = hosts(10);
    let mut balancer = balancer(policy, &set);
    let mut rng = fastrand::Rng::with_seed(4);
    let mut under_way = BinaryHeap::new();
    let mut guards = Vec::new();
    let mut counts = vec![0; 10];
    for tick in 0..50_000_u64 {
        while let Some(&Reverse((end, request))) = under_way.peek() {
            if end > tick {
                break;
            }
            under_way.pop();
            guards[request] = None;
        }
        let Pick::Host { entry, .. } = balancer.pick(&PickContext::any(Instant::now()), &mut rng) else {
            panic!("no host")
        };
        counts[entry.index] += 1;
        let latency = if entry.index == 0 { 200 } else { 20 };
        under_way.push(Reverse((tick + latency, guards.len())));
        guards.push(Some(entry.host.begin_request()));
    }
    counts
}

#[test]
fn least_request_spares_a_slow_host_and_the_others_do_not() {
    let slow_share = |policy| f64::from(load_with_a_slow_host(policy)[0]) / 50_000.0;
    let round_robin = slow_share(LbPolicy::RoundRobin);
    let random = slow_share(LbPolicy::Random);
    let least_request = slow_share(LbPolicy::LEAST_REQUEST);
    println!("share of a slow tenth: {round_robin:.3} {random:.3} {least_request:.3}");
    assert!((round_robin - 0.1).abs() < 0.001, "{round_robin}");
    assert!((random - 0.1).abs() < 0.01, "{random}");
    assert!(least_request < 0.05, "{least_request}");
}

#[test]
fn equal_hosts_get_equal_shares() {
    for policy in POLICIES {
        let set = hosts(10);
        let mut balancer = balancer(policy, &set);
        let mut rng = fastrand::Rng::with_seed(8);
        let mut counts = [0_f64; 10];
        for _ in 0..100_000 {
            let Pick::Host { entry, .. } = balancer.pick(&PickContext::any(Instant::now()), &mut rng) else {
                panic!("no host")
            };
            counts[entry.index] += 1.0;
        }
        let chi_square: f64 = counts.iter().map(|n| (n - 10_000.0).powi(2) / 10_000.0).sum();
        // Nine degrees of freedom: beyond 27.9 in one case of a thousand.
        assert!(chi_square < 27.9, "{policy:?} {chi_square} {counts:?}");
    }
}
