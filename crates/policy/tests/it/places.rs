//! Localities, zones, subsets, sessions and new hosts: who gets how much, by tables.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::endpoint::{EndpointExtra, Locality, LocalityEndpoints};
use ripstop_model::load_balancing::{
    ConsistentHashing, Labels, LocalityBalancing, SlowStart, SubsetFallback, SubsetSelector, Subsets,
};
use ripstop_model::{
    Address, ClusterLoadAssignment, Endpoint, HealthStatus, LbPolicy, LoadBalancing, Percent,
};
use ripstop_policy::balance::zone::Home;
use ripstop_policy::balance::{Balancer, NoHost, Pick, PickContext, SessionHost};
use ripstop_policy::host::HostSet;

fn zone(name: &str) -> Locality {
    Locality { zone: name.into(), ..Locality::default() }
}

/// For each zone: name, weight (0: none), healthy and unhealthy hosts.
fn zones(zones: &[(&str, u32, u16, u16)]) -> Arc<HostSet> {
    let mut port = 0;
    let mut assignment = ClusterLoadAssignment::flat("c", Vec::new());
    let mut endpoint = |health| {
        port += 1;
        Arc::new(Endpoint { health, ..Endpoint::new(Address::socket([10, 0, 0, 1], port)) })
    };
    let localities = zones.iter().map(|&(name, weight, well, ill)| LocalityEndpoints {
        locality: zone(name),
        priority: 0,
        weight: NonZeroU32::new(weight),
        endpoints: (0..well)
            .map(|_| HealthStatus::Healthy)
            .chain((0..ill).map(|_| HealthStatus::Unhealthy))
            .map(&mut endpoint)
            .collect(),
    });
    assignment.localities = localities.collect();
    Arc::new(HostSet::update(None, &assignment, Instant::now()))
}

/// How many of 20,000 requests go to each zone, in percent, rounded.
fn shares(balancer: &mut Balancer, names: &[&str]) -> Vec<u32> {
    const REQUESTS: u32 = 20_000;
    let (mut rng, now) = (fastrand::Rng::with_seed(5), Instant::now());
    let mut counts = vec![0; names.len()];
    for _ in 0..REQUESTS {
        let Pick::Host { entry, .. } = balancer.pick(&PickContext::any(now), &mut rng) else {
            panic!("none")
        };
        let zone = names.iter().position(|name| **name == *entry.locality.zone).unwrap();
        counts[zone] += 1;
    }
    counts.iter().map(|count| (count * 100 + REQUESTS / 2) / REQUESTS).collect()
}

fn check_shares(
    balancing: &LoadBalancing,
    set: &Arc<HostSet>,
    home: Option<Home>,
    names: &[&str],
    expected: &[u32],
) {
    let mut balancer = Balancer::new(balancing.clone(), Arc::clone(set), home, 1, Instant::now());
    let shares = shares(&mut balancer, names);
    assert!(shares.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1), "{shares:?}, not {expected:?}");
}

#[test]
fn localities_share_by_weight_and_health() {
    let weighted =
        LoadBalancing { locality: LocalityBalancing::Weighted, ..LoadBalancing::new(LbPolicy::RoundRobin) };
    let check = |hosts: &[(&str, u32, u16, u16)], expected: &[u32]| {
        check_shares(&weighted, &zones(hosts), None, &["a", "b"], expected);
    };
    check(&[("a", 1, 2, 0), ("b", 2, 10, 0)], &[33, 67]);
    // Up to 1.4 times its part of healthy hosts a locality keeps its share; half well: 1 x 0.7 against 1.
    check(&[("a", 1, 8, 2), ("b", 1, 10, 0)], &[50, 50]);
    check(&[("a", 1, 5, 5), ("b", 1, 10, 0)], &[41, 59]);
    check(&[("a", 1, 0, 5), ("b", 1, 10, 0)], &[0, 100]);
    check(&[("a", 3, 4, 0), ("b", 0, 4, 0)], &[100, 0]);
    // Nobody has a weight: hosts count.
    check(&[("a", 0, 1, 0), ("b", 0, 3, 0)], &[25, 75]);
}

