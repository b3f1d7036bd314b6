//! A CA of the user's, in files: they are read again when they change, and used only when they fit together. So a pair that is
//! half written is never used, and what was in force before stays.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use rcgen::{KeyPair, PublicKeyData};
use ripstop_model::spiffe::TrustDomain;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use webpki::KeyUsage;

use super::random_serial;
use super::signer::{KeySigner, LeafRequest, Signer};
use crate::bundle::TrustBundle;
use crate::certificate::{self, CertificateFacts};
use crate::csr::{PendingKey, VerifiedCsr};
use crate::files::MAX_FILE_BYTES;
use crate::svid::IdentityHandle;
use crate::verify::{AllowedIdentities, PeerVerifier};

/// Longest chain between a workload and a root.
const MAX_CHAIN: usize = 6;

/// Where the files of a CA are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaPaths {
    /// PEM: the certificate that signs workloads, and after it those between it and the root.
    pub certificates: PathBuf,
    /// PEM: the key of the first certificate.
    pub key: PathBuf,
    /// PEM: further certificates between the first one and the root.
    pub chain: Option<PathBuf>,
    /// PEM: the roots that everybody has to trust.
    pub roots: PathBuf,
    /// PEM: lists of certificates that were taken back. The file may come later.
    pub crl: Option<PathBuf>,
}

impl CaPaths {
    /// `tls.crt`, `tls.key` and `ca.crt`, as cert-manager writes them and Kubernetes mounts them; and `ca.crl`.
    pub fn directory(dir: &Path) -> Self {
        Self {
            certificates: dir.join("tls.crt"),
            key: dir.join("tls.key"),
            chain: None,
            roots: dir.join("ca.crt"),
            crl: Some(dir.join("ca.crl")),
        }
    }

    /// `ca-cert.pem`, `ca-key.pem`, `cert-chain.pem` and `root-cert.pem`, as Istio's `cacerts` has them; and `ca-crl.pem`.
    pub fn istio(dir: &Path) -> Self {
        Self {
            certificates: dir.join("ca-cert.pem"),
            key: dir.join("ca-key.pem"),
            chain: Some(dir.join("cert-chain.pem")),
            roots: dir.join("root-cert.pem"),
            crl: Some(dir.join("ca-crl.pem")),
        }
    }

    /// Whichever of the two forms lies in `dir`.
    pub fn in_directory(dir: &Path) -> Self {
        let istio = Self::istio(dir);
        if istio.certificates.exists() { istio } else { Self::directory(dir) }
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificates, &self.key, &self.roots].into_iter().chain(&self.chain)
    }
}

/// Why the files of a CA are of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct CaFilesError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong, and what to do about it.
    pub reason: String,
}

/// The files, and what was made of them last.
pub(super) struct CaFiles {
    paths: CaPaths,
    trust_domain: TrustDomain,
    /// Of the content that was taken last.
    seen: Option<[u8; 32]>,
}

impl CaFiles {
    /// Nothing was read yet.
    pub(super) fn new(paths: CaPaths, trust_domain: TrustDomain) -> Self {
        Self { paths, trust_domain, seen: None }
    }

    /// Reads the files. `None`: they are what they were when they were taken last.
    pub(super) fn poll(&mut self, now: SystemTime) -> Result<Option<Arc<KeySigner>>, CaFilesError> {
        let content = Content::read(&self.paths)?;
        let hash = content.hash();
        if self.seen == Some(hash) {
            return Ok(None);
        }
        let signer = content.signer(&self.paths)?;
        self.try_out(&signer, now)?;
        self.seen = Some(hash);
        Ok(Some(Arc::new(signer)))
    }

