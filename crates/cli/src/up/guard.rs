//! The guard: a small process that outlives `up` by a moment and kills what it left behind.
//!
//! `up` holds the writing end of a pipe whose reading end is the guard's standard input, and writes one line for each
//! process group that it starts. When the pipe ends, however `up` ended, the guard kills every group that is still listed.
//! Only `up` has the writing end, so the kernel itself delivers the news, after SIGKILL too.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// Groups a guard remembers; far above what a machine's mesh has. Further ones are refused.
const MAX_GROUPS: usize = 4096;

/// One line from `up` to its guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// This process group lives from now on.
    Started(Pid),
    /// This process group has ended and must not be touched: its number may be given to somebody else.
    Ended(Pid),
    /// All has been stopped in order; nothing is left to do.
    Done,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Started(group) => write!(f, "started {}", group.as_raw_nonzero()),
            Message::Ended(group) => write!(f, "ended {}", group.as_raw_nonzero()),
            Message::Done => f.write_str("done"),
        }
    }
}

/// A line that is no [`Message`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither 'started GROUP', 'ended GROUP' nor 'done'")]
pub struct InvalidMessage(String);

impl FromStr for Message {
    type Err = InvalidMessage;

    fn from_str(line: &str) -> Result<Self, InvalidMessage> {
        let invalid = || InvalidMessage(line.chars().take(80).collect());
        // Groups 0 and 1 mean "my own" and "everybody" to the kernel.
        let group = |digits: &str| match digits.parse() {
            Ok(raw) if raw > 1 => Pid::from_raw(raw).ok_or_else(invalid),
            _ => Err(invalid()),
        };
        match line.split_once(' ') {
            Some(("started", digits)) => Ok(Message::Started(group(digits)?)),
            Some(("ended", digits)) => Ok(Message::Ended(group(digits)?)),
            None if line == "done" => Ok(Message::Done),
            _ => Err(invalid()),
        }
    }
}

/// What the guard process does: listens until the pipe ends, and returns the groups to kill. Lines that it does not
/// understand are skipped: a guard that gives up guards nothing.
pub fn listen(input: impl BufRead) -> Vec<Pid> {
    let mut groups = BTreeSet::new();
    for line in input.lines() {
        let Ok(line) = line else { break };
        match line.parse() {
            Ok(Message::Started(group)) if groups.len() < MAX_GROUPS => {
                groups.insert(group.as_raw_nonzero());
            }
            Ok(Message::Ended(group)) => {
                groups.remove(&group.as_raw_nonzero());
            }
            Ok(Message::Done) => return Vec::new(),
            Ok(Message::Started(_)) | Err(InvalidMessage(_)) => {}
        }
    }
    groups.into_iter().filter_map(|raw| Pid::from_raw(raw.get())).collect()
}

/// Kills every process of these groups. Groups that are gone are no fault.
pub fn kill_all(groups: &[Pid]) {
    for group in groups {
        let _ = kill_process_group(*group, Signal::KILL);
    }
}

/// The guard as `up` holds it.
#[derive(Debug)]
pub struct Guard {
    pipe: Mutex<Option<ChildStdin>>,
    process: Mutex<Child>,
}

impl Guard {
    /// Starts `ripstop guard` from `executable`, in a process group of its own.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(executable: &Path) -> io::Result<Self> {
        let mut process = Command::new(executable)
            .arg("guard")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let pipe = Mutex::new(process.stdin.take());
        Ok(Self { pipe, process: Mutex::new(process) })
    }

    /// Tells the guard. A guard that was killed by somebody cannot be told, and that is no reason to stop: the kernel still
    /// kills each direct child when `up` ends.
    pub fn tell(&self, message: Message) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = pipe.as_mut()
            && writeln!(writer, "{message}").is_err()
        {
            *pipe = None;
        }
    }

    /// Dismisses the guard after an orderly end, and waits for it.
    pub fn dismiss(&self) {
        self.tell(Message::Done);
        *self.pipe.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let _ = self.process.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pid(raw: i32) -> Pid {
        Pid::from_raw(raw).unwrap()
    }

    #[test]
    fn messages_round_trip() {
        for message in [Message::Started(pid(42)), Message::Ended(pid(4_194_303)), Message::Done] {
            assert_eq!(message.to_string().parse(), Ok(message));
        }
    }

    #[test]
    fn dangerous_and_foreign_lines_are_refused() {
        for line in ["", "started", "started 0", "started 1", "started -7", "started 9 9", "done 3", "kill 5"]
        {
            assert!(line.parse::<Message>().is_err(), "{line}");
        }
    }

    #[test]
    fn what_has_not_ended_is_killed() {
        let lines: &[u8] = b"started 100\nstarted 200\nnonsense\nended 100\nstarted 300\n";
        assert_eq!(listen(lines), [pid(200), pid(300)]);
        assert_eq!(listen(&b""[..]), []);
    }

    #[test]
    fn after_an_orderly_end_nothing_is_killed() {
        assert_eq!(listen(&b"started 100\nstarted 200\ndone\n"[..]), []);
    }

    #[test]
    fn a_line_that_is_not_text_ends_the_listening_but_not_the_duty() {
        assert_eq!(listen(&b"started 100\n\xff\xfe\n"[..]), [pid(100)]);
    }
}
