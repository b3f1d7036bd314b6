//! Requests whose connection becomes a tunnel: upgrades and CONNECT.

use std::net::SocketAddr;
use std::time::Duration;

use ripstop_model::cluster::{Cluster, UpstreamProtocol};
use ripstop_model::http_manager::HttpConnectionManager;
use ripstop_model::http2::Http2Options;
use ripstop_model::route::Forward;
use ripstop_model::upgrade::Upgrade;
use ripstop_testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
const ASK: &str =
    "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\r\n";

/// An upstream that answers a head with `answer`, says what it got as head, and then sends back what it reads.
async fn upstream(answer: &'static str) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (heads, received) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heads = heads.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                heads.send(String::from_utf8_lossy(&head).into_owned()).unwrap();
                stream.write_all(answer.as_bytes()).await?;
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer).await?;
                heads.send("end".to_owned()).unwrap();
                std::io::Result::Ok(())
            });
        }
    });
    (address, received)
}

fn websockets() -> HttpConnectionManager {
    HttpConnectionManager { upgrades: vec![Upgrade::to(Upgrade::WEBSOCKET)], ..manager() }
}

async fn proxy(manager: HttpConnectionManager, forward: Forward, to: SocketAddr) -> Proxy {
    Proxy::with(snapshot(listener(manager, None), routes(forward), cluster(&[to]))).await
}

async fn ask(proxy: &Proxy, request: &str) -> (String, TcpStream) {
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    (String::from_utf8(head).unwrap(), client)
}

async fn exchange(client: &mut TcpStream, bytes: &[u8]) {
    let (mut reader, mut writer) = client.split();
    let mut back = vec![0; bytes.len()];
    let (written, read) = tokio::join!(writer.write_all(bytes), reader.read_exact(&mut back));
    written.unwrap();
    read.unwrap();
    assert!(back == bytes, "what comes back is what was sent");
}

async fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), client.read_to_end(&mut rest)).await.unwrap();
    rest
}

fn http_metric(proxy: &Proxy, name: &str) -> u64 {
    proxy.metric(&format!("envoy_http_{name}{{envoy_http_conn_manager_prefix=\"test\"}}"))
}

