//! What keeps load from upstreams, over sockets: admission control, load shedding, connections that end when their endpoint falls
//! ill, and one connection of HTTP/2 that two workers share.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use ripstop_model::admission_control::AdmissionControl;
use ripstop_model::cluster::{Cluster, Discovery, UpstreamProtocol};
use ripstop_model::endpoint::EndpointExtra;
use ripstop_model::health_check::{
    EndpointHealthCheck, HealthCheck, HealthLog, HealthRules, HttpProbe, Intervals, Probe,
};
use ripstop_model::listener::{FilterChain, Listener};
use ripstop_model::load_shedding::LoadShedding;
use ripstop_model::network_filter::TcpProxy;
use ripstop_model::runtime::{RuntimeFeature, RuntimePercent, RuntimeUint};
use ripstop_model::{Address, HttpConnectionManager, NetworkFilter, Percent, Snapshot};
use ripstop_testkit::client::{Http1, get};
use ripstop_testkit::upstream::{Speaks, Upstream, text};
use ripstop_testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

#[tokio::test]
async fn admission_control_refuses_a_share_while_many_fail() {
    let (status, count) = (Arc::new(AtomicU16::new(503)), Arc::new(AtomicU64::new(0)));
    let (answered, counted) = (status.clone(), count.clone());
    let upstream = Upstream::start(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let status = answered.load(Ordering::SeqCst);
        async move { Ok(text(status, "")) }
    });
    let percent = |percent| RuntimePercent { key: "".into(), default: Percent::whole(percent) };
    let admission = AdmissionControl {
        enabled: RuntimeFeature { key: "".into(), default: true },
        http_success: Vec::new(),
        grpc_success: Vec::new(),
        window: Duration::from_secs(1),
        aggression_milli: 1000,
        success_threshold: percent(95),
        rps_threshold: RuntimeUint { key: "".into(), default: 0 },
        max_rejection: percent(80),
    };
    let manager = HttpConnectionManager { admission_control: Some(Box::new(admission)), ..manager() };
    let proxy =
        Proxy::with(snapshot(listener(manager, None), routes(to_c()), cluster(&[upstream.address]))).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    for _ in 0..400 {
        assert_eq!(client.get("/").await.unwrap().status, 503);
    }
    let sent = count.load(Ordering::SeqCst);
    let line = "envoy_http_admission_control_rq_rejected{envoy_http_conn_manager_prefix=\"test\"}";
    let refused = proxy.metric(line);
    assert_eq!(sent + refused, 400);
    assert!(refused > 200, "four of five: {refused}");
    status.store(200, Ordering::SeqCst);
    let begun = std::time::Instant::now();
    let mut in_a_row = 0;
    while in_a_row < 50 {
        in_a_row = if client.get("/").await.unwrap().status == 200 { in_a_row + 1 } else { 0 };
        assert!(begun.elapsed() < Duration::from_secs(20), "it is forgotten with the window");
    }
}

/// The status for a request of this priority, and whether it says that there is too much to do.
async fn ask(address: SocketAddr, priority: &'static str) -> (u16, bool) {
    let mut client = Http1::connect(address).await.unwrap();
    let mut request = client.build(Method::GET, "/", "");
    request.headers_mut().insert("x-priority", priority.parse().unwrap());
    let reply = client.request(request).await.unwrap();
    (reply.status, reply.headers.contains_key("x-envoy-overloaded"))
}

#[tokio::test]
async fn what_matters_less_is_refused_while_there_is_room_for_what_matters_more() {
    let (release, released) = tokio::sync::watch::channel(false);
    let upstream = Upstream::start(move |_| {
        let mut released = released.clone();
        async move {
            let _ = released.wait_for(|released| *released).await;
            Ok(text(200, ""))
        }
    });
    let mut config = cluster(&[upstream.address]);
    config.limits.max_requests = 4;
    config.shedding = Some(Box::new(LoadShedding {
        header: "x-priority".into(),
        levels: vec![("batch".into(), Percent::whole(50)), ("critical".into(), Percent::whole(100))],
        others: Percent::whole(75),
    }));
    let proxy = Proxy::with(snapshot(listener(manager(), None), routes(to_c()), config)).await;
    let address = proxy.address();
    let mut held = Vec::new();
    for (under_way, priority) in [(1, "batch"), (2, "batch"), (3, "other"), (4, "critical")] {
        held.push(tokio::spawn(ask(address, priority)));
        until("it is under way", async || {
            (proxy.cluster_metric("upstream_rq_active") == under_way).then_some(())
        })
        .await;
        match under_way {
            2 => assert_eq!(ask(address, "batch").await, (503, true)),
            3 => assert_eq!(ask(address, "other").await, (503, true)),
            4 => assert_eq!(ask(address, "critical").await, (503, true)),
            _ => {}
        }
    }
    release.send_replace(true);
    for held in held {
        assert_eq!(held.await.unwrap(), (200, false));
    }
    assert_eq!(proxy.cluster_metric("upstream_rq_pending_overflow"), 3);
}

