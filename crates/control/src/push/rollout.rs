//! How far a revision has come: which proxies it concerned, and what each of them has answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_xds::ResourceType;
use ripstop_xds::server::Nack;

use super::entry::Entry;
use super::{Hub, State};
use crate::translate::ProxyRef;

/// Revisions of which it is remembered whom they concerned.
const MAX_ROLLOUTS: usize = 256;

/// Whom a revision concerned.
#[derive(Debug)]
pub(super) struct Rollout {
    /// The revision that was pushed, and with it those before it that were not pushed by themselves.
    pub(super) revision: u64,
    /// When the change came in.
    pub(super) begun: Instant,
    /// Proxies whose snapshot it changed.
    pub(super) concerned: Vec<ProxyRef>,
}

/// The last rollouts.
#[derive(Debug, Default)]
pub(super) struct Rollouts {
    recent: VecDeque<Rollout>,
    /// Revisions up to this one are not remembered.
    forgotten: u64,
}

/// It is not known whom the revision concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRollout {
    /// It is not there yet, or it is not pushed yet.
    #[error("revision {0} has not been pushed")]
    NotPushed(u64),
    /// It is too long ago, or was before this control plane started.
    #[error(
        "it is not remembered which proxies revision {0} concerned; the status of all proxies tells how they stand"
    )]
    Forgotten(u64),
}

/// How far a revision has come.
#[derive(Clone, Debug)]
pub(crate) struct RolloutReport {
    /// The revision that was pushed: the one that was asked for, or a later one that went with it.
    pub(crate) revision: u64,
    /// Proxies whose snapshot it changed, and how they stand.
    pub(crate) proxies: Vec<(ProxyRef, Standing)>,
}

/// What a proxy has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has accepted everything, so long after the change came in.
    Accepted(Duration),
    /// It has refused something; by type.
    Refused(Vec<(ResourceType, Nack)>),
    /// It has not answered for everything.
    Pending,
    /// It is not connected.
    Disconnected,
}

impl Rollouts {
    /// Nothing is known of `revision` and those before.
    pub(super) fn after(revision: u64) -> Rollouts {
        Rollouts { recent: VecDeque::new(), forgotten: revision }
    }

    pub(super) fn add(&mut self, rollout: Rollout) {
        if self.recent.len() == MAX_ROLLOUTS
            && let Some(oldest) = self.recent.pop_front()
        {
            self.forgotten = oldest.revision;
        }
        self.recent.push_back(rollout);
    }

    fn find(&self, revision: u64) -> Result<&Rollout, NoRollout> {
        if revision <= self.forgotten {
            return Err(NoRollout::Forgotten(revision));
        }
        let found = self.recent.iter().find(|rollout| rollout.revision >= revision);
        found.ok_or(NoRollout::NotPushed(revision))
    }
}

impl RolloutReport {
    /// Nothing more will happen by itself: everybody has accepted, or somebody has refused.
    pub(crate) fn is_decided(&self) -> bool {
        self.is_accepted() || self.proxies.iter().any(|(_, one)| matches!(one, Standing::Refused(_)))
    }

    /// Everybody has accepted.
    pub(crate) fn is_accepted(&self) -> bool {
        self.proxies.iter().all(|(_, standing)| matches!(standing, Standing::Accepted(_)))
    }
}

impl Hub {
    /// How far `revision` has come.
    pub(crate) fn rollout(&self, revision: u64) -> Result<RolloutReport, NoRollout> {
        let state = self.lock();
        let rollout = state.rollouts.find(revision)?;
        let proxies =
            rollout.concerned.iter().map(|proxy| (proxy.clone(), standing(&state, proxy, rollout.begun)));
        Ok(RolloutReport { revision: rollout.revision, proxies: proxies.collect() })
    }

    /// Waits until something is pushed or answered, and then until nothing was for as long as `quiet`.
    pub(crate) async fn next_rest(&self, quiet: Duration) {
        self.0.bell.notified().await;
        while tokio::time::timeout(quiet, self.0.bell.notified()).await.is_ok() {}
    }

    /// Waits until `revision` is decided, at most `patience`. Says how things stand then.
    pub(crate) async fn await_rollout(
        &self,
        revision: u64,
        patience: Duration,
    ) -> Result<RolloutReport, NoRollout> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let rung = self.0.bell.notified();
            tokio::pin!(rung);
            // Whatever happens from here on is noticed.
            rung.as_mut().enable();
            let report = self.rollout(revision);
            let decided = match &report {
                Ok(report) => report.is_decided(),
                Err(NoRollout::NotPushed(_)) => false,
                Err(NoRollout::Forgotten(_)) => true,
            };
            if decided || tokio::time::timeout_at(deadline, rung).await.is_err() {
                return report;
            }
        }
    }
}

fn standing(state: &State, proxy: &ProxyRef, begun: Instant) -> Standing {
    match state.entries.get(proxy) {
        Some(entry) => of_entry(entry, begun),
        None => Standing::Disconnected,
    }
}

/// The newest stream counts: those before it are lost and not noticed yet.
pub(super) fn of_entry(entry: &Entry, begun: Instant) -> Standing {
    let Some(stream) = entry.streams().last() else { return Standing::Disconnected };
    let report = stream.status.report();
    if !report.connected {
        return Standing::Disconnected;
    }
    let answered = stream.status.answered().filter(|one| Arc::ptr_eq(&one.snapshot, &entry.current()));
    match answered {
        None => Standing::Pending,
        Some(answered) if answered.refused => {
            let refused = report.types.into_iter().filter(|(_, of_type)| !of_type.is_synced());
            Standing::Refused(
                refused.filter_map(|(kind, of_type)| Some((kind, of_type.last_nack?))).collect(),
            )
        }
        Some(answered) => Standing::Accepted(answered.at.saturating_duration_since(begun)),
    }
}
