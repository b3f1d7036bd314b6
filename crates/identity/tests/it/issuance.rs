//! Issuance over gRPC on a loopback socket.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ripstop_identity::channel::connect;
use ripstop_identity::clock::Clock;
use ripstop_identity::csr::PendingKey;
use ripstop_identity::issuance::{IssuancePolicy, Rate, RefusalReason};
use ripstop_identity::service::{RequestError, request_certificate};
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::tls::{Present, control_client_config};
use ripstop_identity::token::JoinToken;
use ripstop_identity::{agent, files};
use ripstop_model::spiffe::SpiffeId;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::support::{Control, HOUR, id};
use crate::testdir::TestDir;

const MINUTE: Duration = Duration::from_secs(60);

/// One request of a client that is `identity`, for `asked`.
async fn ask(
    control: &Control,
    identity: &IdentityHandle,
    asked: &SpiffeId,
    token: Option<&JoinToken>,
) -> Result<Vec<String>, RequestError> {
    let pending = PendingKey::generate(asked).unwrap();
    ask_with(control, identity, pending.csr_pem(), token).await
}

async fn ask_with(
    control: &Control,
    identity: &IdentityHandle,
    csr_pem: &str,
    token: Option<&JoinToken>,
) -> Result<Vec<String>, RequestError> {
    let tls = control_client_config(identity, control.control_id.clone(), Present::CurrentSvid).unwrap();
    let channel = connect(&control.address, tls).unwrap();
    request_certificate(channel, csr_pem, MINUTE, token).await
}

fn token(control: &Control, name: &str) -> JoinToken {
    control.tokens.issue(id(name), MINUTE, SystemTime::now()).unwrap()
}

#[tokio::test]
async fn a_token_gives_leaf_issuer_and_root() {
    let control = Control::start(IssuancePolicy::default()).await;
    let token = token(&control, "a");
    let chain = ask(&control, &control.newcomer(), &id("a"), Some(&token)).await.unwrap();
    assert_eq!(chain.len(), 3);
    assert_eq!(chain[2], control.authority.trust_bundle().to_pem());
    assert_eq!(control.stats.issued(), 1);

    let error = ask(&control, &control.newcomer(), &id("a"), Some(&token)).await.unwrap_err();
    assert!(matches!(&error, RequestError::NotAccepted(text) if text.contains("already used")), "{error}");
    assert_eq!(control.stats.refused(RefusalReason::BadToken), 1);
}

#[tokio::test]
async fn refusals_have_a_code_a_text_and_a_counter() {
    let control = Control::start(IssuancePolicy::default()).await;
    let nobody = control.newcomer();

    let error = ask(&control, &nobody, &id("a"), None).await.unwrap_err();
    assert!(error.to_string().contains("no proof of identity"), "{error}");
    assert_eq!(control.stats.refused(RefusalReason::NoEvidence), 1);

    let past = SystemTime::now() - HOUR;
    let expired = control.tokens.issue(id("a"), MINUTE, past).unwrap();
    let error = ask(&control, &nobody, &id("a"), Some(&expired)).await.unwrap_err();
    assert!(error.to_string().contains("has expired"), "{error}");
    assert_eq!(control.stats.refused(RefusalReason::ExpiredToken), 1);

    let error = ask(&control, &nobody, &id("victim"), Some(&token(&control, "a"))).await.unwrap_err();
    assert!(error.to_string().contains("asks for spiffe://cluster.local/ns/shop/sa/victim"), "{error}");
    assert!(matches!(error, RequestError::Refused { code: tonic::Code::PermissionDenied, .. }));
    assert_eq!(control.stats.refused(RefusalReason::OtherIdentity), 1);

    let kept = token(&control, "a");
    let weak = include_str!("../../src/csr/testdata/rsa1024.pem");
    let error = ask_with(&control, &nobody, weak, Some(&kept)).await.unwrap_err();
    assert!(error.to_string().contains("RSA-1024 keys are not accepted"), "{error}");
    assert_eq!(control.stats.refused(RefusalReason::WeakKey), 1);
    let error = ask_with(&control, &nobody, "nonsense", Some(&kept)).await.unwrap_err();
    assert!(error.to_string().contains("malformed certificate request"), "{error}");
    assert_eq!(control.stats.refused(RefusalReason::BadRequest), 1);
    assert!(ask(&control, &nobody, &id("a"), Some(&kept)).await.is_ok(), "malformed requests cost no token");
}

#[tokio::test]
async fn a_certificate_renews_itself_and_nobody_else() {
    let control = Control::start(IssuancePolicy::default()).await;
    let identity = control.newcomer();
    identity.publish(control.authority.issue_svid(&id("a"), HOUR, SystemTime::now()).unwrap());
    assert!(ask(&control, &identity, &id("a"), None).await.is_ok());
    let error = ask(&control, &identity, &id("b"), None).await.unwrap_err();
    assert!(error.to_string().contains("proved to be spiffe://cluster.local/ns/shop/sa/a"), "{error}");
}

