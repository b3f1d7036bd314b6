//! Handshakes between workloads: who is let in, who is not, and why.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
};
use ripstop_identity::authority::Authority;
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::tls::{self, ALPN_H2};
use ripstop_identity::trust::Trust;
use ripstop_identity::verify::{AllowedIdentities, PeerVerifier};
use ripstop_model::spiffe::{SpiffeId, TrustDomain};
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};

use crate::support::{CarelessCa, HOUR, Outcome, authority, domain, handshake, id, uri, valid, workload};
use crate::testdir::TestDir;

async fn between(
    server: &IdentityHandle,
    server_allows: AllowedIdentities,
    client: &IdentityHandle,
    client_allows: AllowedIdentities,
) -> Outcome {
    let server = tls::mesh_server_config(server, server_allows, &[ALPN_H2]).unwrap();
    handshake(server, tls::mesh_client_config(client, client_allows, &[ALPN_H2]).unwrap()).await
}

const ANY: AllowedIdentities = AllowedIdentities::AnyInTrustDomain;

#[tokio::test]
async fn two_workloads_know_each_other() {
    let dir = TestDir::new();
    let authority = authority(&dir, domain());
    let server = workload(&authority, &id("server"), &authority.trust_bundle());
    let client = workload(&authority, &id("client"), &authority.trust_bundle());
    let outcome = between(
        &server,
        AllowedIdentities::only(id("client")),
        &client,
        AllowedIdentities::Exact(Arc::from([id("other"), id("server")])),
    )
    .await;
    let seen_by_server = outcome.server.unwrap().unwrap();
    assert_eq!(seen_by_server.spiffe_id(), &id("client"));
    assert_eq!(outcome.client.unwrap().spiffe_id(), &id("server"));
}

#[tokio::test]
async fn a_client_without_certificate_is_refused_except_by_the_control_plane() {
    let dir = TestDir::new();
    let authority = authority(&dir, domain());
    let server = workload(&authority, &id("server"), &authority.trust_bundle());
    let nobody = IdentityHandle::new(authority.trust_bundle());
    let outcome = between(&server, ANY, &nobody, ANY).await;
    assert!(outcome.server_error().contains("peer sent no certificates"), "{}", outcome.server_error());
    assert!(outcome.client.is_err());

    let control = tls::control_server_config(&server).unwrap();
    let client = tls::control_client_config(&nobody, id("server"), tls::Present::CurrentSvid).unwrap();
    assert_eq!(handshake(control, client).await.server.unwrap(), None);
}

#[tokio::test]
async fn an_unexpected_identity_is_refused_on_both_sides() {
    let dir = TestDir::new();
    let authority = authority(&dir, domain());
    let server = workload(&authority, &id("server"), &authority.trust_bundle());
    let client = workload(&authority, &id("client"), &authority.trust_bundle());
    let by_server = between(&server, AllowedIdentities::only(id("friend")), &client, ANY).await;
    let text = by_server.server_error();
    assert!(text.contains("peer spiffe://cluster.local/ns/shop/sa/client refused"), "{text}");
    assert!(text.contains("expected spiffe://cluster.local/ns/shop/sa/friend"), "{text}");
    let by_client = between(&server, ANY, &client, AllowedIdentities::Exact(Arc::from([]))).await;
    assert!(by_client.client_error().contains("sa/server refused: expected no identity"));
}

#[tokio::test]
async fn another_authority_and_another_trust_domain_are_refused() {
    let (dir, other_dir, foreign_dir) = (TestDir::new(), TestDir::new(), TestDir::new());
    let ours = authority(&dir, domain());
    let server = workload(&ours, &id("server"), &ours.trust_bundle());

    let other = authority(&other_dir, domain());
    let impostor = workload(&other, &id("client"), &ours.trust_bundle());
    let text = between(&server, ANY, &impostor, ANY).await.server_error();
    assert!(text.contains("claims to be spiffe://cluster.local/ns/shop/sa/client"), "{text}");
    assert!(text.contains("no root of the trust bundle has signed it"), "{text}");

    let foreign_domain = TrustDomain::new("elsewhere").unwrap();
    let foreign = authority(&foreign_dir, foreign_domain.clone());
    let foreign_id = SpiffeId::workload(&foreign_domain, "shop", "client").unwrap();
    let stranger = workload(&foreign, &foreign_id, &ours.trust_bundle());
    let text = between(&server, ANY, &stranger, ANY).await.server_error();
    assert!(text.contains("expected trust domain cluster.local"), "{text}");
    let text = between(&stranger, ANY, &server, ANY).await.client_error();
    assert!(text.contains("spiffe://elsewhere/ns/shop/sa/client"), "{text}");
}

