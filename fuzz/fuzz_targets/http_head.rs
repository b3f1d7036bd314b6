//! Any bytes as what a client sends to a running proxy. The client is answered or disconnected, in time; the upstream gets clean
//! requests only, and none that the proxy did not make.
#![no_main]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use ripstop_fuzz::{proxy, upstream};

/// What the proxy marks its requests with. Nothing that a fuzzer would guess.
const MARK: &str = "8b1f6c0e-5d0f-4f43-9a52-b7c1d3e0a964";

/// A client that waits longer than this found a proxy that hangs.
const PATIENCE: Duration = Duration::from_secs(10);

static PROXY: OnceLock<SocketAddr> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let proxy = *PROXY.get_or_init(start);
    let mut stream = TcpStream::connect(proxy).expect("the proxy accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
    // It may answer and close before all is written.
    if stream.write_all(bytes).is_err() || stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "the proxy hangs");
    }
    let http1 = answer.is_empty() || answer.starts_with(b"HTTP/1.");
    assert!(http1 || bytes.starts_with(b"PRI * HTTP/2.0"), "{:?}", String::from_utf8_lossy(&answer));
});

fn start() -> SocketAddr {
    let upstream = upstream::start(MARK);
    let text = include_str!("../http_head.yaml")
        .replace("{upstream_host}", &upstream.ip().to_string())
        .replace("{upstream_port}", &upstream.port().to_string())
        .replace("{mark}", MARK);
    proxy::start(&text)
}
