//! Issuers and roots follow each other while workloads go on shaking hands: over real sockets, with real agents.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ripstop_identity::agent::{Agent, RemoteAuthority, SvidSource, TokenSource};
use ripstop_identity::clock::Clock;
use ripstop_identity::issuance::IssuancePolicy;
use ripstop_identity::succession::Successor;
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::tls::{self, ALPN_H2};
use ripstop_identity::verify::AllowedIdentities;

use crate::support::{Control, HOUR, handshake, id};

/// An agent that gets its first certificate with a token, and runs until the test ends.
async fn agent(control: &Control, name: &str) -> IdentityHandle {
    let identity = control.newcomer();
    let token = control.tokens.issue(id(name), HOUR, SystemTime::now()).unwrap();
    let (address, authority) = (control.address.clone(), control.control_id.clone());
    let remote = RemoteAuthority::new(address, authority, HOUR, TokenSource::Value(token));
    let source = SvidSource::Remote(remote.named(name.to_owned()));
    let agent = Agent::new(id(name), source, identity.clone(), Clock::system(), fastrand::Rng::with_seed(7));
    tokio::spawn(agent.run(std::future::pending()));
    identity.ready().await;
    identity
}

/// Waits until `done`, while the control plane does what follows from the proof.
async fn until(control: &Control, what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    loop {
        control.advance();
        if done() {
            return;
        }
        let status = control.authority.status();
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {status:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Shakes hands between two workloads for ever, and counts how that went.
fn load(server: &IdentityHandle, client: &IdentityHandle, stop: Arc<AtomicBool>) -> Arc<[AtomicU64; 2]> {
    let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let (server, client, seen) = (server.clone(), client.clone(), Arc::clone(&counts));
    tokio::spawn(async move {
        let any = AllowedIdentities::AnyInTrustDomain;
        let server = tls::mesh_server_config(&server, any.clone(), &[ALPN_H2]).unwrap();
        let client = tls::mesh_client_config(&client, any, &[ALPN_H2]).unwrap();
        while !stop.load(Ordering::Relaxed) {
            let outcome = handshake(Arc::clone(&server), Arc::clone(&client)).await;
            let failed = outcome.server.is_err() || outcome.client.is_err();
            if failed {
                eprintln!("{:?} {:?}", outcome.server.err(), outcome.client.err());
            }
            seen[usize::from(failed)].fetch_add(1, Ordering::Relaxed);
        }
    });
    counts
}

#[tokio::test]
async fn issuer_and_root_are_replaced_without_a_failed_handshake() {
    // An agent hurries within minutes; hurry is tested here, so certificates are short.
    let lifetime = Duration::from_secs(10);
    let policy =
        IssuancePolicy { default_lifetime: lifetime, max_lifetime: lifetime, ..IssuancePolicy::default() };
    let control = Control::start(policy).await;
    let mut agents = Vec::new();
    for name in ["a", "b", "c"] {
        agents.push(agent(&control, name).await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let counts = load(&agents[0], &agents[1], Arc::clone(&stop));
    let first_root = control.authority.trust_bundle();
    let follow = |control: &Control| control.followers.report(SystemTime::now()).len();
    until(&control, "all follow", || follow(&control) == agents.len()).await;
    for (what, times) in [(Successor::Issuer, 2), (Successor::Root, 2)] {
        for _ in 0..times {
            let before = control.authority.status();
            control.authority.begin(what, SystemTime::now()).unwrap();
            assert!(control.authority.begin(what, SystemTime::now()).is_err(), "one at a time");
            until(&control, what.as_str(), || control.authority.status().succession.is_none()).await;
            let after = control.authority.status();
            assert_ne!(before.issuer, after.issuer);
            assert_eq!(before.roots == after.roots, what == Successor::Issuer);
            for agent in &agents {
                let svid = agent.svid().unwrap();
                assert_eq!(svid.issued_by(), Some(after.issuer.as_str()), "{what}: {svid:?}");
                assert_eq!(agent.trust_bundle().roots(), control.authority.trust_bundle().roots());
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let [good, bad] = [0, 1].map(|at| counts[at].load(Ordering::Relaxed));
    println!("{good} handshakes, {bad} failed");
    assert!(good > 100 && bad == 0, "{good} good, {bad} failed");
    assert_ne!(first_root, control.authority.trust_bundle());
    let reports = control.followers.report(SystemTime::now());
    assert!(reports.iter().all(|report| report.connected && report.error.is_none()), "{reports:?}");
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_holds_the_new_root_back() {
    let control = Control::start(IssuancePolicy::default()).await;
    let _agent = agent(&control, "a").await;
    until(&control, "it follows", || control.followers.report(SystemTime::now()).len() == 1).await;
    // Somebody who follows and never confirms anything.
    let silent = control.newcomer();
    let token = control.tokens.issue(id("silent"), HOUR, SystemTime::now()).unwrap();
    let peer = crate::support::connected_peer(&control, &silent, &token).await;
    let follower = control.followers.join(&peer, "silent", SystemTime::now()).unwrap().unwrap();
    control.authority.begin(Successor::Root, SystemTime::now()).unwrap();
    let waits = || {
        let waiting = control.authority.status().waiting;
        waiting.len() == 1 && waiting[0].contains("silent") && waiting[0].contains("has not confirmed")
    };
    until(&control, "it is waited for", waits).await;
    assert_eq!(control.authority.status().roots.len(), 2);
    let announced = control.authority.announced().borrow().clone();
    follower.trusts(&announced.version);
    let issues = || control.authority.status().succession.is_some_and(|one| one.1.as_str() == "issue");
    until(&control, "the next phase begins", issues).await;
    drop(follower);
    let waits = || control.authority.status().waiting.iter().any(|text| text.contains("is gone"));
    until(&control, "its return is waited for", waits).await;
}
