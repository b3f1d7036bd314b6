//! HTTP/2 without TLS, a request or a unary call of gRPC at a time.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::LocalExec;
use crate::Outcome;

/// A message of 32 bytes with its prefix.
const MESSAGE: [u8; 37] = {
    let mut message = [b'x'; 37];
    message[0] = 0;
    message[1] = 0;
    message[2] = 0;
    message[3] = 0;
    message[4] = 32;
    message
};

/// A stream of a connection that others share.
#[derive(Clone)]
pub struct Http2 {
    sender: http2::SendRequest<Full<Bytes>>,
    address: SocketAddr,
    grpc: bool,
}

impl Http2 {
    /// Over a new connection.
    pub async fn connect(address: SocketAddr, grpc: bool) -> Outcome<Http2> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http2::handshake(LocalExec, TokioIo::new(stream)).await?;
        // Whoever asks learns how it ended.
        tokio::task::spawn_local(async { drop(connection.await) });
        Ok(Http2 { sender, address, grpc })
    }

    /// Sends a request and reads its answer to the end, which has to be 200, and `grpc-status: 0` for a call.
    pub async fn ask(&mut self) -> Outcome<()> {
        let (path, body) = match self.grpc {
            true => ("/bench.Echo/Say", Bytes::from_static(&MESSAGE)),
            false => ("/small", Bytes::new()),
        };
        let mut request = Request::new(Full::new(body));
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = format!("http://{}{path}", self.address).parse()?;
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("ripstop-bench"));
        if self.grpc {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
            *request.method_mut() = Method::POST;
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        if response.status() != 200 {
            return Err(format!("answered with {}", response.status()).into());
        }
        let body = response.into_body().collect().await?;
        let status = body.trailers().and_then(|trailers| trailers.get("grpc-status"));
        if self.grpc && status.is_none_or(|status| status != "0") {
            return Err("the call has no status 0".into());
        }
        Ok(())
    }
}
