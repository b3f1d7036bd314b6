//! Peers that send nothing, or read nothing, for too long.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use ripstop_model::http_manager::HttpConnectionManager;
use ripstop_testkit::client::{Http1, Http2, get};
use ripstop_testkit::upstream::{Answer, Upstream, text};
use ripstop_testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

const SHORT: Option<Duration> = Some(Duration::from_millis(100));

async fn proxy(manager: HttpConnectionManager, upstream: &Upstream) -> Proxy {
    Proxy::with(snapshot(listener(manager, None), routes(to_c()), cluster(&[upstream.address]))).await
}

fn idle_timeouts(proxy: &Proxy) -> u64 {
    proxy.metric("envoy_http_downstream_rq_idle_timeout{envoy_http_conn_manager_prefix=\"test\"}")
}

/// Reads until the other side closes.
async fn rest(mut client: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), client.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn drains(request: http::Request<hyper::body::Incoming>) -> Result<Answer, std::io::Error> {
    request.into_body().collect().await.map_err(std::io::Error::other)?;
    Ok(text(200, ""))
}

#[tokio::test]
async fn a_client_that_stops_sending_is_answered_with_408() {
    let upstream = Upstream::start(drains);
    let proxy = proxy(HttpConnectionManager { stream_idle_timeout: SHORT, ..manager() }, &upstream).await;
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nsome").await.unwrap();
    let answer = rest(client).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.ends_with("stream timeout"), "{answer}");
    assert_eq!(idle_timeouts(&proxy), 1);
    until("nothing is under way", async || {
        (proxy.cluster_metric("upstream_rq_active") + proxy.cluster_metric("upstream_cx_active") == 0)
            .then_some(())
    })
    .await;
}

/// Sends a piece and then nothing.
async fn trickle(_: http::Request<hyper::body::Incoming>) -> Result<Answer, std::io::Error> {
    let frames = futures_util::stream::unfold(false, |sent| async move {
        if sent {
            std::future::pending::<()>().await;
        }
        Some((Ok(Frame::data(Bytes::from_static(b"some"))), true))
    });
    let frames = std::sync::Mutex::new(Box::pin(frames));
    let frames = futures_util::stream::poll_fn(move |cx| {
        futures_util::Stream::poll_next(frames.lock().unwrap().as_mut(), cx)
    });
    Ok(http::Response::new(BodyExt::boxed(StreamBody::new(frames))))
}

#[tokio::test]
async fn an_answer_that_stops_is_broken_off() {
    let upstream = Upstream::start(trickle);
    let proxy = proxy(HttpConnectionManager { stream_idle_timeout: SHORT, ..manager() }, &upstream).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    assert!(client.get("/").await.is_err());
    assert_eq!(idle_timeouts(&proxy), 1);
    assert_eq!(proxy.cluster_metric("upstream_rq_active"), 0);
}

/// As much as anybody reads.
async fn endless(_: http::Request<hyper::body::Incoming>) -> Result<Answer, std::io::Error> {
    let chunk = Bytes::from(vec![0; 64 * 1024]);
    let frames = futures_util::stream::repeat_with(move || Ok(Frame::data(chunk.clone())));
    Ok(http::Response::new(BodyExt::boxed(StreamBody::new(frames))))
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_nothing() {
    let upstream = Upstream::start(endless);
    let proxy = proxy(HttpConnectionManager { stream_idle_timeout: SHORT, ..manager() }, &upstream).await;
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until("the request is under way", async || {
        (proxy.cluster_metric("upstream_rq_active") == 1).then_some(())
    })
    .await;
    until("the request is ended", async || (idle_timeouts(&proxy) == 1).then_some(())).await;
    until("the client is gone", async || (proxy.connections().await == 0).then_some(())).await;
    assert_eq!(proxy.cluster_metric("upstream_rq_active"), 0);
    drop(client);
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let upstream = Upstream::start(drains);
    let config = HttpConnectionManager { request_headers_timeout: SHORT, ..manager() };
    let proxy = proxy(config, &upstream).await;
    let mut idle = Http1::connect(proxy.address()).await.unwrap();
    assert_eq!(idle.get("/").await.unwrap().status, 200);
    let mut slow = TcpStream::connect(proxy.address()).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    assert!(rest(slow).await.starts_with("HTTP/1.1 408 "));
    assert_eq!(idle.get("/").await.unwrap().status, 200, "what lies idle sends no head and may stay");
}

#[tokio::test]
async fn connections_without_requests_are_closed() {
    let upstream = Upstream::start(drains);
    let proxy = proxy(HttpConnectionManager { idle_timeout: SHORT, ..manager() }, &upstream).await;
    let mut one = Http1::connect(proxy.address()).await.unwrap();
    assert_eq!(one.get("/").await.unwrap().status, 200);
    let mut two = Http2::connect(proxy.address()).await.unwrap();
    assert_eq!(two.get("/").await.unwrap().status, 200);
    until("both are closed", async || (one.is_closed() && two.is_closed()).then_some(())).await;
    assert_eq!(get(proxy.address(), "/").await.status, 200);
}

/// Longer than a client may be silent without its connection resting.
const LONG_ENOUGH_TO_REST: Duration = Duration::from_millis(3300);

#[tokio::test]
async fn a_connection_that_rested_serves_on_and_still_ends_when_it_has_to() {
    let upstream = Upstream::start(drains);
    let idle_timeout = Some(Duration::from_secs(4));
    let proxy = proxy(HttpConnectionManager { idle_timeout, ..manager() }, &upstream).await;
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let ask = async |client: &mut TcpStream, pieces: &[&[u8]]| {
        for piece in pieces {
            client.write_all(piece).await.unwrap();
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    };
    for _ in 0..2 {
        ask(&mut client, &[b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"]).await;
        let silence = tokio::time::timeout(LONG_ENOUGH_TO_REST, client.read_u8()).await;
        assert!(silence.is_err(), "{silence:?}");
        // What wakes it is not lost, be it a single byte.
        ask(&mut client, &[b"P", b"OST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbo", b"dy"]).await;
    }
    assert_eq!(rest(client).await, "", "it is closed for its silence");
}
