//! Where connections are taken, what listener filters read, which chain is taken, and how many there may be.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ripstop_model::NetworkFilter;
use ripstop_model::chain_match::{FilterChainMatch, ServerName, TransportProtocol};
use ripstop_model::cidr::CidrRange;
use ripstop_model::listener::{FilterChain, Listener};
use ripstop_model::listener_filter::{ListenerFilter, ProxyProtocol, TlsInspector};
use ripstop_model::network_filter::{
    ConnectionFilter, ConnectionLimit, LocalRateLimit, TcpProxy, TokenBucket, WeightedTcpCluster,
};
use ripstop_model::rbac::{Permission, Principal, Rbac, RbacAction, RbacPolicy, RbacRules};
use ripstop_model::runtime::{RuntimeFeature, RuntimeValue};
use ripstop_model::{Address, Cluster, Endpoint, Snapshot};
use ripstop_policy::runtime::Runtime;
use ripstop_runtime::socket::connect_unix;
use ripstop_testkit::client::{Http1, get};
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Proxy, cluster, listener, manager, nobody, routes, simple, snapshot, to_c};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// An upstream that answers with the address of the client that it is told.
fn tells_client() -> Upstream {
    Upstream::start(|request| async move {
        let client = request.headers().get("x-forwarded-for").map(|value| value.to_str().unwrap().to_owned());
        Ok(text(200, client.unwrap_or_else(|| "nobody".to_owned())))
    })
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, sent: &[u8]) -> String {
    let mut answer = Vec::new();
    // The other side may close before it has read everything.
    let _ = stream.write_all(sent).await;
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn send(address: SocketAddr, sent: &[u8]) -> String {
    exchange(TcpStream::connect(address).await.unwrap(), sent).await
}

fn edge() -> Listener {
    let mut edge = manager();
    edge.use_remote_address = true;
    listener(edge, None)
}

#[tokio::test]
async fn unix_sockets_are_listened_on_and_connected_to() {
    let upstream = Upstream::start(|_| async { Ok(text(200, "through")) });
    let abstract_name = format!("@ripstop-it-{}", std::process::id());
    let file = std::env::temp_dir().join(format!("ripstop-it-{}.sock", std::process::id()));
    let file = file.to_str().unwrap();
    let inner = Listener {
        address: Address::Pipe(abstract_name.as_str().into()).into(),
        ..listener(manager(), None)
    };
    let _inner = Proxy::with(snapshot(inner, routes(to_c()), cluster(&[upstream.address]))).await;

    let endpoint =
        Endpoint { address: Address::Pipe(abstract_name.as_str().into()), ..Endpoint::new(upstream.address) };
    let to_inner = Cluster {
        discovery: ripstop_model::Discovery::Static(ripstop_model::ClusterLoadAssignment::flat(
            "c",
            vec![endpoint],
        )),
        ..cluster(&[])
    };
    let outer = Listener { additional_addresses: vec![Address::Pipe(file.into()).into()], ..edge() };
    let outer = Proxy::with(snapshot(outer, routes(to_c()), to_inner)).await;
    assert!(outer.problems().is_empty(), "{:?}", outer.problems());
    for stream in 0..4 {
        let answer = exchange(connect_unix(file).await.unwrap(), GET).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("through"), "{stream}: {answer}");
    }
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn two_listeners_cannot_have_one_address() {
    let upstream = tells_client();
    let mut config = simple(to_c(), &[upstream.address]);
    let address = nobody();
    for name in ["a", "b"] {
        let same = Listener { name: name.into(), address: address.into(), ..edge() };
        config.listeners.insert(name.into(), Arc::new(same));
    }
    config.listeners.remove("l");
    let proxy = Proxy::with(config).await;
    assert_eq!(
        proxy.problems(),
        [format!("listener b has the address {address} of listener a: change one of the two")]
    );
    assert_eq!(get(address, "/").await.status, 200);
}

#[tokio::test]
async fn a_proxy_header_tells_the_client() {
    let upstream = tells_client();
    let filter = ProxyProtocol { stat_prefix: "p".into(), ..ProxyProtocol::default() };
    let strict = Listener { listener_filters: vec![ListenerFilter::ProxyProtocol(filter)], ..edge() };
    let proxy = Proxy::with(snapshot(strict, routes(to_c()), cluster(&[upstream.address]))).await;
    let told = [b"PROXY TCP4 192.0.2.7 198.51.100.1 1000 80\r\n", GET].concat();
    assert!(send(proxy.address(), &told).await.ends_with("192.0.2.7"));
    assert_eq!(send(proxy.address(), GET).await, "");
    assert_eq!(send(proxy.address(), b"PROXY TCP4 1.2.3.4 nonsense\r\n").await, "");
    let count = |name: &str, tags: &str| {
        proxy.metric(&format!("envoy_proxy_proto_{name}{{envoy_proxy_protocol_prefix=\"p\"{tags}}}"))
    };
    let v1 = ",envoy_proxy_protocol_version=\"1\"";
    assert_eq!((count("found", v1), count("error", v1), count("not_found_disallowed", "")), (1, 1, 1));
    assert_eq!(proxy.metric("envoy_downstream_cx_proxy_proto_error{}"), 2);
}

/// A plain ClientHello for `name`, as short as it may be.
fn client_hello(name: &str) -> Vec<u8> {
    let behind = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let names = behind(&[&[0], behind(name.as_bytes()).as_slice()].concat());
    let extension = [&[0, 0], behind(&names).as_slice()].concat();
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &behind(&extension)].concat();
    let message = [&[1, 0], behind(&body).as_slice()].concat();
    [&[22, 3, 1], behind(&message).as_slice()].concat()
}

