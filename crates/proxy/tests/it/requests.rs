//! What one request looks like on both sides.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use ripstop_model::route::{DirectResponse, Forward, PathRewrite, Route, RouteAction, RouteMatch};
use ripstop_testkit::client::{Http1, Http2, get};
use ripstop_testkit::upstream::{Answer, Speaks, Upstream, text};
use ripstop_testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Proxy, cluster, listener, manager, nobody, routes, routes_of, simple, snapshot, to_c};

/// Answers with what it saw: the request line, then the headers.
async fn mirror(request: Request<Incoming>) -> Result<Answer, std::io::Error> {
    let mut seen = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        seen.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    seen.push_str(std::str::from_utf8(&body).unwrap());
    Ok(text(200, seen))
}

#[tokio::test]
async fn a_request_goes_through_and_says_where_it_came_from() {
    let upstream = Upstream::start(mirror);
    let proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let request = client.build(Method::POST, "/a?b=c", "hello");
    let reply = client.request(request).await.unwrap();
    assert_eq!(reply.status, 200);
    assert!(reply.body.starts_with("POST /a?b=c\n"), "{}", reply.body);
    assert!(reply.body.ends_with("hello"), "{}", reply.body);
    assert!(reply.body.contains(&format!("host: {}\n", proxy.address())), "{}", reply.body);
    assert!(reply.body.contains("x-forwarded-proto: http\n"), "{}", reply.body);
    assert!(reply.body.contains("x-request-id: "), "{}", reply.body);
    assert_eq!(reply.headers["server"], "ripstop");
    assert!(reply.headers.contains_key("x-envoy-upstream-service-time"));
}

#[tokio::test]
async fn one_connection_carries_many_requests_and_so_does_the_pool() {
    let upstream = Upstream::start(mirror);
    let proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    for _ in 0..50 {
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(proxy.cluster_metric("upstream_rq_total"), 50);
    assert_eq!(proxy.cluster_metric("upstream_rq_active"), 0);
    assert_eq!(proxy.cluster_metric("upstream_cx_active"), 1);
}

#[tokio::test]
async fn both_sides_may_speak_either_protocol() {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let upstream = Upstream::start_at(([127, 0, 0, 1], 0).into(), speaks, mirror);
        let mut c = cluster(&[upstream.address]);
        if speaks == Speaks::Http2 {
            c.protocol = ripstop_model::cluster::UpstreamProtocol::Http2;
        }
        let proxy = Proxy::with(snapshot(listener(manager(), None), routes(to_c()), c)).await;
        let http1 = get(proxy.address(), "/one").await;
        assert!(http1.body.contains("/one"), "{speaks:?} {}", http1.body);
        let mut client = Http2::connect(proxy.address()).await.unwrap();
        let many = futures_util::future::join_all((0..20).map(|_| async {
            let mut client = Http2::connect(proxy.address()).await.unwrap();
            client.get("/two").await.unwrap().status
        }));
        assert!(many.await.iter().all(|status| *status == 200));
        assert_eq!(client.get("/three").await.unwrap().status, 200);
        if speaks == Speaks::Http2 {
            assert!(upstream.connections() <= 2, "one for each worker, not {}", upstream.connections());
        }
    }
}

#[tokio::test]
async fn absolute_form_is_what_a_client_sends_to_a_proxy() {
    let upstream = Upstream::start(mirror);
    let proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let request = "GET http://user-service/users?x HTTP/1.1\r\nhost: other\r\nproxy-connection: keep-alive\r\nconnection: close\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("GET /users?x\n"), "{answer}");
    assert!(answer.contains("host: user-service\n"), "{answer}");
    assert!(!answer.contains("proxy-connection"), "{answer}");
}

