//! TLS with certificates of files: which is shown, who is let in, and what becomes of connections when files change.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ripstop_identity::context::facts::CertificateDetails;
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::endpoint::EndpointExtra;
use ripstop_model::http_manager::ForwardClientCert;
use ripstop_model::matcher::StringMatch;
use ripstop_model::tls::validation::{SanKind, SanMatch};
use ripstop_model::tls::{
    CertificateRef, CertificateSource, CertificateValidation, DataSource, PeerValidation, SecretRef,
    SecretSource, TlsCertificate, TlsClient, TlsServer, TransportSocket, TransportSocketMatch,
};
use ripstop_model::upstream_http::{RequestServerName, UpstreamHttp};
use ripstop_model::{Cluster, Discovery};
use ripstop_testkit::certificates::{Pair, TestCa, dns, uri};
use ripstop_testkit::client::{Http1, get};
use ripstop_testkit::upstream::{Upstream, text};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

/// A certificate of two files.
fn files(ca: &TestCa, name: &str, pair: &Pair) -> TlsCertificate {
    let chain = ca.write(&format!("{name}.crt"), &pair.chain);
    let key = ca.write(&format!("{name}.key"), &pair.key);
    TlsCertificate::new(DataSource::File(chain.into()), DataSource::File(key.into()))
}

fn given(certificates: impl IntoIterator<Item = TlsCertificate>) -> CertificateSource {
    let inline = |certificate| CertificateRef::Inline(Box::new(certificate));
    CertificateSource::Given(certificates.into_iter().map(inline).collect())
}

fn trusting(ca: &TestCa) -> CertificateValidation {
    CertificateValidation::trusting(DataSource::inline(ca.root()))
}

fn named(kind: SanKind, name: &str) -> SanMatch {
    SanMatch { kind: Some(kind), matcher: StringMatch::exact(name) }
}

/// A proxy that answers over TLS with what `x-forwarded-client-cert` says.
async fn serving(tls: TlsServer) -> (Proxy, Upstream) {
    let app = Upstream::start(|request| async move {
        let header = request.headers().get("x-forwarded-client-cert");
        Ok(text(200, header.map_or("none", |value| value.to_str().unwrap()).to_owned()))
    });
    let mut inbound = manager();
    inbound.forward_client_cert = ForwardClientCert::SanitizeSet;
    let config = snapshot(listener(inbound, Some(tls)), routes(to_c()), cluster(&[app.address]));
    let proxy = Proxy::with(config).await;
    assert_eq!(proxy.problems(), Vec::<String>::new());
    (proxy, app)
}

pub type Client = TlsStream<TcpStream>;

/// A TLS connection that trusts `ca`, asks for `name` and shows `own`.
pub async fn connect(
    address: SocketAddr,
    ca: &TestCa,
    name: &str,
    own: Option<&Pair>,
) -> std::io::Result<Client> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.root().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(ripstop_identity::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = CertificateDer::pem_slice_iter(pair.chain.as_bytes()).map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

/// Status and body of a GET.
async fn ask(client: &mut Client) -> std::io::Result<String> {
    client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await?;
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap_or("0").parse().unwrap();
            if body.len() >= length {
                return Ok(format!("{} {body}", &head[9..12]));
            }
        }
        if client.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The same over a connection of its own; an error if the proxy lets nobody in.
async fn ask_once(address: SocketAddr, ca: &TestCa, own: Option<&Pair>) -> std::io::Result<String> {
    ask(&mut connect(address, ca, "a.test", own).await?).await
}

/// A server that shows `own` and lets in whom `ca` knows.
pub fn requiring(ca: &TestCa, own: &Pair, alpn: &[u8]) -> Arc<rustls::ServerConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.root().as_bytes()).unwrap()).unwrap();
    let provider = ripstop_identity::tls::provider();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let chain = CertificateDer::pem_slice_iter(own.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}

pub fn shown(client: &Client) -> CertificateDetails {
    CertificateDetails::read(&client.get_ref().1.peer_certificates().unwrap()[0]).unwrap()
}

#[tokio::test]
async fn the_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let ca = TestCa::new("sni");
    let exact = files(&ca, "a", &ca.issue("a", &[dns("a.test")]));
    let wild = files(&ca, "w", &ca.issue("w", &[dns("*.w.test")]));
    let (proxy, _app) = serving(TlsServer::new(given([exact, wild]))).await;
    for (name, common_name) in [("a.test", "CN=a"), ("x.w.test", "CN=w")] {
        let client = connect(proxy.address(), &ca, name, None).await.unwrap();
        assert_eq!(shown(&client).subject, common_name);
    }
    // Nobody is for this one: the first is shown, which the client refuses.
    assert!(connect(proxy.address(), &ca, "other.test", None).await.is_err());
    let mut client = connect(proxy.address(), &ca, "a.test", None).await.unwrap();
    assert_eq!(ask(&mut client).await.unwrap(), "200 none");
    let tags = "envoy_listener_address=\"127.0.0.1_0\"";
    let version = format!("envoy_listener_ssl_versions{{{tags},envoy_ssl_version=\"TLSv1.3\"}}");
    assert_eq!(proxy.metric(&version), 3);
    assert_eq!(proxy.metric(&format!("envoy_listener_ssl_no_certificate{{{tags}}}")), 3);
}

