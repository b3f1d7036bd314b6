//! Adaptive concurrency: a connection manager that lets in no more than its upstreams bear.

use std::time::Duration;

use ripstop_model::adaptive_concurrency::{AdaptiveConcurrency, MinRtt};
use ripstop_model::runtime::RuntimeFeature;
use ripstop_model::{HttpConnectionManager, Percent};
use ripstop_testkit::client::get;
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

#[tokio::test]
async fn what_is_above_the_limit_is_refused_at_once() {
    let (release, released) = tokio::sync::watch::channel(false);
    let upstream = Upstream::start(move |_| {
        let mut released = released.clone();
        async move {
            let _ = released.wait_for(|released| *released).await;
            Ok(text(200, ""))
        }
    });
    let adaptive = AdaptiveConcurrency {
        enabled: RuntimeFeature { key: "adaptive".into(), default: true },
        percentile: Percent::whole(50),
        max_limit: 1000,
        min_limit: 3,
        update_interval: Duration::from_millis(100),
        min_rtt: MinRtt::Measured { interval: Duration::from_secs(60), requests: 50, jitter: Percent::ZERO },
        min_concurrency: 3,
        buffer_percent: 25,
        exceeded_status: 529,
    };
    let manager = HttpConnectionManager { adaptive_concurrency: Some(Box::new(adaptive)), ..manager() };
    let proxy =
        Proxy::with(snapshot(listener(manager, None), routes(to_c()), cluster(&[upstream.address]))).await;
    let address = proxy.address();
    let held: Vec<_> = (0..3).map(|_| tokio::spawn(async move { get(address, "/").await.status })).collect();
    until("three are under way", async || (proxy.cluster_metric("upstream_rq_active") == 3).then_some(()))
        .await;
    let reply = get(address, "/").await;
    assert_eq!((reply.status, reply.body.as_str()), (529, "reached concurrency limit"));
    release.send_replace(true);
    for held in held {
        assert_eq!(held.await.unwrap(), 200);
    }
    assert_eq!(get(address, "/").await.status, 200);
    let blocked = "envoy_http_adaptive_concurrency_gradient_controller_rq_blocked";
    assert_eq!(proxy.metric(&format!("{blocked}{{envoy_http_conn_manager_prefix=\"test\"}}")), 1);
}
