//! Runs the build command of the mesh before anything is started, so that the applications are there.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;

use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::up::log::{self, RotatingLog};
use crate::up::process::{CommandLine, Launcher, describe_status};
use crate::up::state_dir::StateDir;

/// Lines of a failed build that are shown; compilers say a lot.
const SHOWN_LINES: usize = 200;
/// A build that takes longer than this is said to be still under way.
const SILENCE: Duration = Duration::from_secs(2);

/// Runs `command` in the current directory until it ends.
///
/// # Errors
/// When it cannot be started or fails, with its output.
pub async fn run(
    command: &[String],
    launcher: &Arc<Launcher>,
    state: &StateDir,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let [program, args @ ..] = command else { return Ok(()) };
    let log_file: PathBuf = state.log_file("build");
    let log = RotatingLog::create(&log_file)
        .map_err(|error| Failure::new(format_args!("cannot write {}: {error}", log_file.display())))?;
    let line = CommandLine {
        program: program.into(),
        args: args.iter().map(OsString::from).collect(),
        env: Vec::new(),
        cwd: None,
    };
    let mut running = launcher
        .spawn(&line, &Arc::new(Mutex::new(log)))
        .map_err(|error| Failure::new(format_args!("cannot run {program}: {error}")))?;
    let status = match timeout(SILENCE, running.wait()).await {
        Ok(status) => status,
        Err(_) => {
            terminal.line(&format!(
                "  still building, which takes a while the first time: {}",
                command.join(" ")
            ));
            running.wait().await
        }
    };
    if status.as_ref().is_ok_and(|status| status.success()) {
        let _ = fs::remove_file(&log_file);
        return Ok(());
    }
    let output = log::tail(&log_file, SHOWN_LINES).join("\n");
    let words = command.join(" ");
    Err(Failure::new(format_args!(
        "the build command of the mesh {}: {words}\n{output}",
        describe_status(&status)
    ))
    .with_help(format_args!("run it by hand to see more; the whole output is in {}", log_file.display())))
}
