//! Clusters with names, and a name server that the test answers for.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ripstop_model::address::HostPort;
use ripstop_model::cluster::{Cluster, Discovery, DnsDiscovery, DnsFamily, DnsKind};
use ripstop_model::endpoint::LocalityEndpoints;
use ripstop_model::{ClusterLoadAssignment, Endpoint};
use ripstop_proxy::dns;
use ripstop_testkit::client::Http1;
use ripstop_testkit::upstream::{Speaks, Upstream, text};
use tokio::net::UdpSocket;
use tokio::sync::watch;

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

/// A name server that gives every name the address that is set, or says that there is none for 0.
async fn name_server(address: Arc<AtomicU32>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let query = &buffer[..length];
            // Behind the head of twelve bytes stands the name, ended by a zero, then type and class.
            let Some(end) = query[12..].iter().position(|byte| *byte == 0) else { continue };
            let question = &query[12..12 + end + 5];
            let address = address.load(Ordering::Relaxed);
            let count = u8::from(address != 0);
            let status = if address == 0 { 0x82 } else { 0x80 };
            let mut answer = vec![query[0], query[1], 0x81, status, 0, 1, 0, count, 0, 0, 0, 0];
            answer.extend_from_slice(question);
            if address != 0 {
                // A pointer to the name, type A, class IN, one second.
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
                answer.extend(address.to_be_bytes());
            }
            let _ = socket.send_to(&answer, from).await;
        }
    });
    at
}

fn named(port: u16, server: SocketAddr, refresh: Duration) -> Cluster {
    let plain = Endpoint::new(server);
    let endpoint = Endpoint {
        address: HostPort { host: "shop.test".into(), port },
        hostname: plain.hostname,
        health: plain.health,
        weight: plain.weight,
        canary: plain.canary,
        extra: plain.extra,
    };
    let hosts = ClusterLoadAssignment {
        cluster_name: "c".into(),
        localities: vec![LocalityEndpoints {
            locality: Default::default(),
            priority: 0,
            weight: None,
            endpoints: vec![Arc::new(endpoint)],
        }],
        overprovisioning_percent: 140,
    };
    let discovery = DnsDiscovery {
        family: DnsFamily::V4Only,
        refresh,
        resolvers: vec![server],
        ..DnsDiscovery::new(DnsKind::Strict, hosts)
    };
    Cluster { discovery: Discovery::Dns(Box::new(discovery)), ..cluster(&[]) }
}

#[tokio::test]
async fn a_change_of_addresses_is_followed_in_time_and_no_answer_keeps_the_last_one() {
    const REFRESH: Duration = Duration::from_millis(500);
    let first = Upstream::start(|_| async { Ok(text(200, "first")) });
    let port = first.address.port();
    let second_at = SocketAddr::from(([127, 0, 0, 2], port));
    let second = Upstream::start_at(second_at, Speaks::Http1, |_| async { Ok(text(200, "second")) });
    let said = Arc::new(AtomicU32::new(Ipv4Addr::LOCALHOST.into()));
    let server = name_server(said.clone()).await;

    let config = snapshot(listener(manager(), None), routes(to_c()), named(port, server, REFRESH));
    let (written, incoming) = watch::channel(None);
    let (outgoing, mut resolved) = watch::channel(None);
    tokio::spawn(dns::resolve(incoming, outgoing));
    written.send_replace(Some(Arc::new(config)));
    resolved.wait_for(Option::is_some).await.unwrap();
    let latest = |resolved: &mut watch::Receiver<dns::Latest>| {
        resolved.borrow_and_update().as_deref().unwrap().clone()
    };
    let mut proxy = Proxy::with(latest(&mut resolved)).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    assert_eq!(client.get("/").await.unwrap().body, "first");

    said.store(second_at_ip(), Ordering::Relaxed);
    let changed = Instant::now();
    loop {
        if resolved.has_changed().unwrap() {
            proxy.apply(latest(&mut resolved)).await;
        }
        let reply = client.get("/").await.unwrap();
        assert_eq!(reply.status, 200, "no request fails");
        if reply.body == "second" {
            break;
        }
        assert!(changed.elapsed() < REFRESH + Duration::from_secs(1), "still the old address");
    }
    // Nobody knows the name any more: the last address stays.
    said.store(0, Ordering::Relaxed);
    let quiet = tokio::time::timeout(REFRESH * 3, resolved.changed()).await;
    assert!(quiet.is_err(), "nothing changes");
    assert_eq!(client.get("/").await.unwrap().body, "second");
    drop((written, second));
}

fn second_at_ip() -> u32 {
    Ipv4Addr::new(127, 0, 0, 2).into()
}
