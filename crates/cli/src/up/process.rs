//! One child process: started in a group of its own, announced to the guard, its output kept, killed as a group. Not when to
//! start it again, see `supervisor`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::up::guard::{Guard, Message};
use crate::up::log::RotatingLog;

/// How long the output of a process that has ended is still read; a grandchild may hold the pipe for ever.
const OUTPUT_AFTER_END: Duration = Duration::from_millis(200);

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// A path, or a name to look up in `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables on top of the environment of `up`.
    pub env: Vec<(String, String)>,
    /// Working directory; `None`: that of `up`.
    pub cwd: Option<PathBuf>,
}

/// What every child is started with.
#[derive(Debug)]
pub struct Launcher {
    /// This binary, for `exec-child`.
    pub executable: PathBuf,
    /// Told of every group.
    pub guard: Guard,
}

/// The log of a process, kept over its restarts.
pub type SharedLog = Arc<Mutex<RotatingLog>>;

/// A child that runs. Dropping it kills its group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: Pid,
    launcher: Arc<Launcher>,
    output: Option<JoinHandle<()>>,
    ended: bool,
}

impl Launcher {
    /// Starts a child whose output goes to `log`. Must be called from a thread that lives as long as `up`: the kernel kills
    /// the child when that thread ends.
    ///
    /// # Errors
    /// When no process can be made. A program that does not exist is not an error here: `exec-child` reports it in the log
    /// and ends with status 1.
    pub fn spawn(self: &Arc<Self>, command: &CommandLine, log: &SharedLog) -> io::Result<Running> {
        let (reader, writer) = io::pipe()?;
        let reader = pipe::Receiver::from_owned_fd(reader.into())?;
        let mut child = Command::new(&self.executable);
        child
            .arg("exec-child")
            .arg(format!("--parent={}", std::process::id()))
            .arg("--")
            .arg(&command.program)
            .args(&command.args)
            .envs(command.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        if let Some(cwd) = &command.cwd {
            child.current_dir(cwd);
        }
        let child = child.spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let group = pid.ok_or_else(|| io::Error::other("the new process has no id"))?;
        self.guard.tell(Message::Started(group));
        let output = Some(tokio::spawn(keep_output(reader, Arc::clone(log))));
        Ok(Running { child, group, launcher: Arc::clone(self), output, ended: false })
    }
}

impl Running {
    /// Waits for the end of the process, ends what is left of its group, and lets its last output reach the log.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.end_group();
        if let Some(output) = self.output.take() {
            let abort = output.abort_handle();
            if timeout(OUTPUT_AFTER_END, output).await.is_err() {
                abort.abort();
            }
        }
        status
    }

    /// Asks the group to end, and kills it after `grace`.
    pub async fn stop(&mut self, grace: Duration) {
        if self.ended {
            return;
        }
        let _ = kill_process_group(self.group, Signal::TERM);
        if timeout(grace, self.wait()).await.is_err() {
            self.kill();
            let _ = self.wait().await;
        }
    }

    /// Kills the group at once.
    pub fn kill(&self) {
        if !self.ended {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
    }

    fn end_group(&mut self) {
        if !self.ended {
            let _ = kill_process_group(self.group, Signal::KILL);
            self.launcher.guard.tell(Message::Ended(self.group));
            self.ended = true;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end_group();
    }
}

/// Copies output into the log until the last writer has gone. When the log cannot be written the output is still read, so
/// that the child does not wait for ever on a full pipe.
async fn keep_output(mut reader: pipe::Receiver, log: SharedLog) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        let _ = log.lock().unwrap_or_else(PoisonError::into_inner).append(&buffer[..count]);
    }
}

/// `status` in words.
pub fn describe_status(status: &io::Result<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with status {code}"),
            (None, Some(signal)) => format!("was killed by {}", signal_name(signal)),
            (None, None) => format!("ended: {status}"),
        },
        Err(error) => format!("ended, its status cannot be read: {error}"),
    }
}

fn signal_name(raw: i32) -> String {
    let name = match raw {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return format!("signal {raw}"),
    };
    name.to_owned()
}

/// The path under which this binary can be started again, also when the file was replaced meanwhile.
///
/// # Errors
/// When the kernel does not say.
pub fn own_executable() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    if path.exists() { Ok(path) } else { Ok(Path::new("/proc/self/exe").to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn ends_are_told_in_words() {
        let status = |raw| describe_status(&Ok(ExitStatus::from_raw(raw)));
        assert_eq!(status(0), "ended with status 0");
        assert_eq!(status(3 << 8), "ended with status 3");
        assert_eq!(status(9), "was killed by SIGKILL");
        assert_eq!(status(40), "was killed by signal 40");
    }
}
