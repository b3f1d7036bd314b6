//! Ejections and returns under a virtual clock.

use super::*;
use ripstop_model::outlier::{FailurePercentage, SuccessRate};
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, Percent};

const SECOND: Duration = Duration::from_secs(1);

fn hosts(n: u16) -> HostSet {
    let endpoints = (1..=n).map(|port| Endpoint::new(Address::socket([10, 0, 0, 1], port))).collect();
    HostSet::update(None, &ClusterLoadAssignment::flat("c", endpoints), Instant::now())
}

fn dice() -> fastrand::Rng {
    fastrand::Rng::with_seed(7)
}

fn config() -> OutlierDetection {
    OutlierDetection { consecutive_5xx: Streak::always(3), ..OutlierDetection::default() }
}

fn host(set: &HostSet, index: usize) -> &Arc<Host> {
    &set.entries()[index].host
}

fn record_all(detector: &OutlierDetector, set: &HostSet, outcomes: &[Outcome]) -> Option<EjectionReason> {
    let now = Instant::now();
    let ejections: Vec<_> = outcomes
        .iter()
        .filter_map(|&outcome| detector.record(host(set, 0), outcome, set, now, &mut dice()))
        .collect();
    assert!(ejections.len() <= 1);
    ejections.first().map(|ejection| ejection.reason)
}

#[test]
fn failures_have_to_come_in_a_row() {
    use Outcome::{ConnectFailure, Reset, Status, Timeout};
    let server = Some(EjectionReason::Consecutive5xx);
    let gateway = Some(EjectionReason::ConsecutiveGatewayFailure);
    let only_5xx = config();
    let only_gateway = OutlierDetection {
        consecutive_5xx: None,
        consecutive_gateway_failure: Streak::always(3),
        ..config()
    };
    let check = |config: OutlierDetection, outcomes: &[Outcome], expected| {
        let found = record_all(&OutlierDetector::new(config), &hosts(2), outcomes);
        assert_eq!(found, expected, "{outcomes:?}");
    };
    check(only_5xx, &[Status(500), Status(500)], None);
    check(only_5xx, &[Status(500), Status(501), Status(599)], server);
    check(only_5xx, &[Status(500), Status(500), Status(404), Status(500)], None);
    check(only_5xx, &[ConnectFailure, Reset, Timeout], server);
    check(only_gateway, &[Status(500), Status(500), Status(500)], None);
    check(only_gateway, &[Status(502), Status(503), Status(504)], gateway);
    check(only_gateway, &[ConnectFailure, Reset, Timeout], gateway);
    check(only_gateway, &[Status(502), Status(502), Status(500), Status(502)], None);
    check(only_gateway, &[Status(502), Status(502), Status(200), Status(502)], None);
}

#[test]
fn an_ejected_host_returns_at_the_sweep_after_its_time() {
    let (detector, set, start) = (OutlierDetector::new(config()), hosts(2), Instant::now());
    let version = set.health_version();
    let mut ejection = None;
    for _ in 0..3 {
        ejection = detector.record(host(&set, 0), Outcome::Status(500), &set, start, &mut dice());
    }
    let ejection = ejection.unwrap();
    assert_eq!((ejection.duration, ejection.times), (30 * SECOND, 1));
    assert!(host(&set, 0).is_ejected() && set.health_version() != version);
    assert_eq!(host(&set, 0).ejection().unwrap().reason, EjectionReason::Consecutive5xx);
    assert_eq!(set.entries()[0].health_flags(), "/failed_outlier_check");

    assert!(detector.sweep(&set, start + 29 * SECOND, &mut dice()).returned.is_empty());
    let returned = detector.sweep(&set, start + 30 * SECOND, &mut dice()).returned;
    assert!(Arc::ptr_eq(&returned[0].host, host(&set, 0)));
    assert_eq!(returned[0].ejection.duration(), 30 * SECOND);
    assert!(!host(&set, 0).is_ejected() && host(&set, 0).ejection().is_none());
    assert_eq!(host(&set, 0).ejection_count(), 1);
}

