//! The certificate authority: a root signs an issuer, the issuer signs workloads. The CA is the mesh's own, whose keys lie in
//! the authority's directory, or the user's, in files that somebody else replaces.
//!
//! The authority signs what it is told to sign: who may have which identity is decided in [`crate::issuance`]. Issuers and
//! roots follow each other as [`crate::succession`] decides; whoever runs the authority brings the proof
//! ([`Authority::decide`], [`Authority::carry_out`]). It does not lock its directory; whoever runs it keeps a second one out.

mod ca_files;
mod change;
mod leaves;
mod manifest;
mod own;
mod revocation_file;
mod signer;
mod status;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use aws_lc_rs::rand;
use ripstop_model::spiffe::{SpiffeId, TrustDomain};
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;

use crate::bundle::{BundleError, TrustBundle};
use crate::certificate::to_pem;
use crate::clock::{from_unix_seconds, readable, unix_seconds};
use crate::csr::{CsrError, KeyError, PendingKey, VerifiedCsr};
use crate::files::{self, FileError};
use crate::key::KeyKind;
use crate::succession::{Patience, Phase, Successor};
use crate::svid::{Svid, SvidError};
use crate::token::hex;
use crate::trust::{Trust, TrustError};

use change::Core;
use leaves::Leaves;

pub use ca_files::{CaFilesError, CaPaths};
pub use leaves::MAX_FOLLOWED;
pub use signer::{LeafRequest, SignError, Signer};
pub use status::{AuthorityStatus, RootStatus};

/// The shortest lifetime of a workload certificate.
pub const MIN_LIFETIME: Duration = Duration::from_secs(10);

/// The longest lifetime of a workload certificate.
pub const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// How far a new certificate's validity reaches back: the clock of the authority may be five minutes fast and that of a peer five
/// minutes slow.
pub const BACKDATE: Duration = Duration::from_secs(660);

/// Why the authority could not be opened or could not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A file or directory could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is there but not what it should be.
    #[error(
        "{} is damaged: {reason}; restore it from a backup, or move {} away to start a new authority (every workload then needs a new certificate)",
        path.display(), dir.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The directory of the authority.
        dir: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The authority in the directory is of another trust domain.
    #[error("{} belongs to trust domain {found}, not {wanted}; use another directory or the right trust domain", path.display())]
    OtherTrustDomain {
        /// The file.
        path: PathBuf,
        /// The trust domain in the file.
        found: String,
        /// The trust domain asked for.
        wanted: TrustDomain,
    },
    /// The root certificate is not valid at this time.
    #[error(
        "{} is valid from {not_before} to {not_after} and it is {now} now; check the clock, or move {} away to start a new authority",
        path.display(), dir.display()
    )]
    NotValidNow {
        /// The file.
        path: PathBuf,
        /// The directory of the authority.
        dir: PathBuf,
        /// Start of validity.
        not_before: String,
        /// End of validity.
        not_after: String,
        /// The time it was looked at.
        now: String,
    },
    /// The lifetime asked for is out of range.
    #[error("a workload certificate can live from 10 s to 30 days, not {0:?}")]
    Lifetime(Duration),
    /// The identity asked for belongs to another trust domain.
    #[error("{id} is outside of trust domain {trust_domain}")]
    ForeignIdentity {
        /// The identity.
        id: SpiffeId,
        /// The authority's trust domain.
        trust_domain: TrustDomain,
    },
    /// The request is unacceptable.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// Key generation failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What was just issued is unusable.
    #[error(transparent)]
    Svid(#[from] SvidError),
    /// The root cannot be a trust anchor.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Too much is to be trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The cryptographic library failed.
    #[error("signing failed: {0}")]
    Signing(#[from] rcgen::Error),
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// An issuer is of no use.
    #[error("the issuer is of no use: {0}")]
    Signer(String),
    /// The files of the user's CA are of no use, and there is nothing from before.
    #[error("the CA in files cannot be used: {0}")]
    Files(#[from] CaFilesError),
    /// The certificate that signs has expired.
    #[error("the issuer expired at {not_after} and it is {now} now; compare the clocks, or replace it")]
    IssuerExpired {
        /// End of validity.
        not_after: String,
        /// The time it was looked at.
        now: String,
    },
    /// One succession is under way.
    #[error("the {what} is being replaced already (phase `{phase}`); wait until that is done")]
    UnderWay {
        /// What is being replaced.
        what: Successor,
        /// How far that is.
        phase: Phase,
    },
    /// The CA is not ours to replace.
    #[error("the CA is in files ({0}): replace those, and the authority follows by itself")]
    NotOurs(String),
}

/// A workload certificate with the certificates between it and the root.
#[derive(Debug, Clone)]
pub struct IssuedChain {
    /// Leaf first, root not included.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The identity it certifies.
    pub id: SpiffeId,
    /// Start of validity.
    pub not_before: SystemTime,
    /// End of validity.
    pub not_after: SystemTime,
    /// Serial number in hexadecimal.
    pub serial: String,
}

impl IssuedChain {
    /// The chain as PEM, one text a certificate, leaf first.
    pub fn to_pem(&self) -> Vec<String> {
        self.certificates.iter().map(to_pem).collect()
    }
}

/// Where the CA comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CaSource {
    /// The mesh makes its own.
    #[default]
    Own,
    /// The user's, in files.
    Files(CaPaths),
}

/// How an authority is opened.
#[derive(Debug, Clone)]
pub struct AuthorityConfig {
    /// Where keys and state lie.
    pub dir: PathBuf,
    /// The trust domain it vouches for.
    pub trust_domain: TrustDomain,
    /// Where the CA comes from.
    pub ca: CaSource,
    /// The kind of keys that an own CA makes.
    pub key: KeyKind,
    /// How patient successions are.
    pub patience: Patience,
}

impl AuthorityConfig {
    /// An own CA with P-256 keys in `dir`.
    pub fn new(dir: impl AsRef<Path>, trust_domain: TrustDomain) -> Self {
        Self {
            dir: dir.as_ref().to_owned(),
            trust_domain,
            ca: CaSource::Own,
            key: KeyKind::default(),
            patience: Patience::default(),
        }
    }
}

/// What everybody has to know of the authority at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Whom to trust.
    pub trust: Trust,
    /// Version of `trust`.
    pub version: String,
    /// Key identifier of the issuer that signs: whoever has a certificate of another one should renew it.
    pub issuer: String,
}

