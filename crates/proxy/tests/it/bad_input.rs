//! What is no HTTP, or not the same HTTP to everybody: refused with a status, the connection closed, and nothing of it at
//! the upstream.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt;
use ripstop_model::http_manager::HttpConnectionManager;
use ripstop_model::http_manager::times::Times;
use ripstop_model::http1::Http1Options;
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

/// An upstream that keeps every byte it gets, and answers every head.
async fn recorder() -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let kept = kept.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    kept.lock().unwrap().extend_from_slice(&buffer[..read]);
                    if buffer[..read].windows(4).any(|w| w == b"\r\n\r\n") {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                    }
                }
            });
        }
    });
    (address, seen)
}

async fn with(manager: HttpConnectionManager) -> (Proxy, Arc<Mutex<Vec<u8>>>) {
    let (address, seen) = recorder().await;
    let proxy = Proxy::with(snapshot(listener(manager, None), routes(to_c()), cluster(&[address]))).await;
    (proxy, seen)
}

/// Sends bytes as they are and reads until the other side closes.
async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), client.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn protocol_errors(proxy: &Proxy) -> u64 {
    proxy.metric("envoy_http_downstream_cx_protocol_error{envoy_http_conn_manager_prefix=\"test\"}")
}

#[tokio::test]
async fn bad_heads_are_refused_and_go_nowhere() {
    let (proxy, seen) = with(manager()).await;
    let get = "GET / HTTP/1.1\r\nhost: a\r\n";
    let mut cases: Vec<(Vec<u8>, &str)> = Vec::new();
    for field in [
        "x: a\0b",
        "x: a\x01b",
        "x: a\x7fb",
        "x: a\rb",
        "x: a\r\n b",
        "x : a",
        " x: a",
        "x",
        ": a",
        "x(y: a",
        "host: b",
        "host: a",
        "connection: x-forwarded-for",
        "connection: :path",
        "content-length: 3, 3",
        "content-length: +3",
        "content-length: 1\r\ncontent-length: 1",
        "content-length: 1\r\ncontent-length: 2",
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 3",
    ] {
        cases.push((format!("{get}{field}\r\n\r\n").into_bytes(), "400 Bad Request"));
    }
    for coding in ["identity", "chunked, identity", "gzip, chunked", "xchunked", "\"chunked\"", ""] {
        let field = format!("{get}transfer-encoding: {coding}\r\n\r\n");
        cases.push((field.into_bytes(), "501 Not Implemented"));
    }
    for (line, status) in [
        ("GET /a b HTTP/1.1", "400 Bad Request"),
        ("GET /#a HTTP/1.1", "400 Bad Request"),
        ("GET a HTTP/1.1", "400 Bad Request"),
        ("GET * HTTP/1.1", "400 Bad Request"),
        ("GET ftp://a/ HTTP/1.1", "400 Bad Request"),
        ("CONNECT /x HTTP/1.1", "400 Bad Request"),
        ("get / HTTP/1.1", "400 Bad Request"),
        ("G(T / HTTP/1.1", "400 Bad Request"),
        ("GET / HTTP/1.0", "426 Upgrade Required"),
        ("GET / HTTP/1.2", "426 Upgrade Required"),
        ("GET /", "426 Upgrade Required"),
        ("GET / XTTP/1.1", "400 Bad Request"),
    ] {
        cases.push((format!("{line}\r\nhost: a\r\n\r\n").into_bytes(), status));
    }
    cases.push((b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), "400 Bad Request"));
    cases.push((b"GET / HTTP/1.1\r\nhost: a\r\nx: \xff\xfe\x00\r\n\r\n".to_vec(), "400 Bad Request"));
    cases.push((b"GET / HTTP/1.1\r\n\xe9: a\r\n\r\n".to_vec(), "400 Bad Request"));
    let count = cases.len() as u64;
    for (request, status) in cases {
        let mut attack = request.clone();
        attack.extend_from_slice(b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
        let answer = raw(proxy.address(), &attack).await;
        let shown = String::from_utf8_lossy(&request).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{shown:?}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{shown:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{shown:?}: {answer}");
    }
    assert_eq!(String::from_utf8_lossy(&seen.lock().unwrap()), "");
    until("all are counted", async || (protocol_errors(&proxy) == count).then_some(())).await;
}

#[tokio::test]
async fn what_was_sent_before_is_answered_first() {
    let (proxy, seen) = with(manager()).await;
    let get = "GET /good HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = raw(proxy.address(), format!("{get}{get}GET /bad HTTP/1.1\r\nx y\r\n\r\n").as_bytes()).await;
    let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "400"], "{answer}");
    assert!(!String::from_utf8_lossy(&seen.lock().unwrap()).contains("bad"));
}

