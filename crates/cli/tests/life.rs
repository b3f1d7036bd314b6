//! The life of `up` and the end of everything it started, with real processes: a control plane, a gateway, and an
//! application that has nothing to do.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const DEADLINE: Duration = Duration::from_secs(60);

/// A mesh that is up.
struct Mesh {
    up: Child,
    lines: Receiver<String>,
    directory: PathBuf,
    gateway_port: u16,
}

impl Mesh {
    fn start(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("ripstop-life-{name}-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
        drop(listeners);
        fs::write(directory.join("mesh.yaml"), documents(ports)).unwrap();
        let mut up = Command::new(env!("CARGO_BIN_EXE_ripstop"))
            .args(["up", "--state-dir", "state"])
            .current_dir(&directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines(up.stdout.take().unwrap());
        let mesh = Self { up, lines, directory, gateway_port: ports[3] };
        mesh.says("Ctrl-C stops everything");
        mesh
    }

    /// Waits until a line of its output has this in it.
    fn says(&self, text: &str) {
        let began = Instant::now();
        loop {
            match self.lines.recv_timeout(DEADLINE.saturating_sub(began.elapsed())) {
                Ok(line) if line.contains(text) => return,
                Ok(_) => {}
                Err(error) => panic!("`up` never said '{text}': {error}"),
            }
        }
    }

    /// The processes that `up` has started, by command line.
    fn children(&self) -> Vec<(u32, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if parent(pid) == Some(self.up.id()) {
                found.push((pid, command_of(pid)));
            }
        }
        found
    }

    fn signal(&self, signal: Signal) {
        kill_process(pid(self.up.id()), signal).unwrap();
    }

    fn ends(&mut self) -> Option<i32> {
        eventually("`up` has ended", || self.up.try_wait().unwrap().is_some());
        self.up.wait().unwrap().code()
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        let _ = self.up.kill();
        let _ = self.up.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn documents([xds, api, admin, edge]: [u16; 4]) -> String {
    format!(
        "apiVersion: ripstop.io/v1
kind: Mesh
metadata: {{name: tiny}}
spec:
  control: {{xds: \"127.0.0.1:{xds}\", api: \"127.0.0.1:{api}\"}}
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {{name: sleeper}}
spec:
  serviceAccount: sleeper
  address: 127.0.0.1
  run: {{command: [sh, -c, \"sleep 4321 & wait\"]}}
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {{name: edge, labels: {{istio: edge}}}}
spec:
  serviceAccount: edge
  address: 127.0.0.1
  gateway: {{admin: {admin}}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge}}
spec:
  selector: {{istio: edge}}
  servers:
    - port: {{number: {edge}, name: http, protocol: HTTP}}
      hosts: [\"*\"]
"
    )
}

/// The lines of `output` as they come.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < DEADLINE, "still not: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn pid(raw: u32) -> Pid {
    Pid::from_raw(raw.try_into().unwrap()).unwrap()
}

/// Parent of a process that runs: `pid (name) state ppid …`.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    (fields.next()? != "Z").then(|| fields.next()?.parse().ok())?
}

fn command_of(pid: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).replace('\0', " ")
}

/// Every process of the mesh, children of children included.
fn everybody(mesh: &Mesh) -> Vec<u32> {
    let children = mesh.children();
    let has = |word: &str| children.iter().any(|(_, command)| command.contains(word));
    assert!(has(" guard") && has(" control ") && has(" proxy ") && has("sleep 4321 & wait"), "{children:?}");
    let sleeper = children.iter().find(|(_, command)| command.contains("& wait")).unwrap().0;
    let mut grandchildren = Vec::new();
    eventually("the application has its child", || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        grandchildren = pids.filter(|pid| parent(*pid) == Some(sleeper)).collect();
        !grandchildren.is_empty()
    });
    children.into_iter().map(|(pid, _)| pid).chain(grandchildren).collect()
}

fn all_gone(pids: &[u32]) {
    for pid in pids {
        eventually(&format!("{pid} ({}) is gone", command_of(*pid)), || parent(*pid).is_none());
    }
}

#[test]
fn nothing_is_left_when_up_is_told_to_end() {
    for (name, signal) in [("term", Signal::TERM), ("int", Signal::INT)] {
        let mut mesh = Mesh::start(name);
        let pids = everybody(&mesh);
        mesh.signal(signal);
        mesh.says("stopped");
        assert_eq!(mesh.ends(), Some(0));
        all_gone(&pids);
        TcpListener::bind(("127.0.0.1", mesh.gateway_port)).unwrap();
    }
}

#[test]
fn nothing_is_left_when_up_is_killed() {
    let mut mesh = Mesh::start("kill");
    let pids = everybody(&mesh);
    mesh.signal(Signal::KILL);
    assert_eq!(mesh.ends(), None);
    all_gone(&pids);
}

#[test]
fn edits_are_told_while_the_mesh_runs() {
    let mut mesh = Mesh::start("edit");
    let file = mesh.directory.join("mesh.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("selector:", "selektor:")).unwrap();
    mesh.says("the edit is refused; what was in force stays in force:");
    mesh.says("mesh.yaml:27:3: spec.selektor: unknown field (did you mean `selector`?)");
    let sleeper = "---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {name: second}
spec: {address: 127.0.0.1, run: {command: [sleep, \"1000\"]}}
";
    fs::write(&file, text + sleeper).unwrap();
    mesh.says("the documents have changed and are in force");
    mesh.says("workload second is new: nothing is started for it until `ripstop up` is started again");
    mesh.signal(Signal::TERM);
    assert_eq!(mesh.ends(), Some(0));
}

#[test]
fn every_process_that_is_killed_comes_back() {
    let mut mesh = Mesh::start("restart");
    for (word, name) in [("& wait", "sleeper.app"), (" proxy ", "edge.proxy"), (" control ", "control")] {
        let mut victim = None;
        // A process that was begun this moment does not yet bear the name of its program.
        eventually(&format!("{name} runs"), || {
            victim = mesh.children().into_iter().find(|(_, command)| command.contains(word));
            victim.is_some()
        });
        kill_process(pid(victim.unwrap().0), Signal::KILL).unwrap();
        mesh.says(&format!("{name} was killed by SIGKILL; restarting it"));
        mesh.says(&format!("{name} is ready again"));
    }
    let pids = everybody(&mesh);
    mesh.signal(Signal::TERM);
    assert_eq!(mesh.ends(), Some(0));
    all_gone(&pids);
}