#[tokio::test]
async fn a_websocket_passes_both_ways_and_is_counted() {
    let (address, mut heads) = upstream(SWITCH).await;
    let proxy = proxy(websockets(), to_c(), address).await;
    let (head, mut client) = ask(&proxy, &format!("{ASK}early")).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("connection: Upgrade\r\n") && head.contains("upgrade: websocket\r\n"), "{head}");
    let asked = heads.recv().await.unwrap();
    assert!(asked.contains("connection: keep-alive, Upgrade\r\n"), "{asked}");
    assert!(asked.contains("upgrade: WebSocket\r\n"), "{asked}");
    let mut early = [0; 5];
    client.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    // Far more than all buffers on the way hold.
    exchange(&mut client, &vec![b'x'; 8 << 20]).await;
    assert_eq!(http_metric(&proxy, "downstream_cx_upgrades_total"), 1);
    assert_eq!(http_metric(&proxy, "downstream_cx_upgrades_active"), 1);
    assert_eq!(http_metric(&proxy, "downstream_cx_active"), 1);
    assert_eq!(proxy.cluster_metric("upstream_cx_active"), 1);
    assert_eq!(proxy.cluster_metric("upstream_rq_active"), 1);
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, b"");
    assert_eq!(heads.recv().await.unwrap(), "end");
    until("everything is over", async || {
        let open = http_metric(&proxy, "downstream_cx_upgrades_active")
            + http_metric(&proxy, "downstream_cx_active")
            + proxy.cluster_metric("upstream_cx_active")
            + proxy.cluster_metric("upstream_rq_active");
        (open == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_may_not_upgrade_gets_403() {
    let (address, _heads) = upstream(SWITCH).await;
    let other = ASK.replace("WebSocket", "other");
    let off = Forward { upgrades: vec![Upgrade { enabled: false, ..Upgrade::to("WEBSOCKET") }], ..to_c() };
    for (manager, forward, request, status) in [
        (manager(), to_c(), ASK, "403"),
        (websockets(), to_c(), other.as_str(), "403"),
        (websockets(), off, ASK, "403"),
        (manager(), Forward { upgrades: vec![Upgrade::to("websocket")], ..to_c() }, ASK, "101"),
    ] {
        let proxy = proxy(manager, forward, address).await;
        let (head, mut client) = ask(&proxy, request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        if status == "403" {
            assert!(head.contains("connection: close\r\n"), "{head}");
            assert_eq!(rest(&mut client).await, b"");
            assert_eq!(http_metric(&proxy, "downstream_rq_ws_on_non_ws_route"), 1);
        }
    }
}

#[tokio::test]
async fn an_upstream_that_refuses_is_heard() {
    let refusal = "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno";
    let misunderstood = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    for (answer, status, body) in [(refusal, 400, "no"), (misunderstood, 200, "")] {
        let (address, _heads) = upstream(answer).await;
        let proxy = proxy(websockets(), to_c(), address).await;
        let (head, mut client) = ask(&proxy, ASK).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(head.contains("connection: close\r\n"), "{head}");
        assert_eq!(rest(&mut client).await, body.as_bytes());
        until("nothing is under way", async || {
            (proxy.cluster_metric("upstream_rq_active") == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn an_upstream_that_leaves_ends_the_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = proxy(websockets(), to_c(), address).await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        stream.write_all(format!("{SWITCH}last words").as_bytes()).await.unwrap();
    };
    let ((head, mut client), ()) = tokio::join!(ask(&proxy, ASK), serve);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(rest(&mut client).await, b"last words");
}

#[tokio::test]
async fn silence_ends_a_tunnel_and_nothing_else_does() {
    let (address, _heads) = upstream(SWITCH).await;
    let short = Some(Duration::from_millis(200));
    let manager = HttpConnectionManager { stream_idle_timeout: short, idle_timeout: short, ..websockets() };
    let forward = Forward { timeout: Some(Duration::from_millis(50)), ..to_c() };
    let proxy = proxy(manager, forward, address).await;
    let (_, mut client) = ask(&proxy, ASK).await;
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        exchange(&mut client, b"tick").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(rest(&mut client).await, b"");
    let counted = || http_metric(&proxy, "downstream_rq_idle_timeout") == 1;
    until("the tunnel is counted", async || counted().then_some(())).await;
}

#[tokio::test]
async fn changes_of_routes_and_listeners_leave_tunnels_open() {
    let (address, _heads) = upstream(SWITCH).await;
    let mut proxy = proxy(websockets(), to_c(), address).await;
    let (_, mut client) = ask(&proxy, ASK).await;
    let (to_a, elsewhere) = (cluster(&[address]), cluster(&[crate::harness::nobody()]));
    for (manager, cluster) in [(websockets(), to_a.clone()), (manager(), to_a), (manager(), elsewhere)] {
        let mut changed = to_c();
        changed.timeout = Some(Duration::from_secs(7));
        proxy.apply(snapshot(listener(manager, None), routes(changed), cluster)).await;
        exchange(&mut client, b"still here").await;
    }
    assert_eq!(proxy.connections().await, 1);
    proxy.drain().await;
    exchange(&mut client, b"and here").await;
    client.shutdown().await.unwrap();
    until("the last connection is closed", async || (proxy.connections().await == 0).then_some(())).await;
}

/// An HTTP/2 upstream that opens every tunnel, and sends back what it reads.
pub async fn http2_upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                let mut connection =
                    builder.enable_connect_protocol().handshake::<_, bytes::Bytes>(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    tokio::spawn(async move {
                        assert_eq!(request.method(), http::Method::CONNECT);
                        let protocol = request.extensions().get::<h2::ext::Protocol>();
                        let protocol = protocol.map(|protocol| protocol.as_str().to_owned());
                        let head = http::Response::builder().header("protocol", protocol.unwrap_or_default());
                        let mut send = respond.send_response(head.body(()).unwrap(), false).unwrap();
                        let mut body = request.into_body();
                        while let Some(Ok(data)) = body.data().await {
                            let _ = body.flow_control().release_capacity(data.len());
                            send.send_data(data, false).unwrap();
                        }
                        let _ = send.send_data(bytes::Bytes::new(), true);
                    });
                }
            });
        }
    });
    address
}

/// Opens a tunnel over HTTP/2, sends something, and reads it back.
async fn over_http2(address: SocketAddr, protocol: Option<&'static str>) -> http::response::Parts {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    until("tunnels are offered", async || client.is_extended_connect_protocol_enabled().then_some(())).await;
    let uri = if protocol.is_some() { "http://a/chat" } else { "a:80" };
    let mut request = http::Request::connect(uri).body(()).unwrap();
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(h2::ext::Protocol::from_static(protocol));
    }
    let (response, mut send) = client.send_request(request, false).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    if head.status == 200 {
        send.send_data(bytes::Bytes::from_static(b"through"), false).unwrap();
        assert_eq!(body.data().await.unwrap().unwrap(), "through");
        send.send_data(bytes::Bytes::new(), true).unwrap();
        assert!(body.data().await.is_none_or(|last| last.is_err() || last.unwrap().is_empty()));
    }
    head
}

fn extended() -> HttpConnectionManager {
    HttpConnectionManager {
        http2: Http2Options { allow_connect: true, ..Http2Options::default() },
        ..websockets()
    }
}

#[tokio::test]
async fn tunnels_pass_between_the_versions_of_http() {
    let (http1, mut heads) = upstream(SWITCH).await;
    let proxy = proxy(extended(), to_c(), http1).await;
    assert_eq!(over_http2(proxy.address(), Some("websocket")).await.status, 200);
    let asked = heads.recv().await.unwrap();
    assert!(
        asked.starts_with("GET /chat HTTP/1.1\r\n") && asked.contains("upgrade: websocket\r\n"),
        "{asked}"
    );
    assert_eq!(over_http2(proxy.address(), Some("other")).await.status, 403);

    let c = Cluster { protocol: UpstreamProtocol::Http2, ..cluster(&[http2_upstream().await]) };
    let proxy = Proxy::with(snapshot(listener(extended(), None), routes(to_c()), c)).await;
    let head = over_http2(proxy.address(), Some("websocket")).await;
    assert_eq!((head.status.as_u16(), &head.headers["protocol"]), (200, &"websocket".parse().unwrap()));
    let (head, mut client) = ask(&proxy, ASK).await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: WebSocket\r\n"), "{head}");
    exchange(&mut client, b"through").await;
}
