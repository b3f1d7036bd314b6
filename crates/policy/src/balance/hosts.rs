//! A fixed list of hosts and the choice among them. Which hosts are in the list was decided before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::load_balancing::{LbPolicy, SlowStart};

use super::client_weighted;
use super::consistent::Consistent;
use super::least_request::LeastRequest;
use super::response_time;
use super::round_robin::RoundRobin;
use super::shared::SharedTables;
use super::weights::Weights;
use crate::host::{Host, HostEntry};

/// What a list is prepared with.
#[derive(Debug)]
pub(super) struct Preparing<'a> {
    pub(super) policy: LbPolicy,
    pub(super) slow_start: Option<SlowStart>,
    pub(super) now: Instant,
    pub(super) dice: &'a mut fastrand::Rng,
    pub(super) tables: &'a SharedTables,
}

/// What a choice depends on.
#[derive(Debug)]
pub(super) struct Draw<'a> {
    pub(super) hash: Option<u64>,
    pub(super) attempt: usize,
    pub(super) active: Option<u32>,
    pub(super) now: Instant,
    pub(super) rng: &'a mut fastrand::Rng,
}

/// Hosts that one choice is made among.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    entries: Vec<Arc<HostEntry>>,
    chooser: Chooser,
}

#[derive(Debug, Default)]
enum Chooser {
    #[default]
    Nobody,
    RoundRobin(RoundRobin),
    LeastRequest(LeastRequest),
    Random,
    Consistent(Arc<Consistent>),
    ClientWeighted(Box<client_weighted::Turn>),
    ResponseTime(Duration),
}

impl Hosts {
    pub(super) fn new(entries: Vec<Arc<HostEntry>>, preparing: &mut Preparing<'_>) -> Hosts {
        if entries.is_empty() {
            return Hosts::default();
        }
        let (now, dice) = (preparing.now, &mut *preparing.dice);
        let weights = Weights::of(&entries, preparing.slow_start, now);
        let chooser = match preparing.policy {
            LbPolicy::RoundRobin => Chooser::RoundRobin(RoundRobin::new(&entries, weights, now, dice)),
            LbPolicy::LeastRequest { choices, active_request_bias_milli } => {
                let how = (choices, active_request_bias_milli);
                Chooser::LeastRequest(LeastRequest::new(&entries, weights, how, now, dice))
            }
            LbPolicy::Random => Chooser::Random,
            LbPolicy::LeastResponseTime { decay } => Chooser::ResponseTime(decay),
            LbPolicy::ClientWeighted(policy) => {
                let slow_start = preparing.slow_start;
                let turn = client_weighted::Turn::new(&entries, policy, slow_start, now, dice);
                Chooser::ClientWeighted(Box::new(turn))
            }
            LbPolicy::RingHash { .. } | LbPolicy::Maglev { .. } => {
                let weights = match &weights {
                    Some(weights) => weights.all(&entries, now).collect(),
                    None => vec![1.0; entries.len()],
                };
                return Hosts::consistent(entries, weights, preparing);
            }
        };
        Hosts { entries, chooser }
    }

    /// For policies that go by a hash: with weights that somebody has computed.
    pub(super) fn consistent(
        entries: Vec<Arc<HostEntry>>,
        weights: Vec<f64>,
        preparing: &Preparing<'_>,
    ) -> Hosts {
        let consistent = Consistent::shared(&preparing.policy, &entries, &weights, preparing.tables);
        Hosts { entries, chooser: consistent.map_or(Chooser::Nobody, Chooser::Consistent) }
    }

    pub(super) fn choose(&mut self, draw: &mut Draw<'_>) -> Option<&Arc<HostEntry>> {
        if self.entries.is_empty() {
            return None;
        }
        let (entries, now) = (&self.entries, draw.now);
        let index = match &mut self.chooser {
            Chooser::Nobody => return None,
            Chooser::RoundRobin(turn) => turn.pick(entries, now),
            Chooser::LeastRequest(least) => least.pick(entries, now, draw.rng),
            // As in Envoy, weights do not count.
            Chooser::Random => draw.rng.usize(0..entries.len()),
            Chooser::ClientWeighted(turn) => turn.pick(entries, now),
            Chooser::ResponseTime(decay) => response_time::pick(entries, *decay, now, draw.rng),
            Chooser::Consistent(consistent) => {
                let hash = draw.hash.unwrap_or_else(|| draw.rng.u64(..));
                consistent.pick(entries, hash, draw.attempt, draw.active)
            }
        };
        self.entries.get(index)
    }

    /// A host that fits, from a random place on.
    pub(super) fn search(
        &self,
        fits: impl Fn(&HostEntry) -> bool,
        rng: &mut fastrand::Rng,
    ) -> Option<&Arc<HostEntry>> {
        if self.entries.is_empty() {
            return None;
        }
        let (before, after) = self.entries.split_at(rng.usize(0..self.entries.len()));
        after.iter().chain(before).find(|entry| fits(entry))
    }
}

pub(super) fn was_tried(entry: &HostEntry, tried: &[Arc<Host>]) -> bool {
    tried.iter().any(|host| Arc::ptr_eq(host, &entry.host))
}
