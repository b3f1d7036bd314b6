//! Hours of traffic over places: priorities and panic, zones, localities with weights, subsets, new hosts, sessions by hash.
//! Hosts fall ill and recover by the minute, under a virtual clock with seeded dice; the shares of each quarter are looked at.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::endpoint::{EndpointExtra, Locality, LocalityEndpoints};
use ripstop_model::load_balancing::{
    ClientWeighted, Labels, LocalityBalancing, SlowStart, SubsetFallback, SubsetSelector, Subsets,
};
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, LbPolicy, LoadBalancing, Percent};
use ripstop_policy::balance::zone::Home;
use ripstop_policy::balance::{Balancer, NoHost, Pick, PickContext};
use ripstop_policy::health::flags::HealthFlag;
use ripstop_policy::host::HostSet;

const PER_SECOND: u64 = 40;
const QUARTER: u64 = 900 * PER_SECOND;

/// A group of hosts: priority, zone, weight of the locality (0: none), weights of the hosts.
type Group<'a> = (u32, &'a str, u32, &'a [u32]);

fn assignment(groups: &[Group<'_>]) -> ClusterLoadAssignment {
    let mut port = 0;
    let mut assignment = ClusterLoadAssignment::flat("c", Vec::new());
    assignment.localities = groups
        .iter()
        .map(|&(priority, zone, weight, hosts)| LocalityEndpoints {
            locality: Locality { zone: zone.into(), ..Locality::default() },
            priority,
            weight: NonZeroU32::new(weight),
            endpoints: hosts
                .iter()
                .map(|&weight| {
                    port += 1;
                    Arc::new(Endpoint {
                        weight: NonZeroU32::new(weight).unwrap(),
                        ..Endpoint::new(Address::socket([10, 0, 0, 1], port))
                    })
                })
                .collect(),
        })
        .collect();
    assignment
}

/// What became of the requests of each quarter of an hour: by zone, and how many went to anybody in panic.
#[derive(Debug, Default)]
struct Quarter {
    zones: BTreeMap<String, u64>,
    /// By the number of the host.
    hosts: BTreeMap<usize, u64>,
    panic: u64,
    refused: u64,
    /// Picks of hosts that checks object to, without panic.
    wrong: u64,
}

impl Quarter {
    /// The share of a zone, in percent.
    fn zone(&self, name: &str) -> u64 {
        (self.zones.get(name).copied().unwrap_or(0) * 100 + QUARTER / 2) / QUARTER
    }
}

/// An hour. `ill` says of each host whether checks object to it in this quarter.
fn an_hour(
    balancing: LoadBalancing,
    set: &Arc<HostSet>,
    home: Option<Home>,
    ill: impl Fn(usize, usize) -> bool,
) -> [Quarter; 4] {
    let start = Instant::now();
    let mut balancer = Balancer::new(balancing, Arc::clone(set), home, 1, start);
    let mut rng = fastrand::Rng::with_seed(12);
    let mut quarters: [Quarter; 4] = Default::default();
    for tick in 0..4 * QUARTER {
        let place = usize::try_from(tick / QUARTER).unwrap();
        if tick % QUARTER == 0 {
            for entry in set.entries() {
                entry.host.health.set(HealthFlag::FailedActiveHc, ill(place, entry.index));
            }
            set.health_changed();
        }
        let now = start + Duration::from_micros(tick * 1_000_000 / PER_SECOND);
        let quarter = &mut quarters[place];
        match balancer.pick(&PickContext::any(now), &mut rng) {
            Pick::Host { entry, panic } => {
                *quarter.zones.entry(entry.locality.zone.to_string()).or_default() += 1;
                *quarter.hosts.entry(entry.index).or_default() += 1;
                quarter.panic += u64::from(panic);
                quarter.wrong += u64::from(!panic && entry.host.is_ill());
            }
            Pick::None(_) => quarter.refused += 1,
        }
    }
    quarters
}

fn check_zones(of: LbPolicy, quarters: &[Quarter; 4], names: &[&str], expected: [&[u64]; 4]) {
    for (number, (quarter, expected)) in quarters.iter().zip(expected).enumerate() {
        let shares: Vec<u64> = names.iter().map(|name| quarter.zone(name)).collect();
        let close = shares.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(close, "{of:?}, quarter {number}: {shares:?}, not {expected:?}");
        assert_eq!(quarter.wrong, 0, "quarter {number}");
    }
}

/// Every policy. Without hashes of requests, those that go by one take any.
fn policies() -> [LbPolicy; 7] {
    [
        LbPolicy::RoundRobin,
        LbPolicy::LEAST_REQUEST,
        LbPolicy::Random,
        LbPolicy::RING_HASH,
        LbPolicy::MAGLEV,
        LbPolicy::LeastResponseTime { decay: LbPolicy::DEFAULT_DECAY },
        LbPolicy::ClientWeighted(ClientWeighted::default()),
    ]
}

#[test]
fn lower_priorities_take_over_as_far_as_is_needed_and_panic_is_declared() {
    for policy in policies() {
        let set = HostSet::update(
            None,
            &assignment(&[(0, "first", 0, &[1; 10]), (1, "second", 0, &[1; 10])]),
            Instant::now(),
        );
        // All well; half of the first ill: 0.5 × 1.4 stay; all of the first ill; three of ten well in each: too few, panic.
        let ill = |quarter: usize, host: usize| match quarter {
            0 => false,
            1 => host < 5,
            2 => host < 10,
            _ => host % 10 >= 3,
        };
        let hour = an_hour(LoadBalancing::new(policy), &Arc::new(set), None, ill);
        check_zones(policy, &hour, &["first", "second"], [&[100, 0], &[70, 30], &[0, 100], &[50, 50]]);
        let panics: Vec<bool> = hour.iter().map(|quarter| quarter.panic > 0).collect();
        assert_eq!(panics, [false, false, false, true], "{policy:?}");
        assert_eq!(hour[3].panic, QUARTER, "{policy:?}");
        assert!(hour.iter().all(|quarter| quarter.refused == 0), "{policy:?}");
    }
}

#[test]
fn without_panic_nobody_is_asked_who_is_ill() {
    let set = Arc::new(HostSet::update(None, &assignment(&[(0, "a", 0, &[1; 4])]), Instant::now()));
    let balancing =
        LoadBalancing { panic_threshold: Percent::ZERO, ..LoadBalancing::new(LbPolicy::LEAST_REQUEST) };
    let hour = an_hour(balancing, &set, None, |quarter, host| host < [0, 3, 4, 0][quarter]);
    let refused: Vec<u64> = hour.iter().map(|quarter| quarter.refused).collect();
    assert_eq!(refused, [0, 0, QUARTER, 0]);
    assert_eq!(hour[1].hosts.keys().copied().collect::<Vec<_>>(), [3]);
    assert_eq!(hour[3].hosts.len(), 4, "all are back");
}

#[test]
fn the_own_zone_keeps_what_it_can_take_while_hosts_come_and_go() {
    let even: &[Group<'_>] = &[(0, "a", 0, &[1; 4]), (0, "b", 0, &[1; 4]), (0, "c", 0, &[1; 4])];
    // Where one hash is to lead to one host, the zone does not matter.
    for policy in policies().into_iter().filter(|policy| !policy.is_consistent()) {
        let set = Arc::new(HostSet::update(None, &assignment(even), Instant::now()));
        let peers = Arc::new(HostSet::update(None, &assignment(even), Instant::now()));
        let home = Home { locality: Locality { zone: "a".into(), ..Locality::default() }, peers };
        let balancing = LoadBalancing {
            locality: LocalityBalancing::ZoneAware {
                enabled: Percent::ALL,
                min_cluster_size: 6,
                fail_traffic_on_panic: false,
            },
            ..LoadBalancing::new(policy)
        };
        // Two of the own zone ill: it has a fifth of the receivers and a third of the senders. All of it ill: every host counts
        // the same. One of another zone ill: nothing changes at home.
        let ill = |quarter: usize, host: usize| match quarter {
            0 => false,
            1 => host < 2,
            2 => host < 4,
            _ => host == 4,
        };
        let hour = an_hour(balancing, &set, Some(home), ill);
        check_zones(
            policy,
            &hour,
            &["a", "b", "c"],
            [&[100, 0, 0], &[60, 20, 20], &[0, 50, 50], &[100, 0, 0]],
        );
    }
}

#[test]
fn localities_and_hosts_in_them_share_by_weight() {
    // Envoy's `wrr_locality`: first the locality by its weight, then the host by its own.
    for policy in
        [LbPolicy::RoundRobin, LbPolicy::Random, LbPolicy::ClientWeighted(ClientWeighted::default())]
    {
        let groups: &[Group<'_>] = &[(0, "a", 3, &[1, 2]), (0, "b", 1, &[4, 1, 1])];
        let set = Arc::new(HostSet::update(None, &assignment(groups), Instant::now()));
        let balancing = LoadBalancing {
            locality: LocalityBalancing::Weighted,
            panic_threshold: Percent::ZERO,
            ..LoadBalancing::new(policy)
        };
        // In the second quarter "b" is ill altogether, in the third one host of "a": 0.5 × 1.4 × 3 against 1.
        let ill = |quarter: usize, host: usize| match quarter {
            1 => host >= 2,
            2 => host == 0,
            _ => false,
        };
        let hour = an_hour(balancing, &set, None, ill);
        check_zones(policy, &hour, &["a", "b"], [&[75, 25], &[100, 0], &[68, 32], &[75, 25]]);
        // The dice alone do not go by weights of hosts, and reported weights take their place.
        let weighted = policy == LbPolicy::RoundRobin;
        for (host, share) in [(0, 25.0), (1, 50.0), (2, 16.67), (3, 4.17), (4, 4.17)] {
            let got = hour[0].hosts[&host] as f64 * 100.0 / QUARTER as f64;
            assert!(!weighted || (got - share).abs() < 1.0, "{policy:?} host {host}: {got}, not {share}");
        }
    }
}

#[test]
fn subsets_stay_apart_for_an_hour_of_illness() {
    let labels = |text: &str| -> Labels { [("version".into(), text.into())].into() };
    let endpoints = (1..=6).map(|port| Endpoint {
        extra: EndpointExtra {
            labels: labels(if port <= 3 { "1" } else { "2" }),
            ..EndpointExtra::default()
        }
        .boxed(),
        ..Endpoint::new(Address::socket([10, 0, 0, 1], port))
    });
    let set = ClusterLoadAssignment::flat("c", endpoints.collect());
    for fallback in [SubsetFallback::Nothing, SubsetFallback::Any] {
        let set = Arc::new(HostSet::update(None, &set, Instant::now()));
        let selector =
            SubsetSelector { keys: ["version".into()].into(), fallback: None, fallback_keys: Vec::new() };
        let balancing = LoadBalancing {
            panic_threshold: Percent::ZERO,
            subsets: Some(Box::new(Subsets {
                selectors: vec![selector],
                fallback,
                default_subset: Labels::new(),
            })),
            ..LoadBalancing::new(LbPolicy::RoundRobin)
        };
        let start = Instant::now();
        let mut balancer = Balancer::new(balancing, Arc::clone(&set), None, 1, start);
        let mut rng = fastrand::Rng::with_seed(2);
        let mut refused = [0; 3];
        for tick in 0..4 * QUARTER {
            let quarter = tick / QUARTER;
            if tick % QUARTER == 0 {
                // Two of version 1, then all of it, then none.
                for entry in &set.entries()[..3] {
                    let ill = [false, entry.index < 2, true, false][usize::try_from(quarter).unwrap()];
                    entry.host.health.set(HealthFlag::FailedActiveHc, ill);
                }
                set.health_changed();
            }
            let kind = usize::try_from(tick % 3).unwrap();
            let wanted = labels(["1", "2", "9"][kind]);
            let now = start + Duration::from_micros(tick * 1_000_000 / PER_SECOND);
            let context = PickContext { labels: Some(&wanted), ..PickContext::any(now) };
            match balancer.pick(&context, &mut rng) {
                Pick::Host { entry, .. } => {
                    assert!(!entry.host.is_ill(), "{fallback:?}");
                    assert!(kind == 2 || entry.endpoint.extra().labels == wanted, "{fallback:?}");
                }
                Pick::None(why) => {
                    let expected = if kind == 2 { NoHost::NoSubset } else { NoHost::NoneAvailable };
                    assert_eq!(why, expected);
                    refused[kind] += 1;
                }
            }
        }
        let third = QUARTER / 3;
        // A subset that is ill altogether has no stand-in; one that there is not has, where that is wanted.
        let of_nobody = if matches!(fallback, SubsetFallback::Nothing) { 4 * third } else { 0 };
        assert_eq!(refused, [third, 0, of_nobody], "{fallback:?}");
    }
}

#[test]
fn new_hosts_are_spared_in_an_hour_in_which_one_comes_every_ten_minutes() {
    let start = Instant::now();
    let window = Duration::from_secs(300);
    let slow_start = SlowStart { window, aggression_milli: 1000, min_weight: Percent::whole(10) };
    let endpoints = |n: u16| {
        let endpoints = (1..=n).map(|port| Endpoint::new(Address::socket([10, 0, 0, 1], port))).collect();
        ClusterLoadAssignment::flat("c", endpoints)
    };
    for policy in [LbPolicy::RoundRobin, LbPolicy::LEAST_REQUEST] {
        let balancing = LoadBalancing { slow_start: Some(slow_start), ..LoadBalancing::new(policy) };
        // The first four have been there for long.
        let past = start - Duration::from_secs(3600);
        let mut set = Arc::new(HostSet::update(None, &endpoints(4), past));
        let mut balancer = Balancer::new(balancing, Arc::clone(&set), None, 1, start);
        let mut rng = fastrand::Rng::with_seed(4);
        // Of each ten minutes: requests of the newest host in the first, the fifth and the last minute.
        let mut newest = [[0_u64; 3]; 6];
        for tick in 0..4 * QUARTER {
            let second = tick / PER_SECOND;
            let now = start + Duration::from_micros(tick * 1_000_000 / PER_SECOND);
            let hosts = u16::try_from(5 + second / 600).unwrap();
            if set.len() < usize::from(hosts) {
                set = Arc::new(HostSet::update(Some(&set), &endpoints(hosts), now));
                balancer.replace_hosts(Arc::clone(&set), now);
            }
            let Pick::Host { entry, .. } = balancer.pick(&PickContext::any(now), &mut rng) else { panic!() };
            let minute = match second % 600 / 60 {
                0 => 0,
                4 => 1,
                9 => 2,
                _ => continue,
            };
            let step = usize::try_from(second / 600).unwrap();
            newest[step][minute] += u64::from(entry.index + 1 == usize::from(hosts));
        }
        for (step, counts) in newest.iter().enumerate() {
            let others = 4.0 + step as f64;
            let requests = (60 * PER_SECOND) as f64;
            // The mean weight of a minute: of the first 0.1 to 0.2, of the fifth 0.8 to 1, then whole.
            for (count, weight) in counts.iter().zip([0.12, 0.9, 1.0]) {
                let (share, expected) = (*count as f64 / requests, weight / (others + weight));
                assert!((share - expected).abs() < 0.025, "{policy:?} {step}: {share:.3}, not {expected:.3}");
            }
        }
    }
}

#[test]
fn sessions_by_hash_move_with_their_hosts_alone() {
    const SESSIONS: u64 = 2_000;
    const HOSTS: u16 = 20;
    let without = |left_out: Option<u16>| {
        let ports = (1..=HOSTS).filter(|port| Some(*port) != left_out);
        let endpoints = ports.map(|port| Endpoint::new(Address::socket([10, 0, 0, 1], port))).collect();
        ClusterLoadAssignment::flat("c", endpoints)
    };
    // Rings and tables of another number of hosts are not quite the same for the others either.
    for policy in [LbPolicy::RING_HASH, LbPolicy::MAGLEV] {
        let start = Instant::now();
        let mut set = Arc::new(HostSet::update(None, &without(None), start));
        let mut balancer = Balancer::new(LoadBalancing::new(policy), Arc::clone(&set), None, 1, start);
        let mut rng = fastrand::Rng::with_seed(9);
        let mut homes: BTreeMap<u64, Address> = BTreeMap::new();
        let mut moved_for_nothing = 0;
        // Every three minutes another host is restarted: gone for one of them.
        for minute in 0..60_u64 {
            let gone = (minute % 3 == 1).then(|| u16::try_from(1 + minute / 3).unwrap());
            let now = start + Duration::from_secs(60 * minute);
            set = Arc::new(HostSet::update(Some(&set), &without(gone), now));
            balancer.replace_hosts(Arc::clone(&set), now);
            let gone = gone.map(|port| Address::socket([10, 0, 0, 1], port));
            for session in 0..SESSIONS {
                let hash = session.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let context = PickContext { hash: Some(hash), ..PickContext::any(now) };
                let Pick::Host { entry, .. } = balancer.pick(&context, &mut rng) else { panic!() };
                let home = homes.entry(session).or_insert_with(|| entry.host.address().clone());
                if home != entry.host.address() && Some(&*home) != gone.as_ref() {
                    moved_for_nothing += 1;
                }
            }
        }
        let share = f64::from(moved_for_nothing) / (60.0 * SESSIONS as f64);
        println!("{policy:?}: {share:.4} of requests went elsewhere although their host was there");
        assert!(share <= 0.02, "{policy:?} {share}");
        let used: BTreeSet<_> = homes.values().collect();
        assert_eq!(used.len(), usize::from(HOSTS));
    }
}