/// Ejects the first host at once; the length of the ejection in seconds.
fn eject(detector: &OutlierDetector, set: &HostSet, now: Instant) -> u64 {
    let failures =
        (0..3).filter_map(|_| detector.record(host(set, 0), Outcome::Status(500), set, now, &mut dice()));
    failures.last().unwrap().duration.as_secs()
}

#[test]
fn ejections_grow_to_the_maximum_and_fade_when_all_is_well() {
    let (detector, set) = (OutlierDetector::new(config()), hosts(2));
    let mut now = Instant::now();
    let mut lengths = Vec::new();
    for _ in 0..12 {
        let length = eject(&detector, &set, now);
        lengths.push(length);
        now += Duration::from_secs(length);
        assert_eq!(detector.sweep(&set, now, &mut dice()).returned.len(), 1);
    }
    assert_eq!(lengths, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
    // The multiplier went to 11; nine sweeps without an ejection leave 2, and the next ejection makes it 3.
    for _ in 0..9 {
        now += 10 * SECOND;
        detector.sweep(&set, now, &mut dice());
    }
    assert_eq!(eject(&detector, &set, now), 90);
}

#[test]
fn the_share_of_ejected_hosts_is_kept() {
    let check = |percent: u32, hosts_in_all: u16, expected: usize| {
        let max_ejection_percent = Percent::whole(percent);
        let detector = OutlierDetector::new(OutlierDetection { max_ejection_percent, ..config() });
        let (set, now) = (hosts(hosts_in_all), Instant::now());
        for entry in set.entries() {
            for _ in 0..3 {
                detector.record(&entry.host, Outcome::ConnectFailure, &set, now, &mut dice());
            }
        }
        let ejected = set.entries().iter().filter(|entry| entry.host.is_ejected()).count();
        assert_eq!(ejected, expected, "{percent}% of {hosts_in_all}");
        let (totals, reason) = (detector.totals(), EjectionReason::Consecutive5xx);
        assert_eq!(totals.detected(reason), u64::from(hosts_in_all));
        assert_eq!((totals.enforced(reason), totals.all_enforced()), (expected as u64, expected as u64));
        assert_eq!(totals.overflow(), u64::from(hosts_in_all) - expected as u64);
        assert_eq!(totals.found_with_room(), expected as u64);
    };
    check(10, 1, 0);
    check(100, 1, 0);
    check(10, 2, 1);
    check(10, 9, 1);
    check(10, 20, 2);
    check(10, 29, 2);
    check(50, 4, 2);
    check(100, 4, 4);
    check(0, 4, 0);
}

#[test]
fn what_becomes_of_one_endpoint_where_the_share_is_less_can_be_said() {
    let ejected = |one_endpoint, percent, hosts_in_all| {
        let max_ejection_percent = Percent::whole(percent);
        let config = OutlierDetection { one_endpoint, max_ejection_percent, ..config() };
        let (detector, set, now) = (OutlierDetector::new(config), hosts(hosts_in_all), Instant::now());
        for entry in set.entries() {
            for _ in 0..3 {
                detector.record(&entry.host, Outcome::Reset, &set, now, &mut dice());
            }
        }
        set.entries().iter().filter(|entry| entry.host.is_ejected()).count()
    };
    use OneEndpoint::{Always, ByShare, OfSeveral};
    for (percent, hosts_in_all, expected) in [
        (0, 1, [0, 0, 1]),
        (0, 4, [0, 0, 1]),
        (10, 1, [0, 0, 1]),
        (10, 2, [1, 0, 1]),
        (10, 9, [1, 0, 1]),
        (10, 10, [1, 1, 1]),
        (50, 2, [1, 1, 1]),
        (50, 5, [2, 2, 2]),
        (100, 1, [0, 1, 1]),
        (100, 2, [2, 2, 2]),
    ] {
        let found = [OfSeveral, ByShare, Always].map(|one| ejected(one, percent, hosts_in_all));
        assert_eq!(found, expected, "{percent} % of {hosts_in_all}");
    }
}

#[test]
fn a_detector_that_is_never_obeyed_counts_and_does_not_stand_in_the_way_of_another() {
    let never = Streak { enforcing: Percent::ZERO, ..Streak::always(3).unwrap() };
    let (gateway, server) = (EjectionReason::ConsecutiveGatewayFailure, EjectionReason::Consecutive5xx);
    let run = |config: OutlierDetection| {
        let (detector, set, now) = (OutlierDetector::new(config), hosts(2), Instant::now());
        for _ in 0..3 {
            detector.record(host(&set, 0), Outcome::Status(503), &set, now, &mut dice());
        }
        let totals = detector.totals();
        let counted = [gateway, server].map(|reason| (totals.detected(reason), totals.enforced(reason)));
        (host(&set, 0).is_ejected(), counted)
    };
    let both = OutlierDetection { consecutive_gateway_failure: Some(never), ..config() };
    assert_eq!(run(both), (true, [(1, 0), (1, 1)]));
    assert_eq!(run(OutlierDetection { consecutive_5xx: Some(never), ..both }), (false, [(1, 0), (1, 0)]));
    // Whoever was put aside is not looked at by the other one.
    let both = OutlierDetection { consecutive_gateway_failure: Streak::always(3), ..config() };
    assert_eq!(run(both), (true, [(1, 1), (0, 0)]));
}

#[test]
fn rates_of_the_last_interval_are_shown_where_there_were_enough_requests() {
    let (detector, set, now) = (OutlierDetector::new(config()), hosts(5), Instant::now());
    let run = |share: &[u32]| {
        for (entry, failing) in set.entries().iter().zip(share) {
            for number in 0..200 {
                let status = if number % 2 == 0 && number / 2 < *failing { 500 } else { 200 };
                detector.record(&entry.host, Outcome::Status(status), &set, now, &mut dice());
            }
        }
        detector.sweep(&set, now, &mut dice());
        let shown: Vec<_> = set.entries().iter().map(|entry| entry.host.success_rates()[0].get()).collect();
        (shown, detector.rates()[0])
    };
    let (shown, rates) = run(&[0, 0, 0, 0, 100]);
    assert_eq!(shown, [Some(100.0), Some(100.0), Some(100.0), Some(100.0), Some(50.0)]);
    // The mean is 90, the standard deviation 20.
    assert_eq!(rates, SuccessRates { average: Some(90.0), threshold: Some(90.0 - 1.9 * 20.0) });
    let (shown, rates) = run(&[]);
    assert_eq!((shown, rates), (vec![None; 5], SuccessRates::default()), "nobody was asked");
}

#[test]
fn a_new_detector_knows_what_is_ejected_already() {
    let (set, now) = (hosts(3), Instant::now());
    assert_eq!(eject(&OutlierDetector::new(config()), &set, now), 30);
    let second = OutlierDetector::new(config());
    for _ in 0..3 {
        assert!(second.record(host(&set, 1), Outcome::Status(500), &set, now, &mut dice()).is_none());
    }
    forgive_all(&set);
    assert_eq!(set.available(), 3);
}

/// Ejected hosts after an interval in which host `i` had `hosts[i]` successes and failures.
fn after_an_interval(config: OutlierDetection, hosts_done: &[(u32, u32)]) -> Vec<(usize, EjectionReason)> {
    let set = hosts(u16::try_from(hosts_done.len()).unwrap());
    let (detector, now) = (OutlierDetector::new(config), Instant::now());
    for (index, &(well, ill)) in hosts_done.iter().enumerate() {
        let outcomes = (0..ill).flat_map(|_| [Outcome::Status(200), Outcome::Status(503)]);
        // Never many failures in a row.
        for outcome in outcomes.chain((ill..well).map(|_| Outcome::Status(200))) {
            assert!(detector.record(host(&set, index), outcome, &set, now, &mut dice()).is_none());
        }
    }
    let ejected = detector.sweep(&set, now, &mut dice()).ejected;
    let index = |ejection: &Ejection| {
        set.entries().iter().position(|entry| Arc::ptr_eq(&entry.host, &ejection.host)).unwrap()
    };
    let again = detector.sweep(&set, now, &mut dice()).ejected;
    assert!(again.is_empty(), "each interval counts anew");
    ejected.iter().map(|ejection| (index(ejection), ejection.reason)).collect()
}

#[test]
fn rates_out_of_the_ordinary_eject_at_the_end_of_an_interval() {
    let all = OutlierDetection { max_ejection_percent: Percent::ALL, ..config() };
    let far_below = [(200, 0), (199, 1), (198, 2), (200, 0), (150, 50)];
    assert_eq!(after_an_interval(all, &far_below), [(4, EjectionReason::SuccessRate)]);
    assert_eq!(after_an_interval(all, &far_below[1..]), [], "four hosts are too few");
    assert_eq!(
        after_an_interval(all, &[(20, 0), (20, 0), (20, 0), (20, 0), (10, 10)]),
        [],
        "too few requests"
    );
    assert_eq!(after_an_interval(all, &[(150, 50); 6]), [], "all alike");

    let percentage = OutlierDetection {
        success_rate: None,
        failure_percentage: Some(FailurePercentage {
            threshold: Percent::whole(40),
            minimum_hosts: 2,
            ..FailurePercentage::default()
        }),
        ..all
    };
    let found = after_an_interval(percentage, &[(60, 40), (61, 39), (60, 40), (20, 20)]);
    let reason = EjectionReason::FailurePercentage;
    assert_eq!(found, [(0, reason), (2, reason)]);
    let never = SuccessRate { enforcing: Percent::ZERO, ..SuccessRate::default() };
    let never = OutlierDetection { success_rate: Some(never), ..all };
    assert_eq!(after_an_interval(never, &far_below), [], "noticed and not enforced");
}

#[test]
fn what_happens_on_this_side_can_be_counted_apart() {
    use Outcome::{ConnectFailure, Reset, Status, Timeout};
    let split = OutlierDetection {
        split_local_origin: true,
        consecutive_local_origin_failure: Streak::always(3),
        ..config()
    };
    let check = |outcomes: &[Outcome], expected| {
        assert_eq!(record_all(&OutlierDetector::new(split), &hosts(2), outcomes), expected, "{outcomes:?}");
    };
    check(&[ConnectFailure, Reset, Timeout], Some(EjectionReason::ConsecutiveLocalOriginFailure));
    check(&[ConnectFailure, Status(500), Reset, Timeout], None);
    check(&[Status(500), ConnectFailure, Status(500), Status(500)], Some(EjectionReason::Consecutive5xx));
}

#[test]
fn jitter_makes_ejections_longer_by_dice_alone() {
    let config = OutlierDetection { max_ejection_time_jitter: 10 * SECOND, ..config() };
    let mut dice = dice();
    let durations: Vec<Duration> = (0..50)
        .map(|_| {
            let (set, detector) = (hosts(2), OutlierDetector::new(config));
            let mut record =
                || detector.record(host(&set, 0), Outcome::Reset, &set, Instant::now(), &mut dice);
            (0..3).find_map(|_| record()).unwrap().duration
        })
        .collect();
    assert!(durations.iter().all(|d| (30 * SECOND..40 * SECOND).contains(d)), "{durations:?}");
    assert!(durations.iter().max().unwrap().abs_diff(*durations.iter().min().unwrap()) > 5 * SECOND);
}

#[test]
fn a_detector_is_obeyed_as_surely_as_it_says() {
    let half = Streak { enforcing: Percent::whole(50), ..Streak::always(1).unwrap() };
    let config = OutlierDetection { consecutive_5xx: Some(half), ..config() };
    let mut dice = dice();
    let ejected = (0..1000).filter(|_| {
        let (set, detector) = (hosts(2), OutlierDetector::new(config));
        detector.record(host(&set, 0), Outcome::Reset, &set, Instant::now(), &mut dice).is_some()
    });
    assert!(ejected.count().abs_diff(500) < 60);
}

#[test]
fn a_check_that_finds_a_host_well_lets_it_return() {
    let (set, now) = (hosts(2), Instant::now());
    for (returns, config) in
        [(true, config()), (false, OutlierDetection { return_on_healthy_check: false, ..config() })]
    {
        let detector = OutlierDetector::new(config);
        for _ in 0..3 {
            detector.record(host(&set, 0), Outcome::Status(500), &set, now, &mut dice());
        }
        assert!(host(&set, 0).is_ejected());
        let version = set.health_version();
        assert_eq!(detector.forgive(host(&set, 0), &set).is_some(), returns);
        assert_eq!(!host(&set, 0).is_ejected(), returns);
        assert_eq!(set.health_version() > version, returns, "balancers are told");
    }
}
