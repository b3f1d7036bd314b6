//! How the connections of a listener are told that their time is over.

use tokio::sync::watch;

/// Ends the connections that were accepted under one version of a listener.
#[derive(Debug)]
pub struct Drain {
    begun: watch::Sender<bool>,
}

impl Default for Drain {
    fn default() -> Drain {
        Drain { begun: watch::Sender::new(false) }
    }
}

impl Drain {
    /// Requests under way may finish; no connection takes new ones after that.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Something for a connection to wait on.
    pub fn watch(&self) -> DrainWatch {
        DrainWatch { begun: self.begun.subscribe() }
    }
}

/// What a connection waits on.
#[derive(Clone, Debug)]
pub struct DrainWatch {
    begun: watch::Receiver<bool>,
}

impl DrainWatch {
    /// Returns when draining has begun. When nobody can begin it any more (the listener was forgotten by an orderly
    /// end of the worker) it never returns.
    pub async fn begun(&mut self) {
        if self.begun.wait_for(|begun| *begun).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
