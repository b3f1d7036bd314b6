//! Python's gRPC as a peer: services, and clients that follow the mesh without a proxy. Fetching it is the work of `.ci/grpc`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::binaries;

/// How long a service may take to start, and a batch of calls to end.
const DEADLINE: Duration = Duration::from_secs(60);

/// A Python process that is told what to do by lines and answers in lines.
struct Script {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// A gRPC service that answers with its name. Dropping it ends it.
pub struct Service {
    _script: Script,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

/// A gRPC client with one channel. Dropping it ends it.
pub struct Client(Script);

/// Asks the control plane at `address` by CSDS who follows it, once and twice more on a stream. Says how many of the three answers
/// hold each of `words`.
pub async fn clients(address: SocketAddr, words: &[&str]) -> BTreeMap<String, u64> {
    let address = address.to_string();
    let arguments = [&["clients", &address], words].concat();
    let line = Script::start(&arguments, None).line().await;
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

impl Service {
    /// A service on a free port.
    pub async fn start(name: &str) -> Service {
        let mut script = Script::start(&["serve", name], None);
        let port = script.line().await;
        Service { port: port.parse().unwrap_or_else(|_| panic!("no port: {port:?}")), _script: script }
    }
}

impl Client {
    /// A client of `target`, which finds its control plane through the bootstrap file.
    pub fn start(target: &str, bootstrap: &Path) -> Client {
        Client(Script::start(&["call", target], Some(bootstrap)))
    }

    /// Makes calls and says who answered how often. Errors count under their text.
    pub async fn call(&mut self, times: u32) -> BTreeMap<String, u64> {
        self.0.input.write_all(format!("{times}\n").as_bytes()).await.unwrap();
        let line = self.0.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

impl Script {
    fn start(arguments: &[&str], bootstrap: Option<&Path>) -> Script {
        let mut command = Command::new("python3");
        command
            .arg(binaries::repository().join("e2e/python/grpc_echo.py"))
            .args(arguments)
            .env("PYTHONPATH", library())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some(bootstrap) = bootstrap {
            command.env("GRPC_XDS_BOOTSTRAP", bootstrap);
        }
        let mut child = command.spawn().expect("python3 runs: apt-get install python3");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Script { _child: child, input, output }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(DEADLINE, self.output.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("python says nothing for {DEADLINE:?}"));
        line.unwrap().expect("python goes on; if it lacks grpc, run .ci/grpc")
    }
}

/// Where `.ci/grpc` puts the library.
fn library() -> PathBuf {
    let fetched = binaries::repository().join("target/grpc");
    // CARGO_TARGET_DIR may be elsewhere: target/PROFILE/deps/this-test
    let test = std::env::current_exe().unwrap_or_default();
    let beside = test.ancestors().nth(3).map(|target| target.join("grpc"));
    beside.filter(|path| path.is_dir()).unwrap_or(fetched)
}
