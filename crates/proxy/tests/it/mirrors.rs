//! Copies of requests.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use ripstop_model::Percent;
use ripstop_model::cluster::Cluster;
use ripstop_model::mirror::{MirrorTarget, RequestMirror};
use ripstop_model::route::Forward;
use ripstop_model::runtime::RuntimeFraction;
use ripstop_testkit::client::{Http1, Reply};
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::harness::{Proxy, cluster, listener, manager, nobody, routes, snapshot, to_c};

/// An upstream that tells host and body of what it gets, and answers late.
fn shadow() -> (Upstream, UnboundedReceiver<String>) {
    let (seen, received) = unbounded_channel();
    let upstream = Upstream::start(move |request| {
        let seen = seen.clone();
        async move {
            let host = request.headers()["host"].to_str().unwrap().to_owned();
            let host = host.split(':').next().unwrap().to_owned();
            let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
            let _ = seen.send(format!("{host} {}", body.len()));
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(text(500, "nobody sees this"))
        }
    });
    (upstream, received)
}

async fn ask(forward: Forward, shadow: std::net::SocketAddr, length: usize) -> (Reply, Proxy) {
    let upstream = Upstream::start(|request| async move {
        let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
        Ok(text(200, body.len().to_string()))
    });
    let mut snapshot = snapshot(listener(manager(), None), routes(forward), cluster(&[upstream.address]));
    let copies = Cluster { name: "copies".into(), ..cluster(&[shadow]) };
    snapshot.clusters.insert("copies".into(), Arc::new(copies));
    let proxy = Proxy::with(snapshot).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let mut request = client.build(Method::POST, "/", vec![b'x'; length]);
    request.headers_mut().insert("to", "copies".parse().unwrap());
    let reply = client.request(request).await.unwrap();
    (reply, proxy)
}

fn mirrored(mirrors: Vec<RequestMirror>) -> Forward {
    Forward { mirrors, ..to_c() }
}

#[tokio::test]
async fn a_copy_goes_to_another_cluster_and_its_answer_nowhere() {
    let by_header = RequestMirror { target: MirrorTarget::Header("to".into()), ..RequestMirror::to("") };
    let plain = RequestMirror { shadow_suffix: false, ..RequestMirror::to("copies") };
    let renamed = RequestMirror { host: Some("other".into()), ..RequestMirror::to("copies") };
    for (mirror, host) in [
        (RequestMirror::to("copies"), "127.0.0.1-shadow"),
        (by_header, "127.0.0.1-shadow"),
        (plain, "127.0.0.1"),
        (renamed, "other"),
    ] {
        for length in [0, 3, 400_000] {
            let (upstream, mut seen) = shadow();
            let (reply, proxy) = ask(mirrored(vec![mirror.clone()]), upstream.address, length).await;
            assert_eq!((reply.status, reply.body), (200, length.to_string()));
            assert_eq!(seen.recv().await.unwrap(), format!("{host} {length}"));
            let counted =
                "envoy_cluster_upstream_rq{envoy_cluster_name=\"copies\",envoy_response_code=\"500\"}";
            until("the copy is counted", async || (proxy.metric(counted) == 1).then_some(())).await;
        }
    }
}

#[tokio::test]
async fn whatever_becomes_of_a_copy_the_request_is_served() {
    let (reply, proxy) = ask(mirrored(vec![RequestMirror::to("copies")]), nobody(), 3).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "3"));
    let failed = "envoy_cluster_upstream_cx_connect_fail{envoy_cluster_name=\"copies\"}";
    until("the copy has failed", async || (proxy.metric(failed) == 1).then_some(())).await;
    let (reply, _) = ask(mirrored(vec![RequestMirror::to("nowhere")]), nobody(), 3).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn as_many_requests_are_copied_as_the_share_says() {
    let never = Some(RuntimeFraction::fixed(Percent::ZERO));
    let mirrors =
        vec![RequestMirror { share: never, ..RequestMirror::to("copies") }, RequestMirror::to("copies")];
    let (upstream, mut seen) = shadow();
    let (reply, _proxy) = ask(mirrored(mirrors), upstream.address, 3).await;
    assert_eq!(reply.status, 200);
    assert_eq!(seen.recv().await.unwrap(), "127.0.0.1-shadow 3");
    assert!(seen.try_recv().is_err(), "only one of two is copied");
}
