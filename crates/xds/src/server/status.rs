//! What became of the pushes on one stream, for the API and for people. Nothing is decided from it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::Notify;

use crate::ResourceType;
use crate::encoded::EncodedSnapshot;

/// Longest kept text of a refusal, in bytes.
const MAX_NACK_BYTES: usize = 4096;

/// Shared between a stream, which writes, and an API, which reads.
#[derive(Debug, Default)]
pub struct StreamStatus {
    report: Mutex<StreamReport>,
    answered: Mutex<Option<Answered>>,
    /// Rung at each new answer for a whole snapshot.
    bell: Arc<Notify>,
}

/// A snapshot of which the proxy has answered for every resource that it has asked for.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Which.
    pub snapshot: Arc<EncodedSnapshot>,
    /// When the last answer came.
    pub at: Instant,
    /// At least one answer was a refusal.
    pub refused: bool,
}

/// A moment in the life of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamReport {
    /// The stream is open.
    pub connected: bool,
    /// When it opened.
    pub since: Option<SystemTime>,
    /// Incremental (delta) rather than state-of-the-world.
    pub delta: bool,
    /// Each type that the proxy has asked for.
    pub types: BTreeMap<ResourceType, TypeReport>,
}

/// What became of one type on one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeReport {
    /// Version of the last response.
    pub sent: Option<String>,
    /// Version of the last response that was accepted.
    pub acked: Option<String>,
    /// Responses sent.
    pub responses: u64,
    /// Responses refused.
    pub nacks: u64,
    /// The last refusal; kept after a later response was accepted.
    pub last_nack: Option<Nack>,
}

impl TypeReport {
    /// Everything that was sent has been accepted.
    pub fn is_synced(&self) -> bool {
        self.sent == self.acked
    }
}

/// A response that the proxy refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    /// What the proxy said, at most 4 KiB.
    pub message: String,
    /// Version of the response.
    pub version: String,
    /// When.
    pub at: SystemTime,
}

impl StreamStatus {
    /// Nothing has happened. `bell` is rung whenever [`StreamStatus::answered`] changes, and when the stream ends.
    pub fn ringing(bell: Arc<Notify>) -> StreamStatus {
        StreamStatus { bell, ..StreamStatus::default() }
    }

    /// The last snapshot that the proxy has answered for as a whole.
    pub fn answered(&self) -> Option<Answered> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_answered(&self, snapshot: &Arc<EncodedSnapshot>, refused: bool, now: Instant) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answered.as_ref();
        if known.is_some_and(|known| Arc::ptr_eq(&known.snapshot, snapshot) && known.refused == refused) {
            return;
        }
        *answered = Some(Answered { snapshot: Arc::clone(snapshot), at: now, refused });
        drop(answered);
        self.bell.notify_waiters();
    }

    /// How things stand.
    pub fn report(&self) -> StreamReport {
        self.lock().clone()
    }

    pub(crate) fn opened(&self, delta: bool, now: SystemTime) {
        *self.lock() = StreamReport { connected: true, since: Some(now), delta, types: BTreeMap::new() };
    }

    pub(crate) fn closed(&self) {
        self.lock().connected = false;
        self.bell.notify_waiters();
    }

    pub(crate) fn sent(&self, kind: ResourceType, version: &str) {
        let mut report = self.lock();
        let entry = report.types.entry(kind).or_default();
        entry.sent = Some(version.to_owned());
        entry.responses += 1;
    }

    pub(crate) fn acked(&self, kind: ResourceType, version: &str) {
        self.lock().types.entry(kind).or_default().acked = Some(version.to_owned());
    }

    pub(crate) fn nacked(&self, kind: ResourceType, version: &str, message: &str, now: SystemTime) {
        let mut report = self.lock();
        let entry = report.types.entry(kind).or_default();
        entry.nacks += 1;
        let end = message.floor_char_boundary(MAX_NACK_BYTES);
        entry.last_nack =
            Some(Nack { message: message[..end].to_owned(), version: version.to_owned(), at: now });
    }

    /// The report is whole after every statement, so a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, StreamReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
