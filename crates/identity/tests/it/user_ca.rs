//! A CA of the user's in files: read again when they change, never used when they do not fit together.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use ripstop_identity::authority::{Authority, AuthorityConfig, AuthorityError, CaPaths, CaSource};
use ripstop_identity::bundle::TrustBundle;
use ripstop_identity::succession::{Decision, Patience, Successor};
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::verify::{AllowedIdentities, PeerVerifier};
use webpki::KeyUsage;

use crate::support::{HOUR, ca_params, domain, id, valid};
use crate::testdir::TestDir;

/// A root of the user's, which signs issuers.
struct Root {
    pem: String,
    signer: Issuer<'static, KeyPair>,
}

impl Root {
    fn new(name: &str) -> Root {
        let (params, key) = (ca_params(name), KeyPair::generate().unwrap());
        let pem = params.self_signed(&key).unwrap().pem();
        Root { pem, signer: Issuer::new(params, key) }
    }

    /// An issuer's certificate and key as PEM.
    fn issuer(&self, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = ca_params("issuer");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.signer).unwrap().pem(), key.serialize_pem())
    }
}

fn put(dir: &Path, name: &str, text: &str) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join(name), text).unwrap();
}

fn put_all(dir: &Path, (certificate, key): &(String, String), root: &Root) {
    put(dir, "tls.crt", certificate);
    put(dir, "tls.key", key);
    put(dir, "ca.crt", &root.pem);
}

fn open(state: &TestDir, ca: &Path, at: SystemTime) -> Result<Authority, AuthorityError> {
    let patience =
        Patience { settle: Duration::from_secs(1), after_start: Duration::ZERO, distribute: Duration::ZERO };
    let ca = CaSource::Files(CaPaths::in_directory(ca));
    let config = AuthorityConfig { ca, patience, ..AuthorityConfig::new(state.path(), domain()) };
    Authority::open(config, at)
}

/// Whether a workload that trusts `trusted` accepts what `authority` issues now.
fn accepted_by(authority: &Authority, trusted: &TrustBundle, now: SystemTime) -> bool {
    let svid = authority.issue_svid(&id("a"), HOUR, now).unwrap();
    let verifier = PeerVerifier::new(IdentityHandle::new(trusted.clone()), AllowedIdentities::only(id("a")));
    let [leaf, rest @ ..] = svid.chain() else { panic!() };
    verifier.verify(leaf, rest, KeyUsage::server_auth(), now).is_ok()
}

/// Goes through what is under way, with nobody connected.
fn finish(authority: &Authority, from: SystemTime) -> u64 {
    for second in 0..100_000 {
        let now = from + Duration::from_secs(second);
        let decision = authority.decide(&[], now);
        authority.carry_out(&decision, now).unwrap();
        if decision == Decision::Done {
            return second;
        }
    }
    panic!("no end: {:?}", authority.status());
}

#[test]
fn another_issuer_is_taken_when_it_is_whole() {
    let (state, files) = (TestDir::new(), TestDir::new());
    let (dir, root, now) = (files.path(), Root::new("one"), SystemTime::now());
    let first = root.issuer(|_| {});
    put_all(dir, &first, &root);
    let authority = open(&state, dir, now).unwrap();
    let bundle = authority.trust_bundle();
    assert!(accepted_by(&authority, &bundle, now));
    assert!(!authority.status().own);
    assert!(matches!(authority.begin(Successor::Root, now), Err(AuthorityError::NotOurs(_))));
    let issuer = authority.status().issuer;

    // Half of the pair is there.
    let second = root.issuer(|_| {});
    put(dir, "tls.crt", &second.0);
    authority.maintain(now);
    let status = authority.status();
    assert!(
        status.last_error.as_ref().unwrap().contains("is not the key of the first certificate"),
        "{status:?}"
    );
    assert!(status.issuer == issuer && status.succession.is_none());
    assert!(accepted_by(&authority, &bundle, now));
    // A file that is not there, and one that is cut off.
    fs::remove_file(dir.join("tls.key")).unwrap();
    authority.maintain(now);
    assert!(authority.status().last_error.unwrap().contains("cannot be read"));
    put(dir, "tls.key", &second.1[..40]);
    authority.maintain(now);
    assert!(authority.status().last_error.unwrap().contains("no readable private key"));
    assert!(accepted_by(&authority, &bundle, now));

    put(dir, "tls.key", &second.1);
    authority.maintain(now);
    assert_eq!(authority.status().succession.map(|one| one.0), Some(Successor::Issuer));
    assert!(finish(&authority, now) < 10, "the root is the same: nothing is to be waited for");
    assert_ne!(authority.status().issuer, issuer);
    assert!(accepted_by(&authority, &bundle, now));
    assert_eq!(authority.status().last_error, None);
}

