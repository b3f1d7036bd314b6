//! What is said before and after an answer: 100 and trailers.

use std::net::SocketAddr;

use ripstop_model::http_manager::HttpConnectionManager;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

/// An upstream that tells what it reads up to the end of a head, says `first`, reads what there is then and says `last`.
async fn upstream(
    first: &'static str,
    last: &'static str,
) -> (SocketAddr, tokio::sync::oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            read.push(stream.read_u8().await.unwrap());
        }
        tell.send(String::from_utf8_lossy(&read).into_owned()).unwrap();
        stream.write_all(first.as_bytes()).await.unwrap();
        let mut body = [0; 64];
        assert!(stream.read(&mut body).await.unwrap() > 0);
        stream.write_all(last.as_bytes()).await.unwrap();
        while stream.read(&mut body).await.is_ok_and(|n| n > 0) {}
    });
    (address, told)
}

async fn proxy(manager: HttpConnectionManager, to: SocketAddr) -> Proxy {
    Proxy::with(snapshot(listener(manager, None), routes(to_c()), cluster(&[to]))).await
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const ASK: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\nte: trailers\r\nconnection: close\r\n\r\n";

async fn converse(proxy: &Proxy) -> (String, String) {
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(ASK.as_bytes()).await.unwrap();
    let mut word = [0; 25];
    client.read_exact(&mut word).await.unwrap();
    client.write_all(b"body").await.unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    (String::from_utf8_lossy(&word).into_owned(), rest)
}

#[tokio::test]
async fn whoever_reads_the_body_says_when_to_go_on() {
    // Ours: the upstream is not asked.
    let (address, told) = upstream("", OK).await;
    let proxy_of_ours = proxy(manager(), address).await;
    let (word, rest) = converse(&proxy_of_ours).await;
    assert_eq!(word, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(rest.starts_with("HTTP/1.1 200 ") && rest.ends_with("ok"), "{rest}");
    assert!(!told.await.unwrap().contains("expect: "));

    let passing = HttpConnectionManager { proxy_100_continue: true, ..manager() };
    let (address, told) = upstream("HTTP/1.1 100 Continue\r\n\r\n", OK).await;
    let (word, rest) = converse(&proxy(passing.clone(), address).await).await;
    assert_eq!(word, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(rest.starts_with("HTTP/1.1 200 ") && rest.ends_with("ok"), "{rest}");
    assert!(told.await.unwrap().contains("expect: 100-continue\r\n"));
}

#[tokio::test]
async fn trailers_pass_to_http1_only_where_that_is_said() {
    const TRAILERS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n\
         2\r\nok\r\n0\r\nx-end: yes\r\n\r\n";
    for (take, pass) in [(false, true), (true, false), (true, true)] {
        let (address, _told) = upstream("", TRAILERS).await;
        let config = HttpConnectionManager { http1_trailers: pass, ..manager() };
        let mut from = cluster(&[address]);
        from.http.http1_trailers = take;
        let proxy = Proxy::with(snapshot(listener(config, None), routes(to_c()), from)).await;
        let (_, rest) = converse(&proxy).await;
        assert_eq!(rest.contains("x-end: yes\r\n"), take && pass, "{rest}");
    }
}
