//! The succession as a table: what is proved, and what follows.
#![allow(clippy::unwrap_used)]

use std::time::UNIX_EPOCH;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Patience = Patience { settle: SECOND, after_start: SECOND, distribute: Duration::ZERO };

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn proof(trusts: &str, issued_by: &str) -> Proof {
    Proof {
        who: "a".to_owned(),
        trusts: Some(trusts.to_owned()),
        issued_by: Some(issued_by.to_owned()),
        connected: true,
    }
}

fn wanted(old_until: Option<SystemTime>) -> Wanted {
    Wanted { trust: "both".to_owned(), issuer: "new".to_owned(), old_until }
}

/// What is decided once everything that is proved has held for long enough.
fn settled(succession: &mut Succession, proofs: &[Proof], wanted: &Wanted, now: SystemTime) -> Decision {
    succession.decide(proofs, wanted, PATIENCE, now);
    succession.decide(proofs, wanted, PATIENCE, now + SECOND)
}

#[test]
fn each_phase_waits_for_its_own_proof() {
    let ready = proof("both", "new");
    let untold = Proof { trusts: None, ..ready.clone() };
    let old_trust = proof("old", "new");
    let old_certificate = proof("both", "old");
    let away = Proof { connected: false, ..ready.clone() };
    let end = at(100);
    type Case<'a> = (Phase, &'a Proof, Option<SystemTime>, Result<Decision, Waiting>);
    let name = || "a".to_owned();
    let cases: [Case<'_>; 12] = [
        (Phase::Distribute, &ready, None, Ok(Decision::Begin(Phase::Issue))),
        (Phase::Distribute, &old_certificate, Some(end), Ok(Decision::Begin(Phase::Issue))),
        (Phase::Distribute, &untold, None, Err(Waiting::ForTrust(name()))),
        (Phase::Distribute, &old_trust, None, Err(Waiting::ForTrust(name()))),
        (Phase::Distribute, &away, None, Err(Waiting::ForReturn(name()))),
        (Phase::Issue, &ready, None, Ok(Decision::Begin(Phase::Retire))),
        (Phase::Issue, &ready, Some(at(0)), Ok(Decision::Begin(Phase::Retire))),
        (Phase::Issue, &old_certificate, None, Err(Waiting::ForCertificate(name()))),
        (Phase::Issue, &ready, Some(end), Err(Waiting::ForOldCertificates(end))),
        (Phase::Retire, &ready, None, Ok(Decision::Done)),
        (Phase::Retire, &old_trust, None, Err(Waiting::ForTrust(name()))),
        (Phase::Retire, &old_certificate, None, Ok(Decision::Done)),
    ];
    for (phase, given, old_until, expected) in cases {
        let mut succession = Succession::resume(Successor::Root, phase, at(0), at(0));
        let decision = settled(&mut succession, std::slice::from_ref(given), &wanted(old_until), at(1));
        let expected = expected.unwrap_or_else(|waiting| Decision::Wait(vec![waiting]));
        assert_eq!(decision, expected, "{phase} {given:?} {old_until:?}");
    }
}

#[test]
fn an_issuer_does_not_wait_for_certificates_that_stay_good() {
    let mut succession = Succession::resume(Successor::Issuer, Phase::Issue, at(0), at(0));
    let decision = settled(&mut succession, &[proof("both", "new")], &wanted(Some(at(1_000))), at(1));
    assert_eq!(decision, Decision::Begin(Phase::Retire));
}

#[test]
fn proof_that_goes_away_while_it_settles_is_waited_for_anew() {
    let mut succession = Succession::begin(Successor::Root, at(0));
    let (good, bad) = (proof("both", "old"), proof("old", "old"));
    let mut decide =
        |proof: &Proof, now| succession.decide(std::slice::from_ref(proof), &wanted(None), PATIENCE, now);
    assert_eq!(decide(&good, at(0)), Decision::Wait(vec![Waiting::ToSettle(at(1))]));
    assert!(matches!(decide(&bad, at(1)), Decision::Wait(_)));
    assert_eq!(decide(&good, at(2)), Decision::Wait(vec![Waiting::ToSettle(at(3))]));
    // The clock is set back by a day: the wait is no longer than it was.
    let yesterday = at(3) - Duration::from_secs(86_400);
    assert!(matches!(decide(&good, yesterday), Decision::Wait(_)));
    assert_eq!(decide(&good, yesterday + SECOND), Decision::Begin(Phase::Issue));
}

#[test]
fn nobody_connected_is_proof_enough_but_for_time() {
    let mut succession = Succession::begin(Successor::Root, at(0));
    let mut phases = Vec::new();
    let mut now = at(0);
    loop {
        match succession.decide(&[], &wanted(Some(at(50))), PATIENCE, now) {
            Decision::Begin(phase) => {
                phases.push((phase, now.duration_since(at(0)).unwrap().as_secs()));
                succession.entered(phase, now);
            }
            Decision::Done => break,
            Decision::Wait(_) => now += SECOND,
        }
    }
    assert_eq!(phases, [(Phase::Issue, 1), (Phase::Retire, 52)]);
}

#[test]
fn a_new_root_is_known_for_a_while_before_it_signs() {
    let mut succession = Succession::begin(Successor::Root, at(0));
    let patience = Patience { distribute: Duration::from_secs(60), ..PATIENCE };
    let ready = [proof("both", "old")];
    let mut decide = |now| succession.decide(&ready, &wanted(None), patience, now);
    assert_eq!(decide(at(1)), Decision::Wait(vec![Waiting::ToSettle(at(60))]));
    assert_eq!(decide(at(59)), Decision::Wait(vec![Waiting::ToSettle(at(60))]));
    assert_eq!(decide(at(60)), Decision::Begin(Phase::Issue));
}
