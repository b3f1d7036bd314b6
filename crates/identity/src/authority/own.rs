//! The keys of the mesh's own CA: roots and issuers, each in one file together with its certificate, so that a crash can never
//! leave half of a pair. Which of them count says the [`super::manifest`]; files that it does not name are removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber, date_time_ymd,
};
use ripstop_model::spiffe::TrustDomain;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::manifest::Manifest;
use super::signer::KeySigner;
use super::{AuthorityError, BACKDATE, random_serial, truncated};
use crate::certificate::{self, CertificateFacts};
use crate::clock::readable;
use crate::files;
use crate::key::KeyKind;
use crate::succession::Successor;
use crate::token::hex;

/// Names of an authority from before there was a manifest.
const FIRST_ROOT_FILE: &str = "root.pem";
const FIRST_ISSUER_FILE: &str = "issuer.pem";

const ROOT_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 3600);
const ISSUER_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// A root with its key.
pub(super) struct Root {
    file: String,
    certificate: CertificateDer<'static>,
    signer: Issuer<'static, KeyPair>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

/// An issuer with its key.
pub(super) struct Signing {
    file: String,
    pub(super) signer: Arc<KeySigner>,
}

/// What is to come.
struct Next {
    /// `None`: the root stays.
    root: Option<Root>,
    signing: Signing,
}

/// The CA of the mesh itself.
pub(super) struct Own {
    dir: PathBuf,
    trust_domain: TrustDomain,
    kind: KeyKind,
    pub(super) root: Root,
    pub(super) signing: Signing,
    next: Option<Next>,
}

impl Own {
    /// Opens what `manifest` names, or what lies there from before there was one, or makes a new CA. An issuer that is
    /// missing or in the last third of its life is replaced at once: nobody is connected yet, and peers know the root.
    pub(super) fn open(
        dir: &Path,
        trust_domain: &TrustDomain,
        kind: KeyKind,
        manifest: &Manifest,
        now: SystemTime,
    ) -> Result<Self, AuthorityError> {
        let root_file = manifest.root.clone().unwrap_or_else(|| FIRST_ROOT_FILE.to_owned());
        let issuer_file = manifest.issuer.clone().unwrap_or_else(|| FIRST_ISSUER_FILE.to_owned());
        let root = match open_root(dir, &root_file, trust_domain, now)? {
            Some(root) => root,
            None if manifest.root.is_some() || dir.join(&issuer_file).exists() => {
                let reason = format!("it is missing although {issuer_file} is there");
                return Err(damage(dir, &dir.join(root_file), reason));
            }
            None => create_root(dir, trust_domain, kind, now)?,
        };
        let signing = match open_issuer(dir, &issuer_file, &root)? {
            Some(issuer) if !wants_replacement(&*issuer.signer, now) => issuer,
            _ => create_issuer(dir, trust_domain, kind, &root, now)?,
        };
        let mut own =
            Self { dir: dir.to_owned(), trust_domain: trust_domain.clone(), kind, root, signing, next: None };
        own.next = own.open_next(manifest, now)?;
        Ok(own)
    }

    fn open_next(&self, manifest: &Manifest, now: SystemTime) -> Result<Option<Next>, AuthorityError> {
        let Some(issuer_file) = &manifest.next_issuer else { return Ok(None) };
        let missing = |file: &str| damage(&self.dir, &self.dir.join(file), "it is missing");
        let root = match &manifest.next_root {
            Some(file) => {
                let root = open_root(&self.dir, file, &self.trust_domain, now)?;
                Some(root.ok_or_else(|| missing(file))?)
            }
            None => None,
        };
        let above = root.as_ref().unwrap_or(&self.root);
        let signing = open_issuer(&self.dir, issuer_file, above)?.ok_or_else(|| missing(issuer_file))?;
        Ok(Some(Next { root, signing }))
    }

    /// The signer that is to come, after a restart.
    pub(super) fn next(&self) -> Option<Arc<KeySigner>> {
        self.next.as_ref().map(|next| Arc::clone(&next.signing.signer))
    }

    /// Makes a successor.
    pub(super) fn prepare(
        &mut self,
        what: Successor,
        now: SystemTime,
    ) -> Result<Arc<KeySigner>, AuthorityError> {
        let root = match what {
            Successor::Root => Some(create_root(&self.dir, &self.trust_domain, self.kind, now)?),
            Successor::Issuer => None,
        };
        let above = root.as_ref().unwrap_or(&self.root);
        let signing = create_issuer(&self.dir, &self.trust_domain, self.kind, above, now)?;
        let signer = Arc::clone(&signing.signer);
        self.next = Some(Next { root, signing });
        Ok(signer)
    }

