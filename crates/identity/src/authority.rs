//! The mesh's own certificate authority: a root signs an issuer, the issuer signs workloads.
//!
//! Keys are P-256 and lie in one directory, each in one file together with its certificate, so that a crash can never
//! leave half of a pair. The authority signs what it is told to sign: who may have which identity is decided in
//! [`crate::issuance`]. It does not lock its directory; whoever runs it keeps a second one out.

mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use aws_lc_rs::rand;
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
    SerialNumber,
};
use ripstop_model::spiffe::{SpiffeId, TrustDomain};
use rustls_pki_types::CertificateDer;

use crate::bundle::{BundleError, TrustBundle};
use crate::certificate::to_pem;
use crate::clock::{from_unix_seconds, readable, unix_seconds};
use crate::csr::{CsrError, KeyError, PendingKey, VerifiedCsr};
use crate::files::FileError;
use crate::svid::{Svid, SvidError};
use crate::token::hex;

use store::Tier;

/// The shortest lifetime of a workload certificate.
pub const MIN_LIFETIME: Duration = Duration::from_secs(10);

/// The longest lifetime of a workload certificate.
pub const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// How far a new certificate's validity reaches back, for peers whose clock is slow.
pub const BACKDATE: Duration = Duration::from_secs(60);

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
    /// The cryptographic library failed.
    #[error("signing failed: {0}")]
    Signing(#[from] rcgen::Error),
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

/// The authority of one trust domain.
pub struct Authority {
    dir: PathBuf,
    trust_domain: TrustDomain,
    root: Tier,
    issuer: ArcSwap<Tier>,
    replacing_issuer: Mutex<()>,
    trust_bundle: TrustBundle,
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
        let dir = dir.as_ref().to_owned();
        crate::files::private_dir(&dir)?;
        let root = match store::open_root(&dir, &trust_domain, now)? {
            Some(root) => root,
            None => store::create_root(&dir, &trust_domain, now)?,
        };
        let issuer = match store::open_issuer(&dir, &root)? {
            Some(issuer) if !wants_replacement(&issuer, now) => issuer,
            _ => store::create_issuer(&dir, &trust_domain, &root, now)?,
        };
        let trust_bundle = TrustBundle::new(trust_domain.clone(), vec![root.certificate.clone()])?;
        store::publish_bundle(&dir, &trust_bundle)?;
        Ok(Self {
            dir,
            trust_domain,
            root,
            issuer: ArcSwap::from_pointee(issuer),
            replacing_issuer: Mutex::new(()),
            trust_bundle,
        })
    }

    /// The trust domain it vouches for.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The roots that peers have to trust.
    pub fn trust_bundle(&self) -> &TrustBundle {
        &self.trust_bundle
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
        if !(MIN_LIFETIME..=MAX_LIFETIME).contains(&lifetime) {
            return Err(AuthorityError::Lifetime(lifetime));
        }
        if id.trust_domain() != &self.trust_domain {
            return Err(AuthorityError::ForeignIdentity {
                id: id.clone(),
                trust_domain: self.trust_domain.clone(),
            });
        }
        let issuer = self.issuer_at(now);
        let not_before = truncated(now - BACKDATE);
        let not_after = truncated(now + lifetime).min(issuer.not_after);
        let serial = random_serial()?;
        let mut params = CertificateParams::default();
        // An empty subject makes the SPIFFE ID a critical extension: it is the only name there is.
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(id.as_str().try_into()?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        store::set_validity(&mut params, not_before, not_after);
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let leaf = params.signed_by(csr.public_key(), &issuer.signer)?;
        Ok(IssuedChain {
            certificates: vec![leaf.der().clone(), issuer.certificate.clone()],
            id: id.clone(),
            not_before,
            not_after,
            serial: hex(&serial),
        })
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
        let pending = PendingKey::generate(id)?;
        let chain = self.sign(&VerifiedCsr::from_pem(pending.csr_pem())?, id, lifetime, now)?;
        Ok(pending.into_svid(chain.certificates)?)
    }

    /// When the present issuer certificate ends.
    pub fn issuer_not_after(&self) -> SystemTime {
        self.issuer.load().not_after
    }

    /// When the root certificate ends. Peers must have been given another root long before.
    pub fn root_not_after(&self) -> SystemTime {
        self.root.not_after
    }

    /// The issuer to sign with; a new one if the present one is in its last third. Peers know only the root, so they need
    /// not be told. If a new one cannot be stored the present one goes on for as long as it is valid.
    fn issuer_at(&self, now: SystemTime) -> Arc<Tier> {
        let current = self.issuer.load_full();
        if !wants_replacement(&current, now) {
            return current;
        }
        let Ok(_guard) = self.replacing_issuer.try_lock() else { return current };
        match store::create_issuer(&self.dir, &self.trust_domain, &self.root, now) {
            Ok(next) => {
                let next = Arc::new(next);
                tracing::info!(not_after = %readable(next.not_after), "issuer certificate replaced");
                self.issuer.store(Arc::clone(&next));
                next
            }
            Err(error) => {
                tracing::error!(%error, not_after = %readable(current.not_after), "issuer certificate could not be replaced");
                current
            }
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("dir", &self.dir)
            .field("trust_domain", &self.trust_domain)
            .finish_non_exhaustive()
    }
}

/// In the last third of its life, or outside of it.
fn wants_replacement(tier: &Tier, now: SystemTime) -> bool {
    let life = tier.not_after.duration_since(tier.not_before).unwrap_or_default();
    now < tier.not_before || now >= tier.not_before + life * 2 / 3
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
