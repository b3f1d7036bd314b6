//! Circuit breakers: what is broken is left alone, and what takes its place.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ripstop_model::Snapshot;
use ripstop_model::circuit_breaker::{BreakerScope, CircuitBreaker, Fallback, FallbackResponse};
use ripstop_model::cluster::{Cluster, Discovery};
use ripstop_model::runtime::RuntimeValue;
use ripstop_model::{ClusterLoadAssignment, Endpoint};
use ripstop_policy::breaker::{By, Forced, State};
use ripstop_policy::runtime::Runtime;
use ripstop_testkit::client::{Http1, get};
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

/// An upstream that can be broken and mended, and counts requests.
struct Patient {
    upstream: Upstream,
    broken: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
}

fn patient() -> Patient {
    let (broken, count) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let (is_broken, counted) = (broken.clone(), count.clone());
    let upstream = Upstream::start(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let status = if is_broken.load(Ordering::SeqCst) { 500 } else { 200 };
        async move { Ok(text(status, "upstream")) }
    });
    Patient { upstream, broken, count }
}

fn three_failures(open: Duration) -> CircuitBreaker {
    CircuitBreaker {
        failures: NonZeroU32::new(3),
        failure_percent: None,
        open,
        max_open: open,
        ..Default::default()
    }
}

fn with(breaker: CircuitBreaker, of: Cluster) -> Snapshot {
    let cluster = Cluster { breaker: Some(Box::new(breaker)), ..of };
    snapshot(listener(manager(), None), routes(to_c()), cluster)
}

#[tokio::test]
async fn after_some_failures_nothing_is_sent_until_a_probe_succeeds() {
    let patient = patient();
    let breaker = three_failures(Duration::from_millis(200));
    let proxy = Proxy::with(with(breaker, cluster(&[patient.upstream.address]))).await;
    for _ in 0..3 {
        assert_eq!(get(proxy.address(), "/").await.status, 500);
    }
    let reply = get(proxy.address(), "/").await;
    assert_eq!((reply.status, reply.body.as_str()), (503, "circuit breaker open"));
    assert_eq!(reply.headers["x-envoy-overloaded"], "true", "callers are told not to try again");
    assert_eq!(patient.count.load(Ordering::SeqCst), 3);
    assert_eq!(proxy.cluster_metric("breaker_opened"), 1);
    assert!(proxy.cluster_metric("upstream_rq_breaker_open") >= 1);
    patient.broken.store(false, Ordering::SeqCst);
    until("a probe has succeeded", async || (get(proxy.address(), "/").await.status == 200).then_some(()))
        .await;
    assert_eq!(patient.count.load(Ordering::SeqCst), 4);
    for _ in 0..20 {
        assert_eq!(get(proxy.address(), "/").await.status, 200);
    }
    assert_eq!((proxy.cluster_metric("breaker_half_opened"), proxy.cluster_metric("breaker_closed")), (1, 1));
}

#[tokio::test]
async fn the_breaker_of_an_endpoint_leaves_the_others_in_use() {
    let (patient, well) = (patient(), Upstream::start(|_| async { Ok(text(200, "well")) }));
    let breaker = CircuitBreaker { scope: BreakerScope::Endpoint, ..three_failures(Duration::from_secs(60)) };
    let proxy = Proxy::with(with(breaker, cluster(&[patient.upstream.address, well.address]))).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let mut failed = 0;
    for _ in 0..100 {
        failed += u32::from(client.get("/").await.unwrap().status != 200);
    }
    assert_eq!(failed, 3, "three failures open it");
    assert_eq!(patient.count.load(Ordering::SeqCst), 3);
    assert_eq!(proxy.cluster_metric("upstream_rq_breaker_open"), 0, "no request was refused");
}

#[tokio::test]
async fn an_answer_or_another_cluster_takes_the_place_of_what_is_left_alone() {
    let (patient, other) = (patient(), Upstream::start(|_| async { Ok(text(200, "other")) }));
    let endpoints = vec![Endpoint::new(other.address)];
    let second = Cluster::new("d", Discovery::Static(ClusterLoadAssignment::flat("d", endpoints)));
    let answer = FallbackResponse { status: 200, content_type: "application/json".into(), body: "[]".into() };
    for (fallback, expected) in [(Fallback::Response(answer), "[]"), (Fallback::Cluster("d".into()), "other")]
    {
        patient.count.store(0, Ordering::SeqCst);
        let breaker = CircuitBreaker { fallback: Some(fallback), ..three_failures(Duration::from_secs(60)) };
        let mut snapshot = with(breaker, cluster(&[patient.upstream.address]));
        snapshot.clusters.insert(second.name.clone(), Arc::new(second.clone()));
        let proxy = Proxy::with(snapshot).await;
        for _ in 0..3 {
            assert_eq!(get(proxy.address(), "/").await.status, 500);
        }
        for _ in 0..5 {
            let reply = get(proxy.address(), "/").await;
            assert_eq!((reply.status, reply.body.as_str()), (200, expected));
            if expected == "[]" {
                assert_eq!(reply.headers["content-type"], "application/json");
            }
        }
        assert_eq!(patient.count.load(Ordering::SeqCst), 3);
        assert_eq!(proxy.cluster_metric("upstream_rq_breaker_fallback"), 5);
    }
}

#[tokio::test]
async fn a_value_set_by_name_forces_it_and_a_change_of_configuration_does_not_close_it() {
    let patient = patient();
    let config = cluster(&[patient.upstream.address]);
    let breaker = three_failures(Duration::from_secs(60));
    let mut proxy = Proxy::with(with(breaker.clone(), config.clone())).await;
    let forced = |to: &str| {
        let value = RuntimeValue { text: to.to_owned(), ..RuntimeValue::default() };
        Runtime::new(vec![("admin".to_owned(), [("ripstop.breaker.c".to_owned(), value)].into())])
    };
    proxy.set_runtime(forced("open")).await;
    assert_eq!(get(proxy.address(), "/").await.body, "circuit breaker open");
    proxy.set_runtime(forced("closed")).await;
    for _ in 0..10 {
        assert_eq!(get(proxy.address(), "/").await.status, 500);
    }
    proxy.set_runtime(Runtime::default()).await;
    while get(proxy.address(), "/").await.status == 500 {}
    let changed = Cluster { connect_timeout: Duration::from_secs(1), ..config };
    proxy.apply(with(breaker.clone(), changed.clone())).await;
    assert_eq!(get(proxy.address(), "/").await.body, "circuit breaker open");
    let active = proxy.applied.borrow().generation.all_clusters().next().unwrap().clone();
    let the_breaker = active.breakers.all().next().unwrap();
    assert_eq!(the_breaker.state(), State::Open);
    the_breaker.force(By::Administrator, Forced::Closed);
    assert_eq!(get(proxy.address(), "/").await.status, 500);
    // Other rules make another breaker.
    let other = CircuitBreaker { failures: NonZeroU32::new(100), ..breaker };
    proxy.apply(with(other, changed)).await;
    assert_eq!(get(proxy.address(), "/").await.status, 500);
}
