//! An hour of traffic before every detector of outliers, and of active checks, under a virtual clock with seeded dice.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::health_check::{HealthCheck, HealthLog, HttpProbe, Intervals, Probe};
use ripstop_model::outlier::{FailurePercentage, OutlierDetection, Streak, SuccessRate};
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, LbPolicy, LoadBalancing, Percent};
use ripstop_policy::balance::{Balancer, Pick, PickContext};
use ripstop_policy::health::flags::{HealthFlag, HealthFlags};
use ripstop_policy::health::{FailureKind, Probed, Session, Transition};
use ripstop_policy::host::HostSet;
use ripstop_policy::outlier::{EjectionReason, Outcome, OutlierDetector};

const HOSTS: u16 = 6;
const PER_SECOND: u64 = 120;

/// How a host fails from the tenth to the thirtieth minute.
#[derive(Clone, Copy)]
struct Illness {
    /// What its failures are.
    failure: Outcome,
    /// The share of its requests that fail.
    share: f64,
    /// How many hosts have it, the first ones.
    hosts: usize,
}

#[derive(Debug, Default)]
struct Hour {
    failures: u32,
    ejected: Vec<(usize, EjectionReason)>,
    /// Most that were put aside at once.
    most: usize,
    /// Requests that the first host got in the last quarter of an hour.
    at_the_end: u32,
}

fn an_hour(config: OutlierDetection, illness: Illness) -> Hour {
    let endpoints = (1..=HOSTS).map(|port| Endpoint::new(Address::socket([10, 0, 0, 1], port))).collect();
    let start = Instant::now();
    let set = Arc::new(HostSet::update(None, &ClusterLoadAssignment::flat("c", endpoints), start));
    let detector = OutlierDetector::new(config);
    let balancing =
        LoadBalancing { panic_threshold: Percent::ZERO, ..LoadBalancing::new(LbPolicy::RoundRobin) };
    let mut balancer = Balancer::new(balancing, Arc::clone(&set), None, 1, start);
    let mut rng = fastrand::Rng::with_seed(5);
    let mut hour = Hour::default();
    for tick in 0..3600 * PER_SECOND {
        let elapsed = Duration::from_micros(tick * 1_000_000 / PER_SECOND);
        let (now, second) = (start + elapsed, elapsed.as_secs());
        if tick % (10 * PER_SECOND) == 0 {
            let swept = detector.sweep(&set, now, &mut rng).ejected;
            hour.ejected.extend(swept.iter().map(|ejection| {
                let index = set.get(ejection.host.address()).map_or(usize::MAX, |entry| entry.index);
                (index, ejection.reason)
            }));
            let aside = set.entries().iter().filter(|entry| entry.host.is_ejected()).count();
            hour.most = hour.most.max(aside);
        }
        let Pick::Host { entry, .. } = balancer.pick(&PickContext::any(now), &mut rng) else {
            // All are put aside.
            continue;
        };
        let ill = entry.index < illness.hosts && (600..1800).contains(&second);
        let outcome = if ill && rng.f64() < illness.share { illness.failure } else { Outcome::Status(200) };
        hour.failures += u32::from(outcome.is_failure());
        hour.at_the_end += u32::from(entry.index == 0 && second >= 2700);
        if let Some(ejection) = detector.record(&entry.host, outcome, &set, now, &mut rng) {
            hour.ejected.push((entry.index, ejection.reason));
        }
    }
    hour
}

/// No detector.
fn none() -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: None,
        consecutive_gateway_failure: None,
        consecutive_local_origin_failure: None,
        success_rate: None,
        failure_percentage: None,
        max_ejection_percent: Percent::whole(40),
        ..OutlierDetection::default()
    }
}