    /// Forgets the successor that was made.
    pub(super) fn discard(&mut self) {
        self.next = None;
    }

    /// The successor takes over. Nothing on disk changes before the manifest is written.
    pub(super) fn promote(&mut self) {
        if let Some(next) = self.next.take() {
            if let Some(root) = next.root {
                self.root = root;
            }
            self.signing = next.signing;
        }
    }

    /// Puts the names of the files that count into `manifest`.
    pub(super) fn describe(&self, manifest: &mut Manifest) {
        manifest.root = Some(self.root.file.clone());
        manifest.issuer = Some(self.signing.file.clone());
        manifest.next_root = self.next.as_ref().and_then(|next| Some(next.root.as_ref()?.file.clone()));
        manifest.next_issuer = self.next.as_ref().map(|next| next.signing.file.clone());
    }

    /// Removes keys that `manifest` does not name: those of a predecessor, and what a crash left behind.
    pub(super) fn sweep(&self, manifest: &Manifest) {
        let kept = [&manifest.root, &manifest.issuer, &manifest.next_root, &manifest.next_issuer];
        let ours =
            |name: &str| name.ends_with(".pem") && (name.starts_with("root") || name.starts_with("issuer"));
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !ours(&name) || kept.iter().any(|kept| kept.as_deref() == Some(&name)) {
                continue;
            }
            match fs::remove_file(entry.path()) {
                Ok(()) => tracing::info!(file = %entry.path().display(), "key of a predecessor removed"),
                Err(error) => {
                    tracing::warn!(file = %entry.path().display(), %error, "key of a predecessor cannot be removed");
                }
            }
        }
    }
}

/// In the last third of its life, or outside of it.
pub(super) fn is_late(not_before: SystemTime, not_after: SystemTime, now: SystemTime) -> bool {
    let life = not_after.duration_since(not_before).unwrap_or_default();
    now < not_before || now >= not_before + life * 2 / 3
}

fn wants_replacement(signer: &dyn super::Signer, now: SystemTime) -> bool {
    is_late(signer.not_before(), signer.not_after(), now)
}

/// `None` if there is no such file.
fn open_root(
    dir: &Path,
    file: &str,
    trust_domain: &TrustDomain,
    now: SystemTime,
) -> Result<Option<Root>, AuthorityError> {
    let path = dir.join(file);
    let Some((certificate, key, facts)) = open(dir, &path)? else { return Ok(None) };
    let wanted = format!("spiffe://{trust_domain}");
    if facts.uri_names != [wanted] {
        return Err(AuthorityError::OtherTrustDomain {
            path,
            found: facts.uri_names.join(", ").replace("spiffe://", ""),
            wanted: trust_domain.clone(),
        });
    }
    if now < facts.not_before || now > facts.not_after {
        return Err(AuthorityError::NotValidNow {
            path,
            dir: dir.to_owned(),
            not_before: readable(facts.not_before),
            not_after: readable(facts.not_after),
            now: readable(now),
        });
    }
    let signer = Issuer::from_ca_cert_der(&certificate, key)?;
    let (not_before, not_after) = (facts.not_before, facts.not_after);
    Ok(Some(Root { file: file.to_owned(), certificate, signer, not_before, not_after }))
}

/// `None` if there is no such file, or one that another root signed.
fn open_issuer(dir: &Path, file: &str, root: &Root) -> Result<Option<Signing>, AuthorityError> {
    let path = dir.join(file);
    let Some((certificate, key, _)) = open(dir, &path)? else { return Ok(None) };
    let damaged = |e: certificate::CertificateError| damage(dir, &path, e);
    let root_certificate = certificate::parse(&root.certificate).map_err(damaged)?;
    let issuer_certificate = certificate::parse(&certificate).map_err(damaged)?;
    let signed_by_root = issuer_certificate.verify_signature(Some(root_certificate.public_key())).is_ok();
    drop(issuer_certificate);
    if !signed_by_root {
        tracing::warn!(file = %path.display(), "issuer certificate was not signed by the root beside it; replacing it");
        return Ok(None);
    }
    signing(file.to_owned(), key, certificate, root).map(Some)
}

