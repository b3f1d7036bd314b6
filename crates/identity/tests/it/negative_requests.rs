//! Which requests for certificates are refused, and for which reason; each is counted under it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P521_SHA512, SanType,
};
use ripstop_identity::csr::PendingKey;
use ripstop_identity::issuance::{Evidence, Issuance, IssuancePolicy, Rate, RefusalReason};
use ripstop_identity::peer::PeerIdentity;
use ripstop_identity::token::TokenStore;

use crate::support::{HOUR, authority, domain, id, uri};
use crate::testdir::TestDir;

/// An authority that decides, without any network.
struct Desk {
    issuance: Issuance,
    tokens: Arc<TokenStore>,
    authority: Arc<ripstop_identity::authority::Authority>,
    _dir: TestDir,
}

impl Desk {
    fn open() -> Desk {
        let dir = TestDir::new();
        let authority = authority(&dir, domain());
        let tokens = Arc::new(TokenStore::new());
        let policy = IssuancePolicy {
            renewals_per_identity: Rate { burst: 2.0, per_second: 0.001 },
            refusals_per_address: Rate { burst: 40.0, per_second: 0.001 },
            ..IssuancePolicy::default()
        };
        let issuance = Issuance::new(Arc::clone(&authority), Arc::clone(&tokens), policy);
        Desk { issuance, tokens, authority, _dir: dir }
    }

    fn token(&self, lifetime: Duration, at: SystemTime) -> Evidence {
        let token = self.tokens.issue(id("a"), lifetime, at).unwrap();
        Evidence { token: Some(token.expose().to_owned()), ..Evidence::default() }
    }

    fn certificate(&self, lifetime: Duration, at: SystemTime) -> Evidence {
        let svid = self.authority.issue_svid(&id("a"), lifetime, at).unwrap();
        Evidence { peer: PeerIdentity::from_chain(Some(svid.chain())).unwrap(), ..Evidence::default() }
    }

    #[track_caller]
    fn refuses(
        &self,
        what: &str,
        csr: &str,
        seconds: i64,
        evidence: &Evidence,
        reason: RefusalReason,
        text: &str,
    ) {
        let before = self.issuance.stats().refused(reason);
        let outcome = self.issuance.issue(csr, seconds, evidence, SystemTime::now(), Instant::now());
        let refusal = outcome.expect_err(what);
        assert_eq!(RefusalReason::of(&refusal), reason, "{what}: {refusal}");
        assert!(refusal.to_string().contains(text), "{what}: {refusal}");
        assert_eq!(self.issuance.stats().refused(reason), before + 1, "{what} is counted");
    }
}

fn request(change: impl FnOnce(&mut CertificateParams)) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.subject_alt_names = vec![uri(id("a").as_str())];
    change(&mut params);
    params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
}

#[test]
fn requests_without_good_proof() {
    let (desk, now) = (Desk::open(), SystemTime::now());
    let csr = request(|_| {});
    let token = |text: &str| Evidence { token: Some(text.to_owned()), ..Evidence::default() };
    let bad = RefusalReason::BadToken;
    desk.refuses("nothing", &csr, 0, &Evidence::default(), RefusalReason::NoEvidence, "no proof of identity");
    desk.refuses("no token at all", &csr, 0, &token(""), bad, "malformed join token");
    desk.refuses("half a token", &csr, 0, &token("rsj_0011223344556677."), bad, "malformed join token");
    let invented = format!("rsj_{}.{}", "0".repeat(16), "0".repeat(64));
    desk.refuses("an invented token", &csr, 0, &token(&invented), bad, "unknown");
    let used = desk.token(HOUR, now);
    desk.issuance.issue(&csr, 0, &used, now, Instant::now()).unwrap();
    desk.refuses("a token that was used", &csr, 0, &used, bad, "already used");
    let late = desk.token(Duration::from_secs(60), now - HOUR);
    desk.refuses("a token that is over", &csr, 0, &late, RefusalReason::ExpiredToken, "has expired");
    let real = desk.token(HOUR, now);
    let text = real.token.clone().unwrap();
    let guessed = format!("{}.{}", text.split('.').next().unwrap(), "f".repeat(64));
    desk.refuses("a guessed secret", &csr, 0, &token(&guessed), bad, "unknown");
    let expired = desk.certificate(Duration::from_secs(10), now - HOUR);
    desk.refuses(
        "a certificate that is over",
        &csr,
        0,
        &expired,
        RefusalReason::ExpiredCertificate,
        "expired at",
    );
    desk.issuance.issue(&csr, 0, &real, now, Instant::now()).unwrap();
}

/// What is asked for, the request, for how many seconds, and why it is refused.
type Request = (&'static str, String, i64, RefusalReason, &'static str);

