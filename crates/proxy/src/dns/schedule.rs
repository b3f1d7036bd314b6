//! Which name is asked for when. No I/O: the time and the dice are given.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ripstop_model::Name;
use ripstop_model::cluster::{DnsFamily, FailureRefresh};

use super::lookup::Found;

/// First questions are spread over this time, so that a hundred clusters do not ask in one burst.
const START_SPREAD: Duration = Duration::from_millis(100);

/// An answer is believed for at least this long, whatever its TTL.
const MIN_TTL: Duration = Duration::from_secs(1);

/// Nothing is waited for any longer, whatever is configured.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// A question comes at most this much later than its time where no jitter is configured.
const MAX_DRIFT: Duration = Duration::from_millis(500);

/// And at most this long: an entry of a hosts file has no TTL at all.
const MAX_TTL: Duration = Duration::from_secs(3600);

/// A name, and how it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query {
    /// The name.
    pub host: Name,
    /// Which addresses.
    pub family: DnsFamily,
    /// Time between two questions.
    pub refresh: Duration,
    /// Whether the TTL of an answer takes its place.
    pub respect_ttl: bool,
    /// Each wait after a good answer is longer by up to this long.
    pub jitter: Duration,
    /// Time until the next question after one without an answer; `None`: `refresh`.
    pub after_failure: Option<FailureRefresh>,
    /// Name servers that are asked; none: those of the system.
    pub resolvers: Vec<SocketAddr>,
}

/// All names that somebody wants, with their last good answers.
#[derive(Debug)]
pub struct Schedule {
    entries: BTreeMap<Query, Entry>,
    rng: fastrand::Rng,
}

#[derive(Debug)]
struct Entry {
    addresses: Vec<IpAddr>,
    /// Somebody has said something, good or bad.
    is_answered: bool,
    /// Questions without an answer in a row.
    failures: u32,
    /// `None`: a question is under way.
    next: Option<Instant>,
}

impl Schedule {
    /// Nothing is wanted yet.
    pub fn new(rng: fastrand::Rng) -> Schedule {
        Schedule { entries: BTreeMap::new(), rng }
    }

    /// What is wanted from now on. What was wanted before keeps its answer and its time.
    pub fn want(&mut self, queries: BTreeSet<Query>, now: Instant) {
        self.entries.retain(|query, _| queries.contains(query));
        let spread = if queries.len() > 1 { START_SPREAD } else { Duration::ZERO };
        for query in queries {
            let rng = &mut self.rng;
            self.entries.entry(query).or_insert_with(|| Entry {
                addresses: Vec::new(),
                is_answered: false,
                failures: 0,
                next: Some(now + spread.mul_f64(rng.f64())),
            });
        }
    }

    /// The names to ask at this moment, at most `room`; they count as under way until [`Schedule::answer`].
    pub fn due(&mut self, now: Instant, room: usize) -> Vec<Query> {
        let due = self.entries.iter_mut().filter(|(_, entry)| entry.next.is_some_and(|next| next <= now));
        due.take(room)
            .map(|(query, entry)| {
                entry.next = None;
                query.clone()
            })
            .collect()
    }

    /// Takes an answer; `None`, and an answer without addresses, leave the last good one.
    pub fn answer(&mut self, query: &Query, found: Option<Found>, now: Instant) {
        let Some(entry) = self.entries.get_mut(query) else { return };
        entry.failures = if found.is_some() { 0 } else { entry.failures.saturating_add(1) };
        let wait = match (&found, query.after_failure) {
            (None, Some(rate)) => backoff(rate, entry.failures, self.rng.f64()),
            (None, None) => drifting(query.refresh, Duration::ZERO, self.rng.f64()),
            (Some(found), _) => {
                let ttl = Some(found.ttl.clamp(MIN_TTL, MAX_TTL)).filter(|_| query.respect_ttl);
                drifting(ttl.unwrap_or(query.refresh), query.jitter, self.rng.f64())
            }
        };
        entry.next = Some(now + wait.min(LONGEST_WAIT));
        entry.is_answered = true;
        if let Some(found) = found.filter(|found| !found.addresses.is_empty()) {
            entry.addresses = found.addresses;
        }
    }

    /// The last good answer.
    pub fn addresses(&self, query: &Query) -> &[IpAddr] {
        self.entries.get(query).map_or(&[], |entry| &entry.addresses)
    }

    /// Whether some name was never answered.
    pub fn is_waiting(&self) -> bool {
        self.entries.values().any(|entry| !entry.is_answered)
    }

    /// When the next question is due, those under way left out.
    pub fn next(&self) -> Option<Instant> {
        self.entries.values().filter_map(|entry| entry.next).min()
    }
}

/// A wait, and a part of the jitter. Without one up to a tenth, so that names which were asked for together drift apart,
/// but never so long that a change would be seen late.
fn drifting(wait: Duration, jitter: Duration, part: f64) -> Duration {
    let jitter = if jitter.is_zero() { (wait / 10).min(MAX_DRIFT) } else { jitter.min(LONGEST_WAIT) };
    wait.saturating_add(jitter.mul_f64(part))
}

