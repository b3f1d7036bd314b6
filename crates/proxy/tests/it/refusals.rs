//! Foreign peers, made of OpenSSL: who is refused, for which reason, and how that is counted and logged.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use ripstop_identity::bundle::TrustBundle;
use ripstop_identity::svid::{IdentityHandle, Svid};
use ripstop_model::cluster::{Cluster, UpstreamProtocol};
use ripstop_model::tls::{TlsClient, TlsServer, TransportSocket};
use ripstop_model::{SpiffeId, TrustDomain};
use ripstop_testkit::certificates::{Pair, TestCa, dns, uri};
use ripstop_testkit::client::get;
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

/// The log of all threads of this test binary, as far as it is about refusals.
fn log() -> &'static Mutex<Vec<String>> {
    static LOG: OnceLock<Mutex<Vec<String>>> = OnceLock::new();
    LOG.get_or_init(|| {
        // Another test may have been first with one of its own.
        let _ = tracing::subscriber::set_global_default(Collector);
        Mutex::default()
    })
}

struct Collector;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().ends_with("refusals")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        log().lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn id(name: &str) -> SpiffeId {
    SpiffeId::new(&format!("spiffe://mesh.test/ns/default/sa/{name}")).unwrap()
}

/// A proxy's identity below `ca`.
fn identity(ca: &TestCa, name: &str) -> IdentityHandle {
    let pair = ca.issue("", &[uri(id(name).as_str())]);
    let chain = CertificateDer::pem_slice_iter(pair.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let bundle = TrustBundle::from_pem(TrustDomain::new("mesh.test").unwrap(), &ca.root()).unwrap();
    let handle = IdentityHandle::new(bundle);
    handle.publish(Svid::new(chain, key).unwrap());
    handle
}

fn application() -> Upstream {
    Upstream::start(|_| async { Ok(text(200, "here")) })
}

/// A proxy that lets in whoever has an identity of the mesh.
async fn strict(ca: &TestCa, app: &Upstream) -> Proxy {
    let mut proxy = Proxy::start(Some(identity(ca, "server")));
    let tls = TlsServer { alpn: vec!["http/1.1".into()], ..TlsServer::mesh(Vec::new()) };
    proxy.apply(snapshot(listener(manager(), Some(tls)), routes(to_c()), cluster(&[app.address]))).await;
    proxy
}

/// What `openssl s_client` gets for a GET, with a certificate or without.
async fn s_client(address: SocketAddr, ca: &TestCa, own: Option<&Pair>, more: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-connect", &address.to_string(), "-alpn", "http/1.1"]).args(more);
    if let Some(pair) = own {
        let chain = ca.write("foreign.crt", &pair.chain);
        let key = ca.write("foreign.key", &pair.key);
        command.args(["-cert", &chain, "-cert_chain", &chain, "-key", &key]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("openssl is needed");
    let mut stdin = child.stdin.take().unwrap();
    // It may be gone already.
    let _ = stdin.write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    let output = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await;
    drop(stdin);
    output.expect("it ends").unwrap()
}

#[tokio::test]
async fn openssl_as_a_client() {
    let (ca, other) = (TestCa::new("refusing"), TestCa::new("strangers"));
    let app = application();
    let proxy = strict(&ca, &app).await;
    log().lock().unwrap().clear();
    let client = uri(id("client").as_str());
    let soon = SystemTime::now() - Duration::from_secs(120);
    let good = ca.issue("", std::slice::from_ref(&client));
    for more in [&["-tls1_3"][..], &["-tls1_2"]] {
        let output = s_client(proxy.address(), &ca, Some(&good), more).await;
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}{output:?}");
    }
    let served = app.connections();
    let cases: [(&str, Option<Pair>); 9] = [
        ("no_certificate", None),
        ("untrusted_chain", Some(other.issue("", std::slice::from_ref(&client)))),
        ("expired", Some(ca.issue_until("", std::slice::from_ref(&client), soon))),
        (
            "not_yet_valid",
            Some(ca.issue_until(
                "",
                std::slice::from_ref(&client),
                SystemTime::now() + Duration::from_secs(9_000),
            )),
        ),
        ("no_spiffe_id", Some(ca.issue("spiffe://mesh.test/ns/default/sa/client", &[]))),
        ("no_spiffe_id", Some(ca.issue("", &[dns("client.default.svc")]))),
        ("no_spiffe_id", Some(ca.issue("", &[client.clone(), uri("spiffe://mesh.test/b")]))),
        ("trust_domain", Some(ca.issue("", &[uri("spiffe://elsewhere/ns/default/sa/client")]))),
        ("trust_domain", Some(ca.issue("", &[uri("spiffe://mesh.test.evil/ns/default/sa/client")]))),
    ];
    let counted = |reason: &str| {
        let tags = format!("envoy_listener_address=\"127.0.0.1_0\",reason=\"{reason}\"");
        proxy.metric(&format!("envoy_listener_ssl_fail_verify_reason{{{tags}}}"))
    };
    for (reason, own) in &cases {
        let before = counted(reason);
        let output = s_client(proxy.address(), &ca, own.as_ref(), &["-tls1_3"]).await;
        assert!(!String::from_utf8_lossy(&output.stdout).contains("HTTP/"), "{reason}: {output:?}");
        until(reason, async || (counted(reason) == before + 1).then_some(())).await;
        let logged = log().lock().unwrap().iter().any(|line| line.contains(&format!("reason=\"{reason}\"")));
        assert!(logged, "{reason} is not in the log: {:?}", log().lock().unwrap());
    }
    // Old protocols and no TLS at all.
    for more in [&["-tls1_1"][..], &["-tls1"]] {
        let output = s_client(proxy.address(), &ca, Some(&good), more).await;
        assert!(!String::from_utf8_lossy(&output.stdout).contains("HTTP/"), "{more:?}: {output:?}");
    }
    assert_eq!(app.connections(), served, "nobody of them reached the application");
    let line = "envoy_listener_ssl_fail_verify_no_cert{envoy_listener_address=\"127.0.0.1_0\"}";
    assert_eq!(proxy.metric(line), 1);
}

/// `openssl s_server` with a certificate, on a port of its own.
async fn s_server(ca: &TestCa, pair: &Pair) -> (Child, SocketAddr) {
    let address = crate::harness::nobody();
    let (chain, key) = (ca.write("server.crt", &pair.chain), ca.write("server.key", &pair.key));
    let root = ca.write("root.pem", &ca.root());
    let port = address.port().to_string();
    let child = Command::new("openssl")
        .args(["s_server", "-accept", &port, "-cert", &chain, "-key", &key, "-www", "-quiet"])
        .args(["-Verify", "2", "-CAfile", &root, "-verify_return_error"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("openssl is needed");
    until("s_server listens", async || tokio::net::TcpStream::connect(address).await.ok()).await;
    (child, address)
}

#[tokio::test]
async fn openssl_as_a_server() {
    let (ca, other) = (TestCa::new("calling"), TestCa::new("impostors"));
    let expected = id("server");
    let soon = SystemTime::now() - Duration::from_secs(120);
    let cases: [(Option<&str>, Pair); 6] = [
        (None, ca.issue("", &[uri(expected.as_str())])),
        (Some("ssl_fail_verify_error"), other.issue("", &[uri(expected.as_str())])),
        (Some("ssl_fail_verify_error"), ca.issue_until("", &[uri(expected.as_str())], soon)),
        (Some("ssl_fail_verify_error"), ca.issue("server", &[dns("server")])),
        (Some("ssl_fail_verify_error"), ca.issue("", &[uri("spiffe://elsewhere/ns/default/sa/server")])),
        (Some("ssl_fail_verify_san"), ca.issue("", &[uri(id("neighbour").as_str())])),
    ];
    for (counter, pair) in &cases {
        let (_server, address) = s_server(&ca, pair).await;
        let mut proxy = Proxy::start(Some(identity(&ca, "client")));
        let tls = TlsClient {
            alpn: vec!["http/1.1".into()],
            ..TlsClient::mesh(vec![expected.clone()], "s".into())
        };
        let cluster = Cluster {
            transport: TransportSocket::tls(tls),
            protocol: UpstreamProtocol::Http1,
            ..cluster(&[address])
        };
        proxy.apply(snapshot(listener(manager(), None), routes(to_c()), cluster)).await;
        let reply = get(proxy.address(), "/").await;
        match counter {
            None => assert_eq!(reply.status, 200, "{}", reply.body),
            Some(counter) => {
                assert_eq!(reply.status, 503, "{}", reply.body);
                assert!(proxy.cluster_metric(counter) >= 1, "{counter}");
            }
        }
    }
}

#[tokio::test]
async fn two_of_ours_agree_on_the_hybrid_key_exchange() {
    let ca = TestCa::new("hybrid");
    let app = application();
    let server = strict(&ca, &app).await;
    let mut client = Proxy::start(Some(identity(&ca, "client")));
    let tls = TlsClient::mesh(vec![id("server")], "s".into());
    let cluster = Cluster { transport: TransportSocket::tls(tls), ..cluster(&[server.address()]) };
    client.apply(snapshot(listener(manager(), None), routes(to_c()), cluster)).await;
    assert_eq!(get(client.address(), "/").await.body, "here");
    let tags = "envoy_listener_address=\"127.0.0.1_0\"";
    let curve = format!("envoy_listener_ssl_curves{{{tags},envoy_ssl_curve=\"X25519MLKEM768\"}}");
    let version = format!("envoy_listener_ssl_versions{{{tags},envoy_ssl_version=\"TLSv1.3\"}}");
    assert_eq!((server.metric(&curve), server.metric(&version)), (1, 1));
}
