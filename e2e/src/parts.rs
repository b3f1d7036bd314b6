//! A control plane, proxies and applications of the shop started one by one, so that each can be killed and started again.

use std::path::PathBuf;
use std::process::Stdio;

use ripstop_testkit::wait::until;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::binaries;
use crate::mesh::{Files, get};

/// What a control plane answers on its administrator's socket.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The document.
    pub body: Value,
}

/// The administrator's socket of a control plane, whether or not it runs.
#[derive(Clone, Debug)]
pub struct Socket(pub PathBuf);

impl Socket {
    /// One request.
    ///
    /// # Errors
    /// Nobody answers, or the answer breaks off.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Answer> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = UnixStream::connect(&self.0).await?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let broken = || std::io::Error::other("the answer broke off");
        let answer = String::from_utf8(answer).map_err(|_| broken())?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
        let body = serde_json::from_str(body).map_err(|_| broken())?;
        Ok(Answer { status, body })
    }

    /// A page that must be there.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, &Value::Null).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// Applies documents. An error of the connection leaves open whether they were accepted.
    ///
    /// # Errors
    /// As [`Socket::call`].
    pub async fn apply(&self, text: &str, message: &str) -> std::io::Result<Answer> {
        let body =
            json!({"documents": [{"name": "test.yaml", "text": text}], "author": "test", "message": message});
        self.call("POST", "/api/v1/apply", &body).await
    }
}

/// A shop without `up`.
pub struct Shop {
    /// Its files and ports.
    pub files: Files,
    /// The administrator's socket of its control plane.
    pub socket: Socket,
    control: Option<Child>,
    others: Vec<Child>,
}

impl Shop {
    /// The files, and nothing that runs.
    pub fn new(files: Files) -> Shop {
        let socket = Socket(files.directory.join("state/control.sock"));
        Shop { files, socket, control: None, others: Vec::new() }
    }

    fn port(&self, example: u16) -> u16 {
        self.files.ports[&example]
    }

    fn start(&self, program: &str) -> Command {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.files.directory.join("log"))
            .unwrap();
        let mut command = Command::new(binaries::path(program));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
        command
    }

    /// Starts the control plane and waits until it is ready.
    pub async fn start_control(&mut self) {
        let mut command = self.start("ripstop");
        command
            .args(["control", "--config"])
            .arg(self.files.directory.join("mesh"))
            .arg("--state-dir")
            .arg(self.files.directory.join("state"))
            .arg(format!("--xds-listen=127.0.0.1:{}", self.port(15012)))
            .arg(format!("--api-listen=127.0.0.1:{}", self.port(15014)))
            .arg("--log-level=warn");
        self.control = Some(command.spawn().unwrap());
        let socket = self.socket.clone();
        until("the control plane is ready", async || {
            let ready = socket.call("GET", "/ready", &Value::Null).await.ok()?;
            (ready.status == 200).then_some(())
        })
        .await;
    }

    /// Kills the control plane as the kernel would.
    pub async fn kill_control(&mut self) {
        if let Some(mut control) = self.control.take() {
            control.start_kill().unwrap();
            control.wait().await.unwrap();
        }
    }

    /// Starts the proxy of a workload, with a join token, and waits until it is ready.
    pub async fn start_proxy(&mut self, role: &str, workload: &str, account: &str, admin: u16) {
        let wish = json!({"namespace": "default", "workload": workload});
        let answer = self.socket.call("POST", "/api/v1/tokens", &wish).await.unwrap();
        let token = self.files.directory.join(format!("{workload}.token"));
        std::fs::write(&token, answer.body["token"].as_str().unwrap()).unwrap();
        std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut command = self.start("ripstop");
        command
            .arg("proxy")
            .arg(format!("--service-node={role}~127.0.0.1~{workload}.default~default.svc.cluster.local"))
            .arg(format!("--identity=spiffe://cluster.local/ns/default/sa/{account}"))
            .arg(format!("--control=127.0.0.1:{}", self.port(15012)))
            .arg("--trust-root")
            .arg(self.files.directory.join("state/trust-root.pem"))
            .arg("--token-file")
            .arg(token)
            .arg(format!("--admin=127.0.0.1:{}", self.port(admin)));
        self.others.push(command.spawn().unwrap());
        let address = ([127, 0, 0, 1], self.port(admin)).into();
        until("the proxy is ready", async || {
            tokio::net::TcpStream::connect(address).await.ok()?;
            (get(address, "/ready").await.status == 200).then_some(())
        })
        .await;
    }

    /// Starts an application on the port that it has in the example.
    pub async fn start_app(&mut self, program: &str, port: u16, version: &str) {
        let port = self.port(port);
        let mut command = self.start(program);
        command.env("PORT", port.to_string()).env("VERSION", version);
        self.others.push(command.spawn().unwrap());
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        until("the application answers", async || {
            tokio::net::TcpStream::connect(address).await.ok()?;
            (get(address, "/health").await.status == 200).then_some(())
        })
        .await;
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.files.directory.join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("log:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        } else {
            let _ = std::fs::remove_dir_all(&self.files.directory);
        }
    }
}