#[test]
fn another_root_is_made_known_before_it_is_used() {
    let (state, files) = (TestDir::new(), TestDir::new());
    let (dir, old, new, now) = (files.path(), Root::new("old"), Root::new("new"), SystemTime::now());
    put_all(dir, &old.issuer(|_| {}), &old);
    let authority = open(&state, dir, now).unwrap();
    let old_bundle = authority.trust_bundle();
    let csr = ripstop_identity::csr::PendingKey::generate(&id("b")).unwrap();
    let csr = ripstop_identity::csr::VerifiedCsr::from_pem(csr.csr_pem()).unwrap();
    authority.sign(&csr, &id("b"), HOUR, now).unwrap();
    put_all(dir, &new.issuer(|_| {}), &new);
    authority.maintain(now);
    assert_eq!(authority.status().succession.map(|one| one.0), Some(Successor::Root));
    assert_eq!(authority.trust_bundle().roots().len(), 2);
    assert!(accepted_by(&authority, &old_bundle, now), "the old one signs until the new one is known");
    // A certificate of the old root lives for an hour.
    let took = finish(&authority, now);
    assert!((3_600..3_700).contains(&took), "{took} s");
    assert_eq!(authority.trust_bundle().roots().len(), 1);
    assert!(!accepted_by(&authority, &old_bundle, now + HOUR * 2));
}

#[test]
fn an_own_ca_is_followed_by_the_users() {
    let (state, files) = (TestDir::new(), TestDir::new());
    let (dir, root, now) = (files.path(), Root::new("user"), SystemTime::now());
    let own = Authority::open_or_create(state.path(), domain(), now).unwrap();
    let own_bundle = own.trust_bundle();
    let csr = ripstop_identity::csr::PendingKey::generate(&id("b")).unwrap();
    let csr = ripstop_identity::csr::VerifiedCsr::from_pem(csr.csr_pem()).unwrap();
    own.sign(&csr, &id("b"), HOUR, now).unwrap();
    drop(own);
    put_all(dir, &root.issuer(|_| {}), &root);
    let authority = open(&state, dir, now).unwrap();
    // Certificates from before are good until they end.
    assert!(authority.trust_bundle().roots().contains(&own_bundle.roots()[0]));
    finish(&authority, now);
    assert!(!authority.trust_bundle().roots().contains(&own_bundle.roots()[0]));
}

#[test]
fn what_peers_would_refuse_is_not_taken() {
    let (root, other, now) = (Root::new("one"), Root::new("other"), SystemTime::now());
    let good = root.issuer(|_| {});
    type Spoil<'a> = (&'static str, (String, String), &'a Root, &'static str);
    let cases: [Spoil<'_>; 6] = [
        ("no CA", root.issuer(|p| p.is_ca = IsCa::ExplicitNoCa), &root, "is not a CA certificate"),
        ("expired", root.issuer(|p| valid(p, -7200, -3600)), &root, "is valid from"),
        ("another root", good.clone(), &other, "would be refused by peers"),
        ("another key", (good.0.clone(), other.issuer(|_| {}).1), &root, "is not the key"),
        ("no path left", root.issuer(|p| p.key_usages = vec![KeyUsagePurpose::CrlSign]), &root, ""),
        ("no certificate", (String::new(), good.1.clone()), &root, "no certificate in it"),
    ];
    for (what, pair, root, expected) in cases {
        let (state, files) = (TestDir::new(), TestDir::new());
        put_all(files.path(), &pair, root);
        let error = open(&state, files.path(), now).map(drop).expect_err(what).to_string();
        assert!(error.contains(expected), "{what}: {error}");
        assert!(!error.contains("PRIVATE"), "{error}");
    }
}

#[test]
fn istios_names_are_known_too() {
    let (state, files, now) = (TestDir::new(), TestDir::new(), SystemTime::now());
    let (root, dir) = (Root::new("root"), files.path());
    // Root, intermediate, issuer: the chain file has what lies between.
    let (middle_params, middle_key) = (ca_params("middle"), KeyPair::generate().unwrap());
    let middle = middle_params.signed_by(&middle_key, &root.signer).unwrap().pem();
    let middle = Root { pem: middle, signer: Issuer::new(middle_params, middle_key) };
    let (certificate, key) = middle.issuer(|_| {});
    put(dir, "ca-cert.pem", &certificate);
    put(dir, "ca-key.pem", &key);
    put(dir, "cert-chain.pem", &format!("{certificate}{}", middle.pem));
    put(dir, "root-cert.pem", &root.pem);
    let authority = open(&state, dir, now).unwrap();
    let svid = authority.issue_svid(&id("a"), HOUR, now).unwrap();
    assert_eq!(svid.chain().len(), 3, "leaf, issuer, intermediate");
    assert!(accepted_by(&authority, &authority.trust_bundle(), now));
}