/// The authority of one trust domain.
pub struct Authority {
    config: AuthorityConfig,
    core: Mutex<Core>,
    signing: ArcSwap<SigningNow>,
    leaves: Mutex<BothLeaves>,
    announced: watch::Sender<Arc<Announcement>>,
}

/// Whoever signs at the moment.
struct SigningNow(Arc<dyn Signer>);

/// Certificates that are good.
struct BothLeaves {
    /// Below the root that signs.
    current: Leaves,
    /// Below the one before.
    old: Leaves,
    /// The longest life that was given to one, as it is written down.
    longest: Duration,
}

impl Authority {
    /// Opens the authority that lies in `dir`, or makes a new one there if there is none. An issuer that is missing or in
    /// the last third of its life is replaced.
    ///
    /// # Errors
    /// If files cannot be used, do not belong together, or the root is not valid at `now`.
    pub fn open_or_create(
        dir: impl AsRef<Path>,
        trust_domain: TrustDomain,
        now: SystemTime,
    ) -> Result<Self, AuthorityError> {
        Self::open(AuthorityConfig::new(dir, trust_domain), now)
    }

    /// Opens an authority as configured. A succession that was under way goes on. Where the roots are others than those
    /// that were announced last, certificates below the old ones stay good until they end.
    ///
    /// # Errors
    /// As [`Authority::open_or_create`], or if the files of the user's CA are of no use.
    pub fn open(config: AuthorityConfig, now: SystemTime) -> Result<Self, AuthorityError> {
        files::private_dir(&config.dir)?;
        let core = Core::open(&config, now)?;
        let longest = core.longest_leaf();
        let announcement = Arc::new(core.announcement()?);
        // Those from before this start are known by their longest life only.
        let unknown = || match longest.is_zero() {
            true => Leaves::default(),
            false => Leaves::unknown_until(now + longest),
        };
        let authority = Self {
            signing: ArcSwap::from_pointee(SigningNow(core.signer())),
            leaves: Mutex::new(BothLeaves { current: unknown(), old: unknown(), longest }),
            announced: watch::Sender::new(announcement),
            core: Mutex::new(core),
            config,
        };
        authority.publish(&authority.lock())?;
        Ok(authority)
    }