#[tokio::test]
async fn refusals_and_renewals_are_limited() {
    let policy = IssuancePolicy {
        renewals_per_identity: Rate { burst: 2.0, per_second: 0.001 },
        refusals_per_address: Rate { burst: 3.0, per_second: 0.001 },
        ..IssuancePolicy::default()
    };
    let control = Control::start(policy).await;
    let identity = control.newcomer();
    identity.publish(control.authority.issue_svid(&id("a"), HOUR, SystemTime::now()).unwrap());
    for _ in 0..2 {
        ask(&control, &identity, &id("a"), None).await.unwrap();
    }
    for _ in 0..3 {
        let error = ask(&control, &identity, &id("a"), None).await.unwrap_err();
        assert!(error.to_string().contains("too many renewals"), "{error}");
    }
    let error = ask(&control, &control.newcomer(), &id("a"), Some(&token(&control, "a"))).await.unwrap_err();
    assert!(error.to_string().contains("too many refused certificate requests from 127.0.0.1"), "{error}");
    assert_eq!(control.stats.refused(RefusalReason::RateLimited), 4);
}

#[tokio::test]
async fn a_control_plane_that_is_somebody_else_gets_no_token() {
    let control = Control::start(IssuancePolicy::default()).await;
    let (other, newcomer) = (Control::start(IssuancePolicy::default()).await, control.newcomer());
    let token = token(&control, "a");
    let error = ask(&other, &newcomer, &id("a"), Some(&token)).await.unwrap_err();
    assert!(error.to_string().contains("no root of the trust bundle has signed it"), "{error}");
    assert!(ask(&control, &newcomer, &id("a"), Some(&token)).await.is_ok(), "the token was not sent");
}

fn remote_agent(control: &Control, token: agent::TokenSource, identity: &IdentityHandle) -> agent::Agent {
    let remote =
        agent::RemoteAuthority::new(control.address.clone(), control.control_id.clone(), MINUTE, token);
    let source = agent::SvidSource::Remote(remote);
    agent::Agent::new(id("a"), source, identity.clone(), Clock::system(), fastrand::Rng::with_seed(1))
}

#[tokio::test]
async fn an_agent_joins_with_a_token_file_renews_and_joins_again() {
    let control = Control::start(IssuancePolicy::default()).await;
    let dir = TestDir::new();
    files::private_dir(dir.path()).unwrap();
    let file = dir.path().join("join-token");
    let identity = control.newcomer();
    let mut agent = remote_agent(&control, agent::TokenSource::File(file.clone()), &identity);
    let status = agent.status();

    assert!(!agent.renew_now().await);
    let error = status.borrow().last_error.clone().unwrap();
    assert!(error.contains("there is no join token file"), "{error}");

    hand_over(&control, &file);
    assert!(agent.renew_now().await);
    let first = identity.svid().unwrap();
    assert_eq!((first.id(), first.chain().len()), (&id("a"), 2));
    assert!(agent.renew_now().await, "the token is used up: this is the certificate's work");
    assert_ne!(identity.svid().unwrap().serial(), first.serial());

    // The machine was asleep for longer than the certificate lived.
    let past = SystemTime::now() - HOUR;
    identity.publish(control.authority.issue_svid(&id("a"), MINUTE, past).unwrap());
    assert!(!agent.renew_now().await);
    let error = status.borrow().last_error.clone().unwrap();
    assert!(error.contains("already used") && error.contains("create a new join token"), "{error}");
    hand_over(&control, &file);
    assert!(agent.renew_now().await);
    assert_eq!(status.borrow().issued, 3);
}

fn hand_over(control: &Control, file: &Path) {
    files::write_secret(file, token(control, "a").expose().as_bytes()).unwrap();
}

#[tokio::test]
async fn an_agent_reports_who_cannot_be_reached() {
    let mut control = Control::start(IssuancePolicy::default()).await;
    let identity = control.newcomer();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    control.address = unused.local_addr().unwrap().to_string();
    drop(unused);
    let token = agent::TokenSource::Value(token(&control, "a"));
    let mut agent = remote_agent(&control, token, &identity);
    let status = agent.status();
    assert!(!agent.renew_now().await);
    let error = status.borrow().last_error.clone().unwrap();
    assert!(error.contains(&control.address) && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn the_chain_on_the_wire_is_pem() {
    let control = Control::start(IssuancePolicy::default()).await;
    let chain = ask(&control, &control.newcomer(), &id("a"), Some(&token(&control, "a"))).await.unwrap();
    for text in &chain {
        assert!(CertificateDer::from_pem_slice(text.as_bytes()).is_ok());
    }
}

#[tokio::test]
async fn a_user_of_this_machine_needs_no_token() {
    let dir = TestDir::new();
    std::fs::create_dir_all(dir.path()).unwrap();
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(dir.path()).unwrap());
    for (uid, expected) in [(own, Ok(())), (own + 1, Err("has no identity here"))] {
        let control = Control::start_on_unix(IssuancePolicy::default(), uid, &id("local"), dir.path()).await;
        let identity = control.newcomer();
        let pending = PendingKey::generate(&id("local")).unwrap();
        let asked = ask_with(&control, &identity, pending.csr_pem(), None).await;
        assert_eq!(asked.as_ref().map(|_| ()).map_err(|_| ()), expected.map_err(|_| ()), "{asked:?}");
        if let (Err(error), Err(text)) = (&asked, expected) {
            assert!(error.to_string().contains(text), "{error}");
        }
        // No other identity than that of the user, whoever asks.
        let other = PendingKey::generate(&id("other")).unwrap();
        assert!(ask_with(&control, &identity, other.csr_pem(), None).await.is_err());
    }
}
