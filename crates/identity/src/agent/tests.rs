//! The agent's loop under virtual time, with the authority in the same process.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use ripstop_model::spiffe::TrustDomain;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::*;
use crate::authority::Authority;
use crate::testdir::TestDir;

fn virtual_clock() -> Clock {
    let (origin, start) = (UNIX_EPOCH + Duration::from_secs(1_800_000_000), Instant::now());
    Clock::from_fn(move || origin + start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_loop_renews_in_time_and_stops_when_told() {
    let dir = TestDir::new();
    let clock = virtual_clock();
    let domain = TrustDomain::new("td").unwrap();
    let authority = Arc::new(Authority::open_or_create(dir.path(), domain.clone(), clock.now()).unwrap());
    let identity = IdentityHandle::new(authority.trust_bundle());
    let source = SvidSource::Local { authority, lifetime: Duration::from_secs(60) };
    let id = SpiffeId::workload(&domain, "shop", "a").unwrap();
    let agent = Agent::new(id.clone(), source, identity.clone(), clock.clone(), fastrand::Rng::with_seed(1));
    let status = agent.status();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(agent.run(async move { drop(stopped.await) }));

    assert_eq!(identity.ready().await.id(), &id);
    let mut changes = identity.subscribe();
    let began = Instant::now();
    for _ in 0..20 {
        let before = identity.svid().unwrap();
        changes.changed().await.unwrap();
        let after = identity.svid().unwrap();
        assert!(after.serial() != before.serial() && after.not_after() > before.not_after());
        assert!(!before.is_expired(clock.now()), "renewed before the old one ended");
        assert_eq!(status.borrow().alarm, Alarm::Ok);
    }
    let each = began.elapsed().as_secs_f64() / 20.0;
    assert!((30.0..43.0).contains(&each), "a renewal every {each} s of a life of 60 s");
    assert_eq!((status.borrow().failures, status.borrow().last_error.clone()), (0, None));

    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn failures_are_reported_and_raise_the_alarm() {
    let dir = TestDir::new();
    let clock = virtual_clock();
    let domain = TrustDomain::new("td").unwrap();
    let authority = Arc::new(Authority::open_or_create(dir.path(), domain.clone(), clock.now()).unwrap());
    let identity = IdentityHandle::new(authority.trust_bundle());
    let foreign = SpiffeId::new("spiffe://other/ns/a/sa/b").unwrap();
    let source = SvidSource::Local { authority, lifetime: Duration::from_secs(60) };
    let agent = Agent::new(foreign, source, identity.clone(), clock, fastrand::Rng::with_seed(1));
    let mut status = agent.status();
    let running = tokio::spawn(agent.run(std::future::pending()));
    status.wait_for(|status| status.failures >= 5).await.unwrap();
    assert_eq!(status.borrow().alarm, Alarm::Expired);
    assert!(status.borrow().last_error.as_ref().unwrap().contains("outside of trust domain td"));
    assert!(identity.svid().is_none());
    running.abort();
}