/// Takes connections and says its name and what it read first.
async fn named(name: &'static str) -> SocketAddr {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            let mut first = [0; 3];
            let read = stream.read(&mut first).await.unwrap();
            stream.write_all(format!("{name} {:?}", &first[..read]).as_bytes()).await.unwrap();
        }
    });
    address
}

fn tcp_chain(matches: FilterChainMatch, cluster: &str) -> FilterChain {
    FilterChain { matches, ..FilterChain::new(NetworkFilter::Tcp(TcpProxy::new(cluster, cluster))) }
}

async fn tcp_snapshot(listener: Listener, clusters: &[&'static str]) -> Snapshot {
    let mut config = Snapshot::default();
    for name in clusters {
        let one = Cluster { name: (*name).into(), ..cluster(&[named(name).await]) };
        config.clusters.insert(one.name.clone(), Arc::new(one));
    }
    config.listeners.insert(listener.name.clone(), Arc::new(listener));
    config
}

#[tokio::test]
async fn the_server_name_chooses_the_chain_and_tls_passes_through() {
    let name =
        |name: ServerName| FilterChainMatch { server_names: vec![name], ..FilterChainMatch::default() };
    let plain = FilterChainMatch {
        transport_protocol: Some(TransportProtocol::Plaintext),
        ..FilterChainMatch::default()
    };
    let passthrough = Listener {
        listener_filters: vec![
            ListenerFilter::TlsInspector(TlsInspector::default()),
            ListenerFilter::HttpInspector,
        ],
        default_filter_chain: Some(Box::new(tcp_chain(FilterChainMatch::default(), "rest"))),
        filter_chains: vec![
            tcp_chain(name(ServerName::Exact("www.example.com".into())), "exact"),
            tcp_chain(name(ServerName::Suffix(".example.com".into())), "suffix"),
            tcp_chain(
                FilterChainMatch { application_protocols: vec!["http/1.1".into()], ..plain.clone() },
                "http",
            ),
            tcp_chain(plain, "plain"),
        ],
        ..listener(manager(), None)
    };
    let proxy =
        Proxy::with(tcp_snapshot(passthrough, &["exact", "suffix", "http", "plain", "rest"]).await).await;
    let check = async |sent: &[u8], expected: &str| assert_eq!(send(proxy.address(), sent).await, expected);
    check(&client_hello("www.EXAMPLE.com"), "exact [22, 3, 1]").await;
    check(&client_hello("api.example.com"), "suffix [22, 3, 1]").await;
    check(&client_hello("example.org"), "rest [22, 3, 1]").await;
    check(GET, "http [71, 69, 84]").await;
    check(b"\x01\x02\x03\r\n", "plain [1, 2, 3]").await;
    assert_eq!(proxy.metric("envoy_tls_inspector_sni_found{}"), 3);
    assert_eq!(proxy.metric("envoy_http_inspector_http11_found{}"), 1);
}

#[tokio::test]
async fn what_no_chain_takes_is_closed_and_counted() {
    let none = FilterChainMatch { destination_port: Some(1), ..FilterChainMatch::default() };
    let config = Listener { filter_chains: vec![tcp_chain(none, "a")], ..listener(manager(), None) };
    let proxy = Proxy::with(tcp_snapshot(config, &["a"]).await).await;
    assert_eq!(send(proxy.address(), GET).await, "");
    let line = "envoy_listener_no_filter_chain_match{envoy_listener_address=\"127.0.0.1_0\"}";
    assert_eq!(proxy.metric(line), 1);
}

#[tokio::test]
async fn a_change_of_one_chain_leaves_the_connections_of_the_others() {
    let upstream = tells_client();
    let two = |other: &str| {
        let matches = FilterChainMatch { destination_port: Some(1), ..FilterChainMatch::default() };
        let mut two = listener(manager(), None);
        two.filter_chains.push(tcp_chain(matches, other));
        snapshot(two, routes(to_c()), cluster(&[upstream.address]))
    };
    let mut proxy = Proxy::with(two("c")).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    assert_eq!(client.get("/").await.unwrap().status, 200);
    proxy.apply(two("d")).await;
    assert_eq!(client.get("/").await.unwrap().status, 200);
    // What is said of the whole listener concerns them all.
    let mut whole = two("d");
    let mut changed = (*whole.listeners["l"]).clone();
    changed.listener_filters.push(ListenerFilter::HttpInspector);
    whole.listeners.insert("l".into(), Arc::new(changed));
    proxy.apply(whole).await;
    until("the connection is closed", async || client.is_closed().then_some(())).await;
}

#[tokio::test]
async fn connections_beyond_the_limits_are_closed() {
    let upstream = tells_client();
    let mut proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    for (key, counter) in [
        ("envoy.resource_limits.listener.l.connection_limit", "downstream_cx_overflow"),
        ("overload.global_downstream_max_connections", "downstream_global_cx_overflow"),
    ] {
        let values = [(key.to_owned(), RuntimeValue::number(1.0))].into();
        proxy.set_runtime(Runtime::new(vec![("test".to_owned(), values)])).await;
        until("nothing is open", async || (proxy.connections().await == 0).then_some(())).await;
        let mut first = Http1::connect(proxy.address()).await.unwrap();
        assert_eq!(first.get("/").await.unwrap().status, 200, "{key}");
        assert_eq!(send(proxy.address(), GET).await, "", "{key}");
        let line = format!("envoy_listener_{counter}{{envoy_listener_address=\"127.0.0.1_0\"}}");
        assert_eq!(proxy.metric(&line), 1);
        assert_eq!(first.get("/").await.unwrap().status, 200);
    }
}

/// One listener with one chain: `filters`, then `filter`.
fn chain_of(filters: Vec<ConnectionFilter>, filter: NetworkFilter) -> Listener {
    let chain = FilterChain { filters, ..FilterChain::new(filter) };
    Listener { filter_chains: vec![chain], ..listener(manager(), None) }
}

fn always() -> RuntimeFeature {
    RuntimeFeature { key: "".into(), default: true }
}

#[tokio::test]
async fn network_filters_refuse_connections_before_they_are_served() {
    let hello = || NetworkFilter::DirectResponse("hello".into());
    let bucket = TokenBucket {
        max_tokens: NonZeroU32::new(2).unwrap(),
        tokens_per_fill: NonZeroU32::MIN,
        fill_interval: Duration::from_secs(3600),
    };
    let rate = LocalRateLimit { stat_prefix: "r".into(), bucket, share_key: "".into(), enabled: always() };
    let config = chain_of(vec![ConnectionFilter::LocalRateLimit(rate)], hello());
    let proxy = Proxy::with(tcp_snapshot(config, &[]).await).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(send(proxy.address(), b"").await);
    }
    assert_eq!(answers, ["hello", "hello", "", ""], "both workers take from one bucket");
    let line = "envoy_local_rate_limit_rate_limited{envoy_local_network_ratelimit_prefix=\"r\"}";
    assert_eq!(proxy.metric(line), 2);

    let limit =
        ConnectionLimit { stat_prefix: "l".into(), max_connections: 1, delay: None, enabled: always() };
    let config = chain_of(vec![ConnectionFilter::ConnectionLimit(limit)], NetworkFilter::Echo);
    let proxy = Proxy::with(tcp_snapshot(config, &[]).await).await;
    let mut first = TcpStream::connect(proxy.address()).await.unwrap();
    first.write_all(b"abc").await.unwrap();
    let mut echoed = [0; 3];
    first.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"abc");
    assert_eq!(send(proxy.address(), b"").await, "");
    drop(first);
    until("the place is free", async || {
        let mut next = TcpStream::connect(proxy.address()).await.unwrap();
        next.write_all(b"x").await.ok()?;
        (next.read(&mut [0; 1]).await.ok()? == 1).then_some(())
    })
    .await;

    for (action, answer) in [(RbacAction::Deny, ""), (RbacAction::Log, "hello")] {
        let loopback = CidrRange::new([127, 0, 0, 0].into(), 8);
        let policy = RbacPolicy {
            permissions: vec![Permission::Any],
            principals: vec![Principal::DirectRemoteIp(loopback)],
        };
        let rules = RbacRules { action, policies: [("p".into(), policy)].into() };
        let rbac = Rbac { stat_prefix: "b".into(), rules: Some(rules.clone()), shadow_rules: Some(rules) };
        let config = chain_of(vec![ConnectionFilter::Rbac(rbac)], hello());
        let proxy = Proxy::with(tcp_snapshot(config, &[]).await).await;
        assert_eq!(send(proxy.address(), b"").await, answer);
        let denied = proxy.metric("envoy_rbac_denied{envoy_rbac_prefix=\"b\"}");
        assert_eq!(denied, u64::from(answer.is_empty()));
    }
}