    /// Signs a certificate and judges it as peers will: what they would refuse is not put in force.
    fn try_out(&self, signer: &KeySigner, now: SystemTime) -> Result<(), CaFilesError> {
        let wrong = |path: &Path, reason: String| CaFilesError { path: path.to_owned(), reason };
        let paths = &self.paths;
        if now < signer.not_before() || now > signer.not_after() {
            return Err(wrong(
                &paths.certificates,
                format!(
                    "a certificate of the chain is valid from {} to {} only, which is not now; compare the clocks, or replace it",
                    crate::clock::readable(signer.not_before()),
                    crate::clock::readable(signer.not_after()),
                ),
            ));
        }
        let bundle = TrustBundle::new(self.trust_domain.clone(), signer.roots().to_vec())
            .map_err(|error| wrong(&paths.roots, error.to_string()))?;
        let failed = |reason: String| wrong(&paths.certificates, reason);
        let id = crate::control_identity(&self.trust_domain).map_err(|error| failed(error.to_string()))?;
        let pending = PendingKey::generate(&id).map_err(|error| failed(error.to_string()))?;
        let csr = VerifiedCsr::from_pem(pending.csr_pem()).map_err(|error| failed(error.to_string()))?;
        let serial = random_serial().map_err(|error| failed(error.to_string()))?;
        let (not_before, not_after) = (now - Duration::from_secs(60), now + Duration::from_secs(60));
        let leaf = signer
            .sign(&LeafRequest { csr: &csr, id: &id, dns_names: &[], not_before, not_after, serial })
            .map_err(|error| failed(error.to_string()))?;
        PeerVerifier::new(IdentityHandle::new(bundle), AllowedIdentities::only(id))
            .verify(&leaf, signer.chain(), KeyUsage::server_auth(), now)
            .map(drop)
            .map_err(|error| failed(format!("what it signs would be refused by peers: {error}")))
    }
}

impl fmt::Debug for CaFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaFiles").field("paths", &self.paths).finish_non_exhaustive()
    }
}

/// The bytes of the files at one moment.
struct Content {
    certificates: Vec<u8>,
    key: Vec<u8>,
    chain: Vec<u8>,
    roots: Vec<u8>,
}

impl Content {
    fn read(paths: &CaPaths) -> Result<Self, CaFilesError> {
        warn_of_open_key(&paths.key);
        let chain = match &paths.chain {
            Some(path) if path.exists() => read(path)?,
            _ => Vec::new(),
        };
        Ok(Self {
            certificates: read(&paths.certificates)?,
            key: read(&paths.key)?,
            chain,
            roots: read(&paths.roots)?,
        })
    }

    fn hash(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [&self.certificates, &self.key, &self.chain, &self.roots] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }

    fn signer(&self, paths: &CaPaths) -> Result<KeySigner, CaFilesError> {
        let wrong =
            |path: &Path, reason: &str| CaFilesError { path: path.to_owned(), reason: reason.to_owned() };
        // The decoder's message could quote the key, so it is not passed on.
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .ok()
            .and_then(|key| KeyPair::try_from(&key).ok())
            .ok_or_else(|| {
                wrong(&paths.key, "there is no readable private key in it; it must be PEM and not encrypted")
            })?;
        let mut chain = certificates(&paths.certificates, &self.certificates)?;
        if let Some(path) = &paths.chain {
            let further = certificates(path, &self.chain)?;
            chain.extend(further.into_iter().filter(|one| !chain.contains(one)).collect::<Vec<_>>());
        }
        let roots = certificates(&paths.roots, &self.roots)?;
        let Some(issuer) = chain.first().cloned() else {
            return Err(wrong(&paths.certificates, "there is no certificate in it"));
        };
        let facts = CertificateFacts::read(&issuer)
            .map_err(|error| wrong(&paths.certificates, &error.to_string()))?;
        if !facts.is_ca {
            return Err(wrong(
                &paths.certificates,
                "its first certificate is not a CA certificate; ask for one with `isCA: true`",
            ));
        }
        let parsed =
            certificate::parse(&issuer).map_err(|error| wrong(&paths.certificates, &error.to_string()))?;
        let fits = parsed.public_key().raw == key.subject_public_key_info();
        drop(parsed);
        if !fits {
            return Err(wrong(
                &paths.key,
                "it is not the key of the first certificate; if both are being replaced, this mends itself",
            ));
        }
        // Peers have the roots themselves.
        chain.retain(|one| !roots.contains(one));
        if chain.len() > MAX_CHAIN {
            return Err(wrong(&paths.certificates, "the chain is too long; 6 certificates are the most"));
        }
        KeySigner::new(key, &issuer, chain, roots)
            .map_err(|error| wrong(&paths.certificates, &error.to_string()))
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CaFilesError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CaFilesError { path: path.to_owned(), reason: format!("it is not PEM: {error}") })
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, CaFilesError> {
    let failed = |reason: String| CaFilesError { path: path.to_owned(), reason };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(failed(format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}

/// Kubernetes mounts secrets readable by all of the pod, so this is no error.
fn warn_of_open_key(path: &Path) {
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.mode());
    if mode & 0o077 != 0 {
        tracing::debug!(file = %path.display(), "the key of the CA can be read by others");
    }
}

/// For messages.
impl fmt::Display for CaPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, path) in self.all().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { ", " }, path.display())?;
        }
        Ok(())
    }
}
