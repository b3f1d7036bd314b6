//! Clusters whose endpoints are names: the names are resolved again and again, on the control thread, and the addresses are
//! put into the snapshot as the assignment of the cluster. For everything behind, such a cluster is one with EDS.
//!
//! What is asked when is decided in [`schedule`], what is made of the answers in [`merge`]; this file only asks and waits.

pub mod lookup;
pub mod merge;
pub mod schedule;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::Snapshot;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::lookup::{Found, Resolver};
use self::schedule::{Query, Schedule};

/// A snapshot with names that were never answered is held back this long, as Envoy holds back a cluster that is warming.
const WARMING_TIMEOUT: Duration = Duration::from_secs(5);

/// Questions under way at once; further ones wait.
const MAX_UNDER_WAY: usize = 64;

/// A snapshot, when there is one.
pub type Latest = Option<Arc<Snapshot>>;

/// Takes snapshots, hands them on with the addresses of their names, and again whenever an address changes. Snapshots without
/// names pass through. Ends when nobody listens any more; a closed `incoming` has said its last word.
pub async fn resolve(mut incoming: watch::Receiver<Latest>, outgoing: watch::Sender<Latest>) {
    let mut state = State {
        schedule: Schedule::new(fastrand::Rng::new()),
        resolver: Resolver::default(),
        under_way: JoinSet::new(),
        snapshot: None,
        warm_at: Instant::now(),
    };
    let mut is_open = true;
    loop {
        state.ask();
        state.hand_on(&outgoing);
        let wake = state.wake();
        tokio::select! {
            changed = incoming.changed(), if is_open => match changed {
                Ok(()) => state.take(incoming.borrow_and_update().clone()),
                Err(_) => is_open = false,
            },
            Some(answered) = state.under_way.join_next() => {
                if let Ok((query, answer)) = answered {
                    state.answer(&query, answer);
                }
            }
            () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now).into()), if wake.is_some() => {}
            () = outgoing.closed() => return,
        }
    }
}

struct State {
    schedule: Schedule,
    resolver: Resolver,
    under_way: JoinSet<(Query, Result<Found, String>)>,
    snapshot: Latest,
    /// Until then a snapshot waits for names that were never answered.
    warm_at: Instant,
}

impl State {
    fn take(&mut self, snapshot: Latest) {
        let queries = snapshot.iter().flat_map(|snapshot| merge::queries(snapshot)).collect();
        self.schedule.want(queries, Instant::now());
        self.snapshot = snapshot;
        self.warm_at = Instant::now() + WARMING_TIMEOUT;
    }

    fn ask(&mut self) {
        let room = MAX_UNDER_WAY.saturating_sub(self.under_way.len());
        for query in self.schedule.due(Instant::now(), room) {
            let lookup = self.resolver.lookup(&query);
            self.under_way.spawn(async move { (query, lookup.await) });
        }
    }

    fn answer(&mut self, query: &Query, answer: Result<Found, String>) {
        if let Err(error) = &answer {
            tracing::warn!(host = %query.host, error, "cannot resolve; the last good answer stays");
        }
        self.schedule.answer(query, answer.ok(), Instant::now());
    }

    fn hand_on(&self, outgoing: &watch::Sender<Latest>) {
        let Some(snapshot) = &self.snapshot else { return };
        if self.schedule.is_waiting() && Instant::now() < self.warm_at {
            return;
        }
        outgoing.send_if_modified(|latest| {
            let merged = merge::merge(snapshot, latest.as_deref(), |query| self.schedule.addresses(query));
            if latest.as_deref() == Some(&*merged) {
                return false;
            }
            *latest = Some(merged);
            true
        });
    }

    /// When there is something to do without anybody saying so.
    fn wake(&self) -> Option<Instant> {
        let next = self.schedule.next().filter(|_| self.under_way.len() < MAX_UNDER_WAY);
        let warm = Some(self.warm_at).filter(|_| self.schedule.is_waiting() && Instant::now() < self.warm_at);
        next.into_iter().chain(warm).min()
    }
}
