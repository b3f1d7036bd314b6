//! Where one message ends and the next begins, whatever either side says.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::http_manager::HttpConnectionManager;
use ripstop_model::http1::Http1Options;
use ripstop_model::route::{DirectResponse, Forward, RetryOn, RetryPolicy, Route, RouteAction, RouteMatch};
use ripstop_testkit::client::{Http1, Http2, get};
use ripstop_testkit::upstream::{Speaks, Upstream, text};
use ripstop_testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Proxy, cluster, listener, manager, routes, routes_of, simple, snapshot, to_c};

/// Sends bytes as they are and reads until the other side closes.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), client.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// An upstream that answers every head with the same bytes and goes on reading.
async fn says(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                    if buffer.windows(4).any(|w| w == b"\r\n\r\n") {
                        let _ = stream.write_all(answer.as_bytes()).await;
                        buffer = [0; 4096];
                    }
                }
            });
        }
    });
    address
}

/// Answers with method and body.
fn echo() -> Upstream {
    Upstream::start(|request| async move {
        let method = request.method().clone();
        let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
        Ok(text(200, format!("{method} {}", String::from_utf8_lossy(&body))))
    })
}

const CHUNKED_GET: &str =
    "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_get_keeps_a_body_of_unknown_length() {
    let upstream = echo();
    let proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let answer = raw(proxy.address(), &format!("{CHUNKED_GET}5\r\nquery\r\n0\r\n\r\n")).await;
    assert!(answer.contains("GET query"), "{answer}");
}

#[tokio::test]
async fn bad_chunks_end_the_request_on_both_sides() {
    let upstream = echo();
    let proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    for body in ["x\r\nquery\r\n0\r\n\r\n", "5\r\nquery-and-more\r\n0\r\n\r\n", "fffffffffffffffff\r\n"] {
        let answer = raw(proxy.address(), &format!("{CHUNKED_GET}{body}")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{body:?}: {answer}");
    }
    assert_eq!(proxy.cluster_metric("upstream_rq_rx_reset"), 0, "that is no fault of the upstream");
    assert_eq!(get(proxy.address(), "/").await.status, 200);
}

#[tokio::test]
async fn a_transfer_coding_beats_a_length_and_only_one_of_them_travels_on() {
    let upstream = echo();
    let http1 = Http1Options { allow_chunked_length: true, ..Http1Options::default() };
    let manager = HttpConnectionManager { http1, ..manager() };
    let config = snapshot(listener(manager.clone(), None), routes(to_c()), cluster(&[upstream.address]));
    let proxy = Proxy::with(config).await;
    // What follows the last chunk must not be taken for another request.
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    for length in [0, 5, 500] {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\n\r\n{smuggled}"
        );
        let answer = raw(proxy.address(), &request).await;
        assert!(answer.ends_with("POST abc"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }

    let both =
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let mut to = cluster(&[says(both).await]);
    let proxy = Proxy::with(snapshot(listener(manager.clone(), None), routes(to_c()), to.clone())).await;
    assert_eq!(get(proxy.address(), "/").await.status, 502);
    to.http.http1.allow_chunked_length = true;
    let proxy = Proxy::with(snapshot(listener(manager, None), routes(to_c()), to)).await;
    let reply = get(proxy.address(), "/").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    assert!(!reply.headers.contains_key("content-length"));
}

#[tokio::test]
async fn tunnels_and_other_protocols_are_not_opened() {
    let upstream = echo();
    let mut proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let tunnel = "CONNECT other:443 HTTP/1.1\r\nhost: other:443\r\nconnection: close\r\n\r\n";
    assert!(raw(proxy.address(), tunnel).await.starts_with("HTTP/1.1 404"));
    let everything = "OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(raw(proxy.address(), everything).await.starts_with("HTTP/1.1 404"));
    let mut http2 = Http2::connect(proxy.address()).await.unwrap();
    assert_eq!(http2.get("/").await.unwrap().status, 200);

    // An answer that changes the protocol although nobody asked.
    let switching = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    proxy.apply(simple(to_c(), &[says(switching).await])).await;
    let upgrade = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: x\r\n\r\n";
    let answer = raw(proxy.address(), upgrade).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(get(proxy.address(), "/").await.status, 502);
    assert_eq!(proxy.cluster_metric("upstream_rq_active"), 0);
}

#[tokio::test]
async fn an_answer_without_a_body_is_whole() {
    let direct = Route {
        name: "direct".into(),
        ..Route::new(
            RouteMatch::prefix("/direct"),
            RouteAction::DirectResponse(DirectResponse::new(200, "teapot")),
        )
    };
    let rest = Route {
        name: "rest".into(),
        ..Route::new(RouteMatch::prefix("/"), RouteAction::Forward(Box::new(to_c())))
    };
    let upstream = says("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").await;
    let config = snapshot(listener(manager(), None), routes_of(vec![direct, rest]), cluster(&[upstream]));
    let proxy = Proxy::with(config).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    for path in ["/direct", "/"] {
        let request = client.build(Method::HEAD, path, "");
        assert_eq!(client.request(request).await.unwrap().status, 200);
    }
    let reset = "envoy_http_downstream_rq_rx_reset{envoy_http_conn_manager_prefix=\"test\"}";
    assert_eq!(proxy.metric(reset), 0, "nobody has left");
    assert_eq!(proxy.cluster_metric("upstream_rq_cancelled"), 0);
    assert_eq!(proxy.cluster_metric("upstream_rq_active"), 0);
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let upstream = echo();
    let http1 = Http1Options { accept_http_10: true, ..Http1Options::default() };
    let manager = HttpConnectionManager { http1, ..manager() };
    let config = snapshot(listener(manager.clone(), None), routes(to_c()), cluster(&[upstream.address]));
    let proxy = Proxy::with(config).await;
    let answer = raw(proxy.address(), "GET / HTTP/1.0\r\nhost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("GET "), "{answer}");
    assert!(raw(proxy.address(), "GET / HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 400"));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = echo();
    let proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let one = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n";
    let last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = raw(proxy.address(), &format!("{one}1{one}2{last}")).await;
    let (first, second) = (answer.find("POST 1").unwrap(), answer.find("POST 2").unwrap());
    assert!(first < second && answer.ends_with("GET "), "{answer}");
}

#[tokio::test]
async fn trailers_pass_through_http2() {
    let upstream = Upstream::start_at(([127, 0, 0, 1], 0).into(), Speaks::Http2, |request| async move {
        let collected = request.into_body().collect().await.map_err(std::io::Error::other)?;
        let seen = collected.trailers().cloned().unwrap_or_default();
        let frames = [Ok(Frame::data(Bytes::from_static(b"data"))), Ok(Frame::trailers(seen))];
        Ok(http::Response::new(BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)))))
    });
    let c =
        ripstop_model::cluster::Cluster { protocol: UpstreamProtocol::Http2, ..cluster(&[upstream.address]) };
    let on = RetryOn::from_word("5xx").unwrap();
    for forward in
        [to_c(), Forward { retry: Some(RetryPolicy { num_retries: 1, ..RetryPolicy::on(on) }), ..to_c() }]
    {
        let proxy = Proxy::with(snapshot(listener(manager(), None), routes(forward), c.clone())).await;
        let stream = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", "7".parse().unwrap());
        let frames: [Result<_, std::io::Error>; 2] =
            [Ok(Frame::data(Bytes::from_static(b"request"))), Ok(Frame::trailers(trailers))];
        let request = Request::post("http://a/").header("te", "trailers");
        let request = request.body(StreamBody::new(futures_util::stream::iter(frames))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "7");
        assert_eq!(collected.to_bytes(), "data");
    }
}