#[test]
fn the_own_zone_comes_first_as_far_as_it_can_take_its_share() {
    let aware = |min_cluster_size| LoadBalancing {
        locality: LocalityBalancing::ZoneAware {
            enabled: Percent::ALL,
            min_cluster_size,
            fail_traffic_on_panic: false,
        },
        ..LoadBalancing::new(LbPolicy::RoundRobin)
    };
    let check = |senders: &[(&str, u32, u16, u16)], receivers: &[(&str, u32, u16, u16)], expected: &[u32]| {
        let home = Home { locality: zone("a"), peers: zones(senders) };
        check_shares(&aware(6), &zones(receivers), Some(home), &["a", "b", "c"], expected);
    };
    let even: &[(&str, u32, u16, u16)] = &[("a", 0, 2, 0), ("b", 0, 2, 0), ("c", 0, 2, 0)];
    check(even, even, &[100, 0, 0]);
    check(even, &[("a", 0, 4, 0), ("b", 0, 2, 0), ("c", 0, 2, 0)], &[100, 0, 0]);
    // A third of the senders and a sixth of the receivers: half stays, the rest goes where there is room.
    check(even, &[("a", 0, 1, 0), ("b", 0, 2, 0), ("c", 0, 3, 0)], &[50, 0, 50]);
    // Too few, or nobody at home: every host counts the same.
    check(even, &[("a", 0, 1, 0), ("b", 0, 3, 0)], &[25, 75, 0]);
    check(even, &[("b", 0, 4, 0), ("c", 0, 4, 0)], &[0, 50, 50]);
    check_shares(&aware(6), &zones(even), None, &["a", "b", "c"], &[33, 33, 33]);
}

