//! What the tests share: authorities, workloads, handshakes, and a control plane that serves certificates only.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use ripstop_identity::accept;
use ripstop_identity::authority::Authority;
use ripstop_identity::bundle::TrustBundle;
use ripstop_identity::clock::Clock;
use ripstop_identity::control_identity;
use ripstop_identity::issuance::{Issuance, IssuancePolicy, IssuanceStats};
use ripstop_identity::peer::PeerIdentity;
use ripstop_identity::service::CertificateServer;
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::tls;
use ripstop_identity::token::TokenStore;
use ripstop_identity::verify::refusal;
use ripstop_model::spiffe::{SpiffeId, TrustDomain};
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::testdir::TestDir;

pub const HOUR: Duration = Duration::from_secs(3600);

pub fn domain() -> TrustDomain {
    TrustDomain::new("cluster.local").unwrap()
}

pub fn id(name: &str) -> SpiffeId {
    SpiffeId::workload(&domain(), "shop", name).unwrap()
}

pub fn authority(dir: &TestDir, trust_domain: TrustDomain) -> Arc<Authority> {
    Arc::new(Authority::open_or_create(dir.path(), trust_domain, SystemTime::now()).unwrap())
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
    server: tokio::task::JoinHandle<()>,
    _dir: TestDir,
}

impl Control {
    pub async fn start(policy: IssuancePolicy) -> Self {
        let dir = TestDir::new();
        let authority = authority(&dir, domain());
        let control_id = control_identity(&domain()).unwrap();
        let identity = workload(&authority, &control_id, authority.trust_bundle());
        let tokens = Arc::new(TokenStore::new());
        let issuance = Arc::new(Issuance::new(Arc::clone(&authority), Arc::clone(&tokens), policy));
        let stats = issuance.stats();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let incoming = accept::incoming(listener, tls::control_server_config(&identity).unwrap());
        let service = CertificateServer::new(issuance, Clock::system());
        let server = tokio::spawn(async move {
            tonic::transport::Server::builder().serve_with_incoming(service, incoming).await.unwrap();
        });
        Self { address, authority, tokens, stats, control_id, server, _dir: dir }
    }

    /// A proxy that has no certificate and trusts this control plane's root.
    pub fn newcomer(&self) -> IdentityHandle {
        IdentityHandle::new(self.authority.trust_bundle().clone())
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.server.abort();
    }
}
