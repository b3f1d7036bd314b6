//! What upstreams get to see of requests, and clients of answers, under the rules of the connection manager.

use std::net::SocketAddr;
use std::time::Duration;

use ripstop_model::cidr::CidrRange;
use ripstop_model::http_manager::HttpConnectionManager;
use ripstop_model::http_manager::origin::{HttpScheme, InternalAddresses, Origin, RequestIds, SchemeRules};
use ripstop_model::http_manager::paths::{EscapedSlashes, HostRules, PathRules, StripPort, Underscores};
use ripstop_testkit::upstream::{Upstream, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

/// Answers with the head it got, one header a line.
fn mirror() -> Upstream {
    Upstream::start(|request| async move {
        let mut head = format!("{} {}\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            head.push_str(&format!("{name}: {}\n", value.to_str().unwrap_or("?")));
        }
        Ok(text(200, head))
    })
}

struct Case {
    proxy: Proxy,
    _upstream: Upstream,
}

impl Case {
    async fn new(manager: HttpConnectionManager) -> Case {
        let upstream = mirror();
        let config = snapshot(listener(manager, None), routes(to_c()), cluster(&[upstream.address]));
        Case { proxy: Proxy::with(config).await, _upstream: upstream }
    }

    async fn get(&self, path: &str, headers: &str) -> String {
        raw(self.proxy.address(), &format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n")).await
    }

    /// The answer to a request with headers beside `host`.
    async fn with(&self, headers: &str) -> String {
        self.get("/", &format!("host: a\r\n{headers}")).await
    }

    fn counter(&self, name: &str) -> u64 {
        self.proxy.metric(&format!("envoy_http_{name}{{envoy_http_conn_manager_prefix=\"test\"}}"))
    }
}

async fn raw(address: SocketAddr, request: &str) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), client.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn paths_get_one_form() {
    let rules =
        PathRules { normalize: Some(true), merge_slashes: true, escaped_slashes: EscapedSlashes::Redirect };
    let case = Case::new(HttpConnectionManager { paths: rules, ..manager() }).await;
    let answer = case.get("/a/..//b/%2e/c?x=/../y", "host: a\r\n").await;
    assert!(answer.contains("\nGET /b/c?x=/../y\n"), "{answer}");
    let answer = case.get("/a%2F..%2fb", "host: a\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 307") && answer.contains("\nlocation: /b\r"), "{answer}");
    let answer = case.get("/a%00", "host: a\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(case.counter("downstream_rq_failed_path_normalization"), 1);
    assert_eq!(case.counter("downstream_rq_redirected_with_normalized_path"), 1);

    let reject = PathRules { escaped_slashes: EscapedSlashes::Reject, ..PathRules::default() };
    let case = Case::new(HttpConnectionManager { paths: reject, ..manager() }).await;
    assert!(case.get("/a%5cb", "host: a\r\n").await.starts_with("HTTP/1.1 400"));
    assert!(case.get("/a/../b//c", "host: a\r\n").await.contains("\nGET /a/../b//c\n"));
}

#[tokio::test]
async fn hosts_lose_ports_and_dots() {
    let hosts = HostRules { strip_port: StripPort::Any, strip_trailing_dot: true };
    let case = Case::new(HttpConnectionManager { hosts, ..manager() }).await;
    for (host, expected) in [("shop.:8080", "shop"), ("shop", "shop"), ("[::1]:80", "[::1]")] {
        let answer = case.get("/", &format!("host: {host}\r\n")).await;
        assert!(answer.contains(&format!("\nhost: {expected}\n")), "{host}: {answer}");
    }
    assert!(case.get("/", "host: .\r\n").await.starts_with("HTTP/1.1 400"));
    let hosts = HostRules { strip_port: StripPort::Matching, ..HostRules::default() };
    let case = Case::new(HttpConnectionManager { hosts, ..manager() }).await;
    let port = case.proxy.address().port();
    assert!(case.get("/", &format!("host: a:{port}\r\n")).await.contains("\nhost: a\n"));
    assert!(case.get("/", "host: a:1\r\n").await.contains("\nhost: a:1\n"));
}

#[tokio::test]
async fn underscores_in_names_are_refused_or_left_out() {
    let case = Case::new(HttpConnectionManager { underscores: Underscores::Reject, ..manager() }).await;
    let answer = case.with("x_y: 1\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.ends_with("Bad Request"), "{answer}");
    assert_eq!(case.counter("requests_rejected_with_underscores_in_headers"), 1);
    let case = Case::new(HttpConnectionManager { underscores: Underscores::Drop, ..manager() }).await;
    let answer = case.with("x_y: 1\r\nz: 2\r\n").await;
    assert!(!answer.contains("x_y") && answer.contains("\nz: 2\n"), "{answer}");
    assert_eq!(case.counter("dropped_headers_with_underscores"), 1);
    let case = Case::new(manager()).await;
    assert!(case.with("x_y: 1\r\n").await.contains("\nx_y: 1\n"));
}

fn own_network() -> InternalAddresses {
    InternalAddresses { ranges: vec![CidrRange::new([127, 0, 0, 0].into(), 8)], ..Default::default() }
}

#[tokio::test]
async fn at_an_edge_strangers_are_not_believed() {
    let case = Case::new(HttpConnectionManager { use_remote_address: true, ..manager() }).await;
    let answer = case
        .with(
            "x-forwarded-for: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\nx-forwarded-proto: https\r\n\
             x-ripstop-attempt: 2\r\nx-envoy-internal: true\r\nx-envoy-upstream-rq-timeout-ms: 1\r\n\
             x-envoy-external-address: 5.5.5.5\r\nx-envoy-original-path: /\r\nx-request-id: mine\r\n",
        )
        .await;
    let sent = answer.split("\r\n\r\n").nth(1).unwrap();
    assert!(sent.contains("x-forwarded-for: 1.1.1.1,2.2.2.2,127.0.0.1\n"), "{sent}");
    assert!(sent.contains("x-forwarded-proto: http\n"), "{sent}");
    assert!(sent.contains("x-envoy-external-address: 127.0.0.1\n"), "{sent}");
    for gone in ["attempt", "internal", "upstream-rq-timeout-ms", "original-path", "mine"] {
        assert!(!sent.contains(gone), "{gone}: {sent}");
    }
    assert!(sent.contains("x-request-id: "), "{sent}");
}

#[tokio::test]
async fn the_own_network_is_believed() {
    let origin = Origin { internal: own_network(), append_x_forwarded_port: true, ..Origin::default() };
    let config = HttpConnectionManager { use_remote_address: true, origin, ..manager() };
    let case = Case::new(config).await;
    let answer = case.with("x-request-id: mine\r\nx-envoy-force-trace: 1\r\n").await;
    let (head, sent) = answer.split_once("\r\n\r\n").unwrap();
    for kept in ["x-envoy-internal: true\n", "x-request-id: mine\n", "x-envoy-force-trace: 1\n"] {
        assert!(sent.contains(kept), "{kept}: {sent}");
    }
    assert!(sent.contains(&format!("x-forwarded-port: {}\n", case.proxy.address().port())), "{sent}");
    assert!(head.contains("x-request-id: mine\r\n"), "a forced trace is told: {head}");
    let answer = case.with("x-forwarded-for: 127.0.0.1\r\nx-request-id: mine\r\n").await;
    assert!(!answer.contains("mine") && !answer.contains("x-envoy-internal"), "{answer}");
}

#[tokio::test]
async fn ids_via_and_scheme_are_as_configured() {
    let origin = Origin {
        via: Some("1.1 us".into()),
        skip_xff_append: true,
        scheme: SchemeRules { overwrite: Some(HttpScheme::Https), match_upstream: false },
        ..Origin::default()
    };
    let request_ids =
        RequestIds { preserve_external: true, always_in_response: true, pack_trace_reason: true };
    let config = HttpConnectionManager { use_remote_address: true, origin, request_ids, ..manager() };
    let case = Case::new(config).await;
    let answer = case.with("via: 1.0 them\r\nx-request-id: mine\r\n").await;
    let (head, sent) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nvia: 1.1 us\r\n") && head.contains("\r\nx-request-id: mine\r\n"), "{head}");
    assert!(sent.contains("\nvia: 1.0 them, 1.1 us\n"), "{sent}");
    assert!(sent.contains("\nx-forwarded-proto: https\n") && !sent.contains("x-forwarded-for"), "{sent}");
}

#[tokio::test]
async fn what_belongs_to_the_connection_stays_behind() {
    let case = Case::new(manager()).await;
    let answer = case
        .with("connection: x-mine\r\nx-mine: 1\r\nkeep-alive: 5\r\nproxy-connection: x\r\nte: gzip, trailers\r\n")
        .await;
    for gone in ["x-mine", "keep-alive", "proxy-connection", "gzip"] {
        assert!(!answer.contains(gone), "{gone}: {answer}");
    }
    assert!(answer.contains("\nte: trailers\n"), "{answer}");
}
