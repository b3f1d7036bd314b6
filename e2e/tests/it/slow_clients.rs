//! Clients that send or read slowly: what each can make a proxy hold is bounded, and each is sent away in time. Memory is
//! that of a real process, and printed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use ripstop_e2e::{binaries, ports, processes};
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The time limits of the test.
const LIMIT: Duration = Duration::from_secs(2);

/// Bytes of a head that is not finished.
const UNFINISHED_HEAD_BYTES: usize = 16 * 1024;

/// Bytes of an answer that nobody reads.
const UNREAD_BYTES: usize = 32 * 1024 * 1024;

/// A proxy on a file of its own.
struct Proxy {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    directory: PathBuf,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Proxy {
    async fn start(name: &str, upstream: SocketAddr) -> Proxy {
        let directory = std::env::temp_dir().join(format!("ripstop-slow-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (port, admin) = (ports::free(), ports::free());
        let file = directory.join("proxy.yaml");
        std::fs::write(&file, config(port, admin, upstream.port())).unwrap();
        let child = Command::new(binaries::path("ripstop"))
            .args(["proxy", "--concurrency", "1", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let (address, admin) = (at(port), at(admin));
        until("the proxy listens", async || TcpStream::connect(address).await.ok()).await;
        Proxy { child, address, admin, directory }
    }

    fn resident_kib(&self) -> u64 {
        processes::resident_kib(self.child.id().unwrap())
    }

    /// Opens connections that send `begin` and nothing more.
    async fn clients(&self, count: usize, begin: &[u8]) -> Vec<TcpStream> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            let mut client = TcpStream::connect(self.address).await.unwrap();
            client.write_all(begin).await.unwrap();
            clients.push(client);
        }
        clients
    }

    /// How many requests were given up because nothing moved.
    async fn stats(&self) -> String {
        let reply =
            ripstop_testkit::client::get(self.admin, "/stats?filter=downstream_rq_idle_timeout").await;
        reply.body
    }

    /// A client that behaves is served.
    async fn serves(&self) {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        client.write_all(b"GET /small HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        expect(&mut client, "200").await;
    }
}

fn config(port: u16, admin: u16, upstream: u16) -> String {
    let limit = LIMIT.as_secs();
    format!(
        r#"
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - name: main
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          request_headers_timeout: {limit}s
          stream_idle_timeout: {limit}s
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: /}}, route: {{cluster: a, timeout: 0s}}}}]
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: a
    connect_timeout: 5s
    load_assignment:
      cluster_name: a
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream}}}}}}}}}]}}]
"#
    )
}

fn upstream() -> Upstream {
    let large = Bytes::from(vec![b'x'; UNREAD_BYTES]);
    Upstream::start(move |request| {
        let large = large.clone();
        async move {
            Ok(match request.uri().path() {
                "/large" => text(200, large),
                "/whole" => {
                    let _ = request.into_body().collect().await;
                    text(200, "whole")
                }
                _ => text(200, "small"),
            })
        }
    })
}

/// Everything that is still to come, however it ends.
async fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let reading = client.read_to_end(&mut read);
    let ended = tokio::time::timeout(10 * LIMIT, reading).await;
    assert!(ended.is_ok(), "the connection is still open after {:?}", 10 * LIMIT);
    read
}

/// Asserts that what comes is an answer with this status.
async fn expect(client: &mut TcpStream, status: &str) {
    let read = rest(client).await;
    let head = String::from_utf8_lossy(&read[..read.len().min(200)]);
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{status} expected: {head:?}");
}

/// Asserts that `count` clients cost no more than `kib` each, and tells what they cost.
fn bounded(what: &str, proxy: &Proxy, before_kib: u64, count: usize, kib: u64) {
    let grown = proxy.resident_kib().saturating_sub(before_kib);
    println!("{count} {what}: {grown} KiB, {:.1} KiB each", grown as f64 / count as f64);
    assert!(grown <= kib * count as u64, "{count} {what} cost {grown} KiB");
}

#[tokio::test]
async fn slow_heads_hold_what_they_have_sent_and_are_answered_in_time() {
    let upstream = upstream();
    let proxy = Proxy::start("heads", upstream.address).await;
    proxy.serves().await;
    let before = proxy.resident_kib();
    let mut begin = b"GET / HTTP/1.1\r\nhost: a\r\nx: ".to_vec();
    begin.resize(UNFINISHED_HEAD_BYTES, b'y');
    let mut clients = proxy.clients(500, &begin).await;
    proxy.serves().await;
    bounded("heads that do not end", &proxy, before, clients.len(), 80);
    for client in &mut clients {
        expect(client, "408").await;
    }
}

#[tokio::test]
async fn slow_bodies_hold_little_and_are_answered_in_time() {
    let upstream = upstream();
    let proxy = Proxy::start("bodies", upstream.address).await;
    proxy.serves().await;
    let before = proxy.resident_kib();
    let begin = b"POST /whole HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nbegin";
    let mut clients = proxy.clients(300, begin).await;
    proxy.serves().await;
    bounded("bodies that do not end", &proxy, before, clients.len(), 80);
    for client in &mut clients {
        expect(client, "408").await;
    }
}

#[tokio::test]
async fn answers_that_nobody_reads_hold_a_buffer_and_are_given_up_in_time() {
    let upstream = upstream();
    let proxy = Proxy::start("answers", upstream.address).await;
    proxy.serves().await;
    let before = proxy.resident_kib();
    let mut clients = proxy.clients(25, b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await;
    proxy.serves().await;
    bounded("answers that nobody reads", &proxy, before, clients.len(), 700);
    // As long as nobody reads nothing moves: then the proxy gives up, and what was on its way comes, but never all.
    let given_up = format!("http.main.downstream_rq_idle_timeout: {}\n", clients.len());
    until("the answers are given up", async || (proxy.stats().await == given_up).then_some(())).await;
    for client in &mut clients {
        let read = rest(client).await;
        assert!(read.len() < UNREAD_BYTES, "{} bytes came", read.len());
    }
    proxy.serves().await;
}
