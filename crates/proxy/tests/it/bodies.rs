//! Bodies pass through; they are not collected.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use ripstop_testkit::upstream::{Answer, Upstream, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Proxy, simple, to_c};

const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 1024;

/// Counts what it is sent and answers with as much.
async fn swallow_and_spout(request: Request<Incoming>) -> Result<Answer, std::io::Error> {
    let mut body = request.into_body();
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(std::io::Error::other)?;
        received += frame.data_ref().map_or(0, Bytes::len);
    }
    let chunk = Bytes::from(vec![7; CHUNK]);
    let chunks = (0..received / CHUNK).map(move |_| Ok(Frame::data(chunk.clone())));
    let body = StreamBody::new(futures_util::stream::iter(chunks));
    Ok(Response::new(BodyExt::boxed(body)))
}

#[tokio::test]
async fn large_bodies_stream_both_ways() {
    let upstream = Upstream::start(swallow_and_spout);
    let proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let chunk = Bytes::from(vec![1; CHUNK]);
    let chunks = (0..CHUNKS).map(move |_| Ok::<_, Infallible>(Frame::data(chunk.clone())));
    let body = StreamBody::new(futures_util::stream::iter(chunks));
    let request = Request::post("/").header("host", "h").body(body).unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        received += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    assert_eq!(received, CHUNK * CHUNKS);
}

#[tokio::test]
async fn a_response_that_breaks_off_does_not_look_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    });
    let proxy = Proxy::with(simple(to_c(), &[address])).await;
    let mut client = ripstop_testkit::client::Http1::connect(proxy.address()).await.unwrap();
    assert!(client.get("/").await.is_err());
    assert_eq!(proxy.cluster_metric("upstream_rq_rx_reset"), 1);
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let answered = Arc::new(AtomicU64::new(0));
    let counted = answered.clone();
    let upstream = Upstream::start(move |_request| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok(text(413, "too much")) }
    });
    let proxy = Proxy::with(simple(to_c(), &[upstream.address])).await;
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (frames, body) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    frames.send(Ok(Frame::data(Bytes::from_static(b"some")))).await.unwrap();
    let body =
        futures_util::stream::unfold(body, |mut body| async { body.recv().await.map(|frame| (frame, body)) });
    let request =
        Request::post("/").header("host", "h").body(BodyExt::boxed_unsync(StreamBody::new(body))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(answered.load(Ordering::SeqCst), 1);
    drop(frames);
}

/// Whether the answer or the end of the connection is seen first is a matter of chance, so there are many tries.
#[tokio::test]
async fn an_early_answer_is_passed_on_although_its_upstream_hangs_up_on_the_body() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // What is not read makes the kernel reset the connection.
            stream.read_exact(&mut [0; 100]).await.unwrap();
            stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nno!").await.unwrap();
        }
    });
    let proxy = Proxy::with(simple(to_c(), &[address])).await;
    for _ in 0..100 {
        let mut client = ripstop_testkit::client::Http1::connect(proxy.address()).await.unwrap();
        let request = client.build(http::Method::POST, "/", "x".repeat(1_000_000));
        let reply = client.request(request).await.unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (413, "no!"));
    }
    assert_eq!(proxy.cluster_metric("upstream_rq_rx_reset"), 0);
}
