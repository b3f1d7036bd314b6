//! The authority: files, reopening, what it signs.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::UNIX_EPOCH;

use super::*;
use crate::certificate::{self, CertificateFacts};
use crate::succession::Decision;
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

fn names(dir: &TestDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The file of the root or of the issuer that counts.
fn file(dir: &TestDir, role: &str) -> PathBuf {
    let name = names(dir).into_iter().find(|name| name.starts_with(role)).unwrap();
    dir.path().join(name)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn files_are_private_and_no_temporary_ones_stay() {
    let dir = TestDir::new();
    open(&dir, now()).unwrap();
    assert_eq!(mode(dir.path()), 0o700);
    let names = names(&dir);
    let [manifest, issuer, root, bundle] = names.as_slice() else { panic!("{names:?}") };
    assert_eq!((manifest.as_str(), bundle.as_str()), ("authority", "trust-bundle.pem"));
    assert!(issuer.starts_with("issuer-") && root.starts_with("root-"), "{names:?}");
    for name in [manifest, issuer, root] {
        assert_eq!(mode(&dir.path().join(name)), 0o600, "{name}");
    }
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
    fs::remove_file(file(&dir, "issuer")).unwrap();
    open(&dir, later).unwrap();
    fs::remove_file(file(&dir, "root")).unwrap();
    let error = open(&dir, later).unwrap_err().to_string();
    assert!(error.contains(".pem is damaged: it is missing"), "{error}");
}

#[test]
fn a_running_authority_replaces_what_is_late() {
    let dir = TestDir::new();
    let authority = open(&dir, now()).unwrap();
    let before = authority.status();
    let later = now() + DAY * 300;
    authority.maintain(later);
    advance(&authority, later);
    let after = authority.status();
    assert!(after.issuer_not_after > before.issuer_not_after && after.roots == before.roots);
    assert_eq!(after.issuers_replaced, 1);
    let chain = authority.sign(&csr(), &id(), DAY, later).unwrap();
    assert_eq!(chain.not_after, later + DAY);
    assert_eq!(open(&dir, later).unwrap().issuer_not_after(), authority.issuer_not_after());

    let seven_years = now() + DAY * 7 * 365;
    authority.maintain(seven_years);
    advance(&authority, seven_years);
    assert_eq!(authority.status().roots_replaced, 1);
    assert_ne!(authority.status().roots, before.roots);
}

/// Nobody is connected, and nothing of the old lives: goes through all phases of what is under way.
fn advance(authority: &Authority, from: SystemTime) -> Vec<Phase> {
    let mut phases = Vec::new();
    for second in 0..400_000 {
        let now = from + Duration::from_secs(second);
        let decision = authority.decide(&[], now);
        authority.carry_out(&decision, now).unwrap();
        match decision {
            Decision::Begin(phase) => phases.push(phase),
            Decision::Done => return phases,
            Decision::Wait(_) => {}
        }
    }
    panic!("no end: {:?}", authority.status());
}

#[test]
fn a_succession_goes_on_after_a_crash_in_any_phase() {
    for crash_in in [None, Some(Phase::Distribute), Some(Phase::Issue), Some(Phase::Retire)] {
        let dir = TestDir::new();
        let mut authority = open(&dir, now()).unwrap();
        let old = authority.trust_bundle();
        let before = authority.sign(&csr(), &id(), HOUR, now()).unwrap();
        authority.begin(Successor::Root, now()).unwrap();
        let reached = |authority: &Authority| authority.status().succession.map(|one| one.1);
        let mut seconds = 0;
        let mut crashed = crash_in.is_none();
        while reached(&authority).is_some() {
            let at = now() + Duration::from_secs(seconds);
            if !crashed && reached(&authority) == crash_in {
                drop(authority);
                authority = open(&dir, at).unwrap();
                assert_eq!(reached(&authority), crash_in);
                crashed = true;
            }
            let decision = authority.decide(&[], at);
            authority.carry_out(&decision, at).unwrap();
            // A certificate from before is good until its end, and a new one at once.
            let roots = authority.trust_bundle();
            if at < before.not_after {
                assert!(
                    roots.roots().contains(&old.roots()[0]),
                    "{crash_in:?}: the old root is gone after {seconds} s"
                );
            }
            let fresh = authority.sign(&csr(), &id(), HOUR, at).unwrap();
            let issuer = certificate::parse(&fresh.certificates[1]).unwrap();
            let trusted = roots.roots().iter().any(|root| {
                issuer.verify_signature(Some(certificate::parse(root).unwrap().public_key())).is_ok()
            });
            assert!(trusted, "{crash_in:?} after {seconds} s");
            seconds += 30;
            assert!(seconds < 100_000, "{crash_in:?}: {:?}", authority.status());
        }
        assert!(!authority.trust_bundle().roots().contains(&old.roots()[0]));
        let kept = names(&dir);
        assert_eq!(kept.len(), 4, "keys of predecessors are gone: {kept:?}");
    }
}

#[test]
fn an_authority_from_before_there_was_a_manifest_is_taken_over() {
    let dir = TestDir::new();
    let first = open(&dir, now()).unwrap();
    fs::rename(file(&dir, "root"), dir.path().join("root.pem")).unwrap();
    fs::rename(file(&dir, "issuer"), dir.path().join("issuer.pem")).unwrap();
    fs::remove_file(dir.path().join("authority")).unwrap();
    let again = open(&dir, now()).unwrap();
    assert_eq!(again.trust_bundle(), first.trust_bundle());
    assert_eq!(again.status().issuer, first.status().issuer);
}

#[test]
fn every_kind_of_key_signs() {
    for key in KeyKind::ALL {
        let dir = TestDir::new();
        let config = AuthorityConfig { key, ..AuthorityConfig::new(dir.path(), domain()) };
        let authority = Authority::open(config, now()).unwrap();
        let svid = authority.issue_svid(&id(), HOUR, now()).unwrap();
        let handle = crate::svid::IdentityHandle::new(authority.trust_bundle());
        let verifier = crate::verify::PeerVerifier::new(handle, crate::verify::AllowedIdentities::only(id()));
        let [leaf, rest @ ..] = svid.chain() else { panic!() };
        verifier
            .verify(leaf, rest, webpki::KeyUsage::client_auth(), now())
            .unwrap_or_else(|e| panic!("{key}: {e}"));
        assert_eq!(svid.issued_by(), Some(authority.status().issuer.as_str()), "{key}");
    }
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
        let path = file(&dir, "root");
        let text = fs::read_to_string(&path).unwrap();
        let at = text.find("-----BEGIN CERTIFICATE").unwrap();
        let spoiled = match spoil {
            "CERT" => text[..at].to_owned(),
            "OTHER" => format!("{}{}", KeyPair::generate().unwrap().serialize_pem(), &text[at..]),
            _ => String::new(),
        };
        files::write_secret(&path, spoiled.as_bytes()).unwrap();
        let error = open(&dir, now()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("root-") && error.contains("move"), "{error}");
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
    fs::set_permissions(file(&dir, "root"), fs::Permissions::from_mode(0o640)).unwrap();
    let error = open(&dir, now()).unwrap_err().to_string();
    assert!(error.contains("mode 0640") && error.contains("chmod 600"), "{error}");
    fs::set_permissions(file(&dir, "root"), fs::Permissions::from_mode(0o600)).unwrap();
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