#[test]
fn each_detector_finds_what_it_is_for_and_lets_it_return() {
    use EjectionReason::{
        Consecutive5xx, ConsecutiveGatewayFailure, ConsecutiveLocalOriginFailure, FailurePercentage as Share,
        LocalOriginSuccessRate, SuccessRate as Rate,
    };
    let one = |failure, share| Illness { failure, share, hosts: 1 };
    let percentage = FailurePercentage {
        threshold: Percent::whole(25),
        enforcing: Percent::ALL,
        ..FailurePercentage::default()
    };
    let split = OutlierDetection { split_local_origin: true, ..none() };
    let rate = Some(SuccessRate::default());
    let detectors = [
        (OutlierDetection { consecutive_5xx: Streak::always(5), ..none() }, one(Outcome::Status(500), 1.0)),
        (
            OutlierDetection { consecutive_gateway_failure: Streak::always(5), ..none() },
            one(Outcome::Status(503), 1.0),
        ),
        (
            OutlierDetection { consecutive_local_origin_failure: Streak::always(5), ..split },
            one(Outcome::Timeout, 1.0),
        ),
        (OutlierDetection { success_rate: rate, ..none() }, one(Outcome::Status(500), 0.3)),
        (OutlierDetection { success_rate: rate, ..split }, one(Outcome::Reset, 0.3)),
        (OutlierDetection { failure_percentage: Some(percentage), ..none() }, one(Outcome::Status(502), 0.4)),
    ];
    let expected = [
        Consecutive5xx,
        ConsecutiveGatewayFailure,
        ConsecutiveLocalOriginFailure,
        Rate,
        LocalOriginSuccessRate,
        Share,
    ];
    println!("failures of an hour with one of {HOSTS} hosts ill for 20 minutes, without and with detector:");
    for ((config, illness), reason) in detectors.into_iter().zip(expected) {
        let (without, with) = (an_hour(none(), illness), an_hour(config, illness));
        println!(
            "  {:<34} {:6} {:6}, put aside {} times",
            reason.as_str(),
            without.failures,
            with.failures,
            with.ejected.len()
        );
        assert!(without.ejected.is_empty(), "{without:?}");
        assert!(with.ejected.iter().all(|found| *found == (0, reason)), "{reason:?}: {:?}", with.ejected);
        assert!(!with.ejected.is_empty(), "{reason:?}");
        assert!(
            with.failures * 3 < without.failures,
            "{reason:?}: {} of {}",
            with.failures,
            without.failures
        );
        // Its sixth of the requests again, long after it is well.
        assert!(with.at_the_end.abs_diff(18_000) < 500, "{reason:?}: {}", with.at_the_end);
    }
}

#[test]
fn never_more_than_the_share_is_put_aside_even_where_all_fail() {
    let all = Illness { failure: Outcome::Status(500), share: 1.0, hosts: HOSTS.into() };
    let config = OutlierDetection { consecutive_5xx: Streak::always(5), ..none() };
    let hour = an_hour(config, all);
    assert_eq!(hour.most, 2, "40 % of six");
    assert!(hour.at_the_end.abs_diff(18_000) < 500, "all is forgiven: {hour:?}");
}

fn check(threshold: u32) -> HealthCheck {
    let threshold = NonZeroU32::new(threshold).unwrap_or(NonZeroU32::MIN);
    HealthCheck {
        timeout: Duration::from_secs(1),
        intervals: Intervals::every(Duration::from_secs(5)),
        unhealthy_threshold: threshold,
        healthy_threshold: threshold,
        probe: Probe::Http(Box::new(HttpProbe::get("/"))),
        reuse_connection: true,
        log: HealthLog::default(),
        alpn: Vec::new(),
        transport_labels: None,
    }
}

/// An hour of checks every five seconds of a host that is dead for the second ten minutes, while a share of checks is lost. Gives
/// the seconds at which its state changed.
fn checked(threshold: u32, lost: f64) -> Vec<u64> {
    let (check, flags) = (check(threshold), HealthFlags::default());
    let (mut session, mut rng) = (Session::default(), fastrand::Rng::with_seed(4));
    flags.set(HealthFlag::FailedActiveHc, true);
    let mut changes = Vec::new();
    for second in (0..3600_u64).step_by(5) {
        let failed = (600..1200).contains(&second) || rng.f64() < lost;
        let probed = match failed {
            true => Probed::Failure { kind: FailureKind::NetworkTimeout, retriable: false },
            false => Probed::Success { degraded: false },
        };
        if session.record(probed, &flags, &check).transition == Transition::Changed {
            changes.push(second);
        }
    }
    changes
}

#[test]
fn checks_find_death_and_return_in_time_and_thresholds_forgive_losses() {
    assert_eq!(checked(1, 0.0), [0, 600, 1200]);
    assert_eq!(checked(3, 0.0), [0, 610, 1210], "three in a row, five seconds apart");
    let (touchy, calm) = (checked(1, 0.05).len(), checked(3, 0.05).len());
    println!("changes of state in an hour with 5 % of checks lost: threshold 1 {touchy}, threshold 3 {calm}");
    assert!(touchy > 30 && calm <= 5, "{touchy} {calm}");
}
