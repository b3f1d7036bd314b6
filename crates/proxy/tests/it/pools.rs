//! Connections to endpoints: how they are made, how long they are kept, and whom they are for.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ripstop_model::cluster::{CircuitLimits, Cluster, Discovery, UpstreamProtocol};
use ripstop_model::endpoint::EndpointExtra;
use ripstop_model::route::{Forward, RoutePriority};
use ripstop_model::upstream_connection::{TcpKeepalive, UpstreamConnection};
use ripstop_model::{Address, Percent};
use ripstop_testkit::client::{Http1, get};
use ripstop_testkit::upstream::{Speaks, Upstream, text};
use ripstop_testkit::wait::until;
use tokio::sync::Barrier;

use crate::harness::{Proxy, cluster, listener, manager, nobody, routes, snapshot, to_c};

async fn proxy(forward: Forward, cluster: Cluster) -> Proxy {
    Proxy::with(snapshot(listener(manager(), None), routes(forward), cluster)).await
}

#[tokio::test]
async fn a_connection_is_closed_when_it_is_old_and_requests_do_not_notice() {
    for (speaks, protocol) in
        [(Speaks::Http1, UpstreamProtocol::Http1), (Speaks::Http2, UpstreamProtocol::Http2)]
    {
        let upstream =
            Upstream::start_at(([127, 0, 0, 1], 0).into(), speaks, |_| async { Ok(text(200, "")) });
        let connection = UpstreamConnection {
            max_age: Some(Duration::from_millis(100)),
            max_age_jitter: Percent::whole(50),
            ..UpstreamConnection::default()
        };
        let proxy = proxy(to_c(), Cluster { connection, protocol, ..cluster(&[upstream.address]) }).await;
        let mut client = Http1::connect(proxy.address()).await.unwrap();
        let begun = Instant::now();
        while upstream.connections() < 4 {
            assert_eq!(client.get("/").await.unwrap().status, 200);
            assert!(begun.elapsed() < Duration::from_secs(20), "{speaks:?}: {}", upstream.connections());
        }
        assert!(begun.elapsed() >= Duration::from_millis(300), "{speaks:?}: {:?}", begun.elapsed());
        until("idle ones that are old are closed", async || {
            (proxy.cluster_metric("upstream_cx_active") == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_a_burst_leaves_behind_is_closed_but_for_some() {
    const AT_ONCE: usize = 200;
    /// Of each of the two workers.
    const SPARE: u64 = 64;
    let all_there = Arc::new(Barrier::new(AT_ONCE));
    let upstream = Upstream::start(move |_| {
        let all_there = all_there.clone();
        async move {
            all_there.wait().await;
            Ok(text(200, ""))
        }
    });
    let proxy = proxy(to_c(), cluster(&[upstream.address])).await;
    let address = proxy.address();
    let requests = (0..AT_ONCE).map(|_| tokio::spawn(async move { get(address, "/").await.status }));
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), 200);
    }
    assert_eq!(upstream.connections(), AT_ONCE as u64);
    until("those that nobody needs are closed", async || {
        (proxy.cluster_metric("upstream_cx_active") <= 2 * SPARE).then_some(())
    })
    .await;
    assert!(proxy.cluster_metric("upstream_cx_active") >= SPARE, "the others stay");
}

#[tokio::test]
async fn an_endpoint_never_has_more_connections_than_it_may_over_all_workers() {
    const AT_ONCE: usize = 40;
    let (busy, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let upstreams: Vec<Upstream> = (0..2)
        .map(|_| {
            let (busy, most) = (busy.clone(), most.clone());
            Upstream::start(move |_| {
                let (busy, most) = (busy.clone(), most.clone());
                async move {
                    most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    busy.fetch_sub(1, Ordering::SeqCst);
                    Ok(text(200, ""))
                }
            })
        })
        .collect();
    let limits = CircuitLimits { max_connections_per_host: Some(2), ..CircuitLimits::default() };
    let addresses: Vec<SocketAddr> = upstreams.iter().map(|upstream| upstream.address).collect();
    let proxy = proxy(to_c(), Cluster { limits, ..cluster(&addresses) }).await;
    let hosts = proxy.applied.borrow().generation.all_clusters().next().unwrap().hosts.clone();
    let address = proxy.address();
    let requests = (0..AT_ONCE).map(|_| {
        let hosts = hosts.clone();
        tokio::spawn(async move {
            let status = get(address, "/").await.status;
            (status, hosts.entries().iter().map(|entry| entry.host.active_connections()).max().unwrap())
        })
    });
    for request in requests.collect::<Vec<_>>() {
        let (status, open) = request.await.unwrap();
        assert_eq!(status, 200, "who has to wait waits");
        assert!(open <= 2, "{open}");
    }
    assert!(most.load(Ordering::SeqCst) <= 4, "{most:?}");
}

#[tokio::test]
async fn an_endpoint_is_reached_by_another_of_its_addresses() {
    let upstream = Upstream::start(|_| async { Ok(text(200, "reached")) });
    // Nothing answers at the first: it lies in a network for documentation (RFC 5737).
    for first in [nobody(), SocketAddr::from(([192, 0, 2, 1], 80))] {
        let mut config = cluster(&[first]);
        if let Discovery::Static(assignment) = &mut config.discovery {
            let additional_addresses = vec![Address::from(upstream.address)];
            let extra = EndpointExtra { additional_addresses, ..EndpointExtra::default() }.boxed();
            Arc::make_mut(&mut assignment.localities[0].endpoints[0]).extra = extra;
        }
        let keepalive = TcpKeepalive { time: Some(Duration::from_secs(60)), probes: Some(3), interval: None };
        config.connection.keepalive = Some(keepalive);
        config.connect_timeout = Duration::from_secs(20);
        let proxy = proxy(to_c(), config).await;
        let begun = Instant::now();
        assert_eq!(get(proxy.address(), "/").await.body, "reached");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_connection_serves_only_so_many_requests() {
    let upstream = Upstream::start(|_| async { Ok(text(200, "")) });
    let max_requests_per_connection = NonZeroU32::new(3);
    let proxy = proxy(to_c(), Cluster { max_requests_per_connection, ..cluster(&[upstream.address]) }).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    for _ in 0..9 {
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn what_matters_most_has_limits_of_its_own() {
    let upstream = Upstream::start(|_| async { Ok(text(200, "")) });
    let mut config = cluster(&[upstream.address]);
    config.limits.max_requests = 0;
    for (priority, status) in [(RoutePriority::Default, 503), (RoutePriority::High, 200)] {
        let proxy = proxy(Forward { priority, ..to_c() }, config.clone()).await;
        assert_eq!(get(proxy.address(), "/").await.status, status, "{priority:?}");
    }
}

#[tokio::test]
async fn workers_together_never_exceed_a_limit() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (counted, highest) = (now.clone(), most.clone());
    let upstream = Upstream::start(move |_| {
        highest.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let counted = counted.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            counted.fetch_sub(1, Ordering::SeqCst);
            Ok(text(200, ""))
        }
    });
    let mut config = cluster(&[upstream.address]);
    config.limits.max_requests = 7;
    let proxy = proxy(to_c(), config).await;
    let address = proxy.address();
    let clients = (0..32).map(|_| async move {
        let (mut client, mut statuses) = (Http1::connect(address).await.unwrap(), [0_u32; 2]);
        for _ in 0..50 {
            let reply = client.get("/").await.unwrap();
            match reply.status {
                200 => statuses[0] += 1,
                503 => {
                    assert_eq!(reply.headers["x-envoy-overloaded"], "true");
                    statuses[1] += 1;
                }
                other => panic!("{other}"),
            }
        }
        statuses
    });
    let all = futures_util::future::join_all(clients).await;
    let sum = |place: usize| all.iter().map(|statuses| statuses[place]).sum::<u32>();
    assert!(most.load(Ordering::SeqCst) <= 7, "{most:?}");
    assert!(sum(0) > 0 && sum(1) > 0, "{} {}", sum(0), sum(1));
    assert_eq!(proxy.cluster_metric("upstream_rq_pending_overflow"), u64::from(sum(1)));
}
