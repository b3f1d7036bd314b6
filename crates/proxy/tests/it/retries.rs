//! What is tried again, when, where, and with which body.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use ripstop_model::cluster::{Cluster, UpstreamProtocol};
use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch};
use ripstop_model::route::{
    Backoff, Forward, HedgePolicy, RateLimitedBackoff, ResetFormat, ResetHeader, RetryOn, RetryPolicy,
};
use ripstop_testkit::client::{Http1, get};
use ripstop_testkit::upstream::{Answer, Speaks, Upstream, text};

use crate::harness::{Proxy, cluster, listener, manager, nobody, routes, snapshot, to_c};

fn on(words: &[&str]) -> RetryOn {
    words.iter().map(|word| RetryOn::from_word(word).unwrap()).fold(RetryOn::default(), RetryOn::and)
}

fn retrying(policy: RetryPolicy) -> Forward {
    Forward { retry: Some(policy), ..to_c() }
}

async fn proxy(forward: Forward, cluster: Cluster) -> Proxy {
    Proxy::with(snapshot(listener(manager(), None), routes(forward), cluster)).await
}

/// An upstream whose answer depends on how many requests came before.
fn upstream<F>(
    answer: impl Fn(u64, Request<Incoming>) -> F + Clone + Send + 'static,
) -> (Upstream, Arc<AtomicU64>)
where
    F: Future<Output = Result<Answer, std::io::Error>> + Send + 'static,
{
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let upstream = Upstream::start(move |request| answer(counted.fetch_add(1, Ordering::SeqCst), request));
    (upstream, count)
}

async fn echo(request: Request<Incoming>) -> Result<Answer, std::io::Error> {
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?;
    Ok(text(200, body.to_bytes()))
}

