//! Active health checks: asks the endpoints of clusters how they are. Runs on the control thread, for all clusters; what an
//! answer means and when the next question is due is decided in `ripstop-policy`.
//!
//! ```text
//! generation ─▶ checker ──▶ ask (HTTP, TCP, gRPC) ──▶ session ──▶ flags of the host ──▶ balancers of all workers
//! failing hosts ─▶            endpoint                        └──▶ counters, event log
//! ```

mod ask;
pub mod checker;
pub mod cluster;
mod connection;
mod event_log;
pub mod failing;
mod grpc;
mod headers;
mod http;
mod tcp;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::generation::Generation;
use checker::{News, check_for_ever};
use failing::Failing;

/// The checker that runs, and what it is told.
pub struct HealthChecks {
    generations: watch::Sender<Arc<Generation>>,
    /// What it tells.
    pub news: News,
}

impl HealthChecks {
    /// Starts it. It ends when this is dropped.
    pub fn start(first: Arc<Generation>, failing: mpsc::Receiver<Failing>) -> HealthChecks {
        let (generations, latest) = watch::channel(first);
        let news = News::default();
        tokio::spawn(check_for_ever(latest, failing, news.clone()));
        HealthChecks { generations, news }
    }

    /// Checks the endpoints of this generation from now on.
    pub fn follow(&self, generation: Arc<Generation>) {
        self.generations.send_replace(generation);
    }
}
