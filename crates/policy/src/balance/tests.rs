//! Which host is picked, and how often, by tables.

use super::*;
use ripstop_model::endpoint::LocalityEndpoints;
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, HealthStatus, LbPolicy, Percent};
use std::num::NonZeroU32;

const POLICIES: [LbPolicy; 3] = [LbPolicy::RoundRobin, LbPolicy::LEAST_REQUEST, LbPolicy::Random];

/// Hosts by priority, each with health and weight; ports count from 1 through all of them.
fn hosts(levels: &[&[(HealthStatus, u32)]]) -> Arc<HostSet> {
    let mut port = 0;
    let mut assignment = ClusterLoadAssignment::flat("c", Vec::new());
    assignment.localities.clear();
    for (priority, level) in (0..).zip(levels) {
        let endpoints = level.iter().map(|&(health, weight)| {
            port += 1;
            let weight = NonZeroU32::new(weight).unwrap();
            Arc::new(Endpoint { health, weight, ..Endpoint::new(Address::socket([10, 0, 0, 1], port)) })
        });
        assignment.localities.push(LocalityEndpoints {
            locality: Default::default(),
            priority,
            weight: None,
            endpoints: endpoints.collect(),
        });
    }
    Arc::new(HostSet::update(None, &assignment, Instant::now()))
}

/// How often each host is picked in `n` picks.
fn picks(balancer: &mut Balancer, n: usize) -> Vec<usize> {
    let mut rng = fastrand::Rng::with_seed(11);
    let mut counts = vec![0; balancer.hosts().len()];
    for _ in 0..n {
        match balancer.pick(&PickContext::any(Instant::now()), &mut rng) {
            Pick::Host { entry, .. } => counts[entry.index] += 1,
            Pick::None(why) => panic!("{why}"),
        }
    }
    counts
}

fn balancer(policy: LbPolicy, hosts: &Arc<HostSet>) -> Balancer {
    Balancer::new(
        LoadBalancing { panic_threshold: Percent::whole(50), ..LoadBalancing::new(policy) },
        Arc::clone(hosts),
        None,
        3,
        Instant::now(),
    )
}

const UP: (HealthStatus, u32) = (HealthStatus::Healthy, 1);

#[test]
fn only_available_hosts_are_picked() {
    use HealthStatus::{Degraded, Draining, Timeout, Unhealthy};
    let set = hosts(&[&[UP, UP, UP, (Draining, 1), (Unhealthy, 1), UP, (Timeout, 1), UP]]);
    for policy in POLICIES {
        let counts = picks(&mut balancer(policy, &set), 500);
        assert_eq!((counts[3], counts[4], counts[6]), (0, 0, 0), "{policy:?}");
        assert!([0, 1, 2, 5, 7].iter().all(|&i| counts[i] > 50), "{policy:?} {counts:?}");
    }
    // 70 % of the load stay with the healthy half, the rest goes to the degraded one.
    let set = hosts(&[&[UP, (Degraded, 1)]]);
    let counts = picks(&mut balancer(LbPolicy::RoundRobin, &set), 10_000);
    assert!(counts[0].abs_diff(7_000) < 200, "{counts:?}");
}

#[test]
fn panic_is_declared() {
    let set = hosts(&[&[UP, (HealthStatus::Unhealthy, 1), (HealthStatus::Unhealthy, 1)]]);
    let mut rng = fastrand::Rng::with_seed(1);
    for policy in POLICIES {
        let mut panicking = balancer(policy, &set);
        assert!(matches!(
            panicking.pick(&PickContext::any(Instant::now()), &mut rng),
            Pick::Host { panic: true, .. }
        ));
        assert!(picks(&mut panicking, 300).iter().all(|&count| count > 50));
        let mut calm = Balancer::new(
            LoadBalancing { panic_threshold: Percent::ZERO, ..LoadBalancing::new(policy) },
            Arc::clone(&set),
            None,
            3,
            Instant::now(),
        );
        assert_eq!(picks(&mut calm, 300), [300, 0, 0]);
    }
}

