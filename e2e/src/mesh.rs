//! The shop's mesh on free ports, in a directory of its own, started by `ripstop up`.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ripstop_testkit::client::{Http1, Reply};
use ripstop_testkit::wait::until;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::{binaries, ports, processes};

/// The ports of the example, which a test replaces by free ones. Each stands for the thing that listens there.
pub const EXAMPLE_PORTS: [u16; 27] = [
    10000, 15012, 15014, 9901, 9902, 9903, 9904, 9905, 9906, 15001, 15002, 15003, 15004, 15005, 15101, 15102,
    15103, 15104, 15105, 15201, 15202, 8080, 8081, 8082, 8083, 8084, 10001,
];

/// A running mesh. Dropping it kills it.
pub struct Mesh {
    child: Child,
    directory: PathBuf,
    ports: BTreeMap<u16, u16>,
    output: std::sync::Arc<Mutex<String>>,
    started: Instant,
}

/// The files of a mesh that does not run yet.
pub struct Files {
    /// Holds `mesh/` and `state/`.
    pub directory: PathBuf,
    /// Example port to port in use.
    pub ports: BTreeMap<u16, u16>,
}

impl Files {
    /// The shop's files with free ports and the binaries under test.
    pub fn shop(name: &str) -> Files {
        let directory = std::env::temp_dir().join(format!("ripstop-e2e-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("mesh")).unwrap();
        let ports: BTreeMap<u16, u16> = EXAMPLE_PORTS.iter().map(|port| (*port, ports::free())).collect();
        let files = Files { directory, ports };
        let example = binaries::repository().join("examples/shop/mesh");
        for file in ["mesh.yaml", "traffic.yaml"] {
            let text = fs::read_to_string(example.join(file)).unwrap();
            files.write(file, &files.adapt(&text));
        }
        files
    }

    /// The text of one file.
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.directory.join("mesh").join(file)).unwrap()
    }

    /// Replaces a file as an editor does: written beside it, then renamed over it.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.directory.join("mesh").join(file);
        let beside = self.directory.join(format!("{file}.new"));
        fs::write(&beside, text).unwrap();
        fs::rename(beside, path).unwrap();
    }

    /// Replaces text in a file. It must be there.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} does not hold {from:?}:\n{text}");
        self.write(file, &text.replace(from, to));
    }

    /// Connections to the user service end after so many requests.
    pub fn end_connections_after(&self, requests: u32) {
        let rule = format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: user-service}}\n\
             spec:\n  host: user-service\n  trafficPolicy:\n    connectionPool: {{http: {{maxRequestsPerConnection: {requests}}}}}\n"
        );
        self.write("traffic.yaml", &format!("{}{rule}", self.read("traffic.yaml")));
    }

    /// Free ports for those of the example, and the binaries under test instead of a build.
    fn adapt(&self, text: &str) -> String {
        let mut out = String::new();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("build:")) {
            let mut line = line.to_owned();
            let code = line.split('#').next().unwrap_or_default();
            if !code.trim().is_empty() {
                line = replace_numbers(&line, &self.ports);
            }
            out.push_str(&line.replace("target/release", binaries::directory().to_str().unwrap()));
            out.push('\n');
        }
        out
    }

    /// Starts `ripstop up` on the files.
    pub fn up(self) -> Mesh {
        let mut command = Command::new(binaries::path("ripstop"));
        command
            .args(["up", "-f"])
            .arg(self.directory.join("mesh"))
            .arg("--state-dir")
            .arg(self.directory.join("state"))
            // Every process of the mesh inherits this, and is known by it.
            .env("RIPSTOP_E2E_MESH", &self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        let output = std::sync::Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), output.clone());
        collect(child.stderr.take().unwrap(), output.clone());
        Mesh { child, directory: self.directory, ports: self.ports, output, started }
    }
}

fn replace_numbers(line: &str, ports: &BTreeMap<u16, u16>) -> String {
    let mut out = String::new();
    let mut number = String::new();
    for c in line.chars().chain(['\n']) {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        if !number.is_empty() {
            let port = number.parse::<u16>().ok().and_then(|port| ports.get(&port));
            out.push_str(&port.map_or(number.clone(), ToString::to_string));
            number.clear();
        }
        if c != '\n' {
            out.push(c);
        }
    }
    out
}

