//! The rotation under virtual time.

use std::time::UNIX_EPOCH;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const START: Duration = Duration::from_secs(1_800_000_000);

fn start() -> SystemTime {
    UNIX_EPOCH + START
}

fn validity(now: SystemTime, lifetime: Duration) -> Validity {
    Validity { not_before: now - Duration::from_secs(60), not_after: now + lifetime }
}

#[test]
fn renewal_is_spread_between_half_and_seven_tenths_of_life() {
    let mut dice = fastrand::Rng::with_seed(1);
    let mut points: Vec<f64> = (0..10_000)
        .map(|_| {
            let mut rotation = Rotation::new(start());
            rotation.issued(validity(start(), DAY), start(), &mut dice);
            rotation.wait(start()).as_secs_f64() / DAY.as_secs_f64()
        })
        .collect();
    points.sort_by(f64::total_cmp);
    assert!(points[0] >= RENEW_FROM && points[9_999] <= RENEW_UNTIL, "{} {}", points[0], points[9_999]);
    assert!((points[5_000] - 0.6).abs() < 0.01, "the middle is at {}", points[5_000]);
}

#[test]
fn alarm_levels_follow_life() {
    let mut dice = fastrand::Rng::with_seed(2);
    let mut rotation = Rotation::new(start());
    assert_eq!((rotation.alarm(start()), rotation.wait(start())), (Alarm::Expired, Duration::ZERO));
    rotation.issued(validity(start(), 10 * HOUR), start(), &mut dice);
    for (hours, expected) in
        [(0, Alarm::Ok), (8, Alarm::Ok), (9, Alarm::Warn), (10, Alarm::Warn), (11, Alarm::Expired)]
    {
        assert_eq!(rotation.alarm(start() + HOUR * hours), expected, "after {hours} h");
    }
}

#[test]
fn backoff_grows_is_capped_and_shrinks_towards_the_end() {
    let mut dice = fastrand::Rng::with_seed(3);
    let mut rotation = Rotation::new(start());
    let mut longest = Duration::ZERO;
    for _ in 0..1_000 {
        rotation.failed(start(), &mut dice);
        assert!(rotation.wait(start()) >= MIN_BACKOFF);
        longest = longest.max(rotation.wait(start()));
    }
    assert!(longest <= MAX_BACKOFF_WITHOUT && longest > MAX_BACKOFF_WITHOUT / 2, "{longest:?}");
    assert_eq!(rotation.failures(), 1_000);

    rotation.issued(validity(start(), Duration::from_secs(60)), start(), &mut dice);
    assert_eq!(rotation.failures(), 0);
    for _ in 0..100 {
        let late = start() + Duration::from_secs(52);
        rotation.failed(late, &mut dice);
        assert!(
            rotation.wait(late) <= Duration::from_secs(1),
            "8 s are left, so an eighth of it is the ceiling"
        );
    }
}

#[test]
fn a_certificate_that_is_over_on_arrival_is_not_asked_for_in_a_tight_loop() {
    let mut dice = fastrand::Rng::with_seed(4);
    let mut rotation = Rotation::new(start());
    let mut attempts = 0;
    let mut now = start();
    while now < start() + HOUR {
        rotation.issued(validity(now - HOUR, DAY / 48), now, &mut dice);
        now = rotation.next_attempt();
        attempts += 1;
    }
    assert!((360..1_500).contains(&attempts), "{attempts} attempts in an hour");
}

/// One workload for a year: the authority refuses 30 % of all attempts and is away for 7 hours every week, certificates
/// live 24 hours. Since renewal begins with 30 % of life left at the latest (7.2 hours), there is always a valid one.
#[test]
fn a_year_with_a_bad_authority_has_no_gap() {
    for seed in 0..20 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut rotation = Rotation::new(start());
        let end = start() + 365 * DAY;
        let mut now = start();
        let mut renewals = 0;
        let mut held_until = None;
        while now < end {
            if let Some(not_after) = held_until {
                assert!(now <= not_after, "seed {seed}: a gap after {renewals} renewals");
                assert!(rotation.alarm(now) < Alarm::Expired, "seed {seed}");
            }
            let into_week = now.duration_since(start()).unwrap_or_default().as_secs() % (7 * DAY.as_secs());
            let away = (3 * DAY.as_secs()..3 * DAY.as_secs() + 7 * HOUR.as_secs()).contains(&into_week);
            if away || dice.f64() < 0.3 {
                rotation.failed(now, &mut dice);
            } else {
                rotation.issued(validity(now, DAY), now, &mut dice);
                held_until = Some(now + DAY);
                renewals += 1;
            }
            now = rotation.next_attempt();
        }
        assert!((500..800).contains(&renewals), "seed {seed}: {renewals} renewals in a year");
    }
}
