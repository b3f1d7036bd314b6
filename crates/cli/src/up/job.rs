//! One process of the mesh as `up` keeps it: how it is started, every time anew, and when it counts as ready.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::up::log::visible;
use crate::up::process::{CommandLine, Launcher, Running, SharedLog, describe_status};
use crate::up::readiness::{DEADLINE, Readiness};
use crate::up::request::{self, Server};
use crate::up::state_dir::write_private;

/// Lines of a log that are shown when its process fails.
const SHOWN_LOG_LINES: usize = 20;

/// Parts of the mesh, in the order in which they are stopped: first what lets requests in, last what others depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Proxies at the edge.
    Gateway,
    /// Applications.
    App,
    /// Proxies beside applications.
    Sidecar,
    /// The control plane.
    Control,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 4] = [Stage::Gateway, Stage::App, Stage::Sidecar, Stage::Control];
}

/// A process to run and keep.
#[derive(Clone, Debug)]
pub struct Job {
    /// Unique, for people: `user-1.app`.
    pub name: String,
    /// When it is stopped.
    pub stage: Stage,
    /// What to run.
    pub command: CommandLine,
    /// When it is ready.
    pub readiness: Readiness,
    /// The token it needs before each start.
    pub token: Option<TokenRequest>,
    /// Where its output goes.
    pub log_file: PathBuf,
}

/// Gives proxies that run a token in reserve. Whoever sleeps for longer than its certificate lives, with the whole machine
/// perhaps, proves itself with it when it wakes. What was there before is used up or replaced.
pub async fn give_reserve_tokens(requests: Vec<TokenRequest>) {
    for request in requests {
        // The next round tries again; until then the certificate is proof enough.
        drop(request.fetch(RESERVE_TOKEN_S).await);
    }
}

/// A join token to fetch from the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The control plane's socket.
    pub control: Server,
    /// Namespace of the workload.
    pub namespace: String,
    /// The workload that will present the token.
    pub workload: String,
    /// Where the proxy reads it.
    pub file: PathBuf,
}

/// A process that did not become ready, with what it said last.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {reason}")]
pub struct StartFailure {
    /// Which one.
    pub name: String,
    /// Why, as a predicate: `ended with status 1`.
    pub reason: String,
    /// Its whole output, that of earlier runs included.
    pub log_file: PathBuf,
    /// The end of what it wrote in its last run.
    pub log_lines: Vec<String>,
}

impl Job {
    /// Starts the process and waits until it is ready.
    ///
    /// # Errors
    /// When there is no token, it ends, or is not ready in time; it does not run any more then.
    pub async fn start(&self, launcher: &Arc<Launcher>, log: &SharedLog) -> Result<Running, StartFailure> {
        log.lock().unwrap_or_else(PoisonError::into_inner).begin_run();
        if let Some(request) = &self.token {
            request.fetch(FIRST_TOKEN_S).await.map_err(|reason| self.failure(reason, log))?;
        }
        let mut running = launcher
            .spawn(&self.command, log)
            .map_err(|error| self.failure(format!("cannot be started: {error}"), log))?;
        let reason = tokio::select! {
            status = running.wait() => describe_status(&status),
            ready = self.readiness.wait(DEADLINE) => match ready {
                Ok(()) => return Ok(running),
                Err(error) => format!("is {error}"),
            },
        };
        running.stop(Duration::ZERO).await;
        Err(self.failure(reason, log))
    }

    /// What became of it, with the end of what it wrote since it was started last.
    pub fn failure(&self, reason: String, log: &SharedLog) -> StartFailure {
        StartFailure {
            name: self.name.clone(),
            reason,
            log_file: self.log_file.clone(),
            log_lines: log.lock().unwrap_or_else(PoisonError::into_inner).run_tail(SHOWN_LOG_LINES),
        }
    }
}

/// A token for a proxy that is about to start is used at once.
const FIRST_TOKEN_S: u64 = 600;
/// One in reserve is good for as long as a token can be.
const RESERVE_TOKEN_S: u64 = 7 * 24 * 3600;

impl TokenRequest {
    /// Fetches a token that is good for so many seconds, and writes it where the proxy reads it.
    async fn fetch(&self, seconds: u64) -> Result<(), String> {
        let Self { control, namespace, workload, file } = self;
        let question = json!({"namespace": namespace, "workload": workload, "ttl_seconds": seconds});
        let (status, body) = request::post_json(control, "/api/v1/tokens", &question)
            .await
            .map_err(|error| format!("gets no join token: {error}"))?;
        let text = String::from_utf8_lossy(&body);
        if !status.is_success() {
            let text: String = text.chars().take(500).collect();
            return Err(format!(
                "gets no join token: the control plane answers {} {}",
                status.as_u16(),
                visible(&text)
            ));
        }
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let Some(token) = answer.get("token").and_then(Value::as_str).filter(|text| !text.is_empty()) else {
            // The answer is not shown: it may hold a secret all the same.
            return Err("gets no join token: the control plane's answer lacks `token`".to_owned());
        };
        write_private(file, token).map_err(|error| error.to_string())
    }
}