fn collect(stream: impl AsyncRead + Unpin + Send + 'static, into: std::sync::Arc<Mutex<String>>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut output = into.lock().unwrap();
            output.push_str(&line);
            output.push('\n');
        }
    });
}

impl Mesh {
    /// The shop's mesh, ready.
    pub async fn shop(name: &str) -> Mesh {
        let mut mesh = Files::shop(name).up();
        mesh.ready().await;
        mesh
    }

    /// Waits until `up` has said that everything is ready.
    pub async fn ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.output().contains("Ctrl-C") {
            if let Ok(Some(status)) = self.child.try_wait() {
                tokio::time::sleep(Duration::from_millis(100)).await;
                panic!("up ended with {status}:\n{}", self.output());
            }
            assert!(Instant::now() < deadline, "not ready in time:\n{}\n{}", self.output(), self.logs());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// When `up` was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Where the thing listens that has `port` in the example.
    pub fn at(&self, port: u16) -> SocketAddr {
        ([127, 0, 0, 1], self.ports[&port]).into()
    }

    /// Everything `up` has printed.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// The ends of all logs, for a failed test.
    pub fn logs(&self) -> String {
        let mut all = String::new();
        for entry in fs::read_dir(self.directory.join("state/logs")).into_iter().flatten().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(15).collect();
            all.push_str(&format!("--- {}\n", entry.path().display()));
            tail.iter().rev().for_each(|line| all.push_str(&format!("{line}\n")));
        }
        all
    }

    /// The files it runs on.
    pub fn files(&self) -> Files {
        Files { directory: self.directory.clone(), ports: self.ports.clone() }
    }

    /// Its directory; it stands in the command line or environment of every process of the mesh.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// GET through the gateway over a connection of its own.
    pub async fn get(&self, path: &str) -> Reply {
        get(self.at(10000), path).await
    }

    /// A page of an admin port or the API.
    pub async fn page(&self, port: u16, path: &str) -> String {
        get(self.at(port), path).await.body
    }

    /// The sum of all samples of a metric family that hold `tag`.
    pub async fn metric(&self, admin: u16, family: &str, tag: &str) -> u64 {
        let text = self.page(admin, "/stats/prometheus").await;
        let of_family = |line: &&str| line.strip_prefix(family).is_some_and(|rest| rest.starts_with('{'));
        let samples = text.lines().filter(of_family).filter(|line| line.contains(tag));
        samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }

    /// The pid of `up`.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("up runs")
    }

    /// The pid of the process of the mesh whose command line holds `text`.
    pub fn pid_of(&self, text: &str) -> u32 {
        let needle = self.directory.to_str().unwrap();
        let found = processes::pid(needle, text);
        found.unwrap_or_else(|| panic!("no process with {text}: {:#?}", processes::holding(needle)))
    }

    /// The processes of the mesh.
    pub fn processes(&self) -> Vec<String> {
        processes::holding(self.directory.to_str().unwrap())
    }

    /// Sends a signal to `up` and waits for its end. Gives its exit code, if it has one.
    pub async fn end(&mut self, signal: Signal) -> Option<i32> {
        processes::signal(self.pid(), signal);
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("up does not end:\n{}", self.output())).unwrap().code()
    }

    /// Waits until no process of the mesh is left.
    pub async fn gone(&self) {
        until("no process is left", async || self.processes().is_empty().then_some(())).await;
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if let Some(pid) = self.child.id() {
            // Its guard ends the rest.
            processes::signal(pid, Signal::KILL);
        }
        if std::thread::panicking() {
            eprintln!("up said:\n{}\nlogs:\n{}", self.output(), self.logs());
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// GET over a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> Reply {
    let mut client = Http1::connect(address).await.unwrap_or_else(|e| panic!("{address}: {e}"));
    client.get(path).await.unwrap_or_else(|e| panic!("{address}{path}: {e}"))
}