#[tokio::test]
async fn a_client_without_a_shared_protocol_is_served_all_the_same() {
    let ca = TestCa::new("alpn");
    let certificate = files(&ca, "a", &ca.issue("a", &[dns("a.test")]));
    let tls = TlsServer { alpn: vec!["other".into()], ..TlsServer::new(given([certificate])) };
    let (proxy, _app) = serving(tls).await;
    assert_eq!(ask_once(proxy.address(), &ca, None).await.unwrap(), "200 none");
}

#[tokio::test]
async fn clients_prove_themselves_by_root_and_name() {
    let (ca, strangers) = (TestCa::new("mtls"), TestCa::new("mtls-strangers"));
    let certificate = files(&ca, "a", &ca.issue("a", &[dns("a.test"), uri("spiffe://td/server")]));
    let validation = CertificateValidation {
        subject_alt_names: vec![named(SanKind::Uri, "spiffe://td/good")],
        ..trusting(&ca)
    };
    let tls = TlsServer {
        peer: Some(PeerValidation::Inline(Box::new(validation))),
        require_client_certificate: true,
        ..TlsServer::new(given([certificate]))
    };
    let (proxy, app) = serving(tls).await;
    let good = ca.issue("client", &[uri("spiffe://td/good")]);
    let answer = ask_once(proxy.address(), &ca, Some(&good)).await.unwrap();
    assert!(answer.starts_with("200 ") && answer.contains("Hash="), "{answer}");
    let connections = app.connections();

    let hour = Duration::from_secs(3600);
    let expired = ca.issue_until("client", &[uri("spiffe://td/good")], SystemTime::now() - hour);
    let refused = [
        None,
        Some(ca.issue("client", &[uri("spiffe://td/bad")])),
        Some(strangers.issue("client", &[uri("spiffe://td/good")])),
        Some(expired),
    ];
    for own in &refused {
        assert!(ask_once(proxy.address(), &ca, own.as_ref()).await.is_err(), "{own:?}");
    }
    assert_eq!(app.connections(), connections);
    let count = |name: &str| {
        proxy.metric(&format!("envoy_listener_ssl_{name}{{envoy_listener_address=\"127.0.0.1_0\"}}"))
    };
    assert_eq!(count("fail_verify_no_cert"), 1);
    assert_eq!(count("fail_verify_san"), 1);
    assert_eq!(count("fail_verify_error"), 2);
    assert_eq!(count("connection_error"), 4);
}

#[tokio::test]
async fn a_certificate_may_be_optional_and_untrusted() {
    let (ca, strangers) = (TestCa::new("optional"), TestCa::new("optional-strangers"));
    let certificate = files(&ca, "a", &ca.issue("a", &[dns("a.test")]));
    let stranger = strangers.issue("s", &[uri("spiffe://td/s")]);
    let server = |validation| TlsServer {
        peer: Some(PeerValidation::Inline(Box::new(validation))),
        ..TlsServer::new(given([certificate.clone()]))
    };
    let (proxy, _app) = serving(server(trusting(&ca))).await;
    assert_eq!(ask_once(proxy.address(), &ca, None).await.unwrap(), "200 none");
    assert!(ask_once(proxy.address(), &ca, Some(&stranger)).await.is_err());

    let (proxy, _app) =
        serving(server(CertificateValidation { accept_untrusted: true, ..trusting(&ca) })).await;
    assert!(ask_once(proxy.address(), &ca, Some(&stranger)).await.unwrap().contains("Hash="));
    assert_eq!(ask_once(proxy.address(), &ca, None).await.unwrap(), "200 none");
}

