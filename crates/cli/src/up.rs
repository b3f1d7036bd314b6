//! `ripstop up`: a whole mesh on this machine, from its documents to a table of what runs, and everything stopped at the end.
//!
//! ```text
//! documents ─▶ plan ─▶ ports free? ─▶ build ─▶ guard ─▶ control plane ─▶ proxies ─▶ applications ─▶ table
//!                                                └── every process: own group, told to the guard, kept by the supervisor
//! ```
//!
//! The mesh itself lives in the processes that are started; nothing of it is in here.

pub mod addresses;
pub mod build;
pub mod edits;
pub mod env;
pub mod guard;
pub mod job;
pub mod jobs;
pub mod log;
pub mod plan;
pub mod ports;
pub mod process;
pub mod readiness;
pub mod request;
pub mod signals;
pub mod state_dir;
pub mod supervisor;
pub mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_control::source::{self, State};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::failure::Failure;
use crate::terminal::{Terminal, Tone};
use crate::up::edits::Edits;
use crate::up::guard::Guard;
use crate::up::job::{Job, StartFailure, TokenRequest};
use crate::up::jobs::Jobs;
use crate::up::plan::Plan;
use crate::up::process::Launcher;
use crate::up::signals::Signals;
use crate::up::state_dir::StateDir;
use crate::up::supervisor::{Event, Fleet};

/// Processes that are not ready after this are named.
const SILENCE: Duration = Duration::from_secs(3);
/// How often running proxies get a join token in reserve.
const RESERVE_INTERVAL: Duration = Duration::from_secs(6 * 3600);
/// Lines of its log that are shown when a process ends while the mesh runs.
const LINES_WHILE_RUNNING: usize = 6;

/// A mesh that is about to be brought up.
#[derive(Debug)]
pub struct Up {
    /// Where progress and the table go.
    pub terminal: Terminal,
    /// The current directory: what programs of the plan are relative to.
    pub directory: PathBuf,
    /// The documents, as they were named.
    pub documents: Vec<PathBuf>,
    /// What is written in them.
    pub written: State,
    /// What follows from that.
    pub plan: Plan,
    /// Locked for this run.
    pub state: StateDir,
}

impl Up {
    /// Runs the mesh until a signal ends it. Returns when nothing is left.
    ///
    /// # Errors
    /// When something cannot be started; everything else is stopped again then.
    pub async fn run(self, mut signals: Signals) -> Result<(), Failure> {
        let began = Instant::now();
        ports::check(&self.plan.claims)?;
        let executable = process::own_executable()
            .map_err(|error| Failure::new(format_args!("cannot find this program's own file: {error}")))?;
        let guard = Guard::start(&executable)
            .map_err(|error| Failure::new(format_args!("cannot start the guard process: {error}")))?;
        let launcher = Arc::new(Launcher { executable: executable.clone(), guard });
        let (mut fleet, mut events) = Fleet::new(Arc::clone(&launcher));
        let outcome = tokio::select! {
            outcome = self.start_and_watch(&executable, &launcher, &mut fleet, &mut events, began) => outcome,
            () = signals.next() => Ok(()),
        };
        drop(events);
        let stopping = match &outcome {
            Ok(()) => "\nStopping ... (Ctrl-C again kills at once)",
            Err(_) => "  failed; stopping what was started ... (Ctrl-C kills at once)",
        };
        self.terminal.line(&self.terminal.paint(Tone::Faint, stopping));
        fleet.stop(signals.next()).await;
        launcher.guard.dismiss();
        self.terminal.line("stopped");
        outcome
    }

    async fn start_and_watch(
        &self,
        executable: &Path,
        launcher: &Arc<Launcher>,
        fleet: &mut Fleet,
        events: &mut mpsc::Receiver<Event>,
        began: Instant,
    ) -> Result<(), Failure> {
        if !self.plan.mesh.build.is_empty() {
            let step = self.step("Building the applications ...");
            build::run(&self.plan.mesh.build, launcher, &self.state, &self.terminal).await?;
            step.done();
        }
        let documents: Vec<PathBuf> = self.documents.iter().map(|path| self.directory.join(path)).collect();
        let jobs = Jobs { executable, state: &self.state, documents: &documents, plan: &self.plan };
        let instances = &self.plan.instances;
        let control = vec![jobs.control()];
        self.start("Starting the control plane ...", control, fleet, events).await?;
        let proxies: Vec<Job> = instances.iter().filter_map(|instance| jobs.proxy(instance)).collect();
        let tokens: Vec<TokenRequest> = proxies.iter().filter_map(|job| job.token.clone()).collect();
        self.start("Starting the proxies ...", proxies, fleet, events).await?;
        let apps = instances.iter().filter_map(|instance| jobs.app(instance)).collect();
        self.start("Starting the applications ...", apps, fleet, events).await?;

        let tries = addresses::tries(&self.plan, &self.written.world);
        let ready = format!("The mesh is up ({}).", seconds(began.elapsed()));
        self.terminal.line(&self.terminal.paint(Tone::Good, &ready));
        self.terminal.line(&table::render(&self.terminal, &self.plan, &tries, &self.state));
        self.watch(events, tokens).await
    }

