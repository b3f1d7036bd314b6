//! Which name is asked for when. No I/O: the time and the dice are given.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ripstop_model::Name;
use ripstop_model::cluster::DnsFamily;

use super::lookup::Found;

/// First questions are spread over this time, so that a hundred clusters do not ask in one burst.
const START_SPREAD: Duration = Duration::from_millis(100);

/// An answer is believed for at least this long, whatever its TTL.
const MIN_TTL: Duration = Duration::from_secs(1);

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
        let ttl = found.as_ref().map(|found| found.ttl.clamp(MIN_TTL, MAX_TTL));
        let wait = ttl.filter(|_| query.respect_ttl).unwrap_or(query.refresh);
        // Up to a tenth later, so that names which were asked for together drift apart.
        entry.next = Some(now + wait + wait.mul_f64(self.rng.f64() / 10.0));
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const REFRESH: Duration = Duration::from_secs(5);

    fn query(host: &str, respect_ttl: bool) -> Query {
        Query { host: host.into(), family: DnsFamily::V4Only, refresh: REFRESH, respect_ttl }
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
