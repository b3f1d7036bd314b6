//! The authority: files, reopening, what it signs.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::UNIX_EPOCH;

use super::*;
use crate::certificate::{self, CertificateFacts};
use crate::testdir::TestDir;
use rcgen::KeyPair;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn domain() -> TrustDomain {
    TrustDomain::new("cluster.local").unwrap()
}

fn id() -> SpiffeId {
    SpiffeId::workload(&domain(), "shop", "user-service").unwrap()
}

fn open(dir: &TestDir, now: SystemTime) -> Result<Authority, AuthorityError> {
    Authority::open_or_create(dir.path(), domain(), now)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn files_are_private_and_no_temporary_ones_stay() {
    let dir = TestDir::new();
    open(&dir, now()).unwrap();
    assert_eq!(mode(dir.path()), 0o700);
    assert_eq!(mode(&dir.path().join("root.pem")), 0o600);
    assert_eq!(mode(&dir.path().join("issuer.pem")), 0o600);
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["issuer.pem", "root.pem", "trust-bundle.pem"]);
    let public = fs::read_to_string(dir.path().join("trust-bundle.pem")).unwrap();
    assert!(!public.contains("PRIVATE KEY"));
}

#[test]
fn reopening_gives_the_same_authority() {
    let dir = TestDir::new();
    let first = open(&dir, now()).unwrap();
    let again = open(&dir, now() + DAY).unwrap();
    assert_eq!(first.trust_bundle(), again.trust_bundle());
    assert_eq!(first.issuer_not_after(), again.issuer_not_after());
    assert!(again.issue_svid(&id(), HOUR, now() + DAY).is_ok());
}

#[test]
fn an_old_or_missing_issuer_is_replaced_a_root_never() {
    let dir = TestDir::new();
    let first = open(&dir, now()).unwrap();
    let later = now() + DAY * 300;
    let again = open(&dir, later).unwrap();
    assert_eq!(first.trust_bundle(), again.trust_bundle());
    assert!(again.issuer_not_after() > first.issuer_not_after());
    fs::remove_file(dir.path().join("issuer.pem")).unwrap();
    open(&dir, later).unwrap();
    fs::remove_file(dir.path().join("root.pem")).unwrap();
    let error = open(&dir, later).unwrap_err().to_string();
    assert!(error.contains("root.pem is damaged: it is missing"), "{error}");
}

#[test]
fn a_running_authority_replaces_its_issuer() {
    let dir = TestDir::new();
    let authority = open(&dir, now()).unwrap();
    let before = authority.issuer_not_after();
    let later = now() + DAY * 300;
    let chain = authority.sign(&csr(), &id(), DAY, later).unwrap();
    assert!(authority.issuer_not_after() > before);
    assert_eq!(chain.not_after, later + DAY);
    assert_eq!(open(&dir, later).unwrap().issuer_not_after(), authority.issuer_not_after());
}

#[test]
fn damaged_files_are_named_with_what_to_do() {
    for (spoil, expected) in [
        ("", "no readable private key"),
        ("CERT", "has no certificate"),
        ("OTHER", "belongs to another private key"),
    ] {
        let dir = TestDir::new();
        open(&dir, now()).unwrap();
        let path = dir.path().join("root.pem");
        let text = fs::read_to_string(&path).unwrap();
        let at = text.find("-----BEGIN CERTIFICATE").unwrap();
        let spoiled = match spoil {
            "CERT" => text[..at].to_owned(),
            "OTHER" => format!("{}{}", KeyPair::generate().unwrap().serialize_pem(), &text[at..]),
            _ => String::new(),
        };
        crate::files::write_secret(&path, spoiled.as_bytes()).unwrap();
        let error = open(&dir, now()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("root.pem") && error.contains("move"), "{error}");
    }
}

#[test]
fn open_modes_wrong_domain_and_expired_root_are_refused() {
    let dir = TestDir::new();
    open(&dir, now()).unwrap();
    let other = Authority::open_or_create(dir.path(), TrustDomain::new("other").unwrap(), now()).unwrap_err();
    assert!(other.to_string().contains("belongs to trust domain cluster.local, not other"), "{other}");
    let expired = open(&dir, now() + DAY * 3651).unwrap_err();
    assert!(matches!(expired, AuthorityError::NotValidNow { .. }), "{expired}");
    fs::set_permissions(dir.path().join("root.pem"), fs::Permissions::from_mode(0o640)).unwrap();
    let error = open(&dir, now()).unwrap_err().to_string();
    assert!(error.contains("mode 0640") && error.contains("chmod 600"), "{error}");
    fs::set_permissions(dir.path().join("root.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(open(&dir, now()).unwrap_err().to_string().contains("chmod 700"));
}

fn csr() -> VerifiedCsr {
    VerifiedCsr::from_pem(PendingKey::generate(&id()).unwrap().csr_pem()).unwrap()
}

#[test]
fn a_leaf_is_what_spiffe_wants() {
    let dir = TestDir::new();
    let authority = open(&dir, now()).unwrap();
    let chain = authority.sign(&csr(), &id(), HOUR, now()).unwrap();
    let facts = CertificateFacts::read(&chain.certificates[0]).unwrap();
    assert_eq!(facts.spiffe_id().unwrap(), id());
    assert_eq!((facts.not_before, facts.not_after), (now() - BACKDATE, now() + HOUR));
    assert_eq!((facts.serial.clone(), facts.subject.as_str()), (chain.serial.clone(), ""));
    let leaf = certificate::parse(&chain.certificates[0]).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical && names.value.general_names.len() == 1);
    let constraints = leaf.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && !constraints.value.ca);
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.flags == 1, "digitalSignature alone");
    let purposes = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.client_auth && purposes.server_auth && !purposes.any);

    let issuer = certificate::parse(&chain.certificates[1]).unwrap();
    assert_eq!(issuer.basic_constraints().unwrap().unwrap().value.path_len_constraint, Some(0));
    assert!(leaf.verify_signature(Some(issuer.public_key())).is_ok());
    assert_ne!(authority.sign(&csr(), &id(), HOUR, now()).unwrap().serial, chain.serial);
}

#[test]
fn lifetimes_and_identities_are_bounded() {
    let dir = TestDir::new();
    let authority = open(&dir, now()).unwrap();
    for lifetime in [Duration::from_secs(9), MAX_LIFETIME + Duration::from_secs(1), Duration::MAX] {
        assert!(matches!(authority.sign(&csr(), &id(), lifetime, now()), Err(AuthorityError::Lifetime(_))));
    }
    let foreign = SpiffeId::new("spiffe://other/ns/a/sa/b").unwrap();
    let error = authority.sign(&csr(), &foreign, HOUR, now()).unwrap_err();
    assert!(matches!(error, AuthorityError::ForeignIdentity { .. }));
    assert!(!format!("{authority:?}").to_lowercase().contains("key"));
}
