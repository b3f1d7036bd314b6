//! TCP that does not go to its endpoint as it came: through tunnels of HTTP, and behind a PROXY header.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::BodyExt;
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::listener::{FilterChain, Listener};
use ripstop_model::listener_filter::{ListenerFilter, ProxyProtocol};
use ripstop_model::network_filter::{TcpProxy, Tunneling};
use ripstop_model::route::{AppendAction, HeaderAddition};
use ripstop_model::tls::{ProxyVersion, TransportSocket};
use ripstop_model::{Address, Cluster, Format, NetworkFilter, Snapshot};
use ripstop_testkit::upstream::{Speaks, Upstream, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};
use crate::tunnels::http2_upstream;

/// A listener whose bytes go to `cluster` through a tunnel.
fn tunneling(post_path: Option<&str>, cluster: Cluster) -> Snapshot {
    let marked = HeaderAddition {
        name: "x-client".into(),
        value: Format::parse("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%").unwrap(),
        action: AppendAction::Append,
        keep_empty: false,
    };
    let tunnel = Tunneling {
        hostname: Format::parse("db.test:%DOWNSTREAM_LOCAL_PORT%").unwrap(),
        post_path: post_path.map(Into::into),
        headers: vec![marked],
    };
    let tcp = TcpProxy { tunneling: Some(Box::new(tunnel)), ..TcpProxy::new("tcp", "c") };
    plain_tcp(tcp, cluster)
}

fn plain_tcp(tcp: TcpProxy, cluster: Cluster) -> Snapshot {
    let chain = FilterChain::new(NetworkFilter::Tcp(tcp));
    let listener = Listener::new("l", Address::socket([127, 0, 0, 1], 0), vec![chain]);
    let mut config = Snapshot::default();
    config.listeners.insert("l".into(), Arc::new(listener));
    config.clusters.insert("c".into(), Arc::new(cluster));
    config
}

/// An HTTP/1 proxy that grants every tunnel with `status` and sends back what it reads; tells the heads.
async fn http1_upstream(status: &'static str) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (told, heads) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            told.send(String::from_utf8(head).unwrap()).unwrap();
            stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    (address, heads)
}

/// Sends something and ends; what comes back until the other side ends.
async fn echoed(address: SocketAddr, sent: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::new();
    let _ = stream.read_to_end(&mut back).await;
    back
}

#[tokio::test]
async fn bytes_go_through_a_connect_tunnel_of_either_version() {
    let (address, mut heads) = http1_upstream("200 OK").await;
    let proxy = Proxy::with(tunneling(None, cluster(&[address]))).await;
    assert_eq!(echoed(proxy.address(), b"through").await, b"through");
    let head = heads.recv().await.unwrap();
    let target = format!("db.test:{}", proxy.address().port());
    assert!(head.starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")), "{head}");
    assert!(
        head.contains(&format!("host: {target}\r\n")) && head.contains("x-client: 127.0.0.1\r\n"),
        "{head}"
    );
    assert_eq!(proxy.cluster_metric("upstream_cx_total"), 1);

    let over_http2 = Cluster { protocol: UpstreamProtocol::Http2, ..cluster(&[http2_upstream().await]) };
    let proxy = Proxy::with(tunneling(None, over_http2)).await;
    let (one, other) = tokio::join!(echoed(proxy.address(), b"one"), echoed(proxy.address(), b"other"));
    assert_eq!((one.as_slice(), other.as_slice()), (&b"one"[..], &b"other"[..]));
}

#[tokio::test]
async fn bytes_go_through_a_post_tunnel_of_either_version() {
    for (speaks, protocol) in
        [(Speaks::Http1, UpstreamProtocol::Http1), (Speaks::Http2, UpstreamProtocol::Http2)]
    {
        // Sends back what it reads while it is still read.
        let echo = Upstream::start_at(([127, 0, 0, 1], 0).into(), speaks, |request| async move {
            assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/tunnel"));
            Ok(http::Response::new(request.into_body().map_err(std::io::Error::other).boxed()))
        });
        let cluster = Cluster { protocol, ..cluster(&[echo.address]) };
        let proxy = Proxy::with(tunneling(Some("/tunnel"), cluster)).await;
        let long = vec![b'x'; 300_000];
        let back = echoed(proxy.address(), &long).await;
        assert_eq!((back.len(), back == long), (long.len(), true), "{speaks:?}");
    }
}

#[tokio::test]
async fn a_tunnel_that_is_refused_closes_the_connection() {
    let (address, _heads) = http1_upstream("403 Forbidden\r\ncontent-length: 0").await;
    let proxy = Proxy::with(tunneling(None, cluster(&[address]))).await;
    assert_eq!(echoed(proxy.address(), b"through").await, b"");
    assert_eq!(proxy.cluster_metric("upstream_cx_connect_attempts_exceeded"), 1);
}

/// A proxy that is told the clients by a PROXY header, and an application that answers with the client.
async fn told() -> (Proxy, Upstream) {
    let app = Upstream::start(|request| async move {
        let client = request.headers().get("x-forwarded-for").map(|value| value.to_str().unwrap().to_owned());
        Ok(text(200, client.unwrap_or_default()))
    });
    let mut edge = manager();
    edge.use_remote_address = true;
    let filters = vec![ListenerFilter::ProxyProtocol(ProxyProtocol::default())];
    let listener = Listener { listener_filters: filters, ..listener(edge, None) };
    let proxy = Proxy::with(snapshot(listener, routes(to_c()), cluster(&[app.address]))).await;
    (proxy, app)
}

fn telling(version: ProxyVersion, to: SocketAddr) -> Cluster {
    let transport = TransportSocket { proxy_protocol: Some(version), ..TransportSocket::default() };
    Cluster { transport, ..cluster(&[to]) }
}

async fn asked(proxy: SocketAddr, header: &str) -> String {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let request = format!("{header}GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.rsplit("\r\n").next().unwrap().to_owned()
}

#[tokio::test]
async fn endpoints_are_told_who_the_client_is() {
    let client = |n| format!("PROXY TCP4 192.0.2.{n} 198.51.100.1 1000 80\r\n");
    let filters = vec![ListenerFilter::ProxyProtocol(ProxyProtocol::default())];
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let (inner, _app) = told().await;
        // Bytes.
        let mut config = plain_tcp(TcpProxy::new("tcp", "c"), telling(version, inner.address()));
        let tcp = Listener { listener_filters: filters.clone(), ..(*config.listeners["l"]).clone() };
        config.listeners.insert("l".into(), Arc::new(tcp));
        let outer = Proxy::with(config).await;
        assert_eq!(asked(outer.address(), &client(7)).await, "192.0.2.7");

        // Requests: each client has connections of its own.
        let http = Listener { listener_filters: filters.clone(), ..listener(manager(), None) };
        let outer = Proxy::with(snapshot(http, routes(to_c()), telling(version, inner.address()))).await;
        for n in [8, 9, 8] {
            assert_eq!(asked(outer.address(), &client(n)).await, format!("192.0.2.{n}"));
        }
        let open = outer.cluster_metric("upstream_cx_total");
        assert!((2..=3).contains(&open), "{open}");
    }
}
