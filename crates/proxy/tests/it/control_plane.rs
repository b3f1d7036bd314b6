//! A control plane that a file names: reached over a Unix socket and TLS, it brings secrets, and hears why a listener was
//! refused.

use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ripstop_model::tls::{
    CertificateRef, CertificateSource, CertificateValidation, DataSource, PeerValidation, Secret, SecretKind,
    SecretRef, TlsCertificate, TlsClient, TlsServer, TransportSocket,
};
use ripstop_model::{Address, Cluster, ClusterLoadAssignment, Discovery, Endpoint, Listener, Node, Snapshot};
use ripstop_proxy::sources::ads;
use ripstop_proxy::tls::TlsContexts;
use ripstop_testkit::certificates::{Pair, TestCa, dns};
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_xds::bootstrap::{AdsSource, AdsTarget};
use ripstop_xds::client::{self, ClientStatus, Ends, Following, Introduction, Protocol};
use ripstop_xds::server::{Peer, Refusal, StreamStatus, View, ViewSource, ads_server};
use ripstop_xds::{EncodedSnapshot, ResourceType, encode_snapshot};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};
use crate::tls::{connect, shown};

const DEADLINE: Duration = Duration::from_secs(20);

/// Shows everybody the same.
struct Source {
    snapshots: watch::Sender<Arc<EncodedSnapshot>>,
    status: Arc<StreamStatus>,
}

impl ViewSource for Source {
    fn connect(&self, _: &Node, _: &Peer) -> Result<View, Refusal> {
        Ok(View { snapshots: self.snapshots.subscribe(), status: Arc::clone(&self.status), secrets: None })
    }
}

impl Source {
    fn push(&self, snapshot: &Snapshot) {
        let before = Arc::clone(&self.snapshots.borrow());
        self.snapshots.send_replace(Arc::new(encode_snapshot(snapshot, Some(&before))));
    }
}

/// A TLS connection over a Unix socket, as tonic wants it.
struct Connection(TlsStream<UnixStream>);

impl Connected for Connection {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        b: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, b)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, b)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A control plane at `path` that lets in whom `ca` knows.
fn serve(path: &str, ca: &TestCa, snapshot: &Snapshot) -> Arc<Source> {
    let (snapshots, _) = watch::channel(Arc::new(encode_snapshot(snapshot, None)));
    let source = Arc::new(Source { snapshots, status: Arc::default() });
    let acceptor = TlsAcceptor::from(crate::tls::requiring(ca, &ca.issue("xds", &[dns("xds.test")]), b"h2"));
    let socket = UnixListener::bind(path).unwrap();
    let incoming = futures_util::stream::unfold((socket, acceptor), |(socket, acceptor)| async move {
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                return Some((Ok::<_, io::Error>(Connection(stream)), (socket, acceptor)));
            }
        }
    });
    let service = ads_server(Arc::clone(&source) as Arc<dyn ViewSource>);
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    source
}

fn inline(pair: &Pair) -> TlsCertificate {
    TlsCertificate::new(DataSource::inline(pair.chain.as_bytes()), DataSource::inline(pair.key.as_bytes()))
}

/// The cluster of the control plane: a Unix socket, and TLS with a certificate for `own`.
fn control_cluster(path: &str, ca: &TestCa, own: &Pair) -> Cluster {
    let endpoints = vec![Endpoint::new(Address::Pipe(path.into()))];
    let discovery = Discovery::Static(ClusterLoadAssignment::flat("xds", endpoints));
    let trusting = CertificateValidation::trusting(DataSource::inline(ca.root()));
    let tls = TlsClient {
        certificate: Some(CertificateSource::Given(vec![CertificateRef::Inline(Box::new(inline(own)))])),
        sni: "xds.test".into(),
        auto_sni_san_validation: true,
        ..TlsClient::new(Some(PeerValidation::Inline(Box::new(trusting))))
    };
    Cluster { transport: TransportSocket::tls(tls), ..Cluster::new("xds", discovery) }
}

/// What the control plane says: a listener whose certificate is the secret `server`.
fn secured(app: &Upstream, pair: &Pair) -> Snapshot {
    let certificate = CertificateRef::Secret(SecretRef::ads("server"));
    let tls = TlsServer::new(CertificateSource::Given(vec![certificate]));
    let mut config = snapshot(listener(manager(), Some(tls)), routes(to_c()), cluster(&[app.address]));
    let secret = Secret { name: "server".into(), kind: SecretKind::Certificate(Box::new(inline(pair))) };
    config.secrets.insert(SecretRef::ads("server"), Arc::new(secret));
    config
}

