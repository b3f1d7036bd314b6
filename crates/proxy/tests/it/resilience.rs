//! What happens when upstreams fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use ripstop_model::Percent;
use ripstop_model::cluster::{Cluster, UpstreamProtocol};
use ripstop_model::outlier::OutlierDetection;
use ripstop_model::route::{Forward, RetryOn, RetryPolicy};
use ripstop_testkit::client::{Http1, get};
use ripstop_testkit::upstream::{Speaks, Upstream, text};
use ripstop_testkit::wait::until;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::harness::{Proxy, cluster, listener, manager, nobody, routes, snapshot, to_c};

fn retrying(words: &[&str]) -> Forward {
    let on = words.iter().map(|w| RetryOn::from_word(w).unwrap()).fold(RetryOn::default(), RetryOn::and);
    let retry = RetryPolicy { num_retries: 3, avoid_previous_hosts: true, ..RetryPolicy::on(on) };
    Forward { retry: Some(retry), ..to_c() }
}

async fn proxy(forward: Forward, cluster: Cluster) -> Proxy {
    Proxy::with(snapshot(listener(manager(), None), routes(forward), cluster)).await
}

/// Takes connections, reads a little, and closes them without an answer.
async fn hangs_up() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicU64::new(0));
    let counted = requests.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut head = [0; 1024];
                if stream.read(&mut head).await.is_ok_and(|n| n > 0) {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    (address, requests)
}

#[tokio::test]
async fn a_dead_endpoint_costs_no_request() {
    let alive = Upstream::start(|_| async { Ok(text(200, "alive")) });
    let proxy = proxy(retrying(&["connect-failure"]), cluster(&[nobody(), alive.address])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    for _ in 0..20 {
        assert_eq!(client.get("/").await.unwrap().body, "alive");
    }
    assert!(proxy.cluster_metric("upstream_rq_retry") > 0);
}

#[tokio::test]
async fn a_post_is_not_sent_twice_unless_nobody_saw_it() {
    let (broken, requests) = hangs_up().await;
    let proxy = proxy(retrying(&["5xx", "reset", "connect-failure"]), cluster(&[broken])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let post = client.build(Method::POST, "/", "pay");
    let reply = client.request(post).await.unwrap();
    assert_eq!(reply.status, 503);
    assert!(reply.body.ends_with("connection termination"), "{}", reply.body);
    assert_eq!(requests.load(Ordering::SeqCst), 1, "the POST was repeated");

    let mut client = Http1::connect(proxy.address()).await.unwrap();
    assert_eq!(client.get("/").await.unwrap().status, 503);
    assert_eq!(requests.load(Ordering::SeqCst), 1 + 4, "a GET is tried once and three times again");
}

#[tokio::test]
async fn a_post_with_a_body_is_retried_where_it_was_not_processed() {
    let alive = Upstream::start(|request| async move {
        let body =
            http_body_util::BodyExt::collect(request.into_body()).await.map_err(std::io::Error::other)?;
        Ok(text(200, body.to_bytes()))
    });
    let proxy = proxy(retrying(&["connect-failure"]), cluster(&[nobody(), alive.address])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    for _ in 0..10 {
        let post = client.build(Method::POST, "/", "exactly this");
        let reply = client.request(post).await.unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, "exactly this"));
    }
}

#[tokio::test]
async fn a_kept_connection_that_died_is_no_failure() {
    // Closes each connection after one answer without saying so: the race of every keep-alive pool.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).await;
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
            });
        }
    });
    let proxy = proxy(to_c(), cluster(&[address])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    for _ in 0..100 {
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_failing_endpoint_is_ejected() {
    let bad = Upstream::start(|_| async { Ok(text(500, "bad")) });
    let good = Upstream::start(|_| async { Ok(text(200, "good")) });
    let outlier = OutlierDetection {
        consecutive_5xx: ripstop_model::outlier::Streak::always(3),
        max_ejection_percent: Percent::whole(50),
        ..OutlierDetection::default()
    };
    let config = Cluster { outlier: Some(outlier), ..cluster(&[bad.address, good.address]) };
    let proxy = proxy(to_c(), config).await;
    let mut failed = 0;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    for _ in 0..40 {
        failed += u32::from(client.get("/").await.unwrap().status == 500);
    }
    assert_eq!(failed, 3, "three in a row eject");
    let generation = proxy.applied.borrow().generation.clone();
    let c = generation.all_clusters().next().unwrap();
    let ejected: Vec<_> = c.hosts.entries().iter().filter(|e| e.host.is_ejected()).collect();
    assert_eq!(ejected.len(), 1);
    assert_eq!(ejected[0].host.address().as_socket(), Some(bad.address));
}

#[tokio::test]
async fn too_many_requests_are_refused_at_once() {
    let (release, released) = tokio::sync::watch::channel(false);
    let upstream = Upstream::start(move |_| {
        let mut released = released.clone();
        async move {
            let _ = released.wait_for(|released| *released).await;
            Ok(text(200, ""))
        }
    });
    let mut config = cluster(&[upstream.address]);
    config.limits.max_requests = 2;
    let proxy = proxy(to_c(), config).await;
    let address = proxy.address();
    let held: Vec<_> = (0..2).map(|_| tokio::spawn(async move { get(address, "/").await.status })).collect();
    until("both requests are under way", async || {
        (proxy.cluster_metric("upstream_rq_active") == 2).then_some(())
    })
    .await;
    let reply = get(address, "/").await;
    assert_eq!(reply.status, 503);
    assert!(reply.body.ends_with("overflow"), "{}", reply.body);
    release.send_replace(true);
    for held in held {
        assert_eq!(held.await.unwrap(), 200);
    }
    assert_eq!(get(address, "/").await.status, 200);
}

#[tokio::test]
async fn requests_wait_for_a_connection_when_all_are_taken() {
    let upstream = Upstream::start(|_| async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(text(200, ""))
    });
    let mut config = cluster(&[upstream.address]);
    config.limits.max_connections = 2;
    let proxy = proxy(to_c(), config).await;
    let address = proxy.address();
    let all = futures_util::future::join_all((0..30).map(|_| async move { get(address, "/").await.status }));
    assert!(all.await.iter().all(|status| *status == 200));
    assert!(upstream.connections() <= 4, "{}", upstream.connections());
}

#[tokio::test]
async fn one_try_may_take_only_so_long() {
    let slow_first = Arc::new(AtomicU64::new(0));
    let counted = slow_first.clone();
    let upstream = Upstream::start(move |_| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            Ok(text(200, "second"))
        }
    });
    let mut forward = retrying(&["5xx", "reset"]);
    forward.retry.as_mut().unwrap().per_try_timeout = Some(Duration::from_millis(50));
    let proxy = proxy(forward, cluster(&[upstream.address])).await;
    assert_eq!(get(proxy.address(), "/").await.body, "second");
    assert_eq!(proxy.cluster_metric("upstream_rq_per_try_timeout"), 1);
    assert_eq!(proxy.cluster_metric("upstream_rq_retry_success"), 1);
}

