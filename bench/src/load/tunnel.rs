//! A WebSocket whose other end says everything back. Proxies pass the bytes on without looking at them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::site::domain;

/// Payload of a frame.
const PAYLOAD_BYTES: usize = 64;

/// An open tunnel.
pub struct Tunnel {
    stream: TcpStream,
    frame: Vec<u8>,
    buffer: Vec<u8>,
}

impl Tunnel {
    /// Asks for it over a new connection.
    pub async fn open(address: SocketAddr) -> Outcome<Tunnel> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let head = format!(
            "GET /chat HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            domain(1)
        );
        stream.write_all(head.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(format!("no tunnel: {}", String::from_utf8_lossy(&head)).into());
        }
        // A binary frame, masked with nothing.
        let mut frame = vec![0x82, 0x80 | u8::try_from(PAYLOAD_BYTES)?, 0, 0, 0, 0];
        frame.resize(frame.len() + PAYLOAD_BYTES, b'x');
        let buffer = vec![0; frame.len()];
        Ok(Tunnel { stream, frame, buffer })
    }

    /// Sends a frame and waits until it has come back.
    pub async fn ask(&mut self) -> Outcome<()> {
        self.stream.write_all(&self.frame).await?;
        self.stream.read_exact(&mut self.buffer).await?;
        if self.buffer == self.frame { Ok(()) } else { Err("another frame came back".into()) }
    }
}
