//! Many proxies in one process, as a control plane sees them, and the control plane that they are of: a mesh that is written
//! for the purpose, `ripstop control` on it, and an incremental ADS stream on a connection of its own for each proxy.

mod api;
mod client;
mod mesh;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::process::Process;
use crate::{Context, Outcome, ports};
use api::Api;
use client::Client;

pub use mesh::Mesh;

/// Longest wait for a control plane to be ready, and for proxies to get what they wait for.
const LIMIT: Duration = Duration::from_secs(120);
/// Workloads in one request.
const AT_ONCE: usize = 2_000;

/// A control plane as a process.
pub struct Control {
    /// The process.
    pub process: Process,
    /// Its API.
    pub api: Api,
    xds: PathBuf,
}

impl Control {
    /// Writes what is always there of `mesh` into `directory`, which may hold the state of an earlier run.
    pub fn prepare(directory: &Path, mesh: &Mesh) -> Outcome<()> {
        let _ = std::fs::remove_dir_all(directory);
        std::fs::create_dir_all(directory)?;
        Ok(std::fs::write(directory.join("mesh.yaml"), mesh.base())?)
    }

    /// Starts it and waits until it is ready.
    pub async fn start(context: &Context, directory: &Path) -> Outcome<Control> {
        let (xds, api) = (ports::free()?, ports::free()?);
        let (xds_listen, api_listen) = (format!("127.0.0.1:{xds}"), format!("127.0.0.1:{api}"));
        let arguments = [
            "control",
            "--config",
            "mesh.yaml",
            "--state-dir",
            "state",
            "--xds-listen",
            &xds_listen,
            "--api-listen",
            &api_listen,
            "--api-loopback=admin",
            "--log-level=warn",
        ];
        let process =
            Process::start("control", &context.ripstop, &arguments, directory, &context.processors)?;
        let begun = Instant::now();
        let api = loop {
            match Api::connect(api).await {
                Ok(mut api) => match api.is_ready().await {
                    true => break api,
                    false => tokio::time::sleep(Duration::from_millis(2)).await,
                },
                Err(_) if begun.elapsed() < LIMIT => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(error) => return Err(format!("{error}; see {}", directory.display()).into()),
            }
        };
        Ok(Control { process, api, xds: directory.join("state/xds.sock") })
    }

    /// Applies all instances.
    pub async fn fill(&mut self, mesh: &Mesh) -> Outcome<()> {
        let all: Vec<String> = mesh.instances().collect();
        for some in all.chunks(AT_ONCE) {
            self.api.apply(&some.join("---\n")).await?;
        }
        Ok(())
    }
}

/// Proxies that follow a control plane.
pub struct Fleet {
    clients: Vec<Rc<Client>>,
    bell: Rc<Notify>,
}

impl Fleet {
    /// Connects `count` proxies of `mesh`, so many at once, and waits until each has accepted everything that it has asked for.
    pub async fn connect(control: &Control, mesh: &Mesh, count: usize, at_once: usize) -> Outcome<Fleet> {
        let mut fleet = Fleet { clients: Vec::with_capacity(count), bell: Rc::new(Notify::new()) };
        while fleet.clients.len() < count {
            let first = fleet.clients.len();
            for number in first..count.min(first + at_once) {
                let (namespace, workload) = mesh.proxy(number);
                let bell = Rc::clone(&fleet.bell);
                fleet.clients.push(Client::start(control.xds.clone(), namespace, workload, bell));
            }
            fleet.until(|| fleet.clients.iter().all(|client| client.is_complete())).await?;
        }
        Ok(fleet)
    }

    /// What each proxy has been sent, in bytes.
    pub fn received(&self) -> Vec<u64> {
        self.clients.iter().map(|client| client.received()).collect()
    }

    /// Waits until each of `concerned` has been sent more than it had `before` and has acknowledged it; says when the last
    /// of them did.
    pub async fn acknowledged(&self, concerned: &[usize], before: &[u64]) -> Outcome<Instant> {
        self.until(|| concerned.iter().all(|number| self.clients[*number].received() > before[*number]))
            .await?;
        let last = concerned.iter().filter_map(|number| self.clients[*number].answered()).max();
        last.ok_or_else(|| "nobody is concerned".into())
    }

    async fn until(&self, holds: impl Fn() -> bool) -> Outcome<()> {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let rung = self.bell.notified();
            if holds() {
                return Ok(());
            }
            if let Some(failure) = self.clients.iter().find_map(|client| client.failure()) {
                return Err(format!("a proxy lost its stream: {failure}").into());
            }
            tokio::time::timeout_at(deadline, rung)
                .await
                .map_err(|_| "proxies do not get what they wait for")?;
        }
    }
}
