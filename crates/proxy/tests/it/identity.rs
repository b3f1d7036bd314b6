//! mTLS between two proxies.

use ripstop_model::NetworkFilter;
use ripstop_model::chain_match::{FilterChainMatch, TransportProtocol};
use ripstop_model::cluster::{Cluster, UpstreamProtocol};
use ripstop_model::http_manager::{ClientCertDetails, ForwardClientCert};
use ripstop_model::listener::{FilterChain, Listener};
use ripstop_model::listener_filter::{ListenerFilter, TlsInspector};
use ripstop_model::tls::{TlsClient, TlsServer, TransportSocket};
use ripstop_model::{Snapshot, SpiffeId};
use ripstop_testkit::client::get;
use ripstop_testkit::identity::TestAuthority;
use ripstop_testkit::upstream::{Upstream, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

fn server_tls() -> TlsServer {
    TlsServer { alpn: vec!["h2".into(), "http/1.1".into()], ..TlsServer::mesh(Vec::new()) }
}

fn client_cluster(to: std::net::SocketAddr, expect: SpiffeId) -> Cluster {
    let sni = "outbound_.80_._.server.default.svc.cluster.local".into();
    let tls = TlsClient { alpn: vec!["h2".into()], ..TlsClient::mesh(vec![expect], sni) };
    Cluster { transport: TransportSocket::tls(tls), protocol: UpstreamProtocol::Http2, ..cluster(&[to]) }
}

fn inbound(to: std::net::SocketAddr) -> Snapshot {
    let mut inbound = manager();
    inbound.forward_client_cert = ForwardClientCert::SanitizeSet;
    inbound.client_cert_details = ClientCertDetails { subject: true, uri: true, ..Default::default() };
    snapshot(listener(inbound, Some(server_tls())), routes(to_c()), cluster(&[to]))
}

fn application() -> Upstream {
    Upstream::start(|request| async move {
        let header = request.headers().get("x-forwarded-client-cert");
        Ok(text(200, header.map_or("none", |value| value.to_str().unwrap()).to_owned()))
    })
}

#[tokio::test]
async fn two_proxies_prove_themselves_to_each_other() {
    let authority = TestAuthority::new("prove");
    let app = application();
    let mut server = Proxy::start(Some(authority.identity("server")));
    server.apply(inbound(app.address)).await;
    let mut client = Proxy::start(Some(authority.identity("client")));
    let to_server = client_cluster(server.address(), authority.id("server"));
    client.apply(snapshot(listener(manager(), None), routes(to_c()), to_server)).await;

    let seen = get(client.address(), "/").await.body;
    assert!(seen.starts_with("By=spiffe://mesh.test/ns/default/sa/server;Hash="), "{seen}");
    assert!(seen.ends_with(";URI=spiffe://mesh.test/ns/default/sa/client"), "{seen}");
    assert_eq!(client.cluster_metric("upstream_cx_http2_total"), 1);

    // The right authority, the wrong service.
    let to_other = client_cluster(server.address(), authority.id("other"));
    client.apply(snapshot(listener(manager(), None), routes(to_c()), to_other)).await;
    assert_eq!(get(client.address(), "/").await.status, 503);
}

#[tokio::test]
async fn strangers_are_refused() {
    let ours = TestAuthority::new("ours");
    let theirs = TestAuthority::new("theirs");
    let app = application();
    let mut server = Proxy::start(Some(ours.identity("server")));
    server.apply(inbound(app.address)).await;

    let mut plain = TcpStream::connect(server.address()).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "plaintext was answered");

    let mut stranger = Proxy::start(Some(theirs.identity("server")));
    let config = client_cluster(server.address(), ours.id("server"));
    stranger.apply(snapshot(listener(manager(), None), routes(to_c()), config)).await;
    assert_eq!(get(stranger.address(), "/").await.status, 503);
    assert_eq!(app.connections(), 0);
}

#[tokio::test]
async fn permissive_takes_plaintext_and_mtls_on_one_port() {
    let authority = TestAuthority::new("permissive");
    let app = application();
    let mut server = Proxy::start(Some(authority.identity("server")));
    let mut inbound_manager = manager();
    inbound_manager.forward_client_cert = ForwardClientCert::SanitizeSet;
    inbound_manager.client_cert_details = ClientCertDetails { uri: true, ..Default::default() };
    let chain = |transport, tls| FilterChain {
        matches: FilterChainMatch { transport_protocol: Some(transport), ..FilterChainMatch::default() },
        tls,
        ..FilterChain::new(NetworkFilter::Http(Box::new(inbound_manager.clone())))
    };
    let both = Listener {
        listener_filters: vec![ListenerFilter::TlsInspector(TlsInspector::default())],
        filter_chains: vec![
            chain(TransportProtocol::Tls, Some(server_tls())),
            chain(TransportProtocol::Plaintext, None),
        ],
        ..listener(manager(), None)
    };
    server.apply(snapshot(both, routes(to_c()), cluster(&[app.address]))).await;
    assert_eq!(get(server.address(), "/").await.body, "none");

    let mut client = Proxy::start(Some(authority.identity("client")));
    let to_server = client_cluster(server.address(), authority.id("server"));
    client.apply(snapshot(listener(manager(), None), routes(to_c()), to_server)).await;
    assert!(get(client.address(), "/").await.body.ends_with("/sa/client"));
}
