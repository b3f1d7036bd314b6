//! A control plane that runs in this process, with the documents of the shop in a directory of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ripstop_control::role::Role;
use ripstop_control::serve::{Control, ControlConfig, ControlError};
use ripstop_model::SpiffeId;
use ripstop_runtime::shutdown::Shutdown;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::http;

/// A directory that goes away at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        let name = format!("ripstop-control-{}-{:016x}", std::process::id(), fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    /// With the documents of the shop in `mesh/`.
    pub fn with_shop() -> Scratch {
        let scratch = Scratch::new();
        let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop/mesh");
        fs::create_dir(scratch.documents()).unwrap();
        for entry in fs::read_dir(shop).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), scratch.documents().join(entry.file_name())).unwrap();
        }
        scratch
    }

    pub fn documents(&self) -> PathBuf {
        self.0.join("mesh")
    }

    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// Replaces `from`, which must be there, in one of the documents.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.documents().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    pub fn config(&self) -> ControlConfig {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        ControlConfig {
            config: vec![self.documents()],
            state_dir: self.state(),
            xds_listen: free,
            xds_plaintext: false,
            api_listen: free,
            trust_domain: None,
            api_loopback: Some(Role::Read),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub struct Running {
    pub xds: SocketAddr,
    pub api: SocketAddr,
    pub socket: PathBuf,
    pub shutdown: Shutdown,
    pub task: JoinHandle<Result<(), ControlError>>,
}

impl Running {
    pub async fn start(scratch: &Scratch) -> Running {
        Running::start_with(scratch.config()).await
    }

    pub async fn start_with(config: ControlConfig) -> Running {
        let control = Control::bind(config).await.unwrap();
        let shutdown = Shutdown::default();
        Running {
            xds: control.xds_addr(),
            api: control.api_addr(),
            socket: control.socket_path().to_owned(),
            task: tokio::spawn(control.run(shutdown.watch())),
            shutdown,
        }
    }

    /// A page of the API that must be there.
    pub async fn json(&self, path: &str) -> Value {
        let answer = http::get(self.api, path).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// The value of a metric, named with its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = http::get(self.api, "/metrics").await.body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// What `/api/v1/status` says about a proxy.
    pub async fn proxy(&self, workload: &str) -> Option<Value> {
        let status = self.json("/api/v1/status").await;
        let proxies = status["proxies"].as_array().unwrap();
        proxies.iter().find(|proxy| proxy["workload"] == workload).cloned()
    }

    /// A join token for a workload, and the identity that it stands for.
    pub async fn token(&self, workload: &str) -> (String, SpiffeId) {
        let wish = format!(r#"{{"namespace": "default", "workload": "{workload}"}}"#);
        let answer = http::post_unix(&self.socket, "/api/v1/tokens", &wish).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        (text("token"), SpiffeId::new(&text("spiffe_id")).unwrap())
    }

    pub async fn stop(self) {
        self.shutdown.drain();
        self.task.await.unwrap().unwrap();
    }
}
