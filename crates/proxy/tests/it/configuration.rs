//! Configuration changes under traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ripstop_model::Format;
use ripstop_model::access_log::{AccessLog, AccessLogFormat, AccessLogSink};
use ripstop_model::route::Forward;
use ripstop_testkit::client::{Http1, Http2, get};
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;

use crate::harness::{Proxy, cluster, listener, manager, name, nobody, routes, simple, snapshot, to_c};

#[tokio::test]
async fn a_thousand_changes_tear_no_request_and_close_no_connection() {
    let a = Upstream::start(|_| async { Ok(text(200, "a")) });
    let b = Upstream::start(|_| async { Ok(text(200, "b")) });
    // Two clusters that take turns existing: a request must never see a route without its cluster.
    let with = |cluster_name: &str, address| {
        let mut c = cluster(&[address]);
        c.name = name(cluster_name);
        snapshot(listener(manager(), None), routes(Forward::to(cluster_name)), c)
    };
    let mut proxy = Proxy::with(with("a", a.address)).await;
    let address = proxy.address();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let stop = stop.clone();
            tokio::spawn(async move {
                let mut client = Http1::connect(address).await.unwrap();
                let mut served = 0;
                while !stop.load(Ordering::Relaxed) {
                    let reply = client.get("/").await.unwrap();
                    assert_eq!(reply.status, 200, "{}", reply.body);
                    served += 1;
                }
                served
            })
        })
        .collect();
    for round in 0..1000 {
        let next = if round % 2 == 0 { with("b", b.address) } else { with("a", a.address) };
        proxy.apply(next).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_changed_listener_lets_its_connections_finish() {
    let upstream = Upstream::start(|_| async { Ok(text(200, "")) });
    let mut proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let mut old = Http1::connect(proxy.address()).await.unwrap();
    let mut old_http2 = Http2::connect(proxy.address()).await.unwrap();
    assert_eq!(old.get("/").await.unwrap().status, 200);
    assert_eq!(old_http2.get("/").await.unwrap().status, 200);

    let address = proxy.address();
    let mut changed = manager();
    changed.use_remote_address = true;
    proxy.apply(snapshot(listener(changed, None), routes(to_c()), cluster(&[upstream.address]))).await;
    assert_eq!(proxy.address(), address, "the socket is kept");
    until("the old connections are closed", async || {
        (old.is_closed() && old_http2.is_closed()).then_some(())
    })
    .await;
    assert_eq!(get(address, "/").await.status, 200);
}

#[tokio::test]
async fn an_equal_listener_is_not_touched() {
    let upstream = Upstream::start(|_| async { Ok(text(200, "")) });
    let mut proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    assert_eq!(client.get("/").await.unwrap().status, 200);
    for _ in 0..10 {
        proxy.apply(simple(to_c(), &[upstream.address])).await;
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_taken_port_is_reported_and_taken_when_it_is_free() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    let upstream = Upstream::start(|_| async { Ok(text(200, "")) });
    let mut config = listener(manager(), None);
    config.address = address.into();
    let config = snapshot(config, routes(to_c()), cluster(&[upstream.address]));
    let mut proxy = Proxy::with(config.clone()).await;
    let problems = proxy.problems();
    assert!(problems[0].contains(&address.to_string()), "{problems:?}");
    drop(held);
    proxy.apply(config).await;
    assert!(proxy.problems().is_empty());
    assert_eq!(get(address, "/").await.status, 200);
}

#[tokio::test]
async fn draining_takes_no_more_connections() {
    let upstream = Upstream::start(|_| async { Ok(text(200, "")) });
    let proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    assert_eq!(client.get("/").await.unwrap().status, 200);
    proxy.drain().await;
    until("the last connection is gone", async || (proxy.connections().await == 0).then_some(())).await;
    assert!(client.get("/").await.is_err());
    assert!(Http1::connect(proxy.address()).await.is_err());
}

#[tokio::test]
async fn the_access_log_has_the_line_of_each_request() {
    let path = std::env::temp_dir().join(format!("ripstop-access-{}.log", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let upstream = Upstream::start(|_| async { Ok(text(200, "hello")) });
    let mut logged = manager();
    let format = Format::parse(
        "\"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \
             %BYTES_SENT% %BYTES_RECEIVED% \"%UPSTREAM_CLUSTER%\" %UPSTREAM_HOST% %REQ(X-MISSING)%\n",
    );
    logged.access_logs = vec![AccessLog::new(
        AccessLogSink::File(path.to_str().unwrap().into()),
        AccessLogFormat::text(format.unwrap()),
    )];
    let mut proxy =
        Proxy::with(snapshot(listener(logged.clone(), None), routes(to_c()), cluster(&[upstream.address])))
            .await;
    get(proxy.address(), "/a?b").await;
    proxy.apply(snapshot(listener(logged, None), routes(to_c()), cluster(&[nobody()]))).await;
    get(proxy.address(), "/c").await;
    let lines = until("both lines are written", async || {
        let text = std::fs::read_to_string(&path).ok()?;
        (text.lines().count() == 2).then_some(text)
    })
    .await;
    let _ = std::fs::remove_file(&path);
    let mut lines = lines.lines();
    assert_eq!(lines.next(), Some(&*format!("\"GET /a?b HTTP/1.1\" 200 - 5 0 \"c\" {} -", upstream.address)));
    assert!(
        lines.next().unwrap().starts_with("\"GET /c HTTP/1.1\" 503 UF "),
        "the flag of a refused connection"
    );
}