#[test]
fn there_may_be_none() {
    let mut rng = fastrand::Rng::with_seed(1);
    let set = hosts(&[&[(HealthStatus::Unhealthy, 1)]]);
    let mut none = Balancer::new(
        LoadBalancing { panic_threshold: Percent::ZERO, ..LoadBalancing::new(LbPolicy::Random) },
        Arc::clone(&set),
        None,
        3,
        Instant::now(),
    );
    assert!(matches!(
        none.pick(&PickContext::any(Instant::now()), &mut rng),
        Pick::None(NoHost::NoneAvailable)
    ));
    none.replace_hosts(hosts(&[]), Instant::now());
    assert!(matches!(none.pick(&PickContext::any(Instant::now()), &mut rng), Pick::None(NoHost::Empty)));
}

#[test]
fn a_host_that_was_not_tried_is_always_found() {
    let set = hosts(&[&[UP; 9], &[UP]]);
    let mut rng = fastrand::Rng::with_seed(1);
    for policy in POLICIES {
        let mut balancer = balancer(policy, &set);
        let mut tried = Vec::new();
        while let Pick::Host { entry, .. } =
            balancer.pick(&PickContext::avoiding(&tried, Instant::now()), &mut rng)
        {
            assert!(!tried.iter().any(|host| Arc::ptr_eq(host, &entry.host)));
            // The lower priority comes last.
            assert_eq!(entry.priority == 1, tried.len() == 9);
            tried.push(Arc::clone(&entry.host));
        }
        assert_eq!(tried.len(), 10);
        assert!(matches!(
            balancer.pick(&PickContext::avoiding(&tried, Instant::now()), &mut rng),
            Pick::None(NoHost::AllTried)
        ));
        assert!(matches!(balancer.pick(&PickContext::any(Instant::now()), &mut rng), Pick::Host { .. }));
    }
}

#[test]
fn weights_are_kept_by_every_policy_but_random() {
    let up = |weight| (HealthStatus::Unknown, weight);
    let set = hosts(&[&[up(1), up(2), up(5)]]);
    let counts = picks(&mut balancer(LbPolicy::RoundRobin, &set), 8_000);
    assert!(counts.iter().zip([1_000, 2_000, 5_000]).all(|(n, expected)| n.abs_diff(expected) <= 1));
    // No requests stay active here, so least request is a plain weighted turn.
    let counts = picks(&mut balancer(LbPolicy::LEAST_REQUEST, &set), 8_000);
    assert!(counts.iter().zip([1_000, 2_000, 5_000]).all(|(n, expected)| n.abs_diff(expected) <= 1));
    let counts = picks(&mut balancer(LbPolicy::Random, &set), 80_000);
    assert!(counts.iter().all(|n| n.abs_diff(26_667) < 600), "{counts:?}");
}

#[test]
fn least_request_prefers_the_idle() {
    let mut rng = fastrand::Rng::with_seed(1);
    let set = hosts(&[&[UP; 3]]);
    let _busy = [set.entries()[0].host.begin_request(), set.entries()[2].host.begin_request()];
    let mut full_scan =
        balancer(LbPolicy::LeastRequest { choices: 3, active_request_bias_milli: 1000 }, &set);
    for _ in 0..50 {
        let Pick::Host { entry, .. } = full_scan.pick(&PickContext::any(Instant::now()), &mut rng) else {
            panic!("no host")
        };
        assert_eq!(entry.index, 1);
    }
    // The busy host has weight 10 / (9 + 1) and takes turns with an idle one of weight 1.
    let set = hosts(&[&[(HealthStatus::Healthy, 10), UP]]);
    let _busy: Vec<_> = (0..9).map(|_| set.entries()[0].host.begin_request()).collect();
    let counts = picks(&mut balancer(LbPolicy::LEAST_REQUEST, &set), 1_000);
    assert!(counts[0].abs_diff(500) <= 10, "{counts:?}");
}

