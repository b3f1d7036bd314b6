//! What one core does: certificates issued, and handshakes made, in a second. Both sides of a handshake run on the same core.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ripstop_identity::authority::{Authority, AuthorityConfig};
use ripstop_identity::csr::PendingKey;
use ripstop_identity::issuance::{Evidence, Issuance, IssuancePolicy, Rate};
use ripstop_identity::key::KeyKind;
use ripstop_identity::peer::PeerIdentity;
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::tls::{self, ALPN_H2};
use ripstop_identity::token::TokenStore;
use ripstop_identity::verify::{AllowedIdentities, PeerVerifier};
use ripstop_model::spiffe::{SpiffeId, TrustDomain};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, kx_group};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;

const HOUR: Duration = Duration::from_secs(3600);
const MEASURE: Duration = Duration::from_secs(2);

/// How often `work` can be done in a second.
fn rate(mut work: impl FnMut()) -> f64 {
    for _ in 0..20 {
        work();
    }
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < MEASURE {
        work();
        count += 1;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}

fn domain() -> TrustDomain {
    TrustDomain::new("cluster.local").unwrap()
}

fn id(name: &str) -> SpiffeId {
    SpiffeId::workload(&domain(), "shop", name).unwrap()
}

fn authority(key: KeyKind) -> (Arc<Authority>, std::path::PathBuf) {
    let dir = std::env::temp_dir().join(format!("ripstop-bench-{}-{key}", std::process::id()));
    let config = AuthorityConfig { key, ..AuthorityConfig::new(&dir, domain()) };
    (Arc::new(Authority::open(config, SystemTime::now()).unwrap()), dir)
}

fn issuing() {
    for key in [KeyKind::P256, KeyKind::Ed25519, KeyKind::Rsa2048, KeyKind::Rsa4096] {
        let (authority, dir) = authority(key);
        let unlimited = Rate { burst: 1e12, per_second: 1e12 };
        let policy = IssuancePolicy { renewals_per_identity: unlimited, ..IssuancePolicy::default() };
        let issuance = Issuance::new(Arc::clone(&authority), Arc::new(TokenStore::new()), policy);
        let svid = authority.issue_svid(&id("a"), HOUR, SystemTime::now()).unwrap();
        let peer = PeerIdentity::from_chain(Some(svid.chain())).unwrap();
        let evidence = Evidence { peer, ..Evidence::default() };
        let pending = PendingKey::generate(&id("a")).unwrap();
        let per_second = rate(|| {
            let issued = issuance.issue(pending.csr_pem(), 0, &evidence, SystemTime::now(), Instant::now());
            black_box(issued.unwrap());
        });
        println!("certificates issued, CA {key}: {per_second:.0}/s");
        let _ = std::fs::remove_dir_all(dir);
    }
    let per_second = rate(|| {
        black_box(PendingKey::generate(&id("a")).unwrap());
    });
    println!("keys and requests made, p256: {per_second:.0}/s");
}

/// A handshake in memory, to the last byte. Says whether it was a resumed one.
fn handshake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> bool {
    let name = ServerName::try_from("server.shop").unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let mut wire = Vec::with_capacity(16 * 1024);
    loop {
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut sent = Cursor::new(wire.split_off(0));
        while (sent.position() as usize) < sent.get_ref().len() {
            server.read_tls(&mut sent).unwrap();
            server.process_new_packets().unwrap();
        }
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut sent = Cursor::new(wire.split_off(0));
        while (sent.position() as usize) < sent.get_ref().len() {
            client.read_tls(&mut sent).unwrap();
            client.process_new_packets().unwrap();
        }
        if !client.is_handshaking()
            && !server.is_handshaking()
            && !client.wants_write()
            && !server.wants_write()
        {
            return client.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        }
    }
}

fn handshakes() {
    let (authority, dir) = authority(KeyKind::P256);
    let workload = |name: &str| {
        let identity = IdentityHandle::new(authority.trust_bundle());
        identity.publish(authority.issue_svid(&id(name), HOUR, SystemTime::now()).unwrap());
        identity
    };
    let (server, client) = (workload("server"), workload("client"));
    let any = AllowedIdentities::AnyInTrustDomain;
    let server_config = tls::mesh_server_config(&server, any.clone(), &[ALPN_H2]).unwrap();
    let client_config = tls::mesh_client_config(&client, any.clone(), &[ALPN_H2]).unwrap();
    let per_second = rate(|| assert!(!handshake(&client_config, &server_config)));
    println!("full handshakes, mutual, X25519MLKEM768: {per_second:.0}/s");

    let classic = Arc::new(CryptoProvider {
        kx_groups: vec![kx_group::X25519],
        ..CryptoProvider::clone(&tls::provider())
    });
    let svid = client.svid().unwrap();
    let client_with = |provider: Arc<CryptoProvider>, resumption: Resumption| {
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(PeerVerifier::new(client.clone(), any.clone()).for_handshakes())
            .with_client_auth_cert(svid.chain().to_vec(), svid.private_key().clone_key())
            .unwrap();
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        config.resumption = resumption;
        Arc::new(config)
    };
    let config = client_with(Arc::clone(&classic), Resumption::disabled());
    let per_second = rate(|| assert!(!handshake(&config, &server_config)));
    println!("full handshakes, mutual, X25519: {per_second:.0}/s");

    let mut resuming = ServerConfig::clone(&server_config);
    resuming.ticketer = Ticketer::new().unwrap();
    resuming.send_tls13_tickets = 1;
    let resuming = Arc::new(resuming);
    for (name, provider) in [("X25519MLKEM768", tls::provider()), ("X25519", classic)] {
        let config = client_with(provider, Resumption::in_memory_sessions(8));
        handshake(&config, &resuming);
        let mut resumed = 0_u64;
        let mut all = 0_u64;
        let per_second = rate(|| {
            resumed += u64::from(handshake(&config, &resuming));
            all += 1;
        });
        println!("resumed handshakes, {name}: {per_second:.0}/s ({resumed} of {all} resumed)");
    }
    let _ = std::fs::remove_dir_all(dir);
}

fn main() {
    issuing();
    handshakes();
}