/// What is wrong with a certificate, and a word of the reason that the server gives.
type BadLeaf = (&'static str, &'static str, fn(&mut CertificateParams));

#[tokio::test]
async fn bad_certificates_are_refused_with_a_reason() {
    let cases: [BadLeaf; 12] = [
        ("expired", "expired at", |p| valid(p, -3600, -60)),
        ("not yet valid", "valid from", |p| valid(p, 60, 3600)),
        ("no alternative name", "has 0 URI", |p| p.subject_alt_names.clear()),
        ("two SPIFFE IDs", "has 2 URI", |p| p.subject_alt_names.push(uri("spiffe://cluster.local/b"))),
        ("common name only", "has 0 URI", |p| {
            p.subject_alt_names.clear();
            p.distinguished_name.push(DnType::CommonName, id("client").as_str());
        }),
        ("DNS name only", "has 0 URI", |p| {
            p.subject_alt_names = vec![SanType::DnsName("client.shop".try_into().unwrap())];
        }),
        ("another kind of URI", "must begin with `spiffe://`", |p| {
            p.subject_alt_names = vec![uri("https://cluster.local/ns/shop/sa/client")];
        }),
        ("malformed SPIFFE ID", "empty path segment", |p| {
            p.subject_alt_names = vec![uri("spiffe://cluster.local/ns//sa/client")];
        }),
        ("trust domain that only begins like ours", "expected trust domain", |p| {
            p.subject_alt_names = vec![uri("spiffe://cluster.local.evil/ns/shop/sa/client")];
        }),
        ("CA certificate", "a CA certificate cannot be", |p| {
            p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
        }),
        ("for servers only", "extended key usage", |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        ("key usage without signatures", "digital signatures", |p| {
            p.key_usages = vec![KeyUsagePurpose::KeyAgreement];
        }),
    ];
    let dir = TestDir::new();
    let ca = CarelessCa::new();
    let authority = authority(&dir, domain());
    // The server trusts the careless CA; the client trusts the server's authority.
    let server = workload(&authority, &id("server"), &ca.bundle());
    let server = tls::mesh_server_config(&server, ANY, &[ALPN_H2]).unwrap();
    let client_trust = IdentityHandle::new(authority.trust_bundle());
    let attempt = async |change: fn(&mut CertificateParams)| {
        let (chain, key) = ca.leaf(change);
        let mut client = ClientConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(PeerVerifier::new(client_trust.clone(), ANY).for_handshakes())
            .with_client_auth_cert(chain, key)
            .unwrap();
        client.alpn_protocols = vec![ALPN_H2.to_vec()];
        handshake(Arc::clone(&server), Arc::new(client)).await
    };
    let good = attempt(|_| {}).await;
    assert_eq!(good.server.unwrap().unwrap().spiffe_id(), &id("client"));
    for (what, expected, change) in cases {
        let outcome = attempt(change).await;
        let text = outcome.server_error();
        assert!(text.contains(expected), "{what}: {text}");
        assert!(outcome.client.is_err(), "{what}: the client got through");
    }
    // A clock that is off by less than the allowance is forgiven.
    assert!(attempt(|p| valid(p, -3600, -10)).await.server.is_ok());
    assert!(attempt(|p| valid(p, 10, 3600)).await.server.is_ok());
}

#[tokio::test]
async fn tls_1_2_works_and_nothing_is_resumed() {
    let dir = TestDir::new();
    let authority = authority(&dir, domain());
    let server = workload(&authority, &id("server"), &authority.trust_bundle());
    let client = workload(&authority, &id("client"), &authority.trust_bundle());
    let server_config = tls::mesh_server_config(&server, ANY, &[ALPN_H2]).unwrap();
    assert!(!server_config.session_storage.can_cache());
    let (chain, key) = {
        let svid = client.svid().unwrap();
        (svid.chain().to_vec(), svid.private_key().clone_key())
    };
    let old = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(PeerVerifier::new(client.clone(), ANY).for_handshakes())
        .with_client_auth_cert(chain, key)
        .unwrap();
    let outcome = handshake(server_config, Arc::new(old)).await;
    assert_eq!(outcome.server.unwrap().unwrap().spiffe_id(), &id("client"));
}

#[tokio::test]
async fn a_changed_trust_bundle_counts_for_the_next_handshake() {
    let (dir, next_dir) = (TestDir::new(), TestDir::new());
    let old = authority(&dir, domain());
    let next = authority(&next_dir, domain());
    let server = workload(&old, &id("server"), &old.trust_bundle());
    let client = workload(&next, &id("client"), &old.trust_bundle());
    let server_config = tls::mesh_server_config(&server, ANY, &[ALPN_H2]).unwrap();
    let client_config = tls::mesh_client_config(&client, ANY, &[ALPN_H2]).unwrap();
    let attempt = || handshake(Arc::clone(&server_config), Arc::clone(&client_config));
    assert!(attempt().await.server.is_err());
    server.replace_trust_bundle(next.trust_bundle());
    assert!(attempt().await.server.is_ok());
}

#[tokio::test]
async fn an_expired_own_certificate_is_not_presented() {
    let dir = TestDir::new();
    let authority = authority(&dir, domain());
    let server = workload(&authority, &id("server"), &authority.trust_bundle());
    let client = IdentityHandle::new(authority.trust_bundle());
    let past = SystemTime::now() - Duration::from_secs(40);
    client.publish(authority.issue_svid(&id("client"), Duration::from_secs(10), past).unwrap());
    let outcome = between(&server, ANY, &client, ANY).await;
    assert!(outcome.server_error().contains("peer sent no certificates"));
    client.publish(authority.issue_svid(&id("client"), HOUR, SystemTime::now()).unwrap());
    assert!(between(&server, ANY, &client, ANY).await.server.is_ok());
}

#[tokio::test]
async fn federated_domains_are_judged_by_their_own_roots() {
    let (dir, foreign_dir, third_dir) = (TestDir::new(), TestDir::new(), TestDir::new());
    let ours = authority(&dir, domain());
    let elsewhere = TrustDomain::new("elsewhere").unwrap();
    let theirs = authority(&foreign_dir, elsewhere.clone());
    let foreign_id = SpiffeId::workload(&elsewhere, "shop", "client").unwrap();
    let federated = |authority: &Authority, other: &Authority| {
        let trust = Trust::own(authority.trust_bundle());
        trust.with_federated([Arc::new(other.trust_bundle())]).unwrap()
    };
    let server = workload(&ours, &id("server"), &ours.trust_bundle());
    let client = workload(&theirs, &foreign_id, &theirs.trust_bundle());
    // In TLS 1.3 a client judges first.
    let text = between(&server, ANY, &client, ANY).await.client_error();
    assert!(text.contains("expected trust domain elsewhere"), "{text}");
    client.replace_trust(federated(&theirs, &ours));
    let text = between(&server, ANY, &client, ANY).await.server_error();
    assert!(text.contains("expected trust domain cluster.local"), "{text}");
    server.replace_trust(federated(&ours, &theirs));
    for allowed in [ANY, AllowedIdentities::only(foreign_id.clone())] {
        let outcome = between(&server, allowed, &client, AllowedIdentities::only(id("server"))).await;
        assert_eq!(outcome.server.unwrap().unwrap().spiffe_id(), &foreign_id);
        assert!(outcome.client.is_ok());
    }
    let outcome = between(&server, AllowedIdentities::only(id("client")), &client, ANY).await;
    assert!(outcome.server_error().contains("sa/client refused"), "{}", outcome.server_error());
    // They cannot speak for us, nor for a third one.
    let liar = authority(&third_dir, domain());
    for authority in [&liar, &theirs] {
        let bundle = authority.trust_bundle();
        let lie = IdentityHandle::new(bundle);
        let Ok(svid) = authority.issue_svid(&id("client"), HOUR, SystemTime::now()) else { continue };
        lie.publish(svid);
        lie.replace_trust(federated(&theirs, &ours));
        let text = between(&server, ANY, &lie, ANY).await.server_error();
        assert!(text.contains("no root of the trust bundle has signed it"), "{text}");
    }
}

#[tokio::test]
async fn an_alias_is_the_same_identity_under_another_name() {
    let dir = TestDir::new();
    let ca = CarelessCa::new();
    let ours = authority(&dir, domain());
    let server = workload(&ours, &id("server"), &ca.bundle());
    let client_trust = IdentityHandle::new(ours.trust_bundle());
    let attempt = async |allowed: AllowedIdentities| {
        let (chain, key) =
            ca.leaf(|p| p.subject_alt_names = vec![uri("spiffe://old.name/ns/shop/sa/client")]);
        let client = ClientConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(PeerVerifier::new(client_trust.clone(), ANY).for_handshakes())
            .with_client_auth_cert(chain, key)
            .unwrap();
        let config = tls::mesh_server_config(&server, allowed, &[]).unwrap();
        handshake(config, Arc::new(client)).await.server
    };
    assert!(attempt(ANY).await.is_err());
    let alias = TrustDomain::new("old.name").unwrap();
    server.replace_trust(Trust::own(ca.bundle()).with_aliases(vec![alias]).unwrap());
    for allowed in [ANY, AllowedIdentities::only(id("client"))] {
        assert!(attempt(allowed).await.is_ok());
    }
    assert!(attempt(AllowedIdentities::only(id("other"))).await.is_err());
}
