//! Which certificates of peers are refused, and for which reason. Each case starts from something that is accepted and spoils one
//! thing. Requests for certificates are in `negative_requests`.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use ripstop_identity::bundle::TrustBundle;
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::verify::{AllowedIdentities, PeerVerifier, REASONS};
use rustls_pki_types::CertificateDer;
use webpki::KeyUsage;

use crate::support::{domain, id, uri, valid};

const SERVER: fn() -> KeyUsage = KeyUsage::server_auth;
const CLIENT: fn() -> KeyUsage = KeyUsage::client_auth;

/// A root, an issuer and a leaf; each can be spoiled before it is signed.
struct Pki {
    root: CertificateDer<'static>,
    issuer: CertificateDer<'static>,
    leaf: CertificateDer<'static>,
    issuer_signer: Issuer<'static, KeyPair>,
}

type Change = fn(&mut CertificateParams);

fn keep(_: &mut CertificateParams) {}

fn ca_params(constraints: BasicConstraints, name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    valid(&mut params, -3600, 360_000);
    params
}

fn leaf_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.subject_alt_names = vec![uri(id("client").as_str())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    valid(&mut params, -600, 36_000);
    params
}

fn pki(spoil_root: Change, spoil_issuer: Change, spoil_leaf: Change) -> Pki {
    let (root_key, issuer_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut root_params = ca_params(BasicConstraints::Constrained(1), "root");
    spoil_root(&mut root_params);
    let root = root_params.self_signed(&root_key).unwrap().der().clone();
    let root_signer = Issuer::new(root_params, root_key);
    let mut issuer_params = ca_params(BasicConstraints::Constrained(0), "issuer");
    spoil_issuer(&mut issuer_params);
    let issuer = issuer_params.signed_by(&issuer_key, &root_signer).unwrap().der().clone();
    let issuer_signer = Issuer::new(issuer_params, issuer_key);
    let leaf = sign(&issuer_signer, spoil_leaf);
    Pki { root, issuer, leaf, issuer_signer }
}

fn sign(signer: &Issuer<'static, KeyPair>, spoil: Change) -> CertificateDer<'static> {
    let mut params = leaf_params();
    spoil(&mut params);
    params.signed_by(&KeyPair::generate().unwrap(), signer).unwrap().der().clone()
}

fn leaf_of(spoil: Change) -> (Pki, Vec<CertificateDer<'static>>) {
    let pki = pki(keep, keep, spoil);
    let chain = vec![pki.leaf.clone(), pki.issuer.clone()];
    (pki, chain)
}

/// Judges a chain as a peer that trusts `root` and allows everybody.
fn judge(
    root: &CertificateDer<'static>,
    chain: &[CertificateDer<'static>],
    usage: KeyUsage,
) -> Result<(), (String, String)> {
    let trust = IdentityHandle::new(TrustBundle::new(domain(), vec![root.clone()]).unwrap());
    let verifier = PeerVerifier::new(trust, AllowedIdentities::AnyInTrustDomain);
    let (leaf, rest) = chain.split_first().unwrap();
    match verifier.verify(leaf, rest, usage, SystemTime::now()) {
        Ok(_) => Ok(()),
        Err(error) => {
            assert!(REASONS.contains(&error.label()), "{} is no known reason", error.label());
            Err((error.label().to_owned(), error.to_string()))
        }
    }
}

#[track_caller]
fn refused(what: &str, outcome: Result<(), (String, String)>, label: &str, text: &str) {
    let (found, message) = outcome.expect_err(what);
    assert_eq!(found, label, "{what}: {message}");
    assert!(message.contains(text), "{what}: {message}");
}

fn with_uri(text: &'static str) -> impl Fn(&mut CertificateParams) {
    move |params| params.subject_alt_names = vec![uri(text)]
}

#[test]
fn the_unspoiled_chain_is_accepted_on_both_sides() {
    let (pki, chain) = leaf_of(keep);
    for usage in [SERVER(), CLIENT()] {
        judge(&pki.root, &chain, usage).unwrap();
    }
}

#[test]
fn spoiled_leaves() {
    // What is wrong, the label, a word of the message, how.
    let cases: [(&str, &str, &str, Change); 18] = [
        ("expired", "expired", "expired at", |p| valid(p, -7200, -60)),
        ("not yet valid", "not_yet_valid", "valid from", |p| valid(p, 60, 7200)),
        ("no alternative name", "no_spiffe_id", "has 0 URI", |p| p.subject_alt_names.clear()),
        ("two identities", "no_spiffe_id", "has 2 URI", |p| {
            p.subject_alt_names.push(uri("spiffe://cluster.local/b"));
        }),
        ("an identity and a web address", "no_spiffe_id", "has 2 URI", |p| {
            p.subject_alt_names.push(uri("https://cluster.local/"));
        }),
        ("common name only", "no_spiffe_id", "has 0 URI", |p| {
            p.subject_alt_names.clear();
            p.distinguished_name.push(DnType::CommonName, id("client").as_str());
        }),
        ("DNS name only", "no_spiffe_id", "has 0 URI", |p| {
            p.subject_alt_names = vec![SanType::DnsName("client.shop".try_into().unwrap())];
        }),
        ("mail address only", "no_spiffe_id", "has 0 URI", |p| {
            p.subject_alt_names = vec![SanType::Rfc822Name("a@cluster.local".try_into().unwrap())];
        }),
        ("IP address only", "no_spiffe_id", "has 0 URI", |p| {
            p.subject_alt_names = vec![SanType::IpAddress("10.0.0.1".parse().unwrap())];
        }),
        ("a CA certificate", "untrusted_chain", "a CA certificate cannot be", |p| {
            p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }),
        ("key usage of a key exchange", "key_usage", "digital signatures", |p| {
            p.key_usages = vec![KeyUsagePurpose::KeyAgreement];
        }),
        ("key usage of key transport", "key_usage", "digital signatures", |p| {
            p.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        }),
        ("key usage of an issuer", "key_usage", "digital signatures", |p| {
            p.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        }),
        ("for signing code", "untrusted_chain", "extended key usage", |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        }),
        ("for signing times", "untrusted_chain", "extended key usage", |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
        }),
        ("for answering OCSP", "untrusted_chain", "extended key usage", |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        }),
        ("a critical extension that nobody knows", "malformed", "UnsupportedCriticalExtension", |p| {
            let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 55555, 1], vec![5, 0]);
            unknown.set_criticality(true);
            p.custom_extensions = vec![unknown];
        }),
        ("alternative names twice", "malformed", "", |p| {
            // SEQUENCE { [6] "spiffe://cluster.local/x" }
            let name = b"spiffe://cluster.local/x";
            let mut der = vec![0x30, name.len() as u8 + 2, 0x86, name.len() as u8];
            der.extend_from_slice(name);
            p.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], der)];
        }),
    ];
    for (what, label, text, spoil) in cases {
        let (pki, chain) = leaf_of(spoil);
        for usage in [SERVER(), CLIENT()] {
            refused(what, judge(&pki.root, &chain, usage), label, text);
        }
    }
    // Each side asks for its own purpose.
    let (pki, chain) = leaf_of(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    judge(&pki.root, &chain, SERVER()).unwrap();
    refused(
        "a server as client",
        judge(&pki.root, &chain, CLIENT()),
        "untrusted_chain",
        "extended key usage",
    );
    let (pki, chain) = leaf_of(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    refused(
        "a client as server",
        judge(&pki.root, &chain, SERVER()),
        "untrusted_chain",
        "extended key usage",
    );
}

#[test]
fn names_that_are_no_identity_of_ours() {
    let long: &'static str =
        Box::leak(format!("spiffe://cluster.local/{}", "a".repeat(2049)).into_boxed_str());
    let cases: [(&'static str, &str, &str); 16] = [
        ("https://cluster.local/ns/shop/sa/client", "no_spiffe_id", "must begin with `spiffe://`"),
        ("SPIFFE://cluster.local/ns/shop/sa/client", "no_spiffe_id", "must begin with `spiffe://`"),
        ("spiffe://cluster.local/ns//sa/client", "no_spiffe_id", "empty path segment"),
        ("spiffe://cluster.local/ns/shop/sa/client/", "no_spiffe_id", "empty path segment"),
        ("spiffe://cluster.local/ns/../sa/client", "no_spiffe_id", "relative path segment"),
        ("spiffe://Cluster.local/ns/shop/sa/client", "no_spiffe_id", "not allowed in a trust domain"),
        ("spiffe://cluster.local:443/ns/shop/sa/client", "no_spiffe_id", "not allowed in a trust domain"),
        ("spiffe://root@cluster.local/ns/shop/sa/client", "no_spiffe_id", "not allowed in a trust domain"),
        ("spiffe://cluster.local/ns/shop/sa/client?x=y", "no_spiffe_id", "not allowed in a path segment"),
        ("spiffe://cluster.local/ns/shop/sa/client#x", "no_spiffe_id", "not allowed in a path segment"),
        ("spiffe://cluster.local/ns/shop/sa/%63lient", "no_spiffe_id", "not allowed in a path segment"),
        ("spiffe:///ns/shop/sa/client", "no_spiffe_id", "has no trust domain"),
        ("spiffe://cluster.local.evil/ns/shop/sa/client", "trust_domain", "expected trust domain"),
        ("spiffe://evil.cluster.local/ns/shop/sa/client", "trust_domain", "expected trust domain"),
        ("spiffe://elsewhere/ns/shop/sa/client", "trust_domain", "expected trust domain"),
        (long, "no_spiffe_id", "bytes long"),
    ];
    for (name, label, text) in cases {
        let pki = pki(keep, keep, keep);
        let mut params = leaf_params();
        with_uri(name)(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &pki.issuer_signer).unwrap().der().clone();
        refused(name, judge(&pki.root, &[leaf, pki.issuer.clone()], CLIENT()), label, text);
    }
}

#[test]
fn spoiled_chains() {
    let good = pki(keep, keep, keep);
    let other = pki(keep, keep, keep);
    let judged = |chain: &[CertificateDer<'static>]| judge(&good.root, chain, CLIENT());
    let untrusted = |what: &str, chain: &[CertificateDer<'static>]| {
        refused(what, judged(chain), "untrusted_chain", "");
    };
    untrusted("another CA with the same names", &[other.leaf.clone(), other.issuer.clone()]);
    untrusted("another CA, our issuer beside it", &[other.leaf.clone(), good.issuer.clone()]);
    untrusted("no issuer", std::slice::from_ref(&good.leaf));
    untrusted("the issuer of somebody else", &[good.leaf.clone(), other.issuer.clone()]);
    refused("issuer first", judged(&[good.issuer.clone(), good.leaf.clone()]), "no_spiffe_id", "has 0 URI");
    refused("the root itself", judged(std::slice::from_ref(&good.root)), "no_spiffe_id", "has 0 URI");
    let alone = leaf_params().self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
    untrusted("self-signed", &[alone]);

    // Below a leaf, which is no CA.
    let key = KeyPair::generate().unwrap();
    let middle = leaf_params().signed_by(&key, &good.issuer_signer).unwrap().der().clone();
    let below = sign(&Issuer::new(leaf_params(), key), keep);
    untrusted("signed by a workload", &[below, middle, good.issuer.clone()]);

    // A CA below the issuer, whose path length allows none; and below the root, one too many.
    let key = KeyPair::generate().unwrap();
    let params = ca_params(BasicConstraints::Unconstrained, "too deep");
    let middle = params.signed_by(&key, &good.issuer_signer).unwrap().der().clone();
    let below = sign(&Issuer::new(params, key), keep);
    let outcome = judged(&[below, middle, good.issuer.clone()]);
    refused("a CA below an issuer", outcome, "untrusted_chain", "");
    let mut chain = Vec::new();
    let mut signer =
        Issuer::new(ca_params(BasicConstraints::Unconstrained, "long"), KeyPair::generate().unwrap());
    for depth in 0..12 {
        let key = KeyPair::generate().unwrap();
        let params = ca_params(BasicConstraints::Unconstrained, &format!("deep {depth}"));
        chain.insert(0, params.signed_by(&key, &signer).unwrap().der().clone());
        signer = Issuer::new(params, key);
    }
    chain.insert(0, sign(&signer, keep));
    untrusted("a chain of fourteen", &chain);
    let crowd: Vec<_> =
        std::iter::once(good.leaf.clone()).chain(std::iter::repeat_n(other.issuer.clone(), 200)).collect();
    let began = Instant::now();
    untrusted("two hundred certificates that lead nowhere", &crowd);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    for (what, label, text, spoil) in [
        ("issuer without the CA flag", "untrusted_chain", "", (|p| p.is_ca = IsCa::ExplicitNoCa) as Change),
        ("expired issuer", "expired", "expired at", |p| valid(p, -7200, -60)),
        ("issuer of the future", "not_yet_valid", "valid from", |p| valid(p, 60, 7200)),
        ("issuer that may not sign certificates", "untrusted_chain", "key usage of an issuer", |p| {
            p.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        }),
        ("issuer for other DNS names", "untrusted_chain", "", |p| {
            p.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName("allowed.example".to_owned())],
                excluded_subtrees: Vec::new(),
            });
        }),
        ("issuer for other URIs", "untrusted_chain", "", |p| {
            // Permitted subtree: URIs of the host `elsewhere` (RFC 5280 section 4.2.1.10).
            let host = b"elsewhere";
            let name = [vec![0x86, host.len() as u8], host.to_vec()].concat();
            let subtree = [vec![0x30, name.len() as u8], name].concat();
            let permitted = [vec![0xa0, subtree.len() as u8], subtree].concat();
            let der = [vec![0x30, permitted.len() as u8], permitted].concat();
            let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], der);
            extension.set_criticality(true);
            p.custom_extensions = vec![extension];
        }),
    ] {
        // A DNS name beside the identity is what DNS constraints speak about.
        let pki = pki(keep, spoil, |p| {
            p.subject_alt_names.push(SanType::DnsName("client.shop".try_into().unwrap()));
        });
        let chain = [pki.leaf.clone(), pki.issuer.clone()];
        refused(what, judge(&pki.root, &chain, CLIENT()), label, text);
    }
}

