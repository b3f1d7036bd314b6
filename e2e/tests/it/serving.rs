//! What the shop answers through gateway, mTLS and sidecars.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use ripstop_e2e::mesh::{Mesh, get};
use ripstop_e2e::processes;
use ripstop_testkit::client::Http1;
use ripstop_testkit::wait::until;
use serde_json::Value;
use tokio::net::TcpStream;

#[tokio::test]
async fn the_shop_is_served_through_the_mesh() {
    let mesh = Mesh::shop("serving").await;
    for (path, field) in [("/api/users", "user_id"), ("/api/products", "product_id")] {
        let reply = mesh.get(path).await;
        let list: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(reply.status, 200);
        assert!(list.as_array().unwrap().iter().all(|item| item.get(field).is_some()), "{list}");
    }
    // Through gateway-service, which calls the others by the local ports that its sidecar gives it.
    let overview: Value = serde_json::from_str(&mesh.get("/api/overview").await.body).unwrap();
    assert!(overview.is_object(), "{overview}");
    assert_eq!(mesh.get("/health").await.status, 200);

    // The same sidecar as an HTTP proxy, by service name.
    let mut proxy = Http1::connect(mesh.at(15105)).await.unwrap();
    let full = format!("user-service.default.svc.cluster.local:{}", mesh.at(8081).port());
    for host in ["user-service", &full] {
        let request = Request::get(format!("http://{host}/users")).header("host", host.to_owned());
        let reply = proxy.request(request.body(Default::default()).unwrap()).await.unwrap();
        assert_eq!(reply.status, 200, "{host}: {}", reply.body);
    }

    for admin in [9901, 9902, 9903, 9904, 9905, 9906] {
        assert_eq!(mesh.page(admin, "/ready").await, "LIVE\n");
        assert!(mesh.page(admin, "/certs").await.contains("spiffe://cluster.local/ns/default/sa/"));
        let dump: Value = serde_json::from_str(&mesh.page(admin, "/config_dump").await).unwrap();
        assert_eq!(dump["configs"].as_array().unwrap().len(), 4, "endpoints have to be asked for");
    }
    assert!(mesh.page(9901, "/clusters").await.contains("product-service.default.svc.cluster.local"));
    let requests = mesh.metric(9901, "envoy_cluster_upstream_rq_total", "user-service").await;
    assert_eq!(requests, 1);
    let log = std::fs::read_to_string(mesh.directory().join("state/logs/ingress.proxy.log")).unwrap();
    assert!(log.contains("\"GET /api/users HTTP/1.1\" 200 "), "{log}");
    assert!(!mesh.output().contains("changed"), "nothing was edited: {}", mesh.output());
}

#[tokio::test]
async fn a_gibibyte_each_way_passes_in_constant_memory() {
    const SIZE: u64 = 1 << 30;
    let mesh = Mesh::shop("gibibyte").await;
    let gateway = mesh.pid_of("~ingress.");
    let before = processes::resident_kib(gateway);

    let mut sender = connect(&mesh).await;
    let request = Request::get(format!("/api/products/export?bytes={SIZE}")).header("host", "shop");
    let response = sender.send_request(request.body(boxed(Empty::new())).unwrap()).await.unwrap();
    let mut body = response.into_body();
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        received += frame.unwrap().data_ref().map_or(0, Bytes::len) as u64;
    }
    assert_eq!(received, SIZE);

    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    let chunks = (0..SIZE / chunk.len() as u64).map(move |_| Ok::<_, Infallible>(Frame::data(chunk.clone())));
    let body = boxed(StreamBody::new(futures_util::stream::iter(chunks)));
    let mut sender = connect(&mesh).await;
    let request = Request::post("/api/products/import").header("host", "shop").body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["received_bytes"].as_u64(), Some(SIZE));

    let grown = processes::resident_kib(gateway).saturating_sub(before);
    println!("gateway grew by {grown} KiB over 2 GiB of bodies");
    assert!(grown < 16 * 1024, "the gateway grew by {grown} KiB");
}

type AnyBody = http_body_util::combinators::BoxBody<Bytes, Infallible>;

fn boxed(body: impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static) -> AnyBody {
    BodyExt::boxed(body)
}

async fn connect(mesh: &Mesh) -> hyper::client::conn::http1::SendRequest<AnyBody> {
    let stream = TcpStream::connect(mesh.at(10000)).await.unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_by_the_application() {
    let mesh = Mesh::shop("cancel").await;
    let gateway = mesh.at(10000);
    let cancelled = async || {
        let mut all = 0;
        for app in [8082, 8083, 8084] {
            let stats: Value = serde_json::from_str(&get(mesh.at(app), "/stats").await.body).unwrap();
            all += stats["cancelled"].as_u64().unwrap();
        }
        all
    };
    let started = async || {
        let mut all = 0;
        for app in [8082, 8083, 8084] {
            let stats: Value = serde_json::from_str(&get(mesh.at(app), "/stats").await.body).unwrap();
            all += stats["started"].as_u64().unwrap();
        }
        all
    };
    assert_eq!(cancelled().await, 0);
    let client = tokio::spawn(async move {
        Http1::connect(gateway).await.unwrap().get("/api/products/slow?seconds=30").await.map(|_| ())
    });
    until("the application works on it", async || (started().await == 1).then_some(())).await;
    client.abort();
    let _ = client.await;
    let left = std::time::Instant::now();
    until("the application has noticed", async || (cancelled().await == 1).then_some(())).await;
    assert!(left.elapsed() < Duration::from_secs(2), "it took {:?}", left.elapsed());
}