#[tokio::test]
async fn an_answer_is_retried_on_a_header_that_the_route_or_the_request_names() {
    let (again, count) = upstream(|before, _| async move {
        let mut answer = text(200, before.to_string());
        if before % 2 == 0 {
            answer.headers_mut().insert("x-again", "yes".parse().unwrap());
        }
        Ok(answer)
    });
    let header = HeaderMatch {
        name: "x-again".into(),
        value: HeaderValueMatch::Present(true),
        invert: false,
        treat_missing_as_empty: false,
    };
    let policy =
        RetryPolicy { retriable_headers: vec![header], ..RetryPolicy::on(on(&["retriable-headers"])) };
    let proxy = proxy(retrying(policy), cluster(&[again.address])).await;
    assert_eq!(get(proxy.address(), "/").await.body, "1");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn only_requests_with_the_header_are_retried_where_the_route_says_so() {
    let (broken, count) = upstream(|_, _| async { Ok(text(503, "")) });
    let header = HeaderMatch {
        name: "x-retry-me".into(),
        value: HeaderValueMatch::Present(true),
        invert: false,
        treat_missing_as_empty: false,
    };
    let policy = RetryPolicy { retriable_request_headers: vec![header], ..RetryPolicy::on(on(&["5xx"])) };
    let proxy = proxy(retrying(policy), cluster(&[broken.address])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    assert_eq!(client.get("/").await.unwrap().status, 503);
    assert_eq!(count.swap(0, Ordering::SeqCst), 1);
    let mut request = client.build(Method::GET, "/", "");
    request.headers_mut().insert("x-retry-me", "please".parse().unwrap());
    assert_eq!(client.request(request).await.unwrap().status, 503);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_retry_waits_as_long_as_the_answer_asks() {
    let (limited, _) = upstream(|before, _| async move {
        let mut answer = text(if before == 0 { 503 } else { 200 }, "");
        answer.headers_mut().insert("retry-after", "1".parse().unwrap());
        Ok(answer)
    });
    let header = ResetHeader { name: "retry-after".into(), format: ResetFormat::Seconds };
    let wait = RateLimitedBackoff { headers: vec![header], max: Duration::from_secs(5) };
    let policy = RetryPolicy { rate_limited: Some(wait), ..RetryPolicy::on(on(&["5xx"])) };
    let proxy = proxy(retrying(policy), cluster(&[limited.address])).await;
    let begun = Instant::now();
    assert_eq!(get(proxy.address(), "/").await.status, 200);
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
    assert_eq!(proxy.cluster_metric("upstream_rq_retry_backoff_ratelimited"), 1);
    assert_eq!(proxy.cluster_metric("upstream_rq_retry_backoff_exponential"), 0);
}

#[tokio::test]
async fn a_body_is_replayed_up_to_the_limit_of_the_route_and_not_beyond() {
    let flaky = |before, request: Request<Incoming>| async move {
        let answer = echo(request).await?;
        Ok(if before % 2 == 0 { text(503, "") } else { answer })
    };
    let (flaky, count) = upstream(flaky);
    let policy = RetryPolicy { any_method: true, ..RetryPolicy::on(on(&["5xx"])) };
    let forward = Forward { body_buffer_bytes: Some(100_000), ..retrying(policy) };
    let proxy = proxy(forward, cluster(&[flaky.address])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let post = client.build(Method::POST, "/", "x".repeat(100_000));
    let reply = client.request(post).await.unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 100_000));
    assert_eq!(proxy.cluster_metric("retry_or_shadow_abandoned"), 0);
    count.store(0, Ordering::SeqCst);
    let post = client.build(Method::POST, "/", "x".repeat(100_001));
    assert_eq!(client.request(post).await.unwrap().status, 503);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(proxy.cluster_metric("retry_or_shadow_abandoned"), 1);
    assert_eq!(proxy.cluster_metric("upstream_rq_retry_body_too_large"), 1);
}

/// An upstream whose first request hangs until it is dropped, which the flag tells.
fn first_hangs() -> (Upstream, Arc<AtomicU64>, Arc<AtomicU64>) {
    struct Gone(Arc<AtomicU64>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let gone = Arc::new(AtomicU64::new(0));
    let counted = gone.clone();
    let (upstream, count) = upstream(move |before, request| {
        let counted = counted.clone();
        async move {
            let answer = echo(request).await?;
            if before == 0 {
                let _gone = Gone(counted);
                std::future::pending::<()>().await;
            }
            Ok(answer)
        }
    });
    (upstream, count, gone)
}

#[tokio::test]
async fn a_slow_try_is_raced_and_the_loser_is_given_up() {
    let (slow, count, gone) = first_hangs();
    let per_try_timeout = Some(Duration::from_millis(50));
    let policy = RetryPolicy { per_try_timeout, num_retries: 2, ..RetryPolicy::on(on(&["5xx"])) };
    let hedge = Some(HedgePolicy { on_per_try_timeout: true });
    let proxy = proxy(Forward { hedge, ..retrying(policy) }, cluster(&[slow.address])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let put = client.build(Method::PUT, "/", "the same to both");
    let reply = client.request(put).await.unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (200, "the same to both"));
    assert_eq!(count.load(Ordering::SeqCst), 2);
    ripstop_testkit::wait::until("the first try is given up", async || {
        (gone.load(Ordering::SeqCst) == 1).then_some(())
    })
    .await;
    assert_eq!(proxy.cluster_metric("upstream_rq_per_try_timeout"), 1);
    assert_eq!(proxy.cluster_metric("upstream_rq_retry"), 1);
    assert_eq!(proxy.cluster_metric("upstream_rq_active"), 0);
}

#[tokio::test]
async fn the_first_try_may_still_win_the_race() {
    let (slow, count) = upstream(|before, _| async move {
        match before {
            0 => tokio::time::sleep(Duration::from_millis(300)).await,
            _ => std::future::pending::<()>().await,
        }
        Ok(text(200, before.to_string()))
    });
    let per_try_timeout = Some(Duration::from_millis(50));
    let policy = RetryPolicy { per_try_timeout, num_retries: 1, ..RetryPolicy::on(on(&["5xx"])) };
    let hedge = Some(HedgePolicy { on_per_try_timeout: true });
    let proxy = proxy(Forward { hedge, ..retrying(policy) }, cluster(&[slow.address])).await;
    assert_eq!(get(proxy.address(), "/").await.body, "0");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_post_is_not_raced() {
    let (slow, count, _) = first_hangs();
    let policy =
        RetryPolicy { per_try_timeout: Some(Duration::from_millis(50)), ..RetryPolicy::on(on(&["5xx"])) };
    let hedge = Some(HedgePolicy { on_per_try_timeout: true });
    let timeout = Some(Duration::from_millis(300));
    let proxy = proxy(Forward { hedge, timeout, ..retrying(policy) }, cluster(&[slow.address])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let post = client.build(Method::POST, "/", "pay");
    assert_eq!(client.request(post).await.unwrap().status, 504);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_linear_wait_without_jitter_is_as_long_as_it_says() {
    let (broken, _) = upstream(|_, _| async { Ok(text(503, "")) });
    let base = Duration::from_millis(60);
    let backoff = Backoff {
        growth: ripstop_model::route::Growth::Linear,
        jitter: ripstop_model::route::Jitter::None,
        ..Backoff::exponential(base, Duration::from_secs(1))
    };
    let policy = RetryPolicy { num_retries: 3, backoff, ..RetryPolicy::on(on(&["5xx"])) };
    let proxy = proxy(retrying(policy), cluster(&[broken.address])).await;
    let begun = Instant::now();
    assert_eq!(get(proxy.address(), "/").await.status, 503);
    assert!(begun.elapsed() >= base * (1 + 2 + 3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_retry_leaves_canaries_and_tried_priorities_alone() {
    use ripstop_model::{ClusterLoadAssignment, Discovery};
    let (canary, canaries) = upstream(|_, _| async { Ok(text(503, "")) });
    let (broken, _) = upstream(|_, _| async { Ok(text(503, "")) });
    let (well, _) = upstream(|_, _| async { Ok(text(200, "well")) });
    let mut config = cluster(&[broken.address, canary.address, canary.address, well.address]);
    if let Discovery::Static(ClusterLoadAssignment { localities, .. }) = &mut config.discovery {
        Arc::make_mut(&mut localities[0].endpoints[1]).canary = true;
        let lower = localities[0].endpoints.split_off(3);
        localities.push(ripstop_model::endpoint::LocalityEndpoints {
            priority: 1,
            endpoints: lower,
            ..localities[0].clone()
        });
    }
    let policy = RetryPolicy {
        num_retries: 2,
        omit_canary_hosts: true,
        avoid_previous_hosts: true,
        avoid_previous_priorities: Some(1),
        host_selection_attempts: 5,
        ..RetryPolicy::on(on(&["5xx"]))
    };
    let proxy = proxy(retrying(policy), config).await;
    for _ in 0..20 {
        let before = canaries.load(Ordering::SeqCst);
        let reply = get(proxy.address(), "/").await;
        assert_eq!(reply.body, "well", "the first retry leaves the first priority");
        assert!(canaries.load(Ordering::SeqCst) <= before + 1, "a canary gets first tries only");
    }
}

#[tokio::test]
async fn a_server_that_goes_away_costs_no_request_not_even_a_post() {
    // Each connection answers three requests, then says GOAWAY and refuses what came meanwhile.
    let listener_ = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener_.local_addr().unwrap();
    let served = Arc::new(AtomicU64::new(0));
    let counted = served.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener_.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                for _ in 0..3 {
                    let Some(Ok((request, mut respond))) = connection.accept().await else { return };
                    let counted = counted.clone();
                    tokio::spawn(async move {
                        let mut body = request.into_body();
                        while let Some(Ok(data)) = body.data().await {
                            let _ = body.flow_control().release_capacity(data.len());
                        }
                        counted.fetch_add(1, Ordering::SeqCst);
                        let _ = respond.send_response(http::Response::new(()), true);
                    });
                }
                connection.graceful_shutdown();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                }
            });
        }
    });
    let config = Cluster { protocol: UpstreamProtocol::Http2, ..cluster(&[address]) };
    let proxy = proxy(to_c(), config).await;
    let to = proxy.address();
    let clients = (0..8).map(|_| async move {
        let mut client = Http1::connect(to).await.unwrap();
        for _ in 0..20 {
            let post = client.build(Method::POST, "/", "once");
            assert_eq!(client.request(post).await.unwrap().status, 200);
        }
    });
    futures_util::future::join_all(clients).await;
    assert_eq!(served.load(Ordering::SeqCst), 160, "each exactly once");
    let _ = (Speaks::Http2, nobody());
}
