//! How the connections of a listener are told that their time is over.

use std::time::Duration;

use tokio::sync::watch;

/// Ends the connections that were accepted under one version of a listener.
#[derive(Debug)]
pub struct Drain {
    begun: watch::Sender<Option<Duration>>,
}

impl Default for Drain {
    fn default() -> Drain {
        Drain { begun: watch::Sender::new(None) }
    }
}

impl Drain {
    /// Requests under way may finish. For `grace` connections of HTTP/1 may take one more, whose answer says that it is the
    /// last: a client that sends it at this moment would otherwise meet a closed connection. After that none takes any.
    pub fn begin(&self, grace: Duration) {
        self.begun.send_replace(Some(grace));
    }

    /// Something for a connection to wait on.
    pub fn watch(&self) -> DrainWatch {
        DrainWatch { begun: self.begun.subscribe() }
    }
}

/// What a connection waits on.
#[derive(Clone, Debug)]
pub struct DrainWatch {
    begun: watch::Receiver<Option<Duration>>,
}

impl DrainWatch {
    /// Returns when draining has begun, with the time that is left for last requests. When nobody can begin it any more (the
    /// listener was forgotten by an orderly end of the worker) it never returns.
    pub async fn begun(&mut self) -> Duration {
        match self.begun.wait_for(Option::is_some).await {
            Ok(grace) => grace.unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }
}