#[test]
fn damaged_encodings() {
    let good = pki(keep, keep, keep);
    let der = good.leaf.to_vec();
    let judged =
        |leaf: Vec<u8>| judge(&good.root, &[CertificateDer::from(leaf), good.issuer.clone()], CLIENT());
    for length in [0, 1, 2, 10, der.len() / 2, der.len() - 1] {
        refused(
            &format!("cut after {length} bytes"),
            judged(der[..length].to_vec()),
            "malformed",
            "malformed",
        );
    }
    refused(
        "a byte too many",
        judged([der.clone(), vec![0]].concat()),
        "malformed",
        "follow the certificate",
    );
    let pem = ripstop_identity::certificate::to_pem(&good.leaf);
    refused("PEM in place of DER", judged(pem.into_bytes()), "malformed", "malformed");
    refused("not a certificate", judged(b"hello, I am a certificate".to_vec()), "malformed", "malformed");
    let mut signature = der.clone();
    *signature.last_mut().unwrap() ^= 1;
    assert!(judged(signature).is_err(), "a bit of the signature");
    let at = der.windows(6).position(|window| window == b"client").unwrap();
    let mut name = der.clone();
    name[at] = b'C';
    refused("a letter of the name", judged(name), "untrusted_chain", "");
    // Whatever is changed, nothing panics, and nothing but the very bytes is accepted.
    let mut dice = fastrand::Rng::with_seed(5);
    for _ in 0..3_000 {
        let mut spoiled = der.clone();
        let at = dice.usize(..spoiled.len());
        spoiled[at] ^= 1 << dice.u8(..8);
        assert!(judged(spoiled).is_err(), "byte {at}");
    }
}

#[test]
fn identities_that_are_not_expected_here() {
    let (pki, chain) = leaf_of(keep);
    let trust = IdentityHandle::new(TrustBundle::new(domain(), vec![pki.root.clone()]).unwrap());
    for (allowed, text) in [
        (AllowedIdentities::only(id("friend")), "expected spiffe://cluster.local/ns/shop/sa/friend"),
        (AllowedIdentities::Exact(Arc::from([])), "expected no identity"),
        (AllowedIdentities::only(id("clien")), "expected spiffe://cluster.local/ns/shop/sa/clien"),
        (AllowedIdentities::only(id("client2")), "expected spiffe://cluster.local/ns/shop/sa/client2"),
    ] {
        let verifier = PeerVerifier::new(trust.clone(), allowed);
        let error = verifier.verify(&chain[0], &chain[1..], CLIENT(), SystemTime::now()).unwrap_err();
        assert_eq!(error.label(), "identity_not_allowed");
        assert!(error.to_string().contains(text), "{error}");
    }
}
