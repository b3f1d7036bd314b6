//! What one pick costs, and what preparing a balancer costs, by the number of endpoints. Run with
//! `cargo bench -p ripstop-policy --bench pick`.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::load_balancing::{ConsistentHashing, LbPolicy};
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, LoadBalancing};
use ripstop_policy::balance::{Balancer, Pick, PickContext};
use ripstop_policy::host::HostSet;

/// Picks that are timed together.
const PICKS: u32 = 200_000;

fn hosts(count: u32, weighted: bool) -> Arc<HostSet> {
    let endpoint = |n: u32| {
        let [a, b, c, d] = n.to_be_bytes();
        let weight = if weighted { n % 7 + 1 } else { 1 };
        Endpoint {
            weight: NonZeroU32::new(weight).unwrap(),
            ..Endpoint::new(Address::socket([10 + a, b, c, d], 80))
        }
    };
    let assignment = ClusterLoadAssignment::flat("c", (0..count).map(endpoint).collect());
    Arc::new(HostSet::update(None, &assignment, Instant::now()))
}

/// Nanoseconds for a pick, the best of five rounds, and how long preparing took.
fn measure(policy: LbPolicy, count: u32, weighted: bool) -> (f64, Duration) {
    let set = hosts(count, weighted);
    let now = Instant::now();
    let mut balancer = Balancer::new(LoadBalancing::new(policy), set, None, 7, now);
    let prepared = now.elapsed();
    let mut rng = fastrand::Rng::with_seed(1);
    let round = |_| {
        let started = Instant::now();
        for _ in 0..PICKS {
            let hash = Some(rng.u64(..));
            let context = PickContext { hash, active: Some(0), ..PickContext::any(now) };
            assert!(matches!(black_box(balancer.pick(&context, &mut rng)), Pick::Host { .. }));
        }
        started.elapsed().as_secs_f64() * 1e9 / f64::from(PICKS)
    };
    ((0..5).map(round).fold(f64::MAX, f64::min), prepared)
}

fn main() {
    let bounded = ConsistentHashing { use_hostname: false, balance_factor: Some(150) };
    let policies = [
        ("round robin", LbPolicy::RoundRobin, false),
        ("round robin, weights 1 to 7", LbPolicy::RoundRobin, true),
        ("least request", LbPolicy::LEAST_REQUEST, false),
        ("least request, weights 1 to 7", LbPolicy::LEAST_REQUEST, true),
        ("random", LbPolicy::Random, false),
        ("least response time", LbPolicy::LeastResponseTime { decay: LbPolicy::DEFAULT_DECAY }, false),
        ("ring", LbPolicy::RING_HASH, false),
        ("Maglev", LbPolicy::MAGLEV, false),
        (
            "Maglev, `hash_balance_factor` 150",
            LbPolicy::Maglev { table_size: 65_537, hashing: bounded },
            false,
        ),
    ];
    println!("| policy | 10 | 1,000 | 100,000 | prepared for 100,000 in |");
    println!("|---|---|---|---|---|");
    for (name, policy, weighted) in policies {
        let [few, some, many] = [10, 1_000, 100_000].map(|count| measure(policy, count, weighted));
        println!(
            "| {name} | {:.0} ns | {:.0} ns | {:.0} ns | {:.1} ms |",
            few.0,
            some.0,
            many.0,
            many.1.as_secs_f64() * 1e3
        );
    }
}
