//! A proxy process on a rendered configuration: Envoy or Ripstop.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ripstop_e2e::processes;
use ripstop_testkit::client;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Longest time for a start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Longest time for an end.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps Envoys of one machine apart.
static BASE_ID: AtomicU32 = AtomicU32::new(0);

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Envoy,
    Ripstop,
}

impl Kind {
    /// Its name in reports and directories.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Envoy => "envoy",
            Kind::Ripstop => "ripstop",
        }
    }
}

/// A running proxy. Dropping it kills it.
pub struct Proxy {
    child: Child,
    output: PathBuf,
}

/// Why it does not run.
pub enum Failure {
    /// It has ended by itself; what it said.
    Refused(String),
    /// It runs and does not serve; what it said.
    NotReady(String),
}

impl Proxy {
    /// Starts it on a file and waits until it is ready.
    pub async fn start(
        kind: Kind,
        binary: &Path,
        config: &Path,
        admin: Option<u16>,
        listeners: &[u16],
    ) -> Result<Proxy, Failure> {
        let output = config.with_file_name("output.log");
        let log = std::fs::File::create(&output).unwrap();
        let mut command = Command::new(binary);
        match kind {
            Kind::Envoy => {
                let id = std::process::id() % 1_000_000 * 100 + BASE_ID.fetch_add(1, Ordering::Relaxed) % 100;
                command.arg("-c").arg(config).args(["--disable-hot-restart", "--log-level", "warning"]);
                command.args([
                    "--concurrency",
                    "1",
                    "--file-flush-interval-msec",
                    "10",
                    "--drain-time-s",
                    "1",
                ]);
                command.args(["--base-id", &id.to_string()]);
            }
            Kind::Ripstop => {
                command.args(["proxy", "-c"]).arg(config);
                command.args(["--log-level", "info", "--concurrency", "1", "--drain-time-s", "1"]);
            }
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
        let mut proxy = Proxy { child: command.spawn().unwrap(), output };
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Ok(Some(status)) = proxy.child.try_wait() {
                return Err(Failure::Refused(format!("{}{status}", proxy.said())));
            }
            if is_ready(admin, listeners).await {
                return Ok(proxy);
            }
            if Instant::now() > deadline {
                return Err(Failure::NotReady(proxy.said()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it has printed.
    pub fn said(&self) -> String {
        let said = std::fs::read_to_string(&self.output).unwrap_or_default();
        let skip = said.len().saturating_sub(4000);
        let skip = (skip..said.len()).find(|at| said.is_char_boundary(*at)).unwrap_or(0);
        said[skip..].to_owned()
    }

    /// Ends it in order, so that its logs are written. Gives what was wrong with its end.
    pub async fn end(mut self) -> Result<(), String> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(format!("it has ended by itself: {status}\n{}", self.said()));
        }
        let Some(pid) = self.child.id() else { return Ok(()) };
        processes::signal(pid, rustix::process::Signal::TERM);
        match tokio::time::timeout(END_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(status) => Err(format!("it ends with {status:?}\n{}", self.said())),
            Err(_) => Err(format!("it does not end\n{}", self.said())),
        }
    }
}

async fn is_ready(admin: Option<u16>, listeners: &[u16]) -> bool {
    if let Some(admin) = admin {
        let Ok(mut client) = client::Http1::connect(([127, 0, 0, 1], admin).into()).await else {
            return false;
        };
        if !client.get("/ready").await.is_ok_and(|reply| reply.status == 200) {
            return false;
        }
        return true;
    }
    for port in listeners {
        if TcpStream::connect(("127.0.0.1", *port)).await.is_err() {
            return false;
        }
    }
    true
}
