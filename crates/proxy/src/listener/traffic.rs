//! How many bytes have passed over a client connection, TLS left out. What they mean is no concern here.

use std::sync::{Arc, OnceLock};

use crate::stats::cell::Cell;
use crate::stats::http::HttpStats;
use crate::stats::per_worker::PerWorker;

/// Shared by the connection and by whoever tells of it. The worker that has the connection is the only one that writes.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    received: Cell,
    sent: Cell,
    /// Where the bytes count as well.
    manager: OnceLock<(Arc<PerWorker<HttpStats>>, usize)>,
}

impl Traffic {
    /// Bytes that came from the client.
    pub fn received(&self) -> u64 {
        self.0.received.get()
    }

    /// Bytes that went to the client.
    pub fn sent(&self) -> u64 {
        self.0.sent.get()
    }

    /// Bytes count for a connection manager as well, those that have passed included.
    pub fn count_for(&self, manager: &Arc<PerWorker<HttpStats>>, worker: usize) {
        let stats = manager.of(worker);
        stats.cx_rx_bytes.add(self.received());
        stats.cx_tx_bytes.add(self.sent());
        // A connection has one manager.
        let _ = self.0.manager.set((manager.clone(), worker));
    }

    pub(super) fn receive(&self, bytes: usize) {
        self.0.received.add(bytes as u64);
        if let Some((stats, worker)) = self.0.manager.get() {
            stats.of(*worker).cx_rx_bytes.add(bytes as u64);
        }
    }

    pub(super) fn send(&self, bytes: usize) {
        self.0.sent.add(bytes as u64);
        if let Some((stats, worker)) = self.0.manager.get() {
            stats.of(*worker).cx_tx_bytes.add(bytes as u64);
        }
    }
}
