//! What the tests share: authorities, workloads, handshakes, and a control plane that serves certificates only.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use ripstop_identity::accept::{self, Accepted, PeerStream};
use ripstop_identity::attest::UnixUsers;
use ripstop_identity::authority::{Authority, AuthorityConfig};
use ripstop_identity::bundle::TrustBundle;
use ripstop_identity::clock::Clock;
use ripstop_identity::control_identity;
use ripstop_identity::followers::Followers;
use ripstop_identity::issuance::{Issuance, IssuancePolicy, IssuanceStats};
use ripstop_identity::peer::{ConnectedPeer, PeerIdentity};
use ripstop_identity::service::{CertificateServer, TrustServer};
use ripstop_identity::succession::{Decision, Patience, Phase, Proof};
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::tls;
use ripstop_identity::token::{JoinToken, TokenStore};
use ripstop_identity::verify::refusal;
use ripstop_model::spiffe::{SpiffeId, TrustDomain};
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::{Stream, StreamExt};

use crate::testdir::TestDir;

pub const HOUR: Duration = Duration::from_secs(3600);

pub fn domain() -> TrustDomain {
    TrustDomain::new("cluster.local").unwrap()
}

/// A CA that may sign certificates and lists, from an hour ago on.
pub fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, -3600, 36_000_000);
    params
}

pub fn id(name: &str) -> SpiffeId {
    SpiffeId::workload(&domain(), "shop", name).unwrap()
}

pub fn authority(dir: &TestDir, trust_domain: TrustDomain) -> Arc<Authority> {
    // As patient as a test can be.
    let patience = Patience {
        settle: Duration::from_millis(50),
        after_start: Duration::ZERO,
        distribute: Duration::ZERO,
    };
    let config = AuthorityConfig { patience, ..AuthorityConfig::new(dir.path(), trust_domain) };
    Arc::new(Authority::open(config, SystemTime::now()).unwrap())
}

/// A workload that has a certificate from `authority` and trusts `trusted`.
pub fn workload(authority: &Authority, name: &SpiffeId, trusted: &TrustBundle) -> IdentityHandle {
    let identity = IdentityHandle::new(trusted.clone());
    identity.publish(authority.issue_svid(name, HOUR, SystemTime::now()).unwrap());
    identity
}

/// How a handshake ended on both sides. A side that succeeds has also received a byte from the other.
pub struct Outcome {
    pub server: io::Result<Option<PeerIdentity>>,
    pub client: io::Result<PeerIdentity>,
}

impl Outcome {
    /// The text of the server's error, which must be there.
    pub fn server_error(&self) -> String {
        reason(self.server.as_ref().unwrap_err())
    }

    /// The text of the client's error, which must be there.
    pub fn client_error(&self) -> String {
        reason(self.client.as_ref().unwrap_err())
    }
}

/// The reason for which a peer was refused, or else what the TLS library said.
fn reason(error: &io::Error) -> String {
    refusal(error).map_or_else(|| error.to_string(), ToString::to_string)
}

