//! The API of a control plane, as far as a measurement needs it.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use crate::Outcome;

/// A connection to it, which is made again when it has been idle for too long.
pub struct Api {
    port: u16,
    requests: SendRequest<Full<Bytes>>,
}

impl Api {
    /// Connects to a port of this machine.
    pub async fn connect(port: u16) -> Outcome<Api> {
        Ok(Api { port, requests: dial(port).await? })
    }

    /// Whether proxies are answered.
    pub async fn is_ready(&mut self) -> bool {
        self.send(Method::GET, "/ready", String::new()).await.is_ok()
    }

    /// Applies documents.
    pub async fn apply(&mut self, documents: &str) -> Outcome<()> {
        let body = json!({"documents": [{"name": "scale.yaml", "text": documents}]});
        self.send(Method::POST, "/api/v1/apply", body.to_string()).await
    }

    async fn send(&mut self, method: Method, path: &str, body: String) -> Outcome<()> {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header("content-type", "application/json").body(Full::from(body))?;
        if self.requests.ready().await.is_err() {
            self.requests = dial(self.port).await?;
        }
        let answer = self.requests.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        match status {
            StatusCode::OK => Ok(()),
            _ => Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)).into()),
        }
    }
}

async fn dial(port: u16) -> Outcome<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(requests)
}