#[tokio::test]
async fn tcp_goes_to_weighted_clusters_and_to_the_next_endpoint_when_one_is_dead() {
    let mut tcp = TcpProxy::new("t", "a");
    tcp.clusters.push(WeightedTcpCluster { name: "b".into(), weight: 1 });
    let config = chain_of(Vec::new(), NetworkFilter::Tcp(tcp));
    let proxy = Proxy::with(tcp_snapshot(config, &["a", "b"]).await).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        seen.insert(send(proxy.address(), b"x").await);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["a [120]", "b [120]"]);
    assert_eq!(proxy.metric("envoy_tcp_downstream_cx_total{envoy_tcp_prefix=\"t\"}"), 40);

    let mut patient = TcpProxy::new("t", "c");
    patient.max_connect_attempts = NonZeroU32::new(10).unwrap();
    let mut config = tcp_snapshot(chain_of(Vec::new(), NetworkFilter::Tcp(patient)), &[]).await;
    let both = cluster(&[nobody(), named("alive").await]);
    config.clusters.insert("c".into(), Arc::new(both));
    let proxy = Proxy::with(config).await;
    for _ in 0..4 {
        assert_eq!(send(proxy.address(), b"x").await, "alive [120]");
    }
    assert!(proxy.cluster_metric("upstream_cx_connect_fail") > 0);
}

