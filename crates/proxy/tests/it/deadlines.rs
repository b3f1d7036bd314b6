//! The time that is left travels with a request, and nobody works on after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use ripstop_model::route::{Forward, RetryOn, RetryPolicy};
use ripstop_testkit::client::Http1;
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;

use crate::harness::{Proxy, simple, to_c};

const HEADER: &str = "x-ripstop-timeout-ms";

/// An upstream that says what time it was given.
fn tells() -> Upstream {
    Upstream::start(|request| async move {
        let told = request.headers().get(HEADER).map(|value| value.to_str().unwrap().to_owned());
        Ok(text(200, told.unwrap_or_default()))
    })
}

async fn ask(proxy: &Proxy, told: Option<&str>) -> (u16, String) {
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let mut request = client.build(Method::GET, "/", "");
    if let Some(told) = told {
        request.headers_mut().insert(HEADER, told.parse().unwrap());
    }
    let reply = client.request(request).await.unwrap();
    (reply.status, reply.body)
}

#[tokio::test]
async fn what_is_left_is_passed_on_and_the_shorter_time_counts() {
    let upstream = tells();
    let forward = Forward { timeout: Some(Duration::from_secs(5)), ..to_c() };
    let proxy = Proxy::with(simple(forward, &[upstream.address])).await;
    let left = |(status, body): (u16, String)| {
        assert_eq!(status, 200);
        body.parse::<u64>().unwrap()
    };
    assert_eq!(ask(&proxy, None).await.1, "", "who is no proxy of the mesh is told nothing");
    assert!((1..=1000).contains(&left(ask(&proxy, Some("1000")).await)));
    assert!((4000..=5000).contains(&left(ask(&proxy, Some("60000")).await)));
    assert_eq!(ask(&proxy, Some("soon")).await.0, 200);
}

#[tokio::test]
async fn nobody_works_on_when_the_time_is_up() {
    struct Working(Arc<AtomicU64>);
    impl Drop for Working {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let (working, begun) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (counted, began) = (working.clone(), begun.clone());
    let upstream = Upstream::start(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        began.fetch_add(1, Ordering::SeqCst);
        let working = Working(counted.clone());
        async move {
            let _working = working;
            std::future::pending().await
        }
    });
    let on = RetryOn::from_word("5xx").unwrap();
    let retry = Some(RetryPolicy { num_retries: 5, ..RetryPolicy::on(on) });
    let proxy = Proxy::with(simple(Forward { retry, ..to_c() }, &[upstream.address])).await;
    let (status, body) = ask(&proxy, Some("100")).await;
    assert_eq!((status, body.as_str()), (504, "upstream request timeout"));
    until("the upstream has stopped", async || (working.load(Ordering::SeqCst) == 0).then_some(())).await;
    assert_eq!(begun.load(Ordering::SeqCst), 1);
    assert_eq!(ask(&proxy, Some("0")).await.0, 504);
    assert_eq!(begun.load(Ordering::SeqCst), 1, "what nobody waits for is not begun");
}