fn signing(
    file: String,
    key: KeyPair,
    certificate: CertificateDer<'static>,
    root: &Root,
) -> Result<Signing, AuthorityError> {
    let roots = vec![root.certificate.clone()];
    let signer = KeySigner::new(key, &certificate, vec![certificate.clone()], roots)
        .map_err(|error| AuthorityError::Signer(error.to_string()))?;
    Ok(Signing { file, signer: Arc::new(signer) })
}

fn create_root(
    dir: &Path,
    trust_domain: &TrustDomain,
    kind: KeyKind,
    now: SystemTime,
) -> Result<Root, AuthorityError> {
    let key = kind.generate()?;
    let not_before = truncated(now - BACKDATE);
    let not_after = truncated(now + ROOT_LIFETIME);
    let (params, serial) =
        signing_params("root", trust_domain, BasicConstraints::Constrained(1), not_before, not_after)?;
    let certificate = params.self_signed(&key)?.der().clone();
    let file = format!("root-{serial}.pem");
    save(&dir.join(&file), &key, &certificate)?;
    Ok(Root { file, certificate, signer: Issuer::new(params, key), not_before, not_after })
}

fn create_issuer(
    dir: &Path,
    trust_domain: &TrustDomain,
    kind: KeyKind,
    root: &Root,
    now: SystemTime,
) -> Result<Signing, AuthorityError> {
    let key = kind.generate()?;
    let not_before = truncated(now - BACKDATE);
    let not_after = truncated(now + ISSUER_LIFETIME).min(root.not_after);
    let (params, serial) =
        signing_params("issuer", trust_domain, BasicConstraints::Constrained(0), not_before, not_after)?;
    let certificate = params.signed_by(&key, &root.signer)?.der().clone();
    let file = format!("issuer-{serial}.pem");
    save(&dir.join(&file), &key, &certificate)?;
    signing(file, key, certificate, root)
}

/// Puts the validity into `params`.
pub(super) fn set_validity(params: &mut CertificateParams, not_before: SystemTime, not_after: SystemTime) {
    let since_1970 = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970(not_before);
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970(not_after);
}

/// The parameters, and the part of the serial number that names the file.
fn signing_params(
    role: &str,
    trust_domain: &TrustDomain,
    constraints: BasicConstraints,
    not_before: SystemTime,
    not_after: SystemTime,
) -> Result<(CertificateParams, String), AuthorityError> {
    let serial = random_serial()?;
    let short = hex(&serial[1..5]);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // Part of the serial number keeps the names of successive authorities apart.
    params.distinguished_name.push(DnType::OrganizationName, trust_domain.as_str());
    params.distinguished_name.push(DnType::CommonName, format!("Ripstop {role} {short}"));
    params.subject_alt_names = vec![SanType::URI(format!("spiffe://{trust_domain}").try_into()?)];
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    set_validity(&mut params, not_before, not_after);
    Ok((params, short))
}

fn save(path: &Path, key: &KeyPair, certificate: &CertificateDer<'_>) -> Result<(), AuthorityError> {
    let text = format!("{}{}", key.serialize_pem(), certificate::to_pem(certificate));
    Ok(files::write_secret(path, text.as_bytes())?)
}

type Opened = (CertificateDer<'static>, KeyPair, CertificateFacts);

fn open(dir: &Path, path: &Path) -> Result<Option<Opened>, AuthorityError> {
    let Some(text) = files::read_secret(path)? else { return Ok(None) };
    // The decoder's message could quote the key, so it is not passed on.
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .ok()
        .and_then(|key| KeyPair::try_from(&key).ok())
        .ok_or_else(|| damage(dir, path, "it has no readable private key"))?;
    let certificate = CertificateDer::from_pem_slice(text.as_bytes())
        .map_err(|_| damage(dir, path, "it has no certificate"))?;
    let facts = CertificateFacts::read(&certificate).map_err(|e| damage(dir, path, e))?;
    if !facts.is_ca {
        return Err(damage(dir, path, "its certificate is not a CA certificate"));
    }
    let parsed = certificate::parse(&certificate).map_err(|e| damage(dir, path, e))?;
    let matches = parsed.public_key().raw == key.subject_public_key_info();
    drop(parsed);
    if !matches {
        return Err(damage(dir, path, "its certificate belongs to another private key"));
    }
    Ok(Some((certificate, key, facts)))
}

fn damage(dir: &Path, path: &Path, reason: impl std::fmt::Display) -> AuthorityError {
    AuthorityError::Damaged { path: path.to_owned(), dir: dir.to_owned(), reason: reason.to_string() }
}