#[tokio::test]
async fn the_server_name_can_be_the_cluster() {
    let config = Listener {
        listener_filters: vec![ListenerFilter::TlsInspector(TlsInspector::default())],
        ..chain_of(vec![ConnectionFilter::SniCluster], NetworkFilter::Tcp(TcpProxy::new("t", "rest")))
    };
    let proxy = Proxy::with(tcp_snapshot(config, &["one.example", "rest"]).await).await;
    assert_eq!(send(proxy.address(), &client_hello("one.example")).await, "one.example [22, 3, 1]");
    assert_eq!(send(proxy.address(), b"xyz").await, "rest [120, 121, 122]");
    assert_eq!(send(proxy.address(), &client_hello("none.example")).await, "");
    assert_eq!(proxy.metric("envoy_tcp_downstream_cx_no_route{envoy_tcp_prefix=\"t\"}"), 1);
}

#[tokio::test]
async fn a_silent_or_endless_tcp_connection_is_closed() {
    let silent = TcpProxy { idle_timeout: Some(Duration::from_millis(50)), ..TcpProxy::new("t", "a") };
    let endless = TcpProxy { max_duration: Some(Duration::from_millis(50)), ..TcpProxy::new("t", "a") };
    for (tcp, counter) in [(silent, "idle_timeout"), (endless, "max_downstream_connection_duration")] {
        let config = chain_of(Vec::new(), NetworkFilter::Tcp(tcp));
        let proxy = Proxy::with(tcp_snapshot(config, &["a"]).await).await;
        assert_eq!(send(proxy.address(), b"").await, "");
        let line = format!("envoy_tcp_{counter}{{envoy_tcp_prefix=\"t\"}}");
        until("it is counted", async || (proxy.metric(&line) == 1).then_some(())).await;
    }
}