/// The wait after so many failures in a row: between half and all of what doubles each time.
fn backoff(rate: FailureRefresh, failures: u32, part: f64) -> Duration {
    let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
    let whole = rate.base.saturating_mul(doubled).min(rate.max).min(LONGEST_WAIT);
    whole.mul_f64(0.5 + part / 2.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const REFRESH: Duration = Duration::from_secs(5);

    fn query(host: &str, respect_ttl: bool) -> Query {
        Query {
            host: host.into(),
            family: DnsFamily::V4Only,
            refresh: REFRESH,
            respect_ttl,
            jitter: Duration::ZERO,
            after_failure: None,
            resolvers: Vec::new(),
        }
    }

    fn found(last: u8, ttl_s: u64) -> Option<Found> {
        Some(Found { addresses: vec![[10, 0, 0, last].into()], ttl: Duration::from_secs(ttl_s) })
    }

    fn schedule() -> Schedule {
        Schedule::new(fastrand::Rng::with_seed(1))
    }

    #[test]
    fn names_are_asked_for_again_when_their_time_has_come() {
        let (mut schedule, now, a) = (schedule(), Instant::now(), query("a", false));
        schedule.want(BTreeSet::from([a.clone()]), now);
        assert!(schedule.is_waiting());
        assert_eq!(schedule.due(now, 9), vec![a.clone()]);
        assert_eq!((schedule.due(now, 9), schedule.next()), (vec![], None), "under way");
        schedule.answer(&a, found(1, 60), now);
        assert!(!schedule.is_waiting());
        let next = schedule.next().unwrap();
        assert!(next >= now + REFRESH && next <= now + REFRESH.mul_f64(1.1), "{:?}", next - now);
        assert_eq!(schedule.due(next, 9), [a]);
    }

    #[test]
    fn the_ttl_counts_where_it_is_respected() {
        let (mut schedule, now, a) = (schedule(), Instant::now(), query("a", true));
        schedule.want(BTreeSet::from([a.clone()]), now);
        schedule.answer(&a, found(1, 60), now);
        assert!(schedule.next().unwrap() >= now + Duration::from_secs(60));
        schedule.answer(&a, found(1, 0), now);
        assert!(schedule.next().unwrap() >= now + MIN_TTL, "a TTL of zero is no reason to hurry");
    }

    #[test]
    fn questions_without_an_answer_are_repeated_at_a_pace_of_their_own() {
        let (mut schedule, now) = (schedule(), Instant::now());
        let (base, max) = (Duration::from_millis(100), Duration::from_millis(350));
        let a = Query { after_failure: Some(FailureRefresh { base, max }), ..query("a", false) };
        schedule.want(BTreeSet::from([a.clone()]), now);
        let mut wait_after = |found| {
            schedule.answer(&a, found, now);
            schedule.next().unwrap() - now
        };
        for whole in [base, base * 2, max, max] {
            let wait = wait_after(None);
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        }
        assert!(wait_after(found(1, 60)) >= REFRESH);
        assert!(wait_after(None) <= base, "counting begins anew");
    }

    #[test]
    fn jitter_is_added_where_it_is_wanted_and_a_drift_stays_short() {
        let (mut schedule, now) = (schedule(), Instant::now());
        let mut waits = |query: &Query| -> Vec<Duration> {
            schedule.want(BTreeSet::from([query.clone()]), now);
            let wait = |_| {
                schedule.answer(query, found(1, 60), now);
                schedule.next().unwrap() - now
            };
            (0..200).map(wait).collect()
        };
        let minute = Duration::from_secs(60);
        let slow = Query { refresh: minute, ..query("a", false) };
        assert!(waits(&slow).iter().all(|wait| *wait >= minute && *wait <= minute + MAX_DRIFT));
        let spread = waits(&Query { jitter: minute, ..slow });
        assert!(spread.iter().all(|wait| *wait >= minute && *wait <= minute * 2));
        assert!(spread.iter().any(|wait| *wait > minute + minute / 2), "{spread:?}");
    }

    #[test]
    fn the_last_good_answer_stays() {
        let (mut schedule, now, a) = (schedule(), Instant::now(), query("a", false));
        schedule.want(BTreeSet::from([a.clone()]), now);
        schedule.answer(&a, found(1, 60), now);
        let good = schedule.addresses(&a).to_vec();
        schedule.answer(&a, None, now);
        schedule.answer(&a, Some(Found { addresses: vec![], ttl: REFRESH }), now);
        assert_eq!(schedule.addresses(&a), good);
        schedule.want(BTreeSet::from([a.clone(), query("b", false)]), now);
        assert_eq!(schedule.addresses(&a), good, "what stays wanted keeps its answer");
        schedule.want(BTreeSet::new(), now);
        assert_eq!((schedule.addresses(&a), schedule.next()), (&[][..], None));
    }

    #[test]
    fn first_questions_are_spread_and_bounded() {
        let (mut schedule, now) = (schedule(), Instant::now());
        schedule.want((0..100).map(|n| query(&n.to_string(), false)).collect(), now);
        assert!(schedule.due(now, 100).len() < 50);
        assert_eq!(schedule.due(now + START_SPREAD, 10).len(), 10);
    }
}
