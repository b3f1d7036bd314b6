//! Requests of a test, over connections that the test can see.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as text.
    pub body: String,
}

/// An HTTP/1.1 connection.
pub struct Http1 {
    sender: http1::SendRequest<Full<Bytes>>,
    host: String,
}

impl Http1 {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> std::io::Result<Http1> {
        let stream = TcpStream::connect(address).await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(Http1 { sender, host: address.to_string() })
    }

    /// Whether the other side has closed it.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and reads the answer.
    pub async fn request(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, hyper::Error> {
        self.sender.ready().await?;
        read(self.sender.send_request(request).await?).await
    }

    /// GET.
    pub async fn get(&mut self, path: &str) -> Result<Reply, hyper::Error> {
        let request = self.build(Method::GET, path, "");
        self.request(request).await
    }

    /// A request with `host` set.
    pub fn build(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .body(Full::new(body.into()))
            .unwrap()
    }
}

/// An HTTP/2 connection with prior knowledge.
pub struct Http2 {
    sender: http2::SendRequest<Full<Bytes>>,
    authority: String,
}

impl Http2 {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> std::io::Result<Http2> {
        let stream = TcpStream::connect(address).await?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(Http2 { sender, authority: address.to_string() })
    }

    /// Whether the other side has closed it.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// GET.
    pub async fn get(&mut self, path: &str) -> Result<Reply, hyper::Error> {
        let uri = format!("http://{}{path}", self.authority);
        let request = Request::builder().uri(uri).body(Full::default()).unwrap();
        self.sender.ready().await?;
        read(self.sender.send_request(request).await?).await
    }
}

/// One request over a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> Reply {
    Http1::connect(address).await.unwrap().get(path).await.unwrap()
}

/// Reads an answer to its end.
pub async fn read(response: Response<hyper::body::Incoming>) -> Result<Reply, hyper::Error> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
}