#[tokio::test]
async fn workers_share_the_only_connection_of_http2_by_letting_it_go() {
    let upstream =
        Upstream::start_at(([127, 0, 0, 1], 0).into(), Speaks::Http2, |_| async { Ok(text(200, "")) });
    let mut config = Cluster { protocol: UpstreamProtocol::Http2, ..cluster(&[upstream.address]) };
    config.limits.max_connections = 1;
    let proxy = Proxy::with(snapshot(listener(manager(), None), routes(to_c()), config)).await;
    let address = proxy.address();
    let clients = (0..16).map(|_| async move {
        let mut client = Http1::connect(address).await.unwrap();
        for _ in 0..20 {
            assert_eq!(client.get("/").await.unwrap().status, 200);
        }
    });
    let all = futures_util::future::join_all(clients);
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("nobody waits for ever");
    assert!(proxy.cluster_metric("upstream_cx_active") <= 1);
}

/// Sends back what it reads.
async fn echo() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn connections_end_when_their_endpoint_falls_ill_where_the_cluster_wants_that() {
    for closes in [true, false] {
        let status = Arc::new(AtomicU16::new(200));
        let of_checks = status.clone();
        let checked = Upstream::start(move |_| {
            let status = of_checks.load(Ordering::SeqCst);
            async move { Ok(text(status, "")) }
        });
        let every = Duration::from_millis(20);
        let check = HealthCheck {
            timeout: Duration::from_secs(2),
            intervals: Intervals { no_traffic: every, no_traffic_healthy: every, ..Intervals::every(every) },
            unhealthy_threshold: NonZeroU32::MIN,
            healthy_threshold: NonZeroU32::MIN,
            probe: Probe::Http(Box::new(HttpProbe::get("/"))),
            reuse_connection: true,
            log: HealthLog::default(),
            alpn: Vec::new(),
            transport_labels: None,
        };
        let mut config = cluster(&[echo().await]);
        config.health = HealthRules {
            check: Some(Box::new(check)),
            close_connections_on_failure: closes,
            ..HealthRules::default()
        };
        if let Discovery::Static(assignment) = &mut config.discovery {
            let place = Some(Address::from(checked.address));
            let check =
                Some(Box::new(EndpointHealthCheck { address: place, ..EndpointHealthCheck::default() }));
            let extra = EndpointExtra { check, ..EndpointExtra::default() }.boxed();
            Arc::make_mut(&mut assignment.localities[0].endpoints[0]).extra = extra;
        }
        let chain = FilterChain::new(NetworkFilter::Tcp(TcpProxy::new("tcp", "c")));
        let listener = Listener::new("l", Address::socket([127, 0, 0, 1], 0), vec![chain]);
        let mut wanted = Snapshot::default();
        wanted.listeners.insert("l".into(), Arc::new(listener));
        wanted.clusters.insert("c".into(), Arc::new(config));
        let proxy = Proxy::with(wanted).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let mut word = [0; 5];
        stream.write_all(b"hello").await.unwrap();
        stream.read_exact(&mut word).await.unwrap();
        status.store(500, Ordering::SeqCst);
        until("it is found ill", async || (proxy.cluster_metric("health_check_healthy") == 0).then_some(()))
            .await;
        if closes {
            let end = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut word));
            let end = end.await.expect("it is closed");
            assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        } else {
            let quiet = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut word)).await;
            assert!(quiet.is_err(), "it stays open");
            stream.write_all(b"still").await.unwrap();
            stream.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"still");
        }
    }
}

#[tokio::test]
async fn idle_connections_to_an_endpoint_that_fell_ill_are_not_used_again() {
    let status = Arc::new(AtomicU16::new(200));
    let answered = status.clone();
    let upstream = Upstream::start(move |_| {
        let status = answered.load(Ordering::SeqCst);
        async move { Ok(text(status, "")) }
    });
    let well = Upstream::start(|_| async { Ok(text(200, "")) });
    let mut config = cluster(&[upstream.address, well.address]);
    config.outlier = Some(ripstop_model::outlier::OutlierDetection {
        consecutive_5xx: ripstop_model::outlier::Streak::always(1),
        max_ejection_percent: Percent::whole(50),
        ..Default::default()
    });
    let proxy = Proxy::with(snapshot(listener(manager(), None), routes(to_c()), config)).await;
    for _ in 0..8 {
        assert_eq!(get(proxy.address(), "/").await.status, 200);
    }
    status.store(500, Ordering::SeqCst);
    until("it is ejected", async || (get(proxy.address(), "/").await.status == 500).then_some(())).await;
    let generation = proxy.applied.borrow().generation.clone();
    let entries = generation.all_clusters().next().unwrap().hosts.entries().to_vec();
    until("its connections are closed", async || (entries[0].host.active_connections() == 0).then_some(()))
        .await;
    assert!(entries[0].host.is_ejected() && entries[1].host.active_connections() > 0);
}
