//! A running proxy whose listeners and routes change: what becomes of the connections that are open.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use ripstop_e2e::{binaries, ports, processes};
use ripstop_testkit::client::{Http1, Reply};
use ripstop_testkit::upstream::{Upstream, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

const DEADLINE: Duration = Duration::from_secs(20);

/// Seconds that connections of a changed listener may take a last request.
const DRAIN_TIME_S: u64 = 2;

/// A proxy on files, killed at the end.
struct Proxy {
    child: Child,
    directory: PathBuf,
    web: u16,
    upstream: u16,
}

impl Proxy {
    async fn start(name: &str, upstream: u16) -> Proxy {
        let directory = std::env::temp_dir().join(format!("ripstop-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let [admin, web] = [ports::free(), ports::free()];
        let at = |file: &str| directory.join(file).display().to_string();
        let bootstrap = format!(
            "node: {{id: n1, cluster: c}}
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
dynamic_resources:
  lds_config: {{path_config_source: {{path: {}}}}}
  cds_config: {{path_config_source: {{path: {}}}}}
",
            at("lds.yaml"),
            at("cds.yaml")
        );
        fs::write(directory.join("proxy.yaml"), bootstrap).unwrap();
        let log = fs::File::create(directory.join("log")).unwrap();
        let file = directory.join("proxy.yaml");
        let mut command = Command::new(binaries::path("ripstop"));
        command.args(["proxy", "--concurrency", "1", "--drain-time-s", &DRAIN_TIME_S.to_string(), "-c"]);
        let proxy = Proxy {
            child: {
                write(&directory, "lds.yaml", &listener(web, "first", &at("rds.yaml"), &at("access.log")));
                write(&directory, "cds.yaml", &cluster(upstream));
                write(&directory, "rds.yaml", &routes("/"));
                command.arg(&file).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn().unwrap()
            },
            directory,
            web,
            upstream,
        };
        proxy.until("/", 200).await;
        proxy
    }

    /// Waits until a new connection gets this status.
    async fn until(&self, path: &str, status: u16) {
        let asking = async {
            loop {
                if let Ok(mut client) = Http1::connect(([127, 0, 0, 1], self.web).into()).await
                    && client.get(path).await.is_ok_and(|reply| reply.status == status)
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let said = || fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("{path}: {}", said()));
    }

    fn path(&self, file: &str) -> String {
        self.directory.join(file).display().to_string()
    }

    fn change_listener(&self, name: &str) {
        let text = listener(self.web, name, &self.path("rds.yaml"), &self.path("access.log"));
        write(&self.directory, "lds.yaml", &text);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Moves a file into place.
fn write(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join("new"), text).unwrap();
    fs::rename(directory.join("new"), directory.join(name)).unwrap();
}

const TYPE: &str = "type.googleapis.com/envoy";

/// `name` is what differs: requests to `/NAME` are answered with 204.
fn listener(port: u16, name: &str, rds: &str, log: &str) -> String {
    format!(
        "resources:
- \"@type\": {TYPE}.config.listener.v3.Listener
  name: web
  address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        \"@type\": {TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: {name}
        server_name: {name}
        upgrade_configs: [{{upgrade_type: websocket}}]
        rds: {{route_config_name: r, config_source: {{path_config_source: {{path: {rds}}}}}}}
        access_log:
        - name: envoy.access_loggers.file
          typed_config: {{\"@type\": {TYPE}.extensions.access_loggers.file.v3.FileAccessLog, path: {log}}}
        http_filters:
        - name: envoy.filters.http.router
          typed_config: {{\"@type\": {TYPE}.extensions.filters.http.router.v3.Router}}
"
    )
}

fn routes(prefix: &str) -> String {
    format!(
        "resources:
- \"@type\": {TYPE}.config.route.v3.RouteConfiguration
  name: r
  virtual_hosts:
  - name: all
    domains: [\"*\"]
    routes: [{{match: {{prefix: {prefix}}}, route: {{cluster: shop}}}}]
"
    )
}

fn cluster(port: u16) -> String {
    format!(
        "resources:
- \"@type\": {TYPE}.config.cluster.v3.Cluster
  name: shop
  connect_timeout: 1s
  load_assignment:
    cluster_name: shop
    endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]
"
    )
}

fn server(reply: &Reply) -> &str {
    reply.headers["server"].to_str().unwrap()
}

#[tokio::test]
async fn connections_of_a_changed_listener_are_told_their_last_answer() {
    let app = Upstream::start(|_| async { Ok(text(200, "hello")) });
    let proxy = Proxy::start("changed", app.address.port()).await;
    let address = ([127, 0, 0, 1], proxy.web).into();
    let mut used = Http1::connect(address).await.unwrap();
    let mut idle = Http1::connect(address).await.unwrap();
    for client in [&mut used, &mut idle] {
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }
    // Other routes leave connections alone.
    write(&proxy.directory, "rds.yaml", &routes("/other"));
    proxy.until("/", 404).await;
    assert_eq!(used.get("/other").await.unwrap().status, 200);
    write(&proxy.directory, "rds.yaml", &routes("/"));
    proxy.until("/", 200).await;

    let changed = Instant::now();
    proxy.change_listener("second");
    let others = async {
        while server(&Http1::connect(address).await.unwrap().get("/").await.unwrap()) != "second" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, others).await.expect("the change comes in time");
    let last = used.get("/").await.unwrap();
    assert_eq!(
        (last.status, server(&last), last.headers["connection"].to_str().unwrap()),
        (200, "first", "close")
    );
    assert!(!idle.is_closed(), "who is idle has time for a last request");
    let closed = async {
        while !idle.is_closed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, closed).await.expect("closed in time");
    assert!(changed.elapsed() >= Duration::from_secs(DRAIN_TIME_S));
    assert_eq!(proxy.upstream, app.address.port());
}

#[tokio::test]
async fn tunnels_outlive_changes_of_routes_and_logs_are_opened_again() {
    // It grants every upgrade and sends back what it reads.
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let upgrade = head.windows(9).any(|part| part.eq_ignore_ascii_case(b"websocket"));
                let answer: &[u8] = match upgrade {
                    true => b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
                    false => b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                };
                stream.write_all(answer).await.unwrap();
                if !upgrade {
                    return;
                }
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    let proxy = Proxy::start("tunnels", port).await;
    let mut client = TcpStream::connect(("127.0.0.1", proxy.web)).await.unwrap();
    let ask = b"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    client.write_all(ask).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    write(&proxy.directory, "rds.yaml", &routes("/other"));
    proxy.until("/", 404).await;
    client.write_all(b"still here").await.unwrap();
    let mut back = [0; 10];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"still here");

    // The log was moved away, as logrotate does.
    fs::rename(proxy.path("access.log"), proxy.path("access.log.1")).unwrap();
    processes::signal(proxy.child.id().unwrap(), rustix::process::Signal::USR1);
    let reopened = async {
        while fs::metadata(proxy.path("access.log")).map_or(0, |log| log.len()) == 0 {
            proxy.until("/", 404).await;
        }
    };
    tokio::time::timeout(DEADLINE, reopened).await.expect("the log is opened again");
}
