//! HTTP/2 clients that send what costs more to read than to send.

use std::time::Duration;

use ripstop_model::http_manager::HttpConnectionManager;
use ripstop_model::http2::{Http2Keepalive, Http2Options};
use ripstop_testkit::client::get;
use ripstop_testkit::upstream::{Upstream, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// `:method GET`, `:scheme http`, `:path /` and `:authority a`, compressed.
const HEAD: &[u8] = &[0x82, 0x86, 0x84, 0x01, 0x01, b'a'];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Sends `frames` again and again, reading what comes back, until the proxy has closed the connection.
async fn flood(proxy: &Proxy, begin: &[u8], mut frames: impl FnMut(u32) -> Vec<u8>) {
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while reader.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
    });
    let writing = async {
        writer.write_all(PREFACE).await.unwrap();
        writer.write_all(begin).await.unwrap();
        for round in 0..200_000 {
            if writer.write_all(&frames(round)).await.is_err() {
                return;
            }
        }
        panic!("the flood went on and on");
    };
    tokio::time::timeout(Duration::from_secs(20), writing).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap().unwrap();
    assert_eq!(get(proxy.address(), "/").await.status, 200, "everybody else is served");
}

async fn proxy(options: Http2Options, upstream: &Upstream) -> Proxy {
    let manager = HttpConnectionManager { http2: options, ..manager() };
    Proxy::with(snapshot(listener(manager, None), routes(to_c()), cluster(&[upstream.address]))).await
}

/// Answers `/` to HTTP/1, and is silent to what comes from floods.
fn upstream() -> Upstream {
    Upstream::start(|request| async move {
        if request.headers().contains_key("silent") {
            std::future::pending::<()>().await;
        }
        Ok(text(200, ""))
    })
}

#[tokio::test]
async fn floods_end_the_connection_they_come_over() {
    let upstream = upstream();
    let proxy = proxy(Http2Options::default(), &upstream).await;
    let open = frame(1, 4, 1, HEAD);
    // Empty DATA.
    flood(&proxy, &open, |_| frame(0, 0, 1, b"")).await;
    // PRIORITY.
    flood(&proxy, &open, |_| frame(2, 0, 1, &[0, 0, 0, 0, 16])).await;
    // WINDOW_UPDATE.
    flood(&proxy, &open, |_| frame(8, 0, 0, &[0, 0, 0, 1])).await;
    // CONTINUATION without end.
    flood(&proxy, &frame(1, 0, 1, HEAD), |_| frame(9, 0, 1, b"\x40\x01a\x01b")).await;
    // Streams opened to be reset.
    let rapid = |round: u32| {
        let stream = 2 * round + 1;
        [frame(1, 5, stream, HEAD), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
    };
    flood(&proxy, b"", rapid).await;
}

/// Sends `frame` until nothing more is taken, and reads nothing. Gives back how much was taken.
async fn stuff(writer: &mut TcpStream, frame: &[u8]) -> usize {
    let many = frame.repeat(1000);
    let mut taken = 0;
    while let Ok(Ok(written)) = tokio::time::timeout(Duration::from_secs(1), writer.write(&many)).await {
        taken += written;
        assert!(taken < 64 << 20, "more is taken than any buffer holds");
    }
    taken
}

#[tokio::test]
async fn who_reads_no_answers_to_pings_is_not_read_and_then_closed() {
    let upstream = upstream();
    let keepalive =
        Http2Keepalive { interval: Some(Duration::from_millis(200)), timeout: Duration::from_millis(500) };
    let proxy =
        proxy(Http2Options { keepalive: Some(keepalive), ..Http2Options::default() }, &upstream).await;
    for frame in [frame(6, 0, 0, &[7; 8]), frame(4, 0, 0, b"")] {
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        client.write_all(PREFACE).await.unwrap();
        stuff(&mut client, &frame).await;
        let mut rest = Vec::new();
        let reading = tokio::time::timeout(Duration::from_secs(20), client.read_to_end(&mut rest));
        let _ = reading.await.unwrap();
    }
    assert_eq!(get(proxy.address(), "/").await.status, 200);
}
