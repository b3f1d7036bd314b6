//! Certificates that the user's CA has taken back: refused by everybody who has heard of it, and nobody else is.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevocationReason,
    RevokedCertParams, SerialNumber,
};
use ripstop_identity::authority::{Authority, AuthorityConfig, CaPaths, CaSource};
use ripstop_identity::svid::{IdentityHandle, Svid};
use ripstop_identity::tls::{self, ALPN_H2};
use ripstop_identity::verify::{AllowedIdentities, PeerVerifier};
use webpki::KeyUsage;

use crate::support::{HOUR, ca_params, domain, handshake, id, valid};
use crate::testdir::TestDir;

/// A root that signs an issuer, which signs workloads; both can take back what they have signed.
struct Ca {
    root: Issuer<'static, KeyPair>,
    issuer: Issuer<'static, KeyPair>,
    issuer_serial: SerialNumber,
}

impl Ca {
    /// Writes its files to `dir`.
    fn new(dir: &Path) -> Ca {
        fs::create_dir_all(dir).unwrap();
        let (root_params, root_key) = (ca_params("root"), KeyPair::generate().unwrap());
        let root_pem = root_params.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root_params, root_key);
        let (mut issuer_params, issuer_key) = (ca_params("issuer"), KeyPair::generate().unwrap());
        let issuer_serial = SerialNumber::from_slice(&[0x42; 16]);
        issuer_params.serial_number = Some(issuer_serial.clone());
        let issuer_pem = issuer_params.signed_by(&issuer_key, &root).unwrap().pem();
        fs::write(dir.join("tls.crt"), issuer_pem).unwrap();
        fs::write(dir.join("tls.key"), issuer_key.serialize_pem()).unwrap();
        fs::write(dir.join("ca.crt"), root_pem).unwrap();
        Ca { root, issuer: Issuer::new(issuer_params, issuer_key), issuer_serial }
    }
}