fn labels(text: &str) -> Labels {
    let pairs = text.split_terminator(' ').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn subsets_keep_requests_apart() {
    let endpoint = |port, text, health| Endpoint {
        extra: EndpointExtra { labels: labels(text), ..EndpointExtra::default() }.boxed(),
        health,
        ..Endpoint::new(Address::socket([10, 0, 0, 1], port))
    };
    let set = HostSet::update(
        None,
        &ClusterLoadAssignment::flat(
            "c",
            vec![
                endpoint(1, "version=1 stage=prod", HealthStatus::Healthy),
                endpoint(2, "version=1 stage=dev", HealthStatus::Healthy),
                endpoint(3, "version=2 stage=dev", HealthStatus::Healthy),
                endpoint(4, "version=3", HealthStatus::Unhealthy),
            ],
        ),
        Instant::now(),
    );
    let selector = |keys: &[&str]| SubsetSelector {
        keys: keys.iter().map(|&key| key.into()).collect(),
        fallback: None,
        fallback_keys: Vec::new(),
    };
    let balancing = LoadBalancing {
        panic_threshold: Percent::ZERO,
        subsets: Some(Box::new(Subsets {
            selectors: vec![selector(&["version"]), selector(&["stage", "version"])],
            fallback: SubsetFallback::Default,
            default_subset: labels("stage=prod"),
        })),
        ..LoadBalancing::new(LbPolicy::RoundRobin)
    };
    let mut balancer = Balancer::new(balancing, Arc::new(set), None, 1, Instant::now());
    let (mut rng, now) = (fastrand::Rng::with_seed(1), Instant::now());
    let mut ports = |wanted: &str| -> Result<Vec<usize>, NoHost> {
        let wanted = labels(wanted);
        let mut picked = Vec::new();
        for _ in 0..8 {
            let context = PickContext { labels: Some(&wanted), ..PickContext::any(now) };
            match balancer.pick(&context, &mut rng) {
                Pick::Host { entry, .. } => picked.push(entry.index + 1),
                Pick::None(why) => return Err(why),
            }
        }
        picked.sort_unstable();
        picked.dedup();
        Ok(picked)
    };
    assert_eq!(ports("version=1"), Ok(vec![1, 2]));
    assert_eq!(ports("version=2 stage=dev"), Ok(vec![3]));
    assert_eq!(ports("version=9"), Ok(vec![1]), "the default subset");
    assert_eq!(ports(""), Ok(vec![1]));
    assert_eq!(ports("version=3"), Err(NoHost::NoneAvailable), "it exists, and is ill");
}

#[test]
fn a_session_stays_with_its_host_while_that_takes_requests() {
    let set = zones(&[("a", 0, 2, 1)]);
    let mut balancer =
        Balancer::new(LoadBalancing::new(LbPolicy::RoundRobin), Arc::clone(&set), None, 1, Instant::now());
    let (mut rng, now) = (fastrand::Rng::with_seed(1), Instant::now());
    let mut pick = |port: u16, strict| {
        let address = Address::socket([10, 0, 0, 1], port);
        let session = Some(SessionHost { address: &address, strict });
        balancer.pick(&PickContext { session, ..PickContext::any(now) }, &mut rng)
    };
    for _ in 0..10 {
        assert!(matches!(pick(2, true), Pick::Host { entry, .. } if entry.index == 1));
    }
    for (gone, why) in [(3, NoHost::SessionHostIll), (77, NoHost::SessionHostGone)] {
        assert!(matches!(pick(gone, true), Pick::None(found) if found == why));
        assert!(matches!(pick(gone, false), Pick::Host { .. }), "another one takes over");
    }
}

#[test]
fn a_new_host_gets_its_share_step_by_step() {
    let (start, window) = (Instant::now(), Duration::from_secs(60));
    let endpoints = |n| (1..=n).map(|port| Endpoint::new(Address::socket([10, 0, 0, 1], port))).collect();
    let old = HostSet::update(None, &ClusterLoadAssignment::flat("c", endpoints(3)), start);
    let then = start + Duration::from_secs(600);
    let set = HostSet::update(Some(&old), &ClusterLoadAssignment::flat("c", endpoints(4)), then);
    let set = Arc::new(set);
    for policy in [LbPolicy::RoundRobin, LbPolicy::LEAST_REQUEST] {
        let slow_start = SlowStart { window, aggression_milli: 1000, min_weight: Percent::whole(10) };
        let balancing = LoadBalancing { slow_start: Some(slow_start), ..LoadBalancing::new(policy) };
        let mut balancer = Balancer::new(balancing, Arc::clone(&set), None, 1, then);
        let mut rng = fastrand::Rng::with_seed(2);
        let mut share_after = |seconds: u64| {
            let now = then + Duration::from_secs(seconds);
            let mut new = 0;
            for _ in 0..10_000 {
                let Pick::Host { entry, .. } = balancer.pick(&PickContext::any(now), &mut rng) else {
                    panic!()
                };
                new += u32::from(entry.index == 3);
            }
            f64::from(new) / 10_000.0
        };
        for (seconds, weight) in [(0, 0.1), (3, 0.1), (30, 0.5), (60, 1.0), (600, 1.0)] {
            let (share, expected) = (share_after(seconds), weight / (3.0 + weight));
            assert!((share - expected).abs() < 0.01, "{policy:?} after {seconds} s: {share}, not {expected}");
        }
    }
}

#[test]
fn one_hash_goes_to_one_host_and_no_host_gets_too_much() {
    let set = zones(&[("a", 0, 10, 0)]);
    let bounded = ConsistentHashing { balance_factor: Some(150), ..ConsistentHashing::default() };
    for policy in
        [LbPolicy::RING_HASH, LbPolicy::MAGLEV, LbPolicy::Maglev { table_size: 65_537, hashing: bounded }]
    {
        let mut balancer =
            Balancer::new(LoadBalancing::new(policy), Arc::clone(&set), None, 1, Instant::now());
        let (mut rng, now) = (fastrand::Rng::with_seed(3), Instant::now());
        let mut pick = |hash| {
            let context = PickContext { hash: Some(hash), ..PickContext::any(now) };
            let Pick::Host { entry, .. } = balancer.pick(&context, &mut rng) else { panic!("none") };
            entry
        };
        let home = pick(42).index;
        assert!((0..50).all(|_| pick(42).index == home), "{policy:?}");
        // All with one hash, none of them ever answered.
        let under_way: Vec<_> = (0..100).map(|_| pick(42).host.begin_request()).collect();
        let most = set.entries().iter().map(|entry| entry.host.active_requests()).max().unwrap();
        let bounds = matches!(policy, LbPolicy::Maglev { hashing, .. } if hashing == bounded);
        assert_eq!(most, if bounds { 15 } else { 100 }, "{policy:?}");
        drop(under_way);
    }
}