pub async fn handshake(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> Outcome {
    let (server_io, client_io) = tokio::io::duplex(64 * 1024);
    let server_side = async {
        let mut stream = TlsAcceptor::from(server).accept(server_io).await?;
        stream.write_all(b"s").await?;
        assert_eq!(stream.read_u8().await?, b'c');
        PeerIdentity::from_chain(stream.get_ref().1.peer_certificates()).map_err(io::Error::other)
    };
    let client_side = async {
        let name = ServerName::try_from("10.0.0.1").unwrap();
        let mut stream = TlsConnector::from(client).connect(name, client_io).await?;
        stream.write_all(b"c").await?;
        assert_eq!(stream.read_u8().await?, b's');
        let peer = PeerIdentity::from_chain(stream.get_ref().1.peer_certificates());
        Ok(peer.map_err(io::Error::other)?.expect("a server always has a certificate"))
    };
    let (server, client) = tokio::join!(server_side, client_side);
    Outcome { server, client }
}

/// A CA that signs whatever it is asked to.
pub struct CarelessCa {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl CarelessCa {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub fn bundle(&self) -> TrustBundle {
        TrustBundle::new(domain(), vec![self.certificate.clone()]).unwrap()
    }

    /// A leaf that is good for `id("client")` before `change` is applied to it.
    pub fn leaf(
        &self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![uri(id("client").as_str())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        (vec![certificate], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
    }
}

pub fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// Makes a certificate valid from `from` to `until`, in seconds from now.
pub fn valid(params: &mut CertificateParams, from: i64, until: i64) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(now.checked_add_signed(from).unwrap());
    params.not_after = epoch + Duration::from_secs(now.checked_add_signed(until).unwrap());
}

/// A control plane that serves certificates only.
pub struct Control {
    pub address: String,
    pub authority: Arc<Authority>,
    pub tokens: Arc<TokenStore>,
    pub stats: Arc<IssuanceStats>,
    pub control_id: SpiffeId,
    pub followers: Followers,
    identity: IdentityHandle,
    server: tokio::task::JoinHandle<()>,
    _dir: TestDir,
}

impl Control {
    pub async fn start(policy: IssuancePolicy) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self::serve(policy, UnixUsers::default(), address, |tls| Box::pin(accept::incoming(listener, tls)))
    }

    /// On a Unix socket in `dir`, for processes of one user, who is `id`.
    pub async fn start_on_unix(policy: IssuancePolicy, uid: u32, id: &SpiffeId, dir: &Path) -> Self {
        let path = dir.join(format!("{uid}.sock"));
        let listener = UnixListener::bind(&path).unwrap();
        let users = UnixUsers::new([(uid, id.clone())]);
        let address = format!("unix:{}", path.display());
        Self::serve(policy, users, address, |tls| {
            Box::pin(accept::incoming_unix(listener, tls).filter_map(|accepted| match accepted {
                Accepted::Tls(stream) => Some(Ok(*stream)),
                Accepted::Plaintext(_) => None,
            }))
        })
    }

    fn serve(
        policy: IssuancePolicy,
        users: UnixUsers,
        address: String,
        incoming: impl FnOnce(Arc<ServerConfig>) -> Pin<Box<dyn Stream<Item = io::Result<PeerStream>> + Send>>,
    ) -> Self {
        let dir = TestDir::new();
        let authority = authority(&dir, domain());
        let control_id = control_identity(&domain()).unwrap();
        let identity = IdentityHandle::new(authority.trust_bundle());
        let names = ripstop_identity::CONTROL_DNS_NAMES;
        let svid = authority.issue_server_svid(&control_id, &names, HOUR, SystemTime::now());
        identity.publish(svid.unwrap());
        let tokens = Arc::new(TokenStore::new());
        let issuance = Issuance::new(Arc::clone(&authority), Arc::clone(&tokens), policy);
        let issuance = Arc::new(issuance.with_attestor(users));
        let stats = issuance.stats();
        let incoming = incoming(tls::control_server_config(&identity).unwrap());
        let followers = Followers::default();
        let trust = TrustServer::new(authority.announced(), followers.clone(), Clock::system());
        let routes = tonic::service::Routes::new(CertificateServer::new(issuance, Clock::system()));
        let routes = routes.add_service(trust).prepare();
        let server = tokio::spawn(async move {
            let server = tonic::transport::Server::builder();
            server.serve_with_incoming(routes, incoming).await.unwrap();
        });
        Self { address, authority, tokens, stats, control_id, followers, identity, server, _dir: dir }
    }

    /// Does what follows from the proof so far, as a control plane does all the time.
    pub fn advance(&self) {
        let now = SystemTime::now();
        let announced = self.authority.announced().borrow().clone();
        self.identity.replace_trust(announced.trust.clone());
        let mut proofs = self.followers.proofs(now);
        proofs.push(Proof {
            who: "the control plane".to_owned(),
            trusts: Some(announced.version.clone()),
            // It shows one of the new issuer before the old root goes.
            issued_by: Some(announced.issuer.clone()),
            connected: true,
        });
        let decision = self.authority.decide(&proofs, now);
        if decision == Decision::Begin(Phase::Retire) {
            self.identity.publish(self.authority.issue_svid(&self.control_id, HOUR, now).unwrap());
        }
        self.authority.carry_out(&decision, now).unwrap();
    }

    /// A proxy that has no certificate and trusts this control plane's root.
    pub fn newcomer(&self) -> IdentityHandle {
        IdentityHandle::new(self.authority.trust_bundle())
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What the control plane knows of a peer that has got its certificate with `token`.
pub async fn connected_peer(
    control: &Control,
    identity: &IdentityHandle,
    token: &JoinToken,
) -> ConnectedPeer {
    let id = control.tokens.redeem(token.expose(), SystemTime::now()).unwrap();
    let svid = control.authority.issue_svid(&id, HOUR, SystemTime::now()).unwrap();
    let peer = PeerIdentity::from_chain(Some(svid.chain())).unwrap();
    identity.publish(svid);
    ConnectedPeer { address: "127.0.0.1:1".parse().unwrap(), identity: peer, unix_user: None }
}
