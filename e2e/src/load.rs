//! Load at a fixed rate: a request is due when its time has come, whether or not those before it were answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ripstop_testkit::client::Http1;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// Load that runs until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Outcome>>,
    shared: Arc<Mutex<Outcome>>,
    reconnects: Arc<AtomicU64>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Answers by status; 0 stands for no answer.
    pub statuses: BTreeMap<u16, u64>,
    /// Values of the response header `x-version`.
    pub versions: BTreeMap<String, u64>,
    /// Words about the first few failures.
    pub failures: Vec<String>,
    /// Client connections that were opened beyond the first of each worker.
    pub reconnects: u64,
}

impl Outcome {
    /// Requests answered.
    pub fn total(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Requests not answered with 200.
    pub fn failed(&self) -> u64 {
        self.statuses.iter().filter(|(status, _)| **status != 200).map(|(_, count)| count).sum()
    }

    fn add(&mut self, other: &Outcome) {
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (version, count) in &other.versions {
            *self.versions.entry(version.clone()).or_default() += count;
        }
        self.failures.extend(other.failures.iter().take(5).cloned());
    }
}

/// Connections that share the load.
const WORKERS: u32 = 8;

impl Load {
    /// Starts `per_second` GETs of `path`.
    pub fn start(address: SocketAddr, path: &str, per_second: u32) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Mutex::new(Outcome::default()));
        let reconnects = Arc::new(AtomicU64::new(0));
        let interval = Duration::from_secs(1) * WORKERS / per_second;
        let workers = (0..WORKERS).map(|worker| {
            let offset = interval * worker / WORKERS;
            let (stop, path, shared, reconnects) =
                (stop.clone(), path.to_owned(), shared.clone(), reconnects.clone());
            tokio::spawn(async move { run(address, path, interval, offset, stop, shared, reconnects).await })
        });
        Load { workers: workers.collect(), stop, shared, reconnects }
    }

    /// What came of it so far.
    pub async fn so_far(&self) -> Outcome {
        self.shared.lock().await.clone()
    }

    /// Waits until so many more requests were answered.
    pub async fn run_for(&self, requests: u64) {
        let end = self.so_far().await.total() + requests;
        while self.so_far().await.total() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops and tells what came of it.
    pub async fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Outcome::default();
        for worker in self.workers {
            all.add(&worker.await.unwrap());
        }
        all.reconnects = self.reconnects.load(Ordering::Relaxed);
        all
    }
}

async fn run(
    address: SocketAddr,
    path: String,
    interval: Duration,
    offset: Duration,
    stop: Arc<AtomicBool>,
    shared: Arc<Mutex<Outcome>>,
    reconnects: Arc<AtomicU64>,
) -> Outcome {
    let mut all = Outcome::default();
    let mut due = Instant::now() + offset;
    let mut client = Http1::connect(address).await.unwrap();
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due.into()).await;
        due += interval;
        let mut one = Outcome::default();
        match client.get(&path).await {
            Ok(reply) => {
                one.statuses.insert(reply.status, 1);
                if let Some(version) = reply.headers.get("x-version") {
                    one.versions.insert(version.to_str().unwrap().to_owned(), 1);
                }
                if reply.status != 200 {
                    one.failures.push(format!("{} {}", reply.status, reply.body));
                }
            }
            Err(error) => {
                one.statuses.insert(0, 1);
                one.failures.push(error.to_string());
            }
        }
        all.add(&one);
        shared.lock().await.add(&one);
        if client.is_closed() {
            reconnects.fetch_add(1, Ordering::Relaxed);
            client = Http1::connect(address).await.unwrap();
        }
    }
    all
}
