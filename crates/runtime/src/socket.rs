//! Where TCP sockets come from. Not what is spoken over them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Length of the queue of connections that the kernel has accepted and we have not.
pub const BACKLOG: i32 = 1024;

/// A listening socket could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// What the kernel said.
    pub source: io::Error,
}

/// Makes `count` listening sockets on one address, each with an accept queue of its own
/// (`SO_REUSEPORT`), for as many worker threads.
///
/// `SO_REUSEPORT` alone would let a second process of the same user take half of the connections
/// without anybody noticing, so the address is first claimed without it. With port 0 all sockets get
/// the port that the first one was given.
pub fn listen_shared(address: SocketAddr, count: usize) -> Result<Vec<std::net::TcpListener>, BindError> {
    let error = |source| BindError { address, source };
    let claim = listening_socket(address, false).map_err(error)?;
    let address = claim.local_addr().map_err(error)?.as_socket().unwrap_or(address);
    drop(claim);
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = listening_socket(address, true).map_err(error)?;
        socket.listen(BACKLOG).map_err(error)?;
        sockets.push(socket.into());
    }
    Ok(sockets)
}

/// Makes one listening socket that nobody else can share.
pub fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    let error = |source| BindError { address, source };
    let socket = listening_socket(address, false).map_err(error)?;
    socket.listen(BACKLOG).map_err(error)?;
    TcpListener::from_std(socket.into()).map_err(error)
}

fn listening_socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Lets a restarted process listen while old connections linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Connects without Nagle's delay. Cancelled by dropping the future; it has no time limit of its own.
pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

/// Asks the kernel to probe a silent peer, so that a vanished one is noticed.
pub fn set_keepalive(stream: &TcpStream, idle: Duration, interval: Duration) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(idle).with_interval(interval);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn shared_sockets_share_one_port_and_keep_others_out() {
        let sockets = listen_shared("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = sockets[0].local_addr().unwrap();
        assert!(sockets.iter().all(|s| s.local_addr().unwrap() == address));
        let taken = listen_shared(address, 1).unwrap_err();
        assert_eq!(taken.source.kind(), io::ErrorKind::AddrInUse);
        assert!(taken.to_string().contains(&address.to_string()), "{taken}");
        connect(address).await.unwrap();
    }
}