fn names_of_others() -> Vec<Request> {
    let other = RefusalReason::OtherIdentity;
    let victim = PendingKey::generate(&id("victim")).unwrap().csr_pem().to_owned();
    vec![
        ("another identity", victim, 0, other, "asks for spiffe://cluster.local/ns/shop/sa/victim"),
        (
            "two identities",
            request(|p| p.subject_alt_names.push(uri("spiffe://cluster.local/b"))),
            0,
            other,
            "asks for",
        ),
        (
            "the control plane",
            request(|p| p.subject_alt_names = vec![uri("spiffe://cluster.local/ns/ripstop/sa/control")]),
            0,
            other,
            "asks for",
        ),
        (
            "another trust domain",
            request(|p| p.subject_alt_names = vec![uri("spiffe://elsewhere/ns/shop/sa/a")]),
            0,
            other,
            "asks for",
        ),
        (
            "a CA",
            request(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            0,
            other,
            "CA certificate",
        ),
        (
            "a key that signs certificates",
            request(|p| p.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
            0,
            other,
            "CA certificate",
        ),
        (
            "a key that signs lists",
            request(|p| p.key_usages = vec![KeyUsagePurpose::CrlSign]),
            0,
            other,
            "CA certificate",
        ),
        (
            "a wildcard name",
            request(|p| p.subject_alt_names.push(SanType::DnsName("*.shop".try_into().unwrap()))),
            0,
            other,
            "wildcard",
        ),
        (
            "a wildcard identity",
            request(|p| p.subject_alt_names = vec![uri("spiffe://cluster.local/*")]),
            0,
            other,
            "wildcard",
        ),
    ]
}

#[test]
fn requests_for_what_nobody_gets() {
    let (desk, now) = (Desk::open(), SystemTime::now());
    let (other, request_error) = (RefusalReason::OtherIdentity, RefusalReason::BadRequest);
    let good = request(|_| {});
    let key = |algorithm| {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap()
    };
    let forged = {
        let der = pem_der(&request(|_| {}));
        let at = der.windows(7).position(|window| window == b"/shop/s").unwrap() + 1;
        let mut der = der;
        der[at] = b'z';
        pem_of(&der)
    };
    let certificate = desk.authority.trust_bundle().to_pem();
    let der = pem_der(&good);
    let broken: Vec<Request> = vec![
        ("a forged signature", forged, 0, RefusalReason::ForgedRequest, "not signed with its own key"),
        (
            "RSA with 1024 bits",
            include_str!("../../src/csr/testdata/rsa1024.pem").to_owned(),
            0,
            RefusalReason::WeakKey,
            "RSA-1024",
        ),
        (
            "a curve of coins",
            include_str!("../../src/csr/testdata/secp256k1.pem").to_owned(),
            0,
            RefusalReason::WeakKey,
            "not accepted",
        ),
        ("P-521", key(&PKCS_ECDSA_P521_SHA512), 0, RefusalReason::WeakKey, "not accepted"),
        ("no request", String::new(), 0, request_error, "malformed"),
        ("a certificate in its place", certificate, 0, request_error, "malformed"),
        ("not PEM", "hello".to_owned(), 0, request_error, "malformed"),
        ("too large", "x".repeat(20_000), 0, request_error, "bytes long"),
        ("cut off", pem_of(&der[..der.len() - 5]), 0, request_error, "malformed"),
        (
            "bytes after the end",
            pem_of(&[der.clone(), vec![0]].concat()),
            0,
            request_error,
            "follow the request",
        ),
        ("for a second", good.clone(), 1, request_error, "is not issued"),
        ("for less than nothing", good.clone(), -1, request_error, "is not issued"),
        ("since for ever", good.clone(), i64::MIN, request_error, "is not issued"),
    ];
    for (what, csr, seconds, reason, text) in names_of_others().into_iter().chain(broken) {
        desk.refuses(what, &csr, seconds, &desk.token(HOUR, now), reason, text);
    }
    // The certificate that one has is no better proof for somebody else's name.
    let mine = desk.certificate(HOUR, now);
    let victim = PendingKey::generate(&id("victim")).unwrap();
    desk.refuses(
        "a neighbour",
        victim.csr_pem(),
        0,
        &mine,
        other,
        "proved to be spiffe://cluster.local/ns/shop/sa/a",
    );
    desk.issuance.issue(&good, i64::MAX, &mine, now, Instant::now()).unwrap();
}

#[test]
fn requests_that_come_too_often() {
    let (desk, now) = (Desk::open(), SystemTime::now());
    let csr = request(|_| {});
    let mine = desk.certificate(HOUR, now);
    for _ in 0..2 {
        desk.issuance.issue(&csr, 0, &mine, now, Instant::now()).unwrap();
    }
    desk.refuses("a third renewal", &csr, 0, &mine, RefusalReason::RateLimited, "too many renewals");
    let stranger = Evidence { address: Some("192.0.2.1".parse().unwrap()), ..Evidence::default() };
    for _ in 0..40 {
        desk.refuses("nothing", &csr, 0, &stranger, RefusalReason::NoEvidence, "no proof");
    }
    desk.refuses("again and again", &csr, 0, &stranger, RefusalReason::RateLimited, "too many refused");
    let other = Evidence { address: Some("192.0.2.2".parse().unwrap()), ..Evidence::default() };
    desk.refuses("somebody else", &csr, 0, &other, RefusalReason::NoEvidence, "no proof");
}

fn pem_der(pem: &str) -> Vec<u8> {
    use rustls_pki_types::pem::PemObject;
    rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

fn pem_of(der: &[u8]) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der))
}
