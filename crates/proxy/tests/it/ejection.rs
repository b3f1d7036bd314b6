//! An endpoint that fails now and then is put aside for a while, and comes back when it is well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use ripstop_model::Percent;
use ripstop_model::cluster::Cluster;
use ripstop_model::outlier::{FailurePercentage, OutlierDetection, Streak};
use ripstop_proxy::sweep::sweep_for_ever;
use ripstop_testkit::client::Http1;
use ripstop_testkit::upstream::{Upstream, text};

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

/// Three of ten requests fail, not two in a row, while `failing` is set.
fn flaky(failing: Arc<AtomicBool>) -> Upstream {
    let number = Arc::new(AtomicU32::new(0));
    Upstream::start(move |_| {
        let turn = number.fetch_add(1, Ordering::Relaxed) % 10;
        let fails = failing.load(Ordering::Relaxed) && matches!(turn, 0 | 3 | 6);
        async move { Ok(text(if fails { 500 } else { 200 }, "flaky")) }
    })
}

/// Of so many requests: those that the flaky endpoint took.
async fn share(client: &mut Http1, requests: u32) -> u32 {
    let mut taken = 0;
    for _ in 0..requests {
        taken += u32::from(client.get("/").await.unwrap().body == "flaky");
    }
    taken
}

#[tokio::test]
async fn an_endpoint_with_thirty_percent_errors_is_ejected_and_returns() {
    let failing = Arc::new(AtomicBool::new(true));
    let bad = flaky(failing.clone());
    let good: Vec<Upstream> = (0..4).map(|_| Upstream::start(|_| async { Ok(text(200, "good")) })).collect();
    let addresses: Vec<_> = std::iter::once(&bad).chain(&good).map(|upstream| upstream.address).collect();
    let outlier = OutlierDetection {
        consecutive_5xx: None,
        consecutive_gateway_failure: None,
        success_rate: None,
        failure_percentage: Some(FailurePercentage {
            threshold: Percent::whole(20),
            minimum_hosts: 5,
            request_volume: 20,
            enforcing: Percent::ALL,
        }),
        interval: Duration::from_millis(500),
        base_ejection_time: Duration::from_millis(700),
        max_ejection_time: Duration::from_millis(700),
        ..OutlierDetection::default()
    };
    let config = Cluster { outlier: Some(outlier), ..cluster(&addresses) };
    let proxy = Proxy::with(snapshot(listener(manager(), None), routes(to_c()), config)).await;
    tokio::spawn(sweep_for_ever(proxy.applied.clone()));
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let host = {
        let generation = proxy.applied.borrow().generation.clone();
        let cluster = generation.all_clusters().next().unwrap();
        cluster.hosts.get(&bad.address.into()).unwrap().host.clone()
    };
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !host.is_ejected() {
        assert!(std::time::Instant::now() < deadline, "never ejected");
        share(&mut client, 50).await;
    }
    let reason = host.ejection().unwrap().reason;
    assert_eq!(reason.as_str(), "failure_percentage");
    let taken = share(&mut client, 100).await;
    assert!(taken == 0 || !host.is_ejected(), "{taken} requests while it is put aside");
    failing.store(false, Ordering::Relaxed);
    while host.is_ejected() {
        assert!(std::time::Instant::now() < deadline, "never returns");
        share(&mut client, 10).await;
    }
    assert!((10..=30).contains(&share(&mut client, 100).await), "a fifth of the requests again");
}

#[tokio::test]
async fn who_is_put_aside_returns_when_outlier_detection_is_taken_away() {
    let good = Upstream::start(|_| async { Ok(text(200, "good")) });
    let bad = Upstream::start(|_| async { Ok(text(500, "bad")) });
    let watched = Cluster {
        outlier: Some(OutlierDetection { consecutive_5xx: Streak::always(1), ..OutlierDetection::default() }),
        ..cluster(&[good.address, bad.address])
    };
    let with = |cluster: Cluster| snapshot(listener(manager(), None), routes(to_c()), cluster);
    let mut proxy = Proxy::with(with(watched.clone())).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    for _ in 0..4 {
        client.get("/").await.unwrap();
    }
    let host = {
        let generation = proxy.applied.borrow().generation.clone();
        let cluster = generation.all_clusters().next().unwrap();
        cluster.hosts.get(&bad.address.into()).unwrap().host.clone()
    };
    assert!(host.is_ejected());
    proxy.apply(with(Cluster { outlier: None, ..watched })).await;
    assert!(!host.is_ejected());
    let mut seen = 0;
    for _ in 0..4 {
        seen += u32::from(client.get("/").await.unwrap().status == 500);
    }
    assert_eq!(seen, 2);
}