#[tokio::test]
async fn bad_bodies_reach_no_upstream_as_another_request() {
    let head = "POST /first HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    for body in [
        "3\nabc\n0\n\n",
        "3;a\nabc\r\n0\r\n\r\n",
        "3;a\rb\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcX\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nx y\r\n\r\n",
    ] {
        let (proxy, seen) = with(manager()).await;
        let answer = raw(proxy.address(), format!("{head}{body}{smuggled}").as_bytes()).await;
        // An upstream that answers before it has read may be faster than the end of the body.
        assert!(
            answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 200"),
            "{body:?}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{body:?}: {answer}");
        let seen = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
        assert!(!seen.contains("smuggled"), "{body:?}: {seen}");
    }
}

#[tokio::test]
async fn sound_bodies_pass_as_one_request() {
    let (proxy, seen) = with(manager()).await;
    for body in ["3\r\nabc\r\n0\r\n\r\n", "3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n", "0003 \r\nabc\r\n0\r\n\r\n"] {
        let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: Chunked\r\n\r\n";
        assert!(raw(proxy.address(), format!("{head}{body}").as_bytes()).await.starts_with("HTTP/1.1 200"));
    }
    let seen = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    assert_eq!(seen.matches("transfer-encoding: chunked\r\n").count(), 3, "{seen}");
    assert!(!seen.contains("content-length") && !seen.contains("a=b"), "{seen}");
}

#[tokio::test]
async fn heads_have_a_size_and_a_time() {
    let config = HttpConnectionManager {
        max_request_headers_kb: Some(1),
        max_headers_count: Some(5),
        request_headers_timeout: Some(Duration::from_millis(50)),
        ..manager()
    };
    let (proxy, _) = with(config).await;
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(1100));
    let endless = format!("GET /{}", "y".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(5));
    for request in [large, endless, many] {
        let answer = raw(proxy.address(), request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
    }
    let answer = raw(proxy.address(), b"GET / HTTP/1.1\r\nho").await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.ends_with("request header timeout"), "{answer}");
}

#[tokio::test]
async fn older_http_is_spoken_where_it_is_allowed() {
    let http1 = Http1Options {
        accept_http_10: true,
        default_host_for_http_10: Some("fallback".into()),
        ..Http1Options::default()
    };
    let (proxy, seen) = with(HttpConnectionManager { http1, ..manager() }).await;
    let answer = raw(proxy.address(), b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert!(String::from_utf8_lossy(&seen.lock().unwrap()).contains("host: fallback\r\n"));
}

#[tokio::test]
async fn the_beginning_of_a_head_behind_a_request_is_timed_too() {
    let limit = Some(Duration::from_millis(50));
    let (proxy, _) = with(HttpConnectionManager { request_headers_timeout: limit, ..manager() }).await;
    let answer = raw(proxy.address(), b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn requests_have_to_be_whole_in_time() {
    let times = Times { request_timeout: Some(Duration::from_millis(50)), ..Times::default() };
    let upstream = Upstream::start(|request| async move {
        request.into_body().collect().await.map_err(std::io::Error::other)?;
        Ok(text(200, ""))
    });
    let manager = HttpConnectionManager { times, ..manager() };
    let config = snapshot(listener(manager, None), routes(to_c()), cluster(&[upstream.address]));
    let proxy = Proxy::with(config).await;
    for request in ["POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab", "GET / HT"] {
        let answer = raw(proxy.address(), request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.ends_with("request timeout"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn connections_have_an_age_and_a_number_of_requests() {
    let get = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let times = Times { max_requests_per_connection: NonZeroU32::new(2), ..Times::default() };
    let (proxy, _) = with(HttpConnectionManager { times, ..manager() }).await;
    let answer = raw(proxy.address(), &get.repeat(3)).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
    assert_eq!(answer.matches("connection: close").count(), 1, "{answer}");

    let short = Some(Duration::from_millis(50));
    let times = Times { max_connection_duration: short, drain_timeout: short, ..Times::default() };
    let (proxy, _) = with(HttpConnectionManager { times, ..manager() }).await;
    let answer = raw(proxy.address(), get).await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("connection: close"), "{answer}");
}
