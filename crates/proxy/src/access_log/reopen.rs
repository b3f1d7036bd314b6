//! The wish that access logs be opened again by their paths, which those who rotate them express with SIGUSR1. Not the
//! opening, which each writer does itself before its next line.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// How often it was wished, shared by all writers. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Reopen(Arc<AtomicU64>);

impl Reopen {
    /// Every file is opened again before the next line goes to it.
    pub fn ask(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    /// How often that was asked for.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Asks for it at every SIGUSR1, for ever.
    pub async fn follow_signal(self) {
        match signal(SignalKind::user_defined1()) {
            Ok(mut wished) => {
                while wished.recv().await.is_some() {
                    self.ask();
                }
            }
            Err(error) => {
                tracing::error!(%error, "access logs cannot be opened again: SIGUSR1 cannot be followed")
            }
        }
    }
}
