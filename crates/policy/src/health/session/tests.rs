//! The state machine by tables.

use std::num::NonZeroU32;
use std::time::Duration;

use ripstop_model::health_check::{HealthLog, HttpProbe, Intervals, Probe};

use super::*;

const WELL: Probed = Probed::Success { degraded: false };
const NETWORK: Probed = Probed::Failure { kind: FailureKind::Network, retriable: false };
const TIMEOUT: Probed = Probed::Failure { kind: FailureKind::NetworkTimeout, retriable: false };
const WRONG: Probed = Probed::Failure { kind: FailureKind::Active, retriable: false };
const RETRIABLE: Probed = Probed::Failure { kind: FailureKind::Active, retriable: true };

/// Two of each, as in the guide for sidecars.
fn check() -> HealthCheck {
    HealthCheck {
        timeout: Duration::from_secs(5),
        intervals: Intervals::every(Duration::from_secs(10)),
        unhealthy_threshold: NonZeroU32::new(2).unwrap(),
        healthy_threshold: NonZeroU32::new(2).unwrap(),
        probe: Probe::Http(Box::new(HttpProbe::get("/health"))),
        reuse_connection: true,
        log: HealthLog::default(),
        alpn: Vec::new(),
        transport_labels: None,
    }
}

fn unchecked() -> HealthFlags {
    let flags = HealthFlags::default();
    flags.set(HealthFlag::FailedActiveHc, true);
    flags
}

/// Results in order, each with the transition it makes and whether the host is healthy after it.
fn run(flags: &HealthFlags, check: &HealthCheck, steps: &[(Probed, Transition, bool)]) {
    let mut session = Session::default();
    for (step, (probed, transition, healthy)) in steps.iter().enumerate() {
        let verdict = session.record(*probed, flags, check);
        let found = (verdict.transition, !flags.has(HealthFlag::FailedActiveHc));
        assert_eq!(found, (*transition, *healthy), "step {step}: {probed:?}");
        assert_eq!(verdict.success, matches!(probed, Probed::Success { .. }));
    }
}

#[test]
fn two_failures_in_a_row_and_two_successes_in_a_row() {
    use Transition::{Changed, Pending, Unchanged};
    run(
        &unchecked(),
        &check(),
        &[
            (WELL, Changed, true),
            (WELL, Unchanged, true),
            (NETWORK, Pending, true),
            (WELL, Unchanged, true),
            (NETWORK, Pending, true),
            (NETWORK, Changed, false),
            (NETWORK, Unchanged, false),
            (WELL, Pending, false),
            (NETWORK, Unchanged, false),
            (WELL, Pending, false),
            (WELL, Changed, true),
            (WELL, Unchanged, true),
        ],
    );
}

#[test]
fn the_first_check_ever_decides_by_itself() {
    use Transition::{Changed, Pending, Unchanged};
    run(&unchecked(), &check(), &[(WELL, Changed, true)]);
    let steps = [(NETWORK, Unchanged, false), (WELL, Pending, false), (WELL, Changed, true)];
    run(&unchecked(), &check(), &steps);
}

#[test]
fn a_wrong_answer_leaves_no_doubt_unless_it_is_retriable() {
    use Transition::{Changed, Pending};
    run(&unchecked(), &check(), &[(WELL, Changed, true), (WRONG, Changed, false)]);
    let retriable = [(WELL, Changed, true), (RETRIABLE, Pending, true), (RETRIABLE, Changed, false)];
    run(&unchecked(), &check(), &retriable);
}

#[test]
fn the_timeout_flag_follows_the_last_failure_of_an_unhealthy_host() {
    let (flags, check) = (unchecked(), check());
    let mut session = Session::default();
    let mut after = |probed| {
        session.record(probed, &flags, &check);
        flags.has(HealthFlag::ActiveHcTimeout)
    };
    assert!(!after(WELL));
    assert!(!after(TIMEOUT), "it still counts as healthy");
    assert!(after(TIMEOUT));
    assert!(!after(NETWORK));
    assert!(after(TIMEOUT));
    assert!(after(WELL), "until it is healthy again");
    assert!(!after(WELL));
}

#[test]
fn degraded_comes_and_goes_at_once() {
    let (flags, check) = (unchecked(), check());
    let mut session = Session::default();
    session.record(Probed::Success { degraded: true }, &flags, &check);
    assert!(flags.has(HealthFlag::DegradedActiveHc) && !flags.has(HealthFlag::FailedActiveHc));
    let verdict = session.record(WELL, &flags, &check);
    assert_eq!(verdict.transition, Transition::Changed);
    assert_eq!(verdict.events, [HealthEvent::NoLongerDegraded]);
    assert!(!flags.has(HealthFlag::DegradedActiveHc));
}

#[test]
fn a_host_that_does_not_count_yet_counts_after_its_first_check() {
    let (flags, check) = (unchecked(), check());
    flags.set(HealthFlag::PendingActiveHc, true);
    let verdict = Session::default().record(NETWORK, &flags, &check);
    assert_eq!(verdict.transition, Transition::Changed, "shares change");
    assert!(!flags.has(HealthFlag::PendingActiveHc));
}

#[test]
fn an_exclusion_ends_when_checks_succeed() {
    let (flags, check) = (HealthFlags::default(), check());
    let mut session = Session::default();
    session.record(WELL, &flags, &check);
    flags.set(HealthFlag::ExcludedViaImmediateHcFail, true);
    let failed = Probed::Failure { kind: FailureKind::Passive, retriable: false };
    assert_eq!(session.record(failed, &flags, &check).transition, Transition::Changed);
    session.record(WELL, &flags, &check);
    assert!(flags.has(HealthFlag::ExcludedViaImmediateHcFail));
    session.record(WELL, &flags, &check);
    assert!(!flags.has(HealthFlag::ExcludedViaImmediateHcFail));
}

#[test]
fn events_are_those_that_change_something_unless_all_are_asked_for() {
    let events = |check: &HealthCheck| {
        let (flags, mut session) = (unchecked(), Session::default());
        let steps = [WELL, WELL, NETWORK, NETWORK, NETWORK, WELL];
        steps.map(|probed| session.record(probed, &flags, check).events)
    };
    let kind = FailureKind::Network;
    let added = HealthEvent::AddHealthy { first_check: true };
    let ejected = HealthEvent::EjectUnhealthy(kind);
    assert_eq!(events(&check()), [vec![added], vec![], vec![], vec![ejected], vec![], vec![]]);
    let log = HealthLog { files: Vec::new(), every_failure: true, every_success: true };
    let failed = HealthEvent::Failure { kind, first_check: false };
    let success = HealthEvent::Success;
    assert_eq!(
        events(&HealthCheck { log, ..check() }),
        [vec![added], vec![success], vec![failed], vec![ejected, failed], vec![failed], vec![success]]
    );
    let mut session = Session::default();
    let first = HealthEvent::Failure { kind, first_check: true };
    assert_eq!(session.record(NETWORK, &unchecked(), &check()).events, [first]);
}
