//! One HTTP request, written by hand, so that its head can be anything.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// `error` and `help` of an error.
    pub fn error(&self) -> String {
        let json = self.json();
        format!("{} ({})", json["error"].as_str().unwrap(), json["help"].as_str().unwrap())
    }
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n"), "").await
}

/// `head` without the headers that concern the body.
pub async fn ask(address: SocketAddr, head: &str, body: &str) -> Answer {
    exchange(TcpStream::connect(address).await.unwrap(), head, body).await
}

pub async fn get_unix(socket: &Path, path: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n");
    exchange(UnixStream::connect(socket).await.unwrap(), &head, "").await
}

pub async fn post_unix(socket: &Path, path: &str, body: &str) -> Answer {
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n");
    exchange(UnixStream::connect(socket).await.unwrap(), &head, body).await
}

pub async fn delete_unix(socket: &Path, path: &str) -> Answer {
    let head = format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\n");
    exchange(UnixStream::connect(socket).await.unwrap(), &head, "").await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &str, body: &str) -> Answer {
    let request = format!("{head}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // A server that refuses may close before it has read everything.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
