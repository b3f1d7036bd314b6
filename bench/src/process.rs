//! A proxy as a process, and what the kernel knows of it: processor time and memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::pin::{Side, pin};

/// How long a process may take until it serves.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a process may take until it has ended. One that drains for longer is not waited for.
const END_LIMIT: Duration = Duration::from_secs(2);

/// A running process. It is ended when this is dropped.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

/// Memory of a process in bytes, from `/proc/PID/smaps_rollup`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident, with pages of the binary that others share.
    pub resident: u64,
    /// Resident, with shared pages divided among those who share them.
    pub proportional: u64,
    /// What nobody else has.
    pub private: u64,
}

impl Process {
    /// Starts a program on the processor of proxies; what it says goes to `NAME.log` in `directory`.
    pub fn start(
        name: &str,
        program: &Path,
        args: &[&str],
        directory: &Path,
        processors: &[usize],
    ) -> Outcome<Process> {
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        command.current_dir(directory);
        // A child inherits where its parent runs.
        pin(processors, Side::Proxy)?;
        let child = command.spawn();
        pin(processors, Side::Load)?;
        let child = child.map_err(|error| format!("{} does not start: {error}", program.display()))?;
        Ok(Process { child, name: name.to_owned(), log })
    }

    /// Waits until something listens on the port.
    pub fn wait_until_it_listens(&mut self, port: u16) -> Outcome<()> {
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                return Err(format!("{} ended with {status}:\n{said}", self.name).into());
            }
            if begun.elapsed() > START_LIMIT {
                return Err(
                    format!("{} does not listen on {port}: see {}", self.name, self.log.display()).into()
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Processor time used so far by all its threads, in seconds: user and system, from `/proc/PID/stat`.
    pub fn cpu_seconds(&self) -> Outcome<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold anything; user and system time are fields 14 and 15.
        let after = stat.rsplit_once(')').ok_or("no name in /proc/PID/stat")?.1;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).ok_or("no times in /proc/PID/stat")?;
        Ok((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Its memory.
    pub fn memory(&self) -> Outcome<Memory> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let bytes = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        Ok(Memory {
            resident: bytes("Rss:"),
            proportional: bytes("Pss:"),
            private: bytes("Private_Clean:") + bytes("Private_Dirty:"),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked first: what a program that watches itself has seen is written when it ends by itself.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            // It is gone already if this fails, here and below.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let asked = Instant::now();
        while asked.elapsed() < END_LIMIT && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
