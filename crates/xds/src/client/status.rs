//! How the client of a control plane is doing, for admin pages and logs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ResourceType;

/// Shared between the client, which writes, and whoever wants to know.
#[derive(Debug, Default)]
pub struct ClientStatus {
    report: Mutex<ClientReport>,
}

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientReport {
    /// A stream is open.
    pub connected: bool,
    /// Streams opened so far.
    pub streams: u64,
    /// Responses in which every resource was good.
    pub accepted: u64,
    /// Responses with at least one resource that was refused.
    pub rejected: u64,
    /// The same by type: accepted, refused.
    pub by_type: BTreeMap<ResourceType, (u64, u64)>,
    /// Snapshots handed out.
    pub snapshots: u64,
    /// The last thing that went wrong: a lost stream or a refused resource.
    pub last_error: Option<String>,
    /// Version of the last response of each type in which every resource was good.
    pub versions: BTreeMap<ResourceType, String>,
    /// What the resources in force say that is not supported, by resource. At most 1,000 lines.
    pub warnings: Vec<String>,
}

impl ClientStatus {
    /// How things stand.
    pub fn report(&self) -> ClientReport {
        self.lock().clone()
    }

    /// Responses so far, good or bad.
    pub(crate) fn responses(&self) -> u64 {
        let report = self.lock();
        report.accepted + report.rejected
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut ClientReport)) {
        change(&mut self.lock());
    }

    /// The report is plain data, so a panic elsewhere leaves nothing half done that matters.
    fn lock(&self) -> MutexGuard<'_, ClientReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
