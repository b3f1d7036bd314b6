//! The proxies that follow what the authority announces, and what each has proved: which roots it trusts, by its word over a
//! connection that it has proved itself on, and which certificate it uses, by having shown it. The stream itself is
//! [`crate::service`]'s, what follows from the proof is decided in [`crate::succession`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use ripstop_model::spiffe::SpiffeId;

use crate::peer::ConnectedPeer;
use crate::succession::Proof;

/// Most proxies that are followed at once.
pub const MAX_FOLLOWERS: usize = 20_000;

/// Longest name that a proxy gives itself, in bytes.
pub const MAX_INSTANCE_BYTES: usize = 512;

/// Longest text of a proxy that is kept, in bytes.
const MAX_ERROR_BYTES: usize = 1024;

/// A proxy that has gone is waited for as long as this at least: it may be connecting again. And as long as the certificate that
/// it has shown is good: it may be serving, and only out of our reach.
const RETURN_TIME: Duration = Duration::from_secs(15);

/// What is known of one proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowerReport {
    /// What it calls itself, for instance its node id.
    pub instance: String,
    /// Who it has proved to be.
    pub id: SpiffeId,
    /// Where it connects from.
    pub address: String,
    /// Serial number of the certificate that it has shown last, in hexadecimal.
    pub serial: String,
    /// Key identifier of the issuer of that certificate.
    pub issued_by: Option<String>,
    /// When that certificate ends.
    pub not_after: SystemTime,
    /// Version of what it trusts, as it has confirmed.
    pub trusts: Option<String>,
    /// Why it could not take what was announced last.
    pub error: Option<String>,
    /// Whether it is connected, rather than just gone.
    pub connected: bool,
}

struct Entry {
    report: FollowerReport,
    /// Streams of this proxy, counted up: a new stream takes the place of the one before.
    stream: u64,
    left: Option<SystemTime>,
}

type Key = (SpiffeId, String);

#[derive(Default)]
struct State {
    entries: BTreeMap<Key, Entry>,
    streams: u64,
}

/// Everybody who follows. Clones are the same.
#[derive(Clone, Default)]
pub struct Followers(Arc<Mutex<State>>);

/// There are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_FOLLOWERS} proxies follow the authority already; try again later")]
pub struct TooManyFollowers;

/// One stream of a proxy. When it is dropped the proxy counts as gone, unless it has opened another one.
pub struct Follower {
    followers: Followers,
    key: Key,
    stream: u64,
}

impl Followers {
    /// A proxy has opened a stream. It calls itself `instance`, which tells the proxies of one identity apart.
    ///
    /// # Errors
    /// There are too many.
    pub fn join(
        &self,
        peer: &ConnectedPeer,
        instance: &str,
        now: SystemTime,
    ) -> Result<Option<Follower>, TooManyFollowers> {
        let Some(identity) = &peer.identity else { return Ok(None) };
        let instance = instance[..instance.floor_char_boundary(MAX_INSTANCE_BYTES)].to_owned();
        let key = (identity.spiffe_id().clone(), instance.clone());
        let mut state = self.lock();
        state.forget_gone(now);
        if state.entries.len() >= MAX_FOLLOWERS && !state.entries.contains_key(&key) && !state.make_room() {
            return Err(TooManyFollowers);
        }
        state.streams += 1;
        let stream = state.streams;
        let report = FollowerReport {
            instance,
            id: identity.spiffe_id().clone(),
            address: peer.address.to_string(),
            serial: identity.serial().to_owned(),
            issued_by: identity.issued_by().map(str::to_owned),
            not_after: identity.not_after(),
            trusts: None,
            error: None,
            connected: true,
        };
        state.entries.insert(key.clone(), Entry { report, stream, left: None });
        drop(state);
        Ok(Some(Follower { followers: self.clone(), key, stream }))
    }

    /// What everybody has proved.
    pub fn proofs(&self, now: SystemTime) -> Vec<Proof> {
        let mut state = self.lock();
        state.forget_gone(now);
        let proof = |entry: &Entry| Proof {
            who: format!("{} ({})", entry.report.instance, entry.report.id),
            trusts: entry.report.trusts.clone(),
            issued_by: entry.report.issued_by.clone(),
            connected: entry.left.is_none(),
        };
        state.entries.values().map(proof).collect()
    }

    /// Everybody, by identity and instance.
    pub fn report(&self, now: SystemTime) -> Vec<FollowerReport> {
        let mut state = self.lock();
        state.forget_gone(now);
        let report =
            |entry: &Entry| FollowerReport { connected: entry.left.is_none(), ..entry.report.clone() };
        state.entries.values().map(report).collect()
    }

    /// The map is whole between statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_gone(&mut self, now: SystemTime) {
        self.entries.retain(|_, entry| {
            let waited = |left: SystemTime| now >= (left + RETURN_TIME).max(entry.report.not_after);
            !entry.left.is_some_and(waited)
        });
    }

    /// Forgets whoever has been gone for longest. Says whether there was anybody.
    fn make_room(&mut self) -> bool {
        let gone = self.entries.iter().filter_map(|(key, entry)| Some((entry.left?, key.clone())));
        let longest = gone.min();
        longest.is_some_and(|(_, key)| self.entries.remove(&key).is_some())
    }
}

impl Follower {
    /// The proxy trusts `version` from now on.
    pub fn trusts(&self, version: &str) {
        self.change(|report| {
            report.trusts = Some(version[..version.floor_char_boundary(64)].to_owned());
            report.error = None;
        });
    }

    /// The proxy could not take what was announced.
    pub fn failed(&self, error: &str) {
        self.change(|report| {
            report.error = Some(error[..error.floor_char_boundary(MAX_ERROR_BYTES)].to_owned())
        });
    }

    fn change(&self, change: impl FnOnce(&mut FollowerReport)) {
        let mut state = self.followers.lock();
        if let Some(entry) = state.entries.get_mut(&self.key).filter(|entry| entry.stream == self.stream) {
            change(&mut entry.report);
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut state = self.followers.lock();
        if let Some(entry) = state.entries.get_mut(&self.key).filter(|entry| entry.stream == self.stream) {
            entry.left = Some(SystemTime::now());
        }
    }
}

impl std::fmt::Debug for Followers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Followers").field("count", &self.lock().entries.len()).finish()
    }
}