/// A POST over HTTP/2 that announces `length` bytes, sends some, and never ends.
async fn never_ending(address: SocketAddr, length: usize, sent: &'static [u8]) -> http::StatusCode {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let frames = futures_util::stream::unfold(false, move |sending| async move {
        if sending {
            std::future::pending::<()>().await;
        }
        Some((Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(sent))), true))
    });
    let body = BodyExt::boxed_unsync(StreamBody::new(frames));
    let request = Request::post("http://a/").header("content-length", length).body(body).unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(5), sender.send_request(request));
    answer.await.unwrap().unwrap().status()
}

#[tokio::test]
async fn a_request_is_whole_with_its_last_byte_even_if_nobody_says_so() {
    let silent = Upstream::start(|request| async move {
        let _ = request.into_body().collect().await;
        std::future::pending::<()>().await;
        Ok(text(200, ""))
    });
    let forward = Forward { timeout: Some(Duration::from_millis(50)), ..to_c() };
    let proxy = Proxy::with(simple(forward, &[silent.address])).await;
    assert_eq!(never_ending(proxy.address(), 4, b"four").await, 504);
}

#[tokio::test]
async fn a_connection_that_answered_too_early_is_not_used_again() {
    // Answers without reading the body; the connection is still busy with it.
    let upstream = says("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let proxy = Proxy::with(simple(to_c(), &[upstream])).await;
    assert_eq!(never_ending(proxy.address(), 100, b"some").await, 200);
    for _ in 0..4 {
        let next = tokio::time::timeout(Duration::from_secs(5), get(proxy.address(), "/"));
        assert_eq!(next.await.unwrap().status, 200);
    }
    until("the abandoned connection is closed", async || {
        (proxy.cluster_metric("upstream_cx_active") <= 2).then_some(())
    })
    .await;
    assert_eq!(proxy.cluster_metric("upstream_rq_active"), 0);
}

#[tokio::test]
async fn a_body_that_is_still_coming_is_sent_whole_to_the_next_endpoint() {
    let busy = says("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
    let upstream = echo();
    let on = RetryOn::from_word("5xx").unwrap();
    let retry = RetryPolicy { num_retries: 2, avoid_previous_hosts: true, ..RetryPolicy::on(on) };
    let forward = Forward { retry: Some(retry), ..to_c() };
    let proxy = Proxy::with(simple(forward, &[busy, upstream.address])).await;
    for _ in 0..6 {
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let before = proxy.cluster_metric("upstream_rq_total");
        let head = "PUT / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 12\r\n\r\nfirst ";
        client.write_all(head.as_bytes()).await.unwrap();
        // Whichever endpoint comes first: it has the beginning before the rest is sent.
        until("the beginning is sent", async || {
            (proxy.cluster_metric("upstream_rq_total") > before).then_some(())
        })
        .await;
        client.write_all(b"second").await.unwrap();
        let mut answer = String::new();
        let reading = tokio::time::timeout(Duration::from_secs(5), client.read_to_string(&mut answer));
        reading.await.unwrap().unwrap();
        assert!(answer.ends_with("PUT first second"), "{answer}");
    }
    assert!(proxy.cluster_metric("upstream_rq_retry") > 0);
    until("nothing is under way", async || (proxy.cluster_metric("upstream_rq_active") == 0).then_some(()))
        .await;
}