    /// The trust domain it vouches for.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.config.trust_domain
    }

    /// The roots that peers have to trust at the moment.
    pub fn trust_bundle(&self) -> TrustBundle {
        TrustBundle::clone(self.announced.borrow().trust.bundle())
    }

    /// What everybody has to know, and every change of it.
    pub fn announced(&self) -> watch::Receiver<Arc<Announcement>> {
        self.announced.subscribe()
    }

    /// Certifies the key of `csr` as `id`. Names in the request are ignored.
    ///
    /// The certificate is valid from `now` less [`BACKDATE`] to `now + lifetime`, or to the end of the issuer if that is
    /// sooner.
    ///
    /// # Errors
    /// If the lifetime is not within [`MIN_LIFETIME`] and [`MAX_LIFETIME`], or `id` is of another trust domain.
    pub fn sign(
        &self,
        csr: &VerifiedCsr,
        id: &SpiffeId,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<IssuedChain, AuthorityError> {
        self.note_lifetime(lifetime)?;
        let chain = self.certify(csr, id, &[], lifetime, now)?;
        self.leaves().current.issued(&chain.serial, chain.not_after, now);
        Ok(chain)
    }

    /// Whoever had the certificate with this serial number (hexadecimal) has another one now.
    pub fn replaced(&self, serial: &str) {
        let mut leaves = self.leaves();
        leaves.current.replaced(serial);
        leaves.old.replaced(serial);
    }

    /// Makes a key and certifies it as `id`: for the component that the authority runs in.
    ///
    /// # Errors
    /// As [`Authority::sign`].
    pub fn issue_svid(
        &self,
        id: &SpiffeId,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Svid, AuthorityError> {
        self.issue_server_svid(id, &[], lifetime, now)
    }

    /// The same with DNS names beside the identity: for clients that know this component by a name.
    ///
    /// # Errors
    /// As [`Authority::sign`], or if a name is none.
    pub fn issue_server_svid(
        &self,
        id: &SpiffeId,
        dns_names: &[&str],
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Svid, AuthorityError> {
        let pending = PendingKey::generate(id)?;
        let csr = VerifiedCsr::from_pem(pending.csr_pem())?;
        let chain = self.certify(&csr, id, dns_names, lifetime, now)?;
        Ok(pending.into_svid(chain.certificates)?)
    }

    /// The same for somebody else, whose certificate is followed until it ends or is [`Authority::replaced`].
    ///
    /// # Errors
    /// As [`Authority::sign`].
    pub fn issue_followed(
        &self,
        id: &SpiffeId,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Svid, AuthorityError> {
        self.note_lifetime(lifetime)?;
        let svid = self.issue_svid(id, lifetime, now)?;
        self.leaves().current.issued(svid.serial(), svid.not_after(), now);
        Ok(svid)
    }

    /// When the present issuer certificate ends.
    pub fn issuer_not_after(&self) -> SystemTime {
        self.signing.load().0.not_after()
    }

    /// When the root certificate ends; the first of them, where there are several. Peers must have been given another
    /// root long before.
    pub fn root_not_after(&self) -> SystemTime {
        self.lock().root_not_after()
    }

    fn certify(
        &self,
        csr: &VerifiedCsr,
        id: &SpiffeId,
        dns_names: &[&str],
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<IssuedChain, AuthorityError> {
        if !(MIN_LIFETIME..=MAX_LIFETIME).contains(&lifetime) {
            return Err(AuthorityError::Lifetime(lifetime));
        }
        if id.trust_domain() != self.trust_domain() {
            return Err(AuthorityError::ForeignIdentity {
                id: id.clone(),
                trust_domain: self.trust_domain().clone(),
            });
        }
        let signer = Arc::clone(&self.signing.load().0);
        // One that is not valid yet by our clock is by the clocks of peers, unless all of them are wrong.
        if now >= signer.not_after() {
            return Err(AuthorityError::IssuerExpired {
                not_after: readable(signer.not_after()),
                now: readable(now),
            });
        }
        let not_before = truncated(now - BACKDATE);
        let not_after = truncated(now + lifetime).min(signer.not_after());
        let serial = random_serial()?;
        let leaf = signer.sign(&LeafRequest { csr, id, dns_names, not_before, not_after, serial })?;
        let certificates = std::iter::once(leaf).chain(signer.chain().iter().cloned()).collect();
        Ok(IssuedChain { certificates, id: id.clone(), not_before, not_after, serial: hex(&serial) })
    }

    /// Writes down that a certificate lives for longer than any before, so that it is known after a restart.
    fn note_lifetime(&self, lifetime: Duration) -> Result<(), AuthorityError> {
        if lifetime <= self.leaves().longest || lifetime > MAX_LIFETIME {
            return Ok(());
        }
        let mut core = self.lock();
        core.note_lifetime(lifetime)?;
        self.leaves().longest = lifetime;
        Ok(())
    }

    /// Every critical section leaves the state whole or says that it did not.
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leaves(&self) -> MutexGuard<'_, BothLeaves> {
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("dir", &self.config.dir)
            .field("trust_domain", &self.config.trust_domain)
            .finish_non_exhaustive()
    }
}

/// X.509 knows whole seconds.
fn truncated(time: SystemTime) -> SystemTime {
    from_unix_seconds(i64::try_from(unix_seconds(time)).unwrap_or(i64::MAX))
}

/// 126 random bits, positive and of constant length, as RFC 5280 section 4.1.2.2 wants.
fn random_serial() -> Result<[u8; 16], rcgen::Error> {
    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(|_| rcgen::Error::RingUnspecified)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}
