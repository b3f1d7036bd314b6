//! Zone-aware routing: requests stay in the zone of the one who sends them, as far as it can take its share of the whole.
//!
//! Envoy's arithmetic ("Zone aware routing" in its documentation). Each zone's share of the senders is compared with its share
//! of the receivers. Where the own zone has at least as large a share of receivers, all requests stay. Otherwise so many stay
//! as it can take, and the rest goes to zones that have more receivers than senders, in proportion to what they have over.

use std::sync::Arc;

use ripstop_model::Percent;
use ripstop_model::endpoint::Locality;

use crate::host::{HostEntry, HostSet};

/// Where the one who balances is, and those like it: the local cluster.
#[derive(Clone, Debug)]
pub struct Home {
    /// Its own locality.
    pub locality: Locality,
    /// All instances of the service it belongs to, itself included.
    pub peers: Arc<HostSet>,
}

/// Shares are kept in this many parts.
const WHOLE: u64 = 10_000;

/// How requests are spread over localities.
#[derive(Debug)]
pub(super) struct ZoneRouting {
    enabled: Percent,
    /// Position of the own locality.
    own: usize,
    /// Of [`WHOLE`]: how much stays.
    stays: u64,
    /// Running sums of what other localities have over.
    spare: Vec<u64>,
}

impl ZoneRouting {
    /// `None` where it is of no use: nobody here receives, or nobody is known to send.
    pub(super) fn new(home: &Home, parts: &[Vec<Arc<HostEntry>>], enabled: Percent) -> Option<ZoneRouting> {
        let locality = |part: &Vec<Arc<HostEntry>>| part.first().map(|entry| Arc::clone(&entry.locality));
        let own = parts.iter().position(|part| locality(part).is_some_and(|at| *at == home.locality))?;
        let receivers: usize = parts.iter().map(Vec::len).sum();
        let senders = home.peers.available();
        if receivers == 0 || senders == 0 {
            return None;
        }
        let sent = |part: &Vec<Arc<HostEntry>>| {
            let here = |entry: &&Arc<HostEntry>| {
                entry.is_available() && locality(part).is_some_and(|at| at == entry.locality)
            };
            home.peers.entries().iter().filter(here).count() as u64 * WHOLE / senders as u64
        };
        let received = |part: &Vec<Arc<HostEntry>>| part.len() as u64 * WHOLE / receivers as u64;
        let stays = match sent(&parts[own]) {
            0 => WHOLE,
            sent => (received(&parts[own]) * WHOLE / sent).min(WHOLE),
        };
        let mut sum = 0;
        let over = |(position, part): (usize, &Vec<Arc<HostEntry>>)| {
            sum += if position == own { 0 } else { received(part).saturating_sub(sent(part)) };
            sum
        };
        let spare = parts.iter().enumerate().map(over).collect();
        Some(ZoneRouting { enabled, own, stays, spare })
    }

    /// The position of the locality of one request; `None`: any.
    pub(super) fn choose(&self, rng: &mut fastrand::Rng) -> Option<usize> {
        if rng.u32(0..1_000_000) >= self.enabled.as_per_million() {
            return None;
        }
        if rng.u64(0..WHOLE) < self.stays {
            return Some(self.own);
        }
        let all = self.spare.last().copied().unwrap_or(0);
        if all == 0 {
            return None;
        }
        let thrown = rng.u64(0..all);
        Some(self.spare.partition_point(|&sum| sum <= thrown))
    }
}
