//! Ejections and returns under a virtual clock.

use super::*;
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, Percent};
use std::num::NonZeroU32;

const SECOND: Duration = Duration::from_secs(1);

fn hosts(n: u16) -> HostSet {
    let endpoints = (1..=n).map(|port| Endpoint::new(Address::socket([10, 0, 0, 1], port))).collect();
    HostSet::update(None, &ClusterLoadAssignment::flat("c", endpoints), Instant::now())
}

fn config() -> OutlierDetection {
    OutlierDetection { consecutive_5xx: NonZeroU32::new(3), ..OutlierDetection::default() }
}

fn host(set: &HostSet, index: usize) -> &Arc<Host> {
    &set.entries()[index].host
}

fn record_all(detector: &OutlierDetector, set: &HostSet, outcomes: &[Outcome]) -> Option<EjectionReason> {
    let now = Instant::now();
    let ejections: Vec<_> =
        outcomes.iter().filter_map(|&outcome| detector.record(host(set, 0), outcome, set, now)).collect();
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
        consecutive_gateway_failure: NonZeroU32::new(3),
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
        ejection = detector.record(host(&set, 0), Outcome::Status(500), &set, start);
    }
    let ejection = ejection.unwrap();
    assert_eq!((ejection.duration, ejection.times), (30 * SECOND, 1));
    assert!(host(&set, 0).is_ejected() && set.health_version() != version);
    assert_eq!(host(&set, 0).ejection().unwrap().reason, EjectionReason::Consecutive5xx);
    assert_eq!(set.entries()[0].health_flags(), "/failed_outlier_check");

    assert!(detector.sweep(&set, start + 29 * SECOND).is_empty());
    let returned = detector.sweep(&set, start + 30 * SECOND);
    assert!(Arc::ptr_eq(&returned[0].host, host(&set, 0)));
    assert_eq!(returned[0].ejection.duration(), 30 * SECOND);
    assert!(!host(&set, 0).is_ejected() && host(&set, 0).ejection().is_none());
    assert_eq!(host(&set, 0).ejection_count(), 1);
}

/// Ejects the first host at once; the length of the ejection in seconds.
fn eject(detector: &OutlierDetector, set: &HostSet, now: Instant) -> u64 {
    let failures = (0..3).filter_map(|_| detector.record(host(set, 0), Outcome::Status(500), set, now));
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
        assert_eq!(detector.sweep(&set, now).len(), 1);
    }
    assert_eq!(lengths, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
    // The multiplier went to 11; nine sweeps without an ejection leave 2, and the next ejection makes it 3.
    for _ in 0..9 {
        now += 10 * SECOND;
        detector.sweep(&set, now);
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
                detector.record(&entry.host, Outcome::ConnectFailure, &set, now);
            }
        }
        let ejected = set.entries().iter().filter(|entry| entry.host.is_ejected()).count();
        assert_eq!(ejected, expected, "{percent}% of {hosts_in_all}");
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
fn a_new_detector_knows_what_is_ejected_already() {
    let (set, now) = (hosts(3), Instant::now());
    assert_eq!(eject(&OutlierDetector::new(config()), &set, now), 30);
    let second = OutlierDetector::new(config());
    for _ in 0..3 {
        assert!(second.record(host(&set, 1), Outcome::Status(500), &set, now).is_none());
    }
    forgive_all(&set);
    assert_eq!(set.available(), 3);
}