    /// Says what happens to the processes and the documents, for ever.
    async fn watch(
        &self,
        events: &mut mpsc::Receiver<Event>,
        tokens: Vec<TokenRequest>,
    ) -> Result<(), Failure> {
        // By the names that they were read by, or every place in them would look changed.
        let (sink, mut states) = watch::channel(Arc::new(self.written.clone()));
        let _watch = source::watch(self.documents.clone(), sink).map_err(Failure::new)?;
        let mut edits = Edits::new(&self.plan, &self.directory);
        let mut reserve = tokio::time::interval(RESERVE_INTERVAL);
        loop {
            tokio::select! {
                Some(event) = events.recv() => {
                    self.tell(&event);
                    // A control plane that was restarted knows no token from before.
                    if matches!(&event, Event::Restarted { name } if name == jobs::CONTROL) {
                        reserve.reset_immediately();
                    }
                }
                _ = reserve.tick() => drop(tokio::spawn(job::give_reserve_tokens(tokens.clone()))),
                Ok(()) = states.changed() => {
                    let state = Arc::clone(&states.borrow_and_update());
                    for (tone, line) in edits.tell(&state) {
                        self.terminal.line(&self.terminal.paint(tone, &line));
                    }
                }
                else => return Ok(()),
            }
        }
    }

    /// Starts these processes at the same time and waits until all are ready.
    async fn start(
        &self,
        what: &str,
        jobs: Vec<Job>,
        fleet: &mut Fleet,
        events: &mut mpsc::Receiver<Event>,
    ) -> Result<(), Failure> {
        if jobs.is_empty() {
            return Ok(());
        }
        let step = self.step(what);
        let mut waiting: BTreeSet<String> = jobs.iter().map(|job| job.name.clone()).collect();
        jobs.into_iter().for_each(|job| fleet.launch(job));
        let mut silence = SILENCE;
        while !waiting.is_empty() {
            let Ok(event) = timeout(silence, events.recv()).await else {
                let names: Vec<&str> = waiting.iter().map(String::as_str).collect();
                self.terminal.line(&format!("  still waiting for {}", names.join(", ")));
                silence = Duration::MAX;
                continue;
            };
            match event {
                Some(Event::Ready { name }) => {
                    waiting.remove(&name);
                }
                Some(Event::Failed(failure)) => return Err(start_failed(&failure)),
                Some(event) => self.tell(&event),
                None => return Err(Failure::new("the processes of the mesh cannot be watched")),
            }
        }
        step.done();
        Ok(())
    }

    /// Says what happened to a process while the mesh runs.
    fn tell(&self, event: &Event) {
        let terminal = &self.terminal;
        match event {
            Event::Ended(failure) => {
                terminal.line(&terminal.paint(Tone::Warning, &format!("{failure}; restarting it")));
                terminal.line(&log_excerpt(failure, LINES_WHILE_RUNNING));
            }
            Event::RestartFailed(failure) => {
                terminal
                    .line(&terminal.paint(Tone::Bad, &format!("{failure}; trying again until it is ready")));
                terminal.line(&log_excerpt(failure, LINES_WHILE_RUNNING));
            }
            Event::Restarted { name } => {
                terminal.line(&terminal.paint(Tone::Good, &format!("{name} is ready again")));
            }
            Event::Ready { .. } | Event::Failed(_) => {}
        }
    }

    fn step(&self, what: &str) -> Step<'_> {
        self.terminal.line(what);
        Step { terminal: &self.terminal, began: Instant::now() }
    }
}

/// A step of starting, with the time it took.
struct Step<'a> {
    terminal: &'a Terminal,
    began: Instant,
}

impl Step<'_> {
    fn done(self) {
        let text = format!("  ready after {}", seconds(self.began.elapsed()));
        self.terminal.line(&self.terminal.paint(Tone::Faint, &text));
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

fn start_failed(failure: &StartFailure) -> Failure {
    Failure::new(format_args!("{failure}\n{}", log_excerpt(failure, usize::MAX)))
}

/// At most `count` lines of what the process wrote last.
fn log_excerpt(failure: &StartFailure, count: usize) -> String {
    let path = failure.log_file.display();
    if failure.log_lines.is_empty() {
        return format!("  it wrote nothing to {path}");
    }
    let skipped = failure.log_lines.len().saturating_sub(count);
    let lines: Vec<String> = failure.log_lines[skipped..].iter().map(|line| format!("  | {line}")).collect();
    format!("  the end of {path}:\n{}", lines.join("\n"))
}
