//! Consistent hashing over hosts: ring or table, and the bound on the load of one host. The ring and the table themselves are
//! in [`super::ring`] and [`super::maglev`].

use std::borrow::Cow;
use std::sync::Arc;

use ripstop_model::load_balancing::{ConsistentHashing, LbPolicy};

use super::maglev::Maglev;
use super::ring::{Ring, RingSize};
use super::shared::{Fingerprint, SharedTables};
use crate::host::HostEntry;

/// How many other hosts are looked at when the one that the hash belongs to has enough to do.
const MOST_DETOURS: usize = 32;

/// A prepared ring or table over a fixed list of hosts. The same for all workers.
#[derive(Debug)]
pub struct Consistent {
    kind: Kind,
    balance_factor: Option<u32>,
}

#[derive(Debug)]
enum Kind {
    Ring(Ring),
    Maglev(Maglev),
}

impl Consistent {
    /// What `policy` asks for; `None` when it does not hash. Where `tables` has the like, it is that.
    pub fn shared(
        policy: &LbPolicy,
        entries: &[Arc<HostEntry>],
        weights: &[f64],
        tables: &SharedTables,
    ) -> Option<Arc<Consistent>> {
        let hashing = match *policy {
            LbPolicy::RingHash { hashing, .. } | LbPolicy::Maglev { hashing, .. } => hashing,
            _ => return None,
        };
        let keys = keys(entries, hashing);
        let of_hosts = keys.iter().zip(weights).map(|(key, weight)| (key.as_str(), weight.to_bits()));
        let fingerprint = Fingerprint::of(
            std::iter::once((policy_text(policy), 0))
                .chain(of_hosts.map(|(key, weight)| (Cow::Borrowed(key), weight))),
        );
        Some(tables.get(fingerprint, || Consistent::new(policy, &keys, weights, hashing.balance_factor)))
    }

    fn new(policy: &LbPolicy, keys: &[String], weights: &[f64], balance_factor: Option<u32>) -> Consistent {
        let keys = with_weights(keys, weights);
        let kind = match *policy {
            LbPolicy::RingHash { min_ring_size, max_ring_size, function, .. } => {
                let size = RingSize { min: min_ring_size, max: max_ring_size, function };
                Kind::Ring(Ring::new(&keys, size))
            }
            LbPolicy::Maglev { table_size, .. } => Kind::Maglev(Maglev::new(&keys, table_size)),
            _ => Kind::Maglev(Maglev::new(&[], 0)),
        };
        Consistent { kind, balance_factor }
    }

    /// The position of the host that a hash belongs to. `attempt` counts the hosts that were refused before; `active`: the
    /// requests under way to all of them, where that is known.
    pub fn pick(&self, entries: &[Arc<HostEntry>], hash: u64, attempt: usize, active: Option<u32>) -> usize {
        let at = |attempt| match &self.kind {
            Kind::Ring(ring) => ring.at(hash, attempt),
            Kind::Maglev(table) => table.at(hash, attempt),
        };
        let first = at(attempt);
        let Some(factor) = self.balance_factor else { return first };
        let bound = bound(entries, factor, active);
        let free = |position: &usize| entries[*position].host.active_requests() < bound;
        (attempt..).take(MOST_DETOURS).map(at).find(free).unwrap_or(first)
    }
}

/// How many requests one host may have under way: `factor` percent of what it would have if all had the same, this request
/// included.
fn bound(entries: &[Arc<HostEntry>], factor: u32, active: Option<u32>) -> u32 {
    let add_up = || entries.iter().map(|entry| u64::from(entry.host.active_requests())).sum();
    let active: u64 = active.map_or_else(add_up, u64::from);
    let bound = ((active + 1) * u64::from(factor)).div_ceil(100 * entries.len().max(1) as u64);
    u32::try_from(bound).unwrap_or(u32::MAX)
}

/// The label that is hashed in place of the address, if an endpoint has it.
const HASH_KEY: &str = "hash_key";

fn keys(entries: &[Arc<HostEntry>], hashing: ConsistentHashing) -> Vec<String> {
    let key = |entry: &Arc<HostEntry>| {
        if let Some(key) = entry.endpoint.extra().labels.get(HASH_KEY).filter(|key| !key.is_empty()) {
            return key.to_string();
        }
        match &*entry.endpoint.hostname {
            hostname if hashing.use_hostname && !hostname.is_empty() => hostname.to_owned(),
            _ => entry.host.address().to_string(),
        }
    };
    entries.iter().map(key).collect()
}

/// All that a policy says, for comparison.
fn policy_text(policy: &LbPolicy) -> Cow<'static, str> {
    Cow::Owned(format!("{policy:?}"))
}

fn with_weights<'a>(keys: &'a [String], weights: &[f64]) -> Vec<(&'a str, f64)> {
    keys.iter().map(String::as_str).zip(weights.iter().copied()).collect()
}