#[tokio::test]
async fn the_prefix_is_rewritten_and_the_original_kept() {
    let upstream = Upstream::start(mirror);
    let forward = Forward { rewrite: Some(PathRewrite::Prefix("/users".into())), ..to_c() };
    let route = Route {
        name: "users".into(),
        ..Route::new(RouteMatch::prefix("/api/users"), RouteAction::Forward(Box::new(forward)))
    };
    let config = snapshot(listener(manager(), None), routes_of(vec![route]), cluster(&[upstream.address]));
    let proxy = Proxy::with(config).await;
    let reply = get(proxy.address(), "/api/users/7?full").await;
    assert!(reply.body.starts_with("GET /users/7?full\n"), "{}", reply.body);
    assert!(reply.body.contains("x-envoy-original-path: /api/users/7?full\n"), "{}", reply.body);
    assert_eq!(get(proxy.address(), "/other").await.status, 404);
    assert_eq!(proxy.metric("envoy_http_no_route{envoy_http_conn_manager_prefix=\"test\"}"), 1);
}

#[tokio::test]
async fn what_cannot_be_forwarded_is_answered_as_envoy_answers() {
    let direct = Route {
        name: "direct".into(),
        ..Route::new(
            RouteMatch::prefix("/direct"),
            RouteAction::DirectResponse(DirectResponse::new(418, "teapot")),
        )
    };
    let nowhere = Route {
        name: "nowhere".into(),
        ..Route::new(RouteMatch::prefix("/nowhere"), RouteAction::Forward(Box::new(Forward::to("missing"))))
    };
    let rest = Route {
        name: "rest".into(),
        ..Route::new(RouteMatch::prefix("/"), RouteAction::Forward(Box::new(to_c())))
    };
    let table = routes_of(vec![direct, nowhere, rest]);
    let mut proxy = Proxy::with(snapshot(listener(manager(), None), table.clone(), cluster(&[]))).await;
    let reply = get(proxy.address(), "/direct").await;
    assert_eq!((reply.status, reply.body.as_str()), (418, "teapot"));
    assert_eq!(get(proxy.address(), "/nowhere").await.status, 503);
    let reply = get(proxy.address(), "/").await;
    assert_eq!((reply.status, reply.body.as_str()), (503, "no healthy upstream"));

    proxy.apply(snapshot(listener(manager(), None), table, cluster(&[nobody()]))).await;
    let reply = get(proxy.address(), "/").await;
    assert_eq!(reply.status, 503);
    assert!(reply.body.ends_with("reset reason: remote connection failure"), "{}", reply.body);
}

#[tokio::test]
async fn a_slow_answer_is_cut_off_after_the_time_of_the_route() {
    let upstream = Upstream::start(|_| async {
        std::future::pending::<()>().await;
        Ok(text(200, ""))
    });
    let forward = Forward { timeout: Some(Duration::from_millis(50)), ..to_c() };
    let proxy = Proxy::with(simple(forward, &[upstream.address])).await;
    let reply = get(proxy.address(), "/").await;
    assert_eq!((reply.status, reply.body.as_str()), (504, "upstream request timeout"));
    assert_eq!(proxy.cluster_metric("upstream_rq_timeout"), 1);
}

#[tokio::test]
async fn when_the_client_leaves_the_upstream_learns_of_it() {
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let (left, mut leaves) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::start(move |_| {
        let (started, left) = (started.clone(), left.clone());
        async move {
            struct Told(tokio::sync::mpsc::UnboundedSender<()>);
            impl Drop for Told {
                fn drop(&mut self) {
                    let _ = self.0.send(());
                }
            }
            let _told = Told(left);
            let _ = started.send(());
            std::future::pending::<()>().await;
            Ok(text(200, ""))
        }
    });
    let proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let client = tokio::spawn({
        let address = proxy.address();
        async move { get(address, "/").await }
    });
    starts.recv().await.unwrap();
    client.abort();
    let _ = client.await;
    tokio::time::timeout(Duration::from_secs(5), leaves.recv()).await.unwrap().unwrap();
    until("the request is counted as given up", async || {
        (proxy.cluster_metric("upstream_rq_cancelled") == 1).then_some(())
    })
    .await;
    assert_eq!(proxy.cluster_metric("upstream_rq_active"), 0);
}

#[tokio::test]
async fn malformed_requests_are_refused_and_the_connection_closed() {
    let upstream = Upstream::start(mirror);
    let proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "GET / HTTX/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
    ] {
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        let _ = client.read_to_string(&mut answer).await;
        assert!(answer.starts_with("HTTP/1.1 400") || answer.is_empty(), "{request:?}: {answer}");
    }
    assert_eq!(upstream.connections(), 0);
}
