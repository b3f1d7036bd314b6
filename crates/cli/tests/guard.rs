//! Nothing may survive `up`, however it ends: here its two means are tried with the real binary, the guard and the death
//! signal of `exec-child`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

const RIPSTOP: &str = env!("CARGO_BIN_EXE_ripstop");
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < DEADLINE, "still not: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process runs; one that only waits to be collected does not.
fn runs(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn command_of(pid: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).replace('\0', " ")
}

/// A shell in a process group of its own, which is killed when the test ends, failed or not.
struct Group(Child);

impl Group {
    fn start(script: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        Self(shell.spawn().unwrap())
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    /// The process ids that the script prints, one a line.
    fn printed_pids(&mut self, count: usize) -> Vec<u32> {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        lines.take(count).map(|line| line.unwrap().trim().parse().unwrap()).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.id().try_into().unwrap()).unwrap();
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

#[test]
fn the_guard_kills_whole_groups_when_its_pipe_ends() {
    // Two groups, each a shell with a child of its own; one of them has ended in order and is not touched.
    let mut doomed = Group::start("sleep 1000 & echo $!; wait");
    let mut spared = Group::start("sleep 1000 & echo $!; wait");
    let doomed_child = doomed.printed_pids(1)[0];
    let spared_child = spared.printed_pids(1)[0];

    let mut guard = Command::new(RIPSTOP).arg("guard").stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = guard.stdin.take().unwrap();
    writeln!(pipe, "started {}\nstarted {}\nended {}", doomed.id(), spared.id(), spared.id()).unwrap();
    assert!(runs(doomed_child) && runs(spared_child));
    drop(pipe);

    assert!(guard.wait().unwrap().success());
    doomed.0.wait().unwrap();
    eventually("the child's child is gone", || !runs(doomed_child));
    assert!(runs(spared_child), "a group that has ended may belong to somebody else");
    drop(spared);
    eventually("the other group is gone, too", || !runs(spared_child));
}

#[test]
fn a_guard_that_was_dismissed_kills_nobody() {
    let child = Group::start("exec sleep 1000");
    let mut guard = Command::new(RIPSTOP).arg("guard").stdin(Stdio::piped()).spawn().unwrap();
    writeln!(guard.stdin.take().unwrap(), "started {}\ndone", child.id()).unwrap();
    assert!(guard.wait().unwrap().success());
    assert!(runs(child.id()));
}

#[test]
fn a_killed_parent_leaves_nothing() {
    // The shell is the parent: it feeds a guard through a named pipe, as `up` does, and starts a child through exec-child.
    // Then it is killed with SIGKILL and cannot do anything about what it started.
    let dir = std::env::temp_dir().join(format!("ripstop-guard-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    let script = format!(
        "mkfifo {dir}/pipe; {RIPSTOP} guard < {dir}/pipe & echo $!; exec 3> {dir}/pipe; \
         setsid sh -c 'exec 3>&-; echo $$; sleep 1000 & echo $!; wait' & echo started $! >&3; \
         {RIPSTOP} exec-child --parent=$$ -- sleep 2000 3>&- & echo $!; wait",
        dir = dir.display()
    );
    let mut parent = Group::start(&script);
    let pids = parent.printed_pids(4);
    eventually("the child has become its command", || {
        pids.iter().any(|pid| command_of(*pid) == "sleep 2000 ")
    });
    assert!(pids.iter().all(|pid| runs(*pid)), "{pids:?}");

    parent.0.kill().unwrap();
    parent.0.wait().unwrap();
    for pid in pids {
        eventually(&format!("process {pid} ({}) is gone", command_of(pid)), || !runs(pid));
    }
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_child_whose_parent_is_gone_does_not_start() {
    // This test is the parent, and says that another process is.
    let output =
        Command::new(RIPSTOP).args(["exec-child", "--parent=1", "--", "echo", "started"]).output().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("error: process 1 is gone"), "{error}");
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let parent = format!("--parent={}", std::process::id());
    let output =
        Command::new(RIPSTOP).args(["exec-child", &parent, "--", "./no-such-program"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("error: cannot start ./no-such-program: "), "{error}");
}