#[tokio::test]
async fn new_files_are_taken_when_they_fit_and_cost_no_connection() {
    let ca = TestCa::new("reload");
    let first = ca.issue("first", &[dns("a.test")]);
    let (proxy, _app) = serving(TlsServer::new(given([files(&ca, "a", &first)]))).await;
    let mut old = connect(proxy.address(), &ca, "a.test", None).await.unwrap();
    assert_eq!(shown(&old).subject, "CN=first");

    // The certificate alone: it has another key.
    let second = ca.issue("second", &[dns("a.test")]);
    ca.write("a.crt", &second.chain);
    proxy.reload_certificates();
    let client = connect(proxy.address(), &ca, "a.test", None).await.unwrap();
    assert_eq!(shown(&client).subject, "CN=first");
    assert_eq!(proxy.reloads(), (0, 1));

    ca.write("a.key", &second.key);
    proxy.reload_certificates();
    let client = connect(proxy.address(), &ca, "a.test", None).await.unwrap();
    assert_eq!(shown(&client).subject, "CN=second");
    assert_eq!(proxy.reloads(), (1, 1));
    assert_eq!(ask(&mut old).await.unwrap(), "200 none");
}

#[tokio::test]
async fn a_secret_of_a_file_may_come_later() {
    let ca = TestCa::new("sds");
    let pair = files(&ca, "a", &ca.issue("a", &[dns("a.test")]));
    let path = ca.write("sds.yaml", "resources: []");
    let source = SecretSource::File { path: path.into(), watched_directory: None };
    let secret = CertificateRef::Secret(SecretRef { name: "server".into(), source });
    let (proxy, _app) = serving(TlsServer::new(CertificateSource::Given(vec![secret]))).await;
    assert!(connect(proxy.address(), &ca, "a.test", None).await.is_err());

    ca.write(
        "sds.yaml",
        &format!(
            "resources:\n- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n  name: server\n  tls_certificate: {{ certificate_chain: {{ filename: {} }}, private_key: {{ filename: {} }} }}\n",
            pair.chain, pair.key
        ),
    );
    proxy.reload_certificates();
    assert_eq!(ask_once(proxy.address(), &ca, None).await.unwrap(), "200 none");
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_without_showing_it() {
    let ca = TestCa::new("refused");
    let (a, b) = (ca.issue("a", &[dns("a.test")]), ca.issue("b", &[dns("b.test")]));
    let mixed = TlsCertificate::new(DataSource::inline(&a.chain), DataSource::inline(&b.key));
    let encrypted = a.key.replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE");
    let encrypted = TlsCertificate::new(DataSource::inline(&a.chain), DataSource::inline(encrypted));
    let gone = TlsCertificate::new(DataSource::File("/no/such.crt".into()), DataSource::inline(&a.key));
    let again = TlsCertificate::new(DataSource::inline(&a.chain), DataSource::inline(&a.key));
    for (certificates, why) in [
        (vec![mixed], "do not fit"),
        (vec![encrypted], "encrypted"),
        (vec![gone], "cannot read /no/such.crt"),
        (vec![again.clone(), again], "at most one ECDSA certificate may be given for 'a.test'"),
    ] {
        let tls = TlsServer::new(given(certificates));
        let config = snapshot(listener(manager(), Some(tls)), routes(to_c()), cluster(&[]));
        let problems = Proxy::with(config).await.problems();
        assert!(problems[0].contains(why), "{problems:?}");
        assert!(!problems[0].contains("PRIVATE"), "{problems:?}");
    }
}

/// A proxy in plaintext before the one at `to`.
async fn calling(to: SocketAddr, tls: TlsClient) -> Proxy {
    let cluster = Cluster { transport: TransportSocket::tls(tls), ..cluster(&[to]) };
    Proxy::with(snapshot(listener(manager(), None), routes(to_c()), cluster)).await
}

#[tokio::test]
async fn a_server_is_judged_by_root_and_name() {
    let (ca, strangers) = (TestCa::new("upstream"), TestCa::new("upstream-strangers"));
    let certificate = files(&ca, "a", &ca.issue("a", &[dns("a.test")]));
    let tls = TlsServer {
        peer: Some(PeerValidation::Inline(Box::new(trusting(&ca)))),
        require_client_certificate: true,
        ..TlsServer::new(given([certificate]))
    };
    let (server, _app) = serving(tls).await;
    let own = files(&ca, "client", &ca.issue("client", &[uri("spiffe://td/client")]));
    let client = |validation: Option<CertificateValidation>| TlsClient {
        certificate: Some(given([own.clone()])),
        sni: "a.test".into(),
        ..TlsClient::new(validation.map(|validation| PeerValidation::Inline(Box::new(validation))))
    };
    let name =
        |name| CertificateValidation { subject_alt_names: vec![named(SanKind::Dns, name)], ..trusting(&ca) };
    let automatic = TlsClient { auto_sni_san_validation: true, ..client(Some(name("other.test"))) };
    let elsewhere = TlsClient { sni: "other.test".into(), ..automatic.clone() };
    for (tls, status) in [
        (client(Some(trusting(&ca))), 200),
        (client(None), 200),
        (client(Some(name("a.test"))), 200),
        (client(Some(name("b.test"))), 503),
        (client(Some(trusting(&strangers))), 503),
        (TlsClient { certificate: None, ..client(Some(trusting(&ca))) }, 503),
        (automatic, 200),
        (elsewhere, 503),
    ] {
        let proxy = calling(server.address(), tls.clone()).await;
        assert_eq!(get(proxy.address(), "/").await.status, status, "{tls:?}");
    }
}

#[tokio::test]
async fn endpoints_are_reached_as_their_labels_say() {
    let ca = TestCa::new("matches");
    let certificate = files(&ca, "a", &ca.issue("a", &[dns("a.test")]));
    let (secure, _app) = serving(TlsServer::new(given([certificate]))).await;
    let plain = Upstream::start(|_| async { Ok(text(200, "plain")) });
    let mut cluster = cluster(&[secure.address(), plain.address]);
    let Discovery::Static(assignment) = &mut cluster.discovery else { panic!("not static") };
    let transport_labels = [("tls".into(), "yes".into())].into();
    let extra = EndpointExtra { transport_labels, ..EndpointExtra::default() }.boxed();
    Arc::make_mut(&mut assignment.localities[0].endpoints[0]).extra = extra;
    cluster.transport_matches = vec![TransportSocketMatch {
        name: "secure".into(),
        labels: [("tls".into(), "yes".into())].into(),
        socket: TransportSocket::tls(TlsClient {
            sni: "a.test".into(),
            ..TlsClient::new(Some(PeerValidation::Inline(Box::new(trusting(&ca)))))
        }),
    }];
    let proxy = Proxy::with(snapshot(listener(manager(), None), routes(to_c()), cluster)).await;
    let mut bodies = BTreeSet::new();
    // Each worker goes round for itself, from an endpoint of its choice.
    for _ in 0..50 {
        bodies.insert(get(proxy.address(), "/").await.body);
        if bodies.len() == 2 {
            break;
        }
    }
    assert_eq!(bodies, BTreeSet::from(["none".to_owned(), "plain".to_owned()]));
}

#[tokio::test]
async fn requests_decide_which_server_is_asked_for() {
    let ca = TestCa::new("auto-sni");
    let certificate = |name: &str| files(&ca, name, &ca.issue(name, &[dns(&format!("{name}.test"))]));
    let tls = TlsServer::new(given([certificate("a"), certificate("b")]));
    let (server, app) = serving(tls).await;
    let validation = PeerValidation::Inline(Box::new(trusting(&ca)));
    let server_name = RequestServerName {
        auto_sni: true,
        auto_san_validation: true,
        override_header: Some("x-sni".into()),
    };
    let cluster = Cluster {
        transport: TransportSocket::tls(TlsClient::new(Some(validation))),
        http: UpstreamHttp { server_name, ..UpstreamHttp::default() },
        ..cluster(&[server.address()])
    };
    let proxy = Proxy::with(snapshot(listener(manager(), None), routes(to_c()), cluster)).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    for (host, header, status) in [
        ("a.test", "", 200),
        ("b.test:443", "", 200),
        ("b.test", "", 200),
        ("other.test", "", 503),
        ("other.test", "b.test", 200),
    ] {
        let mut request = client.build(http::Method::GET, "/", "");
        request.headers_mut().insert("host", host.parse().unwrap());
        if !header.is_empty() {
            request.headers_mut().insert("x-sni", header.parse().unwrap());
        }
        assert_eq!(client.request(request).await.unwrap().status, status, "{host} {header}");
    }
    // One for each of the two names: none was used for the other.
    assert_eq!(proxy.cluster_metric("upstream_cx_http1_total"), 2);
    drop(app);
}

#[tokio::test]
async fn alpn_decides_what_is_spoken_to_a_server() {
    let ca = TestCa::new("auto-alpn");
    let certificate = files(&ca, "a", &ca.issue("a", &[dns("a.test")]));
    for (alpn, http2) in [(&["h2", "http/1.1"][..], 1), (&["http/1.1"], 0)] {
        let tls = TlsServer {
            alpn: alpn.iter().map(|name| (*name).into()).collect(),
            ..TlsServer::new(given([certificate.clone()]))
        };
        let (server, _app) = serving(tls).await;
        let client = TlsClient {
            sni: "a.test".into(),
            ..TlsClient::new(Some(PeerValidation::Inline(Box::new(trusting(&ca)))))
        };
        let cluster = Cluster {
            transport: TransportSocket::tls(client),
            protocol: UpstreamProtocol::Auto,
            ..cluster(&[server.address()])
        };
        let proxy = Proxy::with(snapshot(listener(manager(), None), routes(to_c()), cluster)).await;
        assert_eq!(get(proxy.address(), "/").await.status, 200);
        assert_eq!(proxy.cluster_metric("upstream_cx_http2_total"), http2);
    }
}
