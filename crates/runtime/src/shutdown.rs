//! How a process is told to end: once to finish what it does, twice to stop at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everything runs.
    Running,
    /// Nothing new is taken; what is under way may finish.
    Draining,
    /// Stop now.
    Stopped,
}

/// Moves the phase forward. It never goes back.
#[derive(Clone, Debug)]
pub struct Shutdown {
    phase: watch::Sender<Phase>,
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown { phase: watch::Sender::new(Phase::Running) }
    }
}

impl Shutdown {
    /// Begins draining, if that has not happened.
    pub fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// Stops at once.
    pub fn stop(&self) {
        self.advance(Phase::Stopped);
    }

    /// Something to wait on.
    pub fn watch(&self) -> ShutdownWatch {
        ShutdownWatch { phase: self.phase.subscribe() }
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let forward = to > *phase;
            if forward {
                *phase = to;
            }
            forward
        });
    }

    /// Follows SIGTERM and SIGINT for ever: the first one drains, the second one stops.
    pub async fn follow_signals(&self) -> std::io::Result<()> {
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            match self.watch().phase() {
                Phase::Running => self.drain(),
                Phase::Draining | Phase::Stopped => self.stop(),
            }
        }
    }
}

/// Waits for a phase.
#[derive(Clone, Debug)]
pub struct ShutdownWatch {
    phase: watch::Receiver<Phase>,
}

impl ShutdownWatch {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Returns when draining has begun, also when everything that could begin it is gone.
    pub async fn draining(&mut self) {
        // An error means that the sender is gone: the process is ending.
        let _ = self.phase.wait_for(|phase| *phase >= Phase::Draining).await;
    }

    /// Returns when everything has to stop.
    pub async fn stopped(&mut self) {
        let _ = self.phase.wait_for(|phase| *phase >= Phase::Stopped).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_move_forward() {
        let shutdown = Shutdown::default();
        let mut watch = shutdown.watch();
        assert_eq!(watch.phase(), Phase::Running);
        shutdown.stop();
        shutdown.drain();
        assert_eq!(watch.phase(), Phase::Stopped);
        watch.draining().await;
        watch.stopped().await;
    }
}