#[tokio::test]
async fn workers_share_the_only_http2_connection_in_turns() {
    let answer = |_| async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(text(200, ""))
    };
    let upstream = Upstream::start_at(([127, 0, 0, 1], 0).into(), Speaks::Http2, answer);
    let mut config = cluster(&[upstream.address]);
    config.protocol = UpstreamProtocol::Http2;
    config.limits.max_connections = 1;
    let proxy = proxy(to_c(), config).await;
    let address = proxy.address();
    for _ in 0..3 {
        let all =
            futures_util::future::join_all((0..30).map(|_| async move { get(address, "/").await.status }));
        assert!(all.await.iter().all(|status| *status == 200));
    }
    assert!(proxy.cluster_metric("upstream_cx_active") <= 1);
}

#[tokio::test]
async fn large_heads_of_answers_pass_over_either_protocol() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let answer = |_| async {
            let mut answer = text(200, "");
            answer.headers_mut().insert("x-large", "x".repeat(30_000).parse().unwrap());
            Ok(answer)
        };
        let upstream = Upstream::start_at(([127, 0, 0, 1], 0).into(), speaks, answer);
        let mut config = cluster(&[upstream.address]);
        if speaks == Speaks::Http2 {
            config.protocol = UpstreamProtocol::Http2;
        }
        let proxy = proxy(to_c(), config).await;
        assert_eq!(get(proxy.address(), "/").await.headers["x-large"].len(), 30_000, "{speaks:?}");
    }
}
