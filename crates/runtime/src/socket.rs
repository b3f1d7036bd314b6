//! Where connections to others come from, and what can be asked of a connection. Not what is spoken over it; listening is
//! [`crate::listen`].

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::listen::unix_address;

/// Connects without Nagle's delay. Cancelled by dropping the future; it has no time limit of its own.
pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

/// Connects to `host:port`, asking the system for the addresses of the host; the first that takes the connection.
pub async fn connect_named(target: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, format!("{target} has no address"));
    for address in tokio::net::lookup_host(target).await? {
        match connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Connects to a Unix socket: a path, or a name in the abstract namespace behind an `@`. A listener whose queue is full
/// refuses at once.
pub async fn connect_unix(path: &str) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // A Unix socket is connected at once or not at all.
    socket.connect(&unix_address(path)?)?;
    UnixStream::from_std(socket.into())
}

/// Where the client wanted to go before the kernel redirected it to us; `None`: it was not redirected.
pub fn original_destination(stream: &TcpStream) -> Option<SocketAddr> {
    let socket = SockRef::from(stream);
    let found = match stream.local_addr().ok()? {
        SocketAddr::V4(_) => socket.original_dst_v4(),
        SocketAddr::V6(_) => socket.original_dst_v6(),
    };
    found.ok()?.as_socket()
}

/// Asks the kernel to probe a silent peer, so that a vanished one is noticed: after `idle`, every `interval`, and to give it up
/// after so many `probes`. `None` is the kernel's default.
pub fn set_keepalive(
    stream: &TcpStream,
    idle: Option<Duration>,
    interval: Option<Duration>,
    probes: Option<u32>,
) -> io::Result<()> {
    let mut keepalive = TcpKeepalive::new();
    if let Some(idle) = idle {
        keepalive = keepalive.with_time(idle);
    }
    if let Some(interval) = interval {
        keepalive = keepalive.with_interval(interval);
    }
    if let Some(probes) = probes {
        keepalive = keepalive.with_retries(probes);
    }
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