#[test]
fn turns_begin_at_different_places() {
    let set = hosts(&[&[UP; 8]]);
    let first = |seed| {
        let mut balancer = Balancer::new(
            LoadBalancing { panic_threshold: Percent::whole(50), ..LoadBalancing::new(LbPolicy::RoundRobin) },
            Arc::clone(&set),
            None,
            seed,
            Instant::now(),
        );
        picks(&mut balancer, 1).iter().position(|&n| n == 1)
    };
    let places: std::collections::BTreeSet<_> = (0..32).map(first).collect();
    assert!(places.len() > 4, "{places:?}");
}

fn many(count: u16) -> HostSet {
    let endpoints = (0..count).map(|port| Endpoint::new(Address::socket([10, 0, 0, 1], port))).collect();
    HostSet::update(None, &ClusterLoadAssignment::flat("c", endpoints), Instant::now())
}

#[test]
fn among_many_hosts_one_that_falls_ill_is_left_out_at_once_and_one_that_returns_a_little_later() {
    use crate::health::flags::HealthFlag;
    let set = Arc::new(many(2000));
    let now = Instant::now();
    let mut balancer = Balancer::new(LoadBalancing::new(LbPolicy::RoundRobin), set.clone(), None, 1, now);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut picked = |now| {
        let mut picked = HashSet::new();
        for _ in 0..4000 {
            let Pick::Host { entry, .. } = balancer.pick(&PickContext::any(now), &mut rng) else { panic!() };
            picked.insert(entry.index);
        }
        picked
    };
    let set_ill = |ill: std::ops::Range<usize>, is_ill| {
        for entry in &set.entries()[ill] {
            entry.host.health.set(HealthFlag::FailedActiveHc, is_ill);
        }
        set.health_changed();
    };
    assert_eq!(picked(now).len(), 2000);
    set_ill(0..500, true);
    let left = picked(now);
    assert!(left.len() == 1500 && left.iter().all(|index| *index >= 500));
    let later = now + Duration::from_millis(3);
    assert_eq!(picked(later).len(), 1500);
    set_ill(0..500, false);
    assert_eq!(picked(later).len(), 1500);
    assert_eq!(picked(later + Duration::from_millis(3)).len(), 2000);
}

#[test]
fn weights_follow_what_hosts_say_of_their_load() {
    use ripstop_model::load_balancing::ClientWeighted;
    use ripstop_model::load_report::LoadReport;
    let policy = ClientWeighted::default();
    let set = Arc::new(many(4));
    let since = set.entries()[0].host.since();
    let mut balancer =
        Balancer::new(LoadBalancing::new(LbPolicy::ClientWeighted(policy)), set.clone(), None, 1, since);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut shares = |now| {
        let mut counts = [0; 4];
        for _ in 0..1000 {
            let Pick::Host { entry, .. } = balancer.pick(&PickContext::any(now), &mut rng) else { panic!() };
            counts[entry.index] += 1;
        }
        counts
    };
    let even = |counts: [i32; 4], expected: [i32; 4]| {
        assert!(counts.iter().zip(expected).all(|(count, wanted)| (count - wanted).abs() <= 2), "{counts:?}");
    };
    even(shares(since), [250; 4]);
    let at = |seconds| since + Duration::from_secs(seconds);
    // The last says nothing, and gets the average of the others.
    for (entry, cpu) in set.entries().iter().zip([0.1, 0.2, 0.2]) {
        let report = LoadReport { cpu_utilization: cpu, requests_per_second: 10.0, ..LoadReport::default() };
        entry.host.record_load(&report, &policy, &[], at(1));
    }
    even(shares(at(5)), [250; 4]);
    even(shares(at(20)), [375, 187, 187, 250]);
    even(shares(at(500)), [250; 4]);
}
