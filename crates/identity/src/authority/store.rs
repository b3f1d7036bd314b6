//! The authority's files: `root.pem` and `issuer.pem` (each a private key with its certificate, mode 0600) and
//! `trust-bundle.pem` (the root certificate alone, for whoever has to trust it).

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber, date_time_ymd,
};
use ripstop_model::spiffe::TrustDomain;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::{AuthorityError, BACKDATE, random_serial, truncated};
use crate::bundle::TrustBundle;
use crate::certificate::{self, CertificateFacts};
use crate::clock::readable;
use crate::files;
use crate::token::hex;

const ROOT_FILE: &str = "root.pem";
const ISSUER_FILE: &str = "issuer.pem";
const BUNDLE_FILE: &str = "trust-bundle.pem";

const ROOT_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 3600);
const ISSUER_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// One signing certificate with its key.
pub(super) struct Tier {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) signer: Issuer<'static, KeyPair>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

/// `None` if there is no root yet.
pub(super) fn open_root(
    dir: &Path,
    trust_domain: &TrustDomain,
    now: SystemTime,
) -> Result<Option<Tier>, AuthorityError> {
    let path = dir.join(ROOT_FILE);
    let Some((root, facts)) = open(dir, &path)? else { return Ok(None) };
    let wanted = format!("spiffe://{trust_domain}");
    if facts.uri_names != [wanted] {
        return Err(AuthorityError::OtherTrustDomain {
            path,
            found: facts.uri_names.join(", ").replace("spiffe://", ""),
            wanted: trust_domain.clone(),
        });
    }
    if now < root.not_before || now > root.not_after {
        return Err(AuthorityError::NotValidNow {
            path,
            dir: dir.to_owned(),
            not_before: readable(root.not_before),
            not_after: readable(root.not_after),
            now: readable(now),
        });
    }
    Ok(Some(root))
}

/// `None` if there is no issuer yet, or one that another root signed.
pub(super) fn open_issuer(dir: &Path, root: &Tier) -> Result<Option<Tier>, AuthorityError> {
    let path = dir.join(ISSUER_FILE);
    let Some((issuer, _)) = open(dir, &path)? else { return Ok(None) };
    let damaged = |e: certificate::CertificateError| damage(dir, &path, e);
    let root_certificate = certificate::parse(&root.certificate).map_err(damaged)?;
    let issuer_certificate = certificate::parse(&issuer.certificate).map_err(damaged)?;
    let signed_by_root = issuer_certificate.verify_signature(Some(root_certificate.public_key())).is_ok();
    drop(issuer_certificate);
    if !signed_by_root {
        tracing::warn!(file = %path.display(), "issuer certificate was not signed by the root beside it; replacing it");
        return Ok(None);
    }
    Ok(Some(issuer))
}

pub(super) fn create_root(
    dir: &Path,
    trust_domain: &TrustDomain,
    now: SystemTime,
) -> Result<Tier, AuthorityError> {
    let issuer_path = dir.join(ISSUER_FILE);
    if issuer_path.exists() {
        return Err(damage(dir, &dir.join(ROOT_FILE), "it is missing although issuer.pem is there"));
    }
    let key = KeyPair::generate()?;
    let not_before = truncated(now - BACKDATE);
    let not_after = truncated(now + ROOT_LIFETIME);
    let params =
        signing_params("root", trust_domain, BasicConstraints::Constrained(1), not_before, not_after)?;
    let certificate = params.self_signed(&key)?.der().clone();
    save(&dir.join(ROOT_FILE), &key, &certificate)?;
    Ok(Tier { certificate, signer: Issuer::new(params, key), not_before, not_after })
}

pub(super) fn create_issuer(
    dir: &Path,
    trust_domain: &TrustDomain,
    root: &Tier,
    now: SystemTime,
) -> Result<Tier, AuthorityError> {
    let key = KeyPair::generate()?;
    let not_before = truncated(now - BACKDATE);
    let not_after = truncated(now + ISSUER_LIFETIME).min(root.not_after);
    let params =
        signing_params("issuer", trust_domain, BasicConstraints::Constrained(0), not_before, not_after)?;
    let certificate = params.signed_by(&key, &root.signer)?.der().clone();
    save(&dir.join(ISSUER_FILE), &key, &certificate)?;
    Ok(Tier { certificate, signer: Issuer::new(params, key), not_before, not_after })
}

pub(super) fn publish_bundle(dir: &Path, bundle: &TrustBundle) -> Result<(), AuthorityError> {
    Ok(files::write_public(&dir.join(BUNDLE_FILE), bundle.to_pem().as_bytes())?)
}

/// Puts the validity into `params`.
pub(super) fn set_validity(params: &mut CertificateParams, not_before: SystemTime, not_after: SystemTime) {
    let since_1970 = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970(not_before);
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970(not_after);
}

fn signing_params(
    role: &str,
    trust_domain: &TrustDomain,
    constraints: BasicConstraints,
    not_before: SystemTime,
    not_after: SystemTime,
) -> Result<CertificateParams, AuthorityError> {
    let serial = random_serial()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // Part of the serial number keeps the names of successive authorities apart.
    params.distinguished_name.push(DnType::OrganizationName, trust_domain.as_str());
    params.distinguished_name.push(DnType::CommonName, format!("Ripstop {role} {}", hex(&serial[1..5])));
    params.subject_alt_names = vec![SanType::URI(format!("spiffe://{trust_domain}").try_into()?)];
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    set_validity(&mut params, not_before, not_after);
    Ok(params)
}

fn save(path: &Path, key: &KeyPair, certificate: &CertificateDer<'_>) -> Result<(), AuthorityError> {
    let text = format!("{}{}", key.serialize_pem(), certificate::to_pem(certificate));
    Ok(files::write_secret(path, text.as_bytes())?)
}

fn open(dir: &Path, path: &Path) -> Result<Option<(Tier, CertificateFacts)>, AuthorityError> {
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
    let signer = Issuer::from_ca_cert_der(&certificate, key)?;
    let tier = Tier { signer, not_before: facts.not_before, not_after: facts.not_after, certificate };
    Ok(Some((tier, facts)))
}

fn damage(dir: &Path, path: &Path, reason: impl std::fmt::Display) -> AuthorityError {
    AuthorityError::Damaged { path: path.to_owned(), dir: dir.to_owned(), reason: reason.to_string() }
}
