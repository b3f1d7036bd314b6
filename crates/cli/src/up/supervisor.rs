//! Keeps processes running: each has a task that starts it, waits for its end, starts it again after a pause that grows,
//! and stops it when told. What happened is told as [`Event`]s; nothing is printed here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::up::job::{Job, Stage, StartFailure};
use crate::up::log::RotatingLog;
use crate::up::process::{Launcher, Running, describe_status};

/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// Pause before the first restart.
const MIN_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a restart; a process that ran longer than this begins with the shortest one again.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Events that wait to be told; further ones make the processes' tasks wait, not the processes.
const MAX_WAITING_EVENTS: usize = 256;

/// What became of a process.
#[derive(Clone, Debug)]
pub enum Event {
    /// Ready for the first time.
    Ready {
        /// Which one.
        name: String,
    },
    /// Not ready the first time: it is given up.
    Failed(StartFailure),
    /// It ended although nobody told it to; it will be restarted.
    Ended(StartFailure),
    /// A restart failed, in another way than the one before; another one follows.
    RestartFailed(StartFailure),
    /// Ready again.
    Restarted {
        /// Which one.
        name: String,
    },
}

/// What a process's task is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Run,
    Stop,
    Kill,
}

/// All processes of a mesh.
#[derive(Debug)]
pub struct Fleet {
    launcher: Arc<Launcher>,
    events: mpsc::Sender<Event>,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    stage: Stage,
    order: watch::Sender<Order>,
    task: JoinHandle<()>,
}

impl Fleet {
    /// No processes; what happens to later ones comes out of the receiver. Must be used from the thread that runs `up`.
    pub fn new(launcher: Arc<Launcher>) -> (Self, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(MAX_WAITING_EVENTS);
        (Self { launcher, events, members: Vec::new() }, receiver)
    }

    /// Starts a process and keeps it running. [`Event::Ready`] or [`Event::Failed`] follows.
    pub fn launch(&mut self, job: Job) {
        let (order, orders) = watch::channel(Order::Run);
        let stage = job.stage;
        let keeper =
            Keeper { job, launcher: Arc::clone(&self.launcher), events: self.events.clone(), orders };
        self.members.push(Member { stage, order, task: tokio::spawn(keeper.keep()) });
    }

    /// Stops everything, stage by stage; as soon as `hurry` is ready, kills the rest. Drop or drain the receiver of events
    /// before: nobody waits for their being read.
    pub async fn stop(mut self, hurry: impl Future<Output = ()>) {
        tokio::pin!(hurry);
        let mut hurried = false;
        for stage in Stage::ALL {
            for member in self.members.iter_mut().filter(|member| member.stage == stage) {
                member.order.send_if_modified(|order| {
                    let first = *order == Order::Run;
                    if first {
                        *order = Order::Stop;
                    }
                    first
                });
            }
            for index in 0..self.members.len() {
                if self.members[index].stage != stage {
                    continue;
                }
                if !hurried {
                    tokio::select! {
                        _ = &mut self.members[index].task => continue,
                        () = &mut hurry => hurried = true,
                    }
                    for member in &self.members {
                        let _ = member.order.send(Order::Kill);
                    }
                }
                let _ = (&mut self.members[index].task).await;
            }
        }
    }
}

/// The task of one process.
struct Keeper {
    job: Job,
    launcher: Arc<Launcher>,
    events: mpsc::Sender<Event>,
    orders: watch::Receiver<Order>,
}

impl Keeper {
    async fn keep(mut self) {
        let log = match RotatingLog::create(&self.job.log_file) {
            Ok(log) => Arc::new(Mutex::new(log)),
            Err(error) => {
                let failure = StartFailure {
                    name: self.job.name.clone(),
                    reason: format!("has no log: {error}"),
                    log_file: self.job.log_file.clone(),
                    log_lines: Vec::new(),
                };
                return self.tell(Event::Failed(failure)).await;
            }
        };
        let first = tokio::select! {
            first = self.job.start(&self.launcher, &log) => first,
            () = ordered(&mut self.orders, Order::Stop) => return,
        };
        let mut running = match first {
            Ok(running) => {
                self.tell(Event::Ready { name: self.job.name.clone() }).await;
                running
            }
            Err(failure) => return self.tell(Event::Failed(failure)).await,
        };
        let mut pause = MIN_PAUSE;
        loop {
            let since = Instant::now();
            let status = tokio::select! {
                status = running.wait() => describe_status(&status),
                () = ordered(&mut self.orders, Order::Stop) => return self.stop(running).await,
            };
            self.tell(Event::Ended(self.job.failure(status, &log))).await;
            if since.elapsed() > MAX_PAUSE {
                pause = MIN_PAUSE;
            }
            let mut told = None;
            running = loop {
                tokio::select! {
                    () = sleep(pause) => {}
                    () = ordered(&mut self.orders, Order::Stop) => return,
                }
                pause = (pause * 2).min(MAX_PAUSE);
                let next = tokio::select! {
                    next = self.job.start(&self.launcher, &log) => next,
                    () = ordered(&mut self.orders, Order::Stop) => return,
                };
                match next {
                    Ok(running) => break running,
                    // The same reason again is no news.
                    Err(failure) if told.as_ref() == Some(&failure) => {}
                    Err(failure) => {
                        told = Some(failure.clone());
                        self.tell(Event::RestartFailed(failure)).await;
                    }
                }
            };
            self.tell(Event::Restarted { name: self.job.name.clone() }).await;
        }
    }

    async fn stop(&mut self, mut running: Running) {
        tokio::select! {
            () = running.stop(GRACE) => return,
            () = ordered(&mut self.orders, Order::Kill) => {}
        }
        running.stop(Duration::ZERO).await;
    }

    async fn tell(&self, event: Event) {
        // Nobody listens any more while everything is being stopped.
        let _ = self.events.send(event).await;
    }
}

/// Returns when the order is `wanted` or a stronger one; a fleet that is gone wants everything stopped.
async fn ordered(orders: &mut watch::Receiver<Order>, wanted: Order) {
    let _ = orders.wait_for(|order| *order >= wanted).await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
