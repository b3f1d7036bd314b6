//! How long requests may take, and what their callers and upstreams learn of it.

use std::time::Duration;

use http::header::HeaderMap;
use http_body_util::BodyExt;
use ripstop_model::cidr::CidrRange;
use ripstop_model::http_manager::HttpConnectionManager;
use ripstop_model::http_manager::origin::{InternalAddresses, Origin};
use ripstop_model::route::{Forward, RetryOn, RetryPolicy};
use ripstop_model::route_times::{MaxStreamDuration, RouteTimes};
use ripstop_model::router::RouterOptions;
use ripstop_testkit::client::Http1;
use ripstop_testkit::upstream::{Upstream, text};

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

const SHORT: Option<Duration> = Some(Duration::from_millis(50));

/// Answers at once on `/`, and never elsewhere. The body of the answer has the headers that say how long.
fn upstream() -> Upstream {
    Upstream::start(|request| async move {
        if request.uri().path() != "/" {
            std::future::pending::<()>().await;
        }
        let headers: &HeaderMap = request.headers();
        let value = |name| headers.get(name).map_or("-", |value| value.to_str().unwrap());
        let seen = format!("{} {}", value("x-envoy-expected-rq-timeout-ms"), value("grpc-timeout"));
        request.into_body().collect().await.map_err(std::io::Error::other)?;
        Ok(text(200, seen))
    })
}

async fn ask(
    manager: HttpConnectionManager,
    forward: Forward,
    path: &str,
    headers: &[(&'static str, &'static str)],
) -> ripstop_testkit::client::Reply {
    let upstream = upstream();
    // What clients say of time counts when they are of the own network.
    let internal =
        InternalAddresses { ranges: vec![CidrRange::new([127, 0, 0, 0].into(), 8)], unix_sockets: false };
    let origin = Origin { internal, ..Origin::default() };
    let manager = HttpConnectionManager { use_remote_address: true, origin, ..manager };
    let c = cluster(&[upstream.address]);
    let proxy = Proxy::with(snapshot(listener(manager, None), routes(forward), c)).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let mut request = client.build(http::Method::POST, path, "");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    client.request(request).await.unwrap()
}

fn timed(times: RouteTimes) -> Forward {
    Forward { times, ..to_c() }
}

#[tokio::test]
async fn the_upstream_learns_how_long_is_waited() {
    let quiet = RouterOptions { suppress_envoy_headers: true, ..RouterOptions::default() };
    let respecting = RouterOptions { respect_expected_rq_timeout: true, ..RouterOptions::default() };
    let forever = Forward { timeout: Some(Duration::ZERO), ..to_c() };
    let older = timed(RouteTimes { max_grpc_timeout: Some(Duration::from_secs(2)), ..RouteTimes::default() });
    let call = ("content-type", "application/grpc");
    for (router, forward, headers, seen) in [
        (RouterOptions::default(), to_c(), &[][..], "15000 -"),
        (quiet, to_c(), &[], "- -"),
        (RouterOptions::default(), forever, &[], "- -"),
        (RouterOptions::default(), to_c(), &[("x-envoy-upstream-rq-timeout-ms", "700")], "700 -"),
        (respecting, to_c(), &[("x-envoy-expected-rq-timeout-ms", "900")], "900 -"),
        (RouterOptions::default(), older, &[call, ("grpc-timeout", "900m")], "900 900m"),
    ] {
        let reply = ask(HttpConnectionManager { router, ..manager() }, forward, "/", headers).await;
        assert_eq!(reply.body, seen);
        assert_eq!(
            reply.headers.contains_key("x-envoy-upstream-service-time"),
            !router.suppress_envoy_headers
        );
    }
}

#[tokio::test]
async fn every_limit_ends_a_request_in_its_own_words() {
    let on = RetryOn::from_word("5xx").unwrap();
    let retry = RetryPolicy { num_retries: 0, per_try_idle_timeout: SHORT, ..RetryPolicy::on(on) };
    let max_stream = Some(MaxStreamDuration { max: SHORT, ..MaxStreamDuration::default() });
    for (forward, headers, body) in [
        (Forward { timeout: SHORT, ..to_c() }, &[][..], "upstream request timeout"),
        (to_c(), &[("x-envoy-upstream-rq-timeout-ms", "50")], "upstream request timeout"),
        (timed(RouteTimes { idle_timeout: SHORT, ..RouteTimes::default() }), &[], "stream timeout"),
        (timed(RouteTimes { max_stream, ..RouteTimes::default() }), &[], "downstream duration timeout"),
        (Forward { retry: Some(retry), ..to_c() }, &[], "upstream request timeout"),
    ] {
        let reply = ask(manager(), forward, "/never", headers).await;
        assert_eq!((reply.status, reply.body.as_str()), (504, body));
    }
}

#[tokio::test]
async fn calls_of_grpc_are_answered_in_its_words() {
    let max_stream =
        MaxStreamDuration { grpc_header_max: Some(Duration::ZERO), ..MaxStreamDuration::default() };
    let call = ("content-type", "application/grpc+proto");
    for (forward, headers, status, message) in [
        (Forward { timeout: SHORT, ..to_c() }, &[call][..], "14", "upstream request timeout"),
        (
            timed(RouteTimes { max_stream: Some(max_stream), ..RouteTimes::default() }),
            &[call, ("grpc-timeout", "50m")],
            "4",
            "downstream duration timeout",
        ),
        (Forward::to("nowhere"), &[call], "14", ""),
    ] {
        let reply = ask(manager(), forward, "/never", headers).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ""));
        assert_eq!(reply.headers["content-type"], "application/grpc");
        assert_eq!(reply.headers["grpc-status"], status);
        assert_eq!(reply.headers.get("grpc-message").map_or("", |text| text.to_str().unwrap()), message);
    }
}