/// A list of `signer` with these serial numbers; its next issue was due `due_s` seconds from now.
fn list(signer: &Issuer<'static, KeyPair>, serials: &[SerialNumber], due_s: i64) -> String {
    let mut times = CertificateParams::default();
    valid(&mut times, -7_200, due_s);
    let revoked = serials.iter().map(|serial| RevokedCertParams {
        serial_number: serial.clone(),
        revocation_time: times.not_before,
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: times.not_before,
        next_update: times.not_after,
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(signer).unwrap().pem().unwrap()
}

fn serial(svid: &Svid) -> SerialNumber {
    let bytes: Vec<u8> = (0..svid.serial().len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&svid.serial()[at..at + 2], 16).unwrap())
        .collect();
    SerialNumber::from_slice(&bytes)
}

struct Mesh {
    _dirs: [TestDir; 2],
    files: std::path::PathBuf,
    ca: Ca,
    authority: Authority,
    now: SystemTime,
}

impl Mesh {
    fn new() -> Mesh {
        let (state, files, now) = (TestDir::new(), TestDir::new(), SystemTime::now());
        let ca = Ca::new(files.path());
        let source = CaSource::Files(CaPaths::in_directory(files.path()));
        let config = AuthorityConfig { ca: source, ..AuthorityConfig::new(state.path(), domain()) };
        let authority = Authority::open(config, now).unwrap();
        Mesh { files: files.path().to_owned(), _dirs: [state, files], ca, authority, now }
    }

    /// Puts a file with lists beside the others, and lets the authority look.
    fn put(&self, pem: &str) {
        fs::write(self.files.join("ca.crl"), pem).unwrap();
        self.authority.maintain(self.now);
    }

    fn issue(&self, name: &str) -> Svid {
        self.authority.issue_svid(&id(name), HOUR, self.now).unwrap()
    }

    /// Why somebody who trusts what is announced refuses `svid`.
    fn refused(&self, svid: &Svid) -> Option<(&'static str, String)> {
        let handle = IdentityHandle::new(self.authority.trust_bundle());
        handle.replace_trust(self.authority.announced().borrow().trust.clone());
        let verifier = PeerVerifier::new(handle, AllowedIdentities::AnyInTrustDomain);
        let (leaf, rest) = svid.chain().split_first().unwrap();
        let judged = verifier.verify(leaf, rest, KeyUsage::client_auth(), self.now);
        judged.err().map(|error| (error.label(), error.to_string()))
    }
}

#[test]
fn what_was_taken_back_is_refused_and_nothing_else() {
    let mesh = Mesh::new();
    let (stolen, good) = (mesh.issue("stolen"), mesh.issue("good"));
    assert!(mesh.refused(&stolen).is_none());
    let before = mesh.authority.announced().borrow().version.clone();
    mesh.put(&list(&mesh.ca.issuer, &[serial(&stolen)], 3_600));
    assert_ne!(mesh.authority.announced().borrow().version, before, "everybody has to confirm it");
    let (label, text) = mesh.refused(&stolen).unwrap();
    assert_eq!(label, "revoked");
    assert!(text.contains("sa/stolen") && text.contains(stolen.serial()), "{text}");
    assert!(mesh.refused(&good).is_none());
}

#[test]
fn an_issuer_that_was_taken_back_takes_all_of_its_certificates_with_it() {
    let mesh = Mesh::new();
    let svid = mesh.issue("a");
    mesh.put(&list(&mesh.ca.root, std::slice::from_ref(&mesh.ca.issuer_serial), 3_600));
    assert_eq!(mesh.refused(&svid).unwrap().0, "revoked");
}

#[test]
fn nobody_is_let_in_again_by_accident() {
    let mesh = Mesh::new();
    let stolen = mesh.issue("stolen");
    let good_list = list(&mesh.ca.issuer, &[serial(&stolen)], 3_600);
    mesh.put(&good_list);
    // Half a file, none, and a list whose next issue is late.
    mesh.put(&good_list[..good_list.len() / 2]);
    assert!(mesh.authority.status().last_error.unwrap().contains("ca.crl"));
    assert_eq!(mesh.refused(&stolen).unwrap().0, "revoked");
    fs::remove_file(mesh.files.join("ca.crl")).unwrap();
    mesh.authority.maintain(mesh.now);
    assert_eq!(mesh.refused(&stolen).unwrap().0, "revoked");
    mesh.put(&list(&mesh.ca.issuer, &[serial(&stolen)], -3_600));
    assert_eq!(mesh.refused(&stolen).unwrap().0, "revoked");
    // A list without it.
    mesh.put(&list(&mesh.ca.issuer, &[], 3_600));
    assert!(mesh.refused(&stolen).is_none());
}

#[test]
fn a_list_of_somebody_else_counts_for_nobody() {
    let mesh = Mesh::new();
    let svid = mesh.issue("a");
    // Of the same name, but not signed by that key.
    let stranger = Issuer::new(ca_params("issuer"), KeyPair::generate().unwrap());
    let strangers = list(&stranger, &[serial(&svid)], 3_600);
    mesh.put(&strangers);
    assert_eq!(mesh.refused(&svid), None, "neither revoked nor refused because of the list");
    // It does not hide the right one either.
    mesh.put(&format!("{strangers}{}", list(&mesh.ca.issuer, &[serial(&svid)], 3_600)));
    assert_eq!(mesh.refused(&svid).unwrap().0, "revoked");
}

#[tokio::test]
async fn a_handshake_fails_with_the_reason() {
    let mesh = Mesh::new();
    let workload = |svid: Svid| {
        let handle = IdentityHandle::new(mesh.authority.trust_bundle());
        handle.publish(svid);
        handle
    };
    let (stolen, server) = (mesh.issue("stolen"), workload(mesh.issue("server")));
    mesh.put(&list(&mesh.ca.issuer, &[serial(&stolen)], 3_600));
    server.replace_trust(mesh.authority.announced().borrow().trust.clone());
    let any = AllowedIdentities::AnyInTrustDomain;
    let server = tls::mesh_server_config(&server, any.clone(), &[ALPN_H2]).unwrap();
    let client = tls::mesh_client_config(&workload(stolen), any, &[ALPN_H2]).unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(20), handshake(server, client)).await.unwrap();
    assert!(outcome.server_error().contains("is revoked"), "{}", outcome.server_error());
}
