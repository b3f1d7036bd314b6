//! What became of the pushes on one stream, for the API and for people. Nothing is decided from it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::ResourceType;

/// Longest kept text of a refusal, in bytes.
const MAX_NACK_BYTES: usize = 4096;

/// Shared between a stream, which writes, and an API, which reads.
#[derive(Debug, Default)]
pub struct StreamStatus {
    report: Mutex<StreamReport>,
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
    /// How things stand.
    pub fn report(&self) -> StreamReport {
        self.lock().clone()
    }

    pub(crate) fn opened(&self, delta: bool, now: SystemTime) {
        *self.lock() = StreamReport { connected: true, since: Some(now), delta, types: BTreeMap::new() };
    }

    pub(crate) fn closed(&self) {
        self.lock().connected = false;
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
