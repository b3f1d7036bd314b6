//! The thread of a worker, and how it is told things.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, oneshot};

use super::Worker;
use super::listeners::{Listeners, Sockets};
use crate::generation::Generation;
use crate::stats::registry::Registry;

/// How often pools are looked through for connections that are of no use any more.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Commands that may wait for a worker.
const QUEUE: usize = 16;

/// What a worker is told.
enum Command {
    /// A generation is in force from now on.
    Generation { generation: Arc<Generation>, sockets: Sockets, done: oneshot::Sender<()> },
    /// Take no more connections.
    Drain,
    /// Set counters to nothing.
    ResetCounters(Arc<Registry>),
    /// How many client connections are open?
    Connections(oneshot::Sender<u64>),
}

/// A running worker.
pub struct WorkerThread {
    commands: mpsc::Sender<Command>,
    thread: std::thread::JoinHandle<()>,
}

impl WorkerThread {
    /// Starts worker `id`. `starvation` is the same for all workers of a proxy, and so is `drain_time`: how long connections
    /// of a listener that has changed may take a last request.
    pub fn start(
        id: usize,
        seed: u64,
        starvation: Arc<Notify>,
        drain_time: Duration,
    ) -> std::io::Result<WorkerThread> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name(format!("worker-{id}")).spawn(move || {
            // Such a runtime cannot leave its thread; in exchange its tasks need no locks.
            let built = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            let (runtime, outcome) = match built {
                Ok(runtime) => (Some(runtime), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Whoever starts a worker waits for this.
            let _ = tell.send(outcome);
            let Some(runtime) = runtime else { return };
            let worker = Worker::new(id, seed, starvation.clone(), drain_time);
            runtime.block_on(run(worker, queue, &starvation));
        })?;
        told.recv().map_err(std::io::Error::other)??;
        Ok(WorkerThread { commands, thread })
    }

    /// Puts a generation in force; returns when it is.
    pub async fn apply(&self, generation: Arc<Generation>, sockets: Sockets) {
        let (done, applied) = oneshot::channel();
        let command = Command::Generation { generation, sockets, done };
        // Either fails only when the worker has ended.
        if self.commands.send(command).await.is_ok() {
            let _ = applied.await;
        }
    }

    /// Takes no more connections.
    pub async fn drain(&self) {
        let _ = self.commands.send(Command::Drain).await;
    }

    /// Sets its counters to nothing.
    pub async fn reset_counters(&self, registry: Arc<Registry>) {
        let _ = self.commands.send(Command::ResetCounters(registry)).await;
    }

    /// How many client connections are open.
    pub async fn connections(&self) -> u64 {
        let (answer, count) = oneshot::channel();
        if self.commands.send(Command::Connections(answer)).await.is_err() {
            return 0;
        }
        count.await.unwrap_or(0)
    }

    /// Ends the worker and everything on it.
    pub fn stop(self) {
        drop(self.commands);
        if self.thread.join().is_err() {
            tracing::error!("a worker panicked");
        }
    }
}

async fn run(worker: Rc<Worker>, mut queue: mpsc::Receiver<Command>, starvation: &Notify) {
    let mut listeners = Listeners::default();
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let command = tokio::select! {
            command = queue.recv() => command,
            _ = sweep.tick() => {
                // First: what is closed below is gone when its tasks have run, and given back the next time.
                if worker.has_much_free() {
                    ripstop_runtime::memory::give_back();
                    ripstop_runtime::memory::leave_program_pages();
                }
                let now = Instant::now();
                worker.add_freed(worker.current().sweep_pools(worker.id, now));
                worker.under_way.sweep(now);
                continue;
            }
            () = starvation.notified() => {
                worker.current().feed_the_starving();
                continue;
            }
        };
        match command {
            None => return,
            Some(Command::Generation { generation, sockets, done }) => {
                worker.replace(generation);
                listeners.update(&worker, sockets);
                // Nobody waits any more when the proxy is ending.
                let _ = done.send(());
            }
            Some(Command::Drain) => listeners.drain(),
            Some(Command::ResetCounters(registry)) => registry.reset_counters(worker.id),
            Some(Command::Connections(answer)) => {
                let _ = answer.send(worker.connections());
            }
        }
    }
}