/// A proxy that follows the control plane behind `cluster`, and puts in force what it says.
async fn follow(control: Cluster) -> (Proxy, Arc<ClientStatus>, watch::Receiver<Option<Arc<Snapshot>>>) {
    let proxy = Proxy::start(None);
    let mut fixed = Snapshot::default();
    fixed.clusters.insert(control.name.clone(), Arc::new(control));
    let protocol = Protocol::StateOfTheWorld { names_node_once: true };
    let target = AdsTarget::Cluster("xds".into());
    let source = AdsSource { protocol, target, headers: Vec::new() };
    let node = Node { id: "n".to_owned(), ..Node::default() };
    let link = ads::link(&source, Introduction::from(&node), &fixed, &TlsContexts::new(None)).unwrap();
    let following = Following { fixed: Arc::new(fixed), ..Following::ads_alone() };
    let (sender, snapshots) = watch::channel(None);
    let status = Arc::new(ClientStatus::default());
    let trial = Box::new(proxy.workshop());
    let ends = Ends { trial, ..Ends::of_ads(sender, status.clone()) };
    tokio::spawn(client::run(following, Some(link), ends, std::future::pending()));
    (proxy, status, snapshots)
}

async fn next(snapshots: &mut watch::Receiver<Option<Arc<Snapshot>>>) -> Snapshot {
    let changed = tokio::time::timeout(DEADLINE, snapshots.wait_for(Option::is_some)).await;
    let snapshot = Snapshot::clone(changed.expect("in time").unwrap().as_deref().unwrap());
    snapshots.mark_unchanged();
    snapshot
}

#[tokio::test]
async fn secrets_come_over_tls_and_a_unix_socket_and_are_renewed() {
    let ca = TestCa::new("ads-tls");
    let app = Upstream::start(|_| async { Ok(text(200, "hello")) });
    let path = ca.write("unused", "").replace("unused", "xds.sock");
    let old = ca.issue("old", &[dns("a.test")]);
    let source = serve(&path, &ca, &secured(&app, &old));
    let own = ca.issue("proxy", &[]);
    let (mut proxy, _, mut snapshots) = follow(control_cluster(&path, &ca, &own)).await;
    let whole = |latest: &Option<Arc<Snapshot>>| latest.as_ref().is_some_and(|s| !s.listeners.is_empty());
    tokio::time::timeout(DEADLINE, snapshots.wait_for(whole)).await.expect("in time").unwrap();
    proxy.apply(next(&mut snapshots).await).await;
    assert_eq!(proxy.problems(), Vec::<String>::new());
    let client = connect(proxy.address(), &ca, "a.test", None).await.unwrap();
    assert_eq!(shown(&client).subject, "CN=old");

    source.push(&secured(&app, &ca.issue("new", &[dns("a.test")])));
    tokio::time::timeout(DEADLINE, snapshots.changed()).await.expect("in time").unwrap();
    proxy.apply(next(&mut snapshots).await).await;
    let client = connect(proxy.address(), &ca, "a.test", None).await.unwrap();
    assert_eq!(shown(&client).subject, "CN=new");
}

#[tokio::test]
async fn a_stranger_hears_nothing_of_the_control_plane() {
    let (ca, other) = (TestCa::new("ads-known"), TestCa::new("ads-other"));
    let path = ca.write("unused", "").replace("unused", "xds.sock");
    let _source = serve(&path, &ca, &Snapshot::default());
    // Its certificate is of another authority.
    let own = other.issue("proxy", &[]);
    let (_proxy, status, snapshots) = follow(control_cluster(&path, &ca, &own)).await;
    let refused = async {
        while status.report().last_error.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, refused).await.expect("in time");
    assert!(snapshots.borrow().is_none());
}

#[tokio::test]
async fn a_listener_that_cannot_be_bound_is_refused_with_the_reason() {
    let ca = TestCa::new("ads-nack");
    let app = Upstream::start(|_| async { Ok(text(200, "hello")) });
    let path = ca.write("unused", "").replace("unused", "xds.sock");
    let good = secured(&app, &ca.issue("a", &[dns("a.test")]));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut bad = good.clone();
    let address = Address::Socket(taken.local_addr().unwrap());
    let listener = Listener { address: address.into(), ..(*good.listeners["l"]).clone() };
    bad.listeners.insert("l".into(), Arc::new(listener));
    let source = serve(&path, &ca, &good);
    let (_proxy, status, mut snapshots) = follow(control_cluster(&path, &ca, &ca.issue("p", &[]))).await;
    let whole = |latest: &Option<Arc<Snapshot>>| latest.as_ref().is_some_and(|s| !s.listeners.is_empty());
    tokio::time::timeout(DEADLINE, snapshots.wait_for(whole)).await.expect("in time").unwrap();
    source.push(&bad);
    let refused = async {
        while source.status.report().types.get(&ResourceType::Listener).is_none_or(|kind| kind.nacks == 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, refused).await.expect("in time");
    let told = source.status.report().types[&ResourceType::Listener].last_nack.clone().unwrap();
    assert!(told.message.contains("l: cannot listen on") && told.message.contains("in use"), "{told:?}");
    assert!(status.report().last_error.unwrap().contains("cannot listen on"));
    let snapshot = snapshots.borrow().clone().unwrap();
    assert_eq!(snapshot.listeners["l"], good.listeners["l"], "the one from before stays");
}
