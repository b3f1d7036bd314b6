//! A workload's own certificate with its key ([`Svid`]), and the place where the current one is found
//! ([`IdentityHandle`]). Every TLS configuration asks the handle at each handshake: a renewal is a pointer that changes,
//! no connection notices.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption};
use ripstop_model::spiffe::SpiffeId;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::bundle::TrustBundle;
use crate::certificate::{CertificateError, CertificateFacts};
use crate::tls;
use crate::trust::Trust;

/// Why a chain and a key do not make an identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SvidError {
    /// There is no certificate.
    #[error("the certificate chain is empty")]
    Empty,
    /// The first certificate is no identity.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The certificate belongs to another key, or the key is unusable.
    #[error("the certificate and its private key do not fit: {0}")]
    Key(#[from] rustls::Error),
}

/// An X.509-SVID: certificate chain, private key and what the leaf says. `Debug` does not show the key.
pub struct Svid {
    id: SpiffeId,
    facts: CertificateFacts,
    certified_key: Arc<CertifiedKey>,
    key: PrivateKeyDer<'static>,
}

impl Svid {
    /// Joins a chain (leaf first) with the leaf's private key.
    ///
    /// # Errors
    /// If the leaf has not exactly one SPIFFE ID or belongs to another key.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, SvidError> {
        let facts = CertificateFacts::read(chain.first().ok_or(SvidError::Empty)?)?;
        let id = facts.spiffe_id()?;
        let certified_key = CertifiedKey::from_der(chain, key.clone_key(), &tls::provider())?;
        Ok(Self { id, facts, certified_key: Arc::new(certified_key), key })
    }

    /// Whose identity this is.
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// The certificates, leaf first, root not included.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified_key.cert
    }

    /// The private key. Never to be logged or dumped.
    pub fn private_key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }

    /// Start of validity.
    pub fn not_before(&self) -> SystemTime {
        self.facts.not_before
    }

    /// End of validity.
    pub fn not_after(&self) -> SystemTime {
        self.facts.not_after
    }

    /// Serial number in hexadecimal.
    pub fn serial(&self) -> &str {
        &self.facts.serial
    }

    /// Identifier of the key that signed it in lower-case hexadecimal, if it says one.
    pub fn issued_by(&self) -> Option<&str> {
        self.facts.authority_key_id.as_deref()
    }

    /// Whether `now` is past the end of validity.
    pub fn is_expired(&self, now: SystemTime) -> bool {
        now > self.facts.not_after
    }
}

impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Svid")
            .field("id", &self.id)
            .field("serial", &self.facts.serial)
            .finish_non_exhaustive()
    }
}

/// Where the current SVID is found, and whom to trust. Clones share one state; reading takes no lock.
#[derive(Clone)]
pub struct IdentityHandle {
    shared: Arc<Shared>,
}

struct Shared {
    svid: ArcSwapOption<Svid>,
    trust: ArcSwap<Trust>,
    changes: watch::Sender<u64>,
}

impl IdentityHandle {
    /// A handle that trusts `bundle` and has no SVID.
    pub fn new(bundle: TrustBundle) -> Self {
        let shared = Shared {
            svid: ArcSwapOption::empty(),
            trust: ArcSwap::from_pointee(Trust::own(bundle)),
            changes: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The SVID that the next handshake will use.
    pub fn svid(&self) -> Option<Arc<Svid>> {
        self.shared.svid.load_full()
    }

    /// Whom the next handshake will trust.
    pub fn trust(&self) -> Arc<Trust> {
        self.shared.trust.load_full()
    }

    /// The roots of our own trust domain that the next handshake will trust.
    pub fn trust_bundle(&self) -> Arc<TrustBundle> {
        Arc::clone(self.shared.trust.load().bundle())
    }

    /// Makes `svid` the current one. Connections that are open keep the one they began with.
    pub fn publish(&self, svid: Svid) {
        self.shared.svid.store(Some(Arc::new(svid)));
        self.shared.changes.send_modify(|generation| *generation += 1);
    }

    /// Trusts `trust` from now on. Connections that are open were judged by what was trusted at their time.
    pub fn replace_trust(&self, trust: Trust) {
        self.shared.trust.store(Arc::new(trust));
        self.shared.changes.send_modify(|generation| *generation += 1);
    }

    /// The same with other roots of our own trust domain.
    pub fn replace_trust_bundle(&self, bundle: TrustBundle) {
        self.replace_trust(self.trust().with_own(bundle));
    }

    /// A receiver whose value grows with every change of SVID or bundle.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Waits until there is an SVID.
    pub async fn ready(&self) -> Arc<Svid> {
        let mut changes = self.subscribe();
        loop {
            if let Some(svid) = self.svid() {
                return svid;
            }
            if changes.changed().await.is_err() {
                // The sender lives in `self.shared`, so it cannot be gone while `self` is borrowed.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl fmt::Debug for IdentityHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityHandle").field("svid", &self.svid()).field("trust", &self.trust()).finish()
    }
}

/// Gives rustls the SVID of the moment, as server and as client.
#[derive(Debug)]
pub(crate) struct SvidResolver(pub(crate) IdentityHandle);

impl ResolvesServerCert for SvidResolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.svid().map(|svid| Arc::clone(&svid.certified_key))
    }
}

impl ResolvesClientCert for SvidResolver {
    /// An expired certificate is not presented: no peer would accept it, while a server that takes clients without
    /// certificate can then be asked for a new one.
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let svid = self.0.svid()?;
        (!svid.is_expired(SystemTime::now())).then(|| Arc::clone(&svid.certified_key))
    }

    fn has_certs(&self) -> bool {
        self.0.svid().is_some()
    }
}
