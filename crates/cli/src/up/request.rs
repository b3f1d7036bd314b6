//! A client for one small HTTP/1.1 request: readiness, health and the administrator's socket. One connection each time; the
//! traffic of the mesh never comes here.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// From connecting to the last byte of the answer, where nobody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longer answers are refused: the configuration of one proxy of a large mesh fits.
const MAX_BODY_BYTES: usize = 256 << 20;

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Server::Tcp(address) => address.fmt(f),
            Server::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nobody listens, or the connection broke.
    #[error("{0}")]
    Connect(#[from] io::Error),
    /// The path cannot stand in a request.
    #[error("not a request path: {0}")]
    Request(#[from] http::Error),
    /// What came back is not HTTP.
    #[error("{0}")]
    Protocol(#[from] hyper::Error),
    /// The body broke off or is too long.
    #[error("unreadable answer: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The token cannot stand in a header.
    #[error("the token has characters that no token has")]
    Token,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// `GET`, `POST` or `DELETE`.
    pub method: Method,
    /// With the query.
    pub path: &'a str,
    /// Who asks.
    pub token: Option<&'a str>,
    /// A JSON document.
    pub body: Option<&'a serde_json::Value>,
    /// From connecting to the last byte of the answer.
    pub patience: Duration,
}

/// Asks for `path`.
///
/// # Errors
/// When there is no complete answer; any status is an answer.
pub async fn get(server: &Server, path: &str) -> Result<(StatusCode, Bytes), RequestError> {
    send(server, Call { method: Method::GET, path, token: None, body: None, patience: TIMEOUT }).await
}

/// Posts a JSON document to `path`.
///
/// # Errors
/// As [`get`].
pub async fn post_json(
    server: &Server,
    path: &str,
    body: &serde_json::Value,
) -> Result<(StatusCode, Bytes), RequestError> {
    send(server, Call { method: Method::POST, path, token: None, body: Some(body), patience: TIMEOUT }).await
}

/// Sends any request.
///
/// # Errors
/// As [`get`].
pub async fn send(server: &Server, call: Call<'_>) -> Result<(StatusCode, Bytes), RequestError> {
    let mut request = Request::builder().method(call.method).uri(call.path).header(HOST, host(server));
    if let Some(token) = call.token {
        let value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| RequestError::Token)?;
        request = request.header(AUTHORIZATION, value);
    }
    let body = match call.body {
        Some(body) => {
            request = request.header(CONTENT_TYPE, "application/json");
            Full::new(Bytes::from(body.to_string()))
        }
        None => Full::default(),
    };
    ask(server, request.body(body)?, call.patience).await
}

fn host(server: &Server) -> String {
    match server {
        Server::Tcp(address) => address.to_string(),
        Server::Unix(_) => "localhost".to_owned(),
    }
}

async fn ask(
    server: &Server,
    request: Request<Full<Bytes>>,
    patience: Duration,
) -> Result<(StatusCode, Bytes), RequestError> {
    let exchange = async {
        match server {
            Server::Tcp(address) => exchange(TcpStream::connect(address).await?, request).await,
            Server::Unix(path) => exchange(UnixStream::connect(path).await?, request).await,
        }
    };
    timeout(patience, exchange).await.map_err(|_| RequestError::Timeout(patience))?
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), RequestError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let result = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
        Ok((status, body.map_err(RequestError::Body)?.to_bytes()))
    };
    let result = result.await;
    driver.abort();
    result
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UnixListener};

    use super::*;
    use crate::up::state_dir::tests::Scratch;

    async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
        let mut seen = Vec::new();
        while !seen.ends_with(b"}") && !seen.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(seen).unwrap()
    }

    #[tokio::test]
    async fn a_port_is_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::Tcp(listener.local_addr().unwrap());
        let peer = async {
            answer(listener.accept().await.unwrap().0, "HTTP/1.1 503 no\r\ncontent-length: 2\r\n\r\nhm").await
        };
        let (answered, seen) = tokio::join!(get(&server, "/ready"), peer);
        let (status, body) = answered.unwrap();
        assert_eq!((status.as_u16(), &body[..]), (503, &b"hm"[..]));
        assert!(seen.starts_with("GET /ready HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains(&format!("host: {server}\r\n")), "{seen}");
    }

    #[tokio::test]
    async fn a_socket_is_asked() {
        let scratch = Scratch::new();
        let path = scratch.0.join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = Server::Unix(path);
        let document = serde_json::json!({"workload": "user-1"});
        let peer = async {
            answer(listener.accept().await.unwrap().0, "HTTP/1.1 200 ok\r\ncontent-length: 0\r\n\r\n").await
        };
        let (answered, seen) = tokio::join!(post_json(&server, "/api/v1/tokens", &document), peer);
        assert_eq!(answered.unwrap().0, StatusCode::OK);
        assert!(seen.ends_with("{\"workload\":\"user-1\"}"), "{seen}");
    }

    #[tokio::test]
    async fn nobody_there_and_nonsense_are_errors() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::Tcp(listener.local_addr().unwrap());
        let peer = async { answer(listener.accept().await.unwrap().0, "SSH-2.0-x\r\n\r\n").await };
        let (answered, _) = tokio::join!(get(&server, "/"), peer);
        assert!(matches!(answered, Err(RequestError::Protocol(_))), "{answered:?}");
        drop(listener);
        assert!(matches!(get(&server, "/").await, Err(RequestError::Connect(_))));
        assert!(matches!(get(&server, "no path").await, Err(RequestError::Request(_))));
    }
}
