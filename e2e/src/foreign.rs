//! A real Envoy, or Ripstop's proxy, on a bootstrap file.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::{binaries, envoy, mesh};

/// What runs on the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// Envoy itself.
    Envoy,
    /// `ripstop proxy -c`.
    Ripstop,
}

/// A proxy that runs. Dropping it kills it.
pub struct Proxy {
    _child: Child,
    admin: SocketAddr,
    log: PathBuf,
}

impl Proxy {
    /// Starts a proxy on this bootstrap, whose admin address is `admin`; its log goes beside `file`.
    pub fn start(software: Software, file: PathBuf, bootstrap: &str, admin: SocketAddr) -> Proxy {
        fs::write(&file, bootstrap).unwrap();
        let log = file.with_extension("log");
        let mut command = match software {
            Software::Envoy => {
                let mut command = Command::new(envoy::path().unwrap_or_else(|missing| panic!("{missing}")));
                command.arg("--use-dynamic-base-id");
                command
            }
            Software::Ripstop => {
                let mut command = Command::new(binaries::path("ripstop"));
                command.arg("proxy");
                command
            }
        };
        let child = command
            .arg("-c")
            .arg(&file)
            .args(["--concurrency", "1", "--log-level", "info", "--drain-time-s", "1"])
            .stdin(Stdio::null())
            .stdout(fs::File::create(file.with_extension("out")).unwrap())
            .stderr(fs::File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Proxy { _child: child, admin, log }
    }

    /// A page of its admin port; empty as long as there is none.
    pub async fn page(&self, path: &str) -> String {
        let connected = ripstop_testkit::client::Http1::connect(self.admin).await;
        match connected {
            Ok(_) => mesh::get(self.admin, path).await.body,
            Err(_) => String::new(),
        }
    }

    /// The value of a counter or gauge.
    pub async fn stat(&self, name: &str) -> u64 {
        let text = self.page(&format!("/stats?filter=^{name}$")).await;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok()).unwrap_or(0)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            eprintln!("{} said:\n{}", self.log.display(), tail.join("\n"));
        }
    }
}
