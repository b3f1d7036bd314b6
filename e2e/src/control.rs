//! `ripstop control` alone, for peers that are not Ripstop's own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use ripstop_testkit::wait::until;
use rustix::process::Signal;
use tokio::process::{Child, Command};

use crate::{binaries, mesh, ports, processes};

/// A control plane in a directory of its own. Dropping it kills it and removes the directory.
pub struct Control {
    child: Option<Child>,
    directory: PathBuf,
    /// Where proxies connect, with or without TLS.
    pub xds: SocketAddr,
    api: SocketAddr,
}

impl Control {
    /// A control plane on one document file, ready, that takes local proxies at their word.
    pub async fn start(name: &str, documents: &str) -> Control {
        let directory = std::env::temp_dir().join(format!("ripstop-e2e-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("mesh")).unwrap();
        let on = || SocketAddr::from(([127, 0, 0, 1], ports::free()));
        let mut control = Control { child: None, directory, xds: on(), api: on() };
        control.write(documents);
        control.run().await;
        control
    }

    /// Starts the process, again if it was killed, and waits until it is ready.
    pub async fn run(&mut self) {
        let log =
            fs::File::options().create(true).append(true).open(self.directory.join("control.log")).unwrap();
        let mut command = Command::new(binaries::path("ripstop"));
        command
            .args(["control", "--xds-plaintext", "--api-loopback=read", "--config"])
            .arg(self.directory.join("mesh"))
            .arg("--state-dir")
            .arg(self.directory.join("state"))
            .args(["--xds-listen", &self.xds.to_string(), "--api-listen", &self.api.to_string()]);
        self.child = Some(spawn(command, log));
        until("the control plane is ready", async || {
            let mut client = ripstop_testkit::client::Http1::connect(self.api).await.ok()?;
            (client.get("/ready").await.ok()?.status == 200).then_some(())
        })
        .await;
    }

    /// Kills the process and waits for its end.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        processes::signal(child.id().unwrap(), Signal::KILL);
        child.wait().await.unwrap();
    }

    /// Its directory, for files of the test too.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Replaces the documents as an editor does.
    pub fn write(&self, documents: &str) {
        let beside = self.directory.join("mesh.yaml.new");
        fs::write(&beside, documents).unwrap();
        fs::rename(beside, self.directory.join("mesh/mesh.yaml")).unwrap();
    }

    /// A page of the API.
    pub async fn page(&self, path: &str) -> String {
        mesh::get(self.api, path).await.body
    }

    /// Starts an agent that keeps the identity of a workload of the namespace `default` and hands it over `socket`.
    pub async fn agent(&self, workload: &str, account: &str, socket: &Path) -> Child {
        let token = self.directory.join(format!("{workload}.token"));
        let made = Command::new(binaries::path("ripstop"))
            .args(["token", "create", workload, "-o"])
            .arg(&token)
            .arg("--state-dir")
            .arg(self.directory.join("state"))
            .output()
            .await
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let log = fs::File::create(self.directory.join(format!("{workload}-agent.log"))).unwrap();
        let mut command = Command::new(binaries::path("ripstop"));
        command
            .arg("agent")
            .arg(format!("--identity=spiffe://cluster.local/ns/default/sa/{account}"))
            .arg(format!("--control={}", self.xds))
            .arg("--trust-root")
            .arg(self.directory.join("state/trust-root.pem"))
            .arg("--token-file")
            .arg(token)
            .arg("--sds-socket")
            .arg(socket);
        let child = spawn(command, log);
        until("the agent is there", async || socket.exists().then_some(())).await;
        child
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("control.log")).unwrap_or_default()
    }
}

fn spawn(mut command: Command, log: fs::File) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn().unwrap()
}

impl Drop for Control {
    fn drop(&mut self) {
        self.child = None;
        if std::thread::panicking() {
            eprintln!("the control plane said:\n{}", self.log());
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}
