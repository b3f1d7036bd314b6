//! HTTP/1 over one connection that is kept. Bodies have a length: all upstreams of the bench say one.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;

/// Room for a head and a middle body.
const BUFFER_BYTES: usize = 16 * 1024;
/// Headers of an answer.
const HEADERS: usize = 64;

/// Bytes both ways.
pub trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// A connection, and the requests that go over it in turn.
pub struct Http1 {
    stream: Box<dyn Io>,
    requests: Vec<Vec<u8>>,
    next: usize,
    buffer: Vec<u8>,
}

impl Http1 {
    /// Over a new connection.
    pub async fn plain(address: SocketAddr, requests: Vec<Vec<u8>>) -> Outcome<Http1> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Http1::over(Box::new(stream), requests))
    }

    /// Over a connection that is there.
    pub fn over(stream: Box<dyn Io>, requests: Vec<Vec<u8>>) -> Http1 {
        Http1 { stream, requests, next: 0, buffer: Vec::new() }
    }

    /// Sends a request and reads its answer, which has to be 200.
    pub async fn ask(&mut self) -> Outcome<()> {
        let request = &self.requests[self.next];
        self.next = (self.next + 1) % self.requests.len();
        self.stream.write_all(request).await?;
        self.buffer.resize(BUFFER_BYTES, 0);
        let mut filled = 0;
        let (mut left, mut close);
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err("the connection was closed before an answer".into());
            }
            filled += read;
            if let Some((head, body, last)) = parse(&self.buffer[..filled])? {
                (left, close) = ((head + body).saturating_sub(filled), last);
                break;
            }
        }
        while left > 0 {
            let most = left.min(BUFFER_BYTES);
            match self.stream.read(&mut self.buffer[..most]).await? {
                0 => return Err("the body is not whole".into()),
                read => left -= read,
            }
        }
        if std::mem::take(&mut close) {
            return Err("the connection is not kept".into());
        }
        Ok(())
    }

    /// Lets go of the memory of a connection that is going to lie idle.
    pub fn rest(&mut self) {
        self.buffer = Vec::new();
    }
}

/// Length of the head, of the body, and whether the connection ends.
fn parse(bytes: &[u8]) -> Outcome<Option<(usize, usize, bool)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes)? else { return Ok(None) };
    if response.code != Some(200) {
        return Err(format!("answered with {:?}", response.code).into());
    }
    let value = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let length = value("content-length").ok_or("an answer without a length")?.parse()?;
    Ok(Some((head, length, value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")))))
}
