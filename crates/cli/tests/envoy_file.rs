//! The examples in the form of Envoy's bootstrap, as they are and at work: a request passes a gateway and a sidecar, each alone on
//! its file.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/envoy")
}

fn ripstop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ripstop"));
    command.env("NO_COLOR", "1");
    command
}

/// A proxy on a file, killed at the end.
struct Proxy {
    child: Child,
    file: PathBuf,
}

impl Proxy {
    /// Starts on a copy of an example in which texts are replaced.
    fn start(example: &str, replace: &[(&str, String)]) -> Self {
        let mut text = fs::read_to_string(examples().join(example)).unwrap();
        for (from, to) in replace {
            assert!(text.contains(from), "{from} is not in {example}");
            text = text.replace(from, to);
        }
        let file = std::env::temp_dir().join(format!("ripstop-{}-{example}", std::process::id()));
        fs::write(&file, text.replace("0.0.0.0", "127.0.0.1")).unwrap();
        let mut command = ripstop();
        command.args(["proxy", "--log-level", "warning", "--concurrency", "1", "-c"]).arg(&file);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        Self { child, file }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.file);
    }
}

/// An application that answers with its name and the path of the request; where it listens.
fn application(name: &'static str) -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in socket.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut first = String::new();
            let _ = stream.read_line(&mut first);
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let path = first.split(' ').nth(1).unwrap_or_default();
            let body = format!("{name} {path}");
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            let _ = stream.get_mut().write_all(format!("{head}{body}").as_bytes());
        }
    });
    port
}

/// A port that was free a moment ago.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Status and body; `None` if nobody listens.
fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

#[track_caller]
fn until_ready(admin: u16) {
    let start = Instant::now();
    while get(admin, "/ready").is_none_or(|(status, _)| status != 200) {
        assert!(start.elapsed() < DEADLINE, "not ready");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn validate(file: &Path) -> (Output, String) {
    let output = ripstop().arg("validate").arg(file).output().unwrap();
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    (output, error)
}

#[test]
fn the_examples_are_valid() {
    for name in ["gateway.yaml", "user-sidecar.yaml", "product-sidecar.yaml"] {
        let (output, error) = validate(&examples().join(name));
        assert!(output.status.success(), "{name}: {error}");
        assert!(error.is_empty(), "{name}: {error}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("valid: 1 listener"), "{name}");
    }
}

#[test]
fn mistakes_are_shown_in_their_line() {
    let text = fs::read_to_string(examples().join("user-sidecar.yaml")).unwrap();
    let file = std::env::temp_dir().join(format!("ripstop-{}-mistakes.yaml", std::process::id()));
    fs::write(&file, format!("{}hdsConfig: {{api_type: GRPC}}\n", text.replace("lb_policy", "lb_polcy")))
        .unwrap();
    let (output, error) = validate(&file);
    fs::remove_file(&file).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("lb_polcy: ") && error.contains("did you mean `lb_policy`?"), "{error}");
    assert!(error.contains("hds_config is not supported"), "{error}");
}

#[test]
fn a_request_passes_gateway_and_sidecar() {
    let [gateway, users, gateway_admin, users_admin] = [(); 4].map(|()| free());
    let (users_app, gateway_app) = (application("users"), application("gateway"));
    let _sidecar = Proxy::start(
        "user-sidecar.yaml",
        &[
            ("port_value: 15001", format!("port_value: {users}")),
            ("port_value: 8081", format!("port_value: {users_app}")),
            ("port_value: 9902", format!("port_value: {users_admin}")),
        ],
    );
    let _gateway = Proxy::start(
        "gateway.yaml",
        &[
            ("port_value: 10000", format!("port_value: {gateway}")),
            ("port_value: 15001", format!("port_value: {users}")),
            ("port_value: 8080", format!("port_value: {gateway_app}")),
            ("port_value: 9901", format!("port_value: {gateway_admin}")),
            ("address: user-service-envoy", "address: localhost".to_owned()),
            ("address: product-service-envoy", "address: localhost".to_owned()),
            ("address: gateway\n", "address: localhost\n".to_owned()),
        ],
    );
    until_ready(users_admin);
    until_ready(gateway_admin);
    let passed = |path: &str| get(gateway, path).unwrap();
    assert_eq!(passed("/api/users/7"), (200, "users /users/7".to_owned()));
    assert_eq!(passed("/health"), (200, "gateway /health".to_owned()));
    assert_eq!(passed("/else"), (200, "gateway /else".to_owned()));
    let clusters = get(gateway_admin, "/clusters").unwrap().1;
    assert!(clusters.contains(&format!("user_service::127.0.0.1:{users}::")), "{clusters}");
    let info = get(gateway_admin, "/server_info").unwrap().1;
    assert!(info.contains("gateway-envoy"), "{info}");
}
