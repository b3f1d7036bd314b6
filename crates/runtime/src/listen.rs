//! Listening sockets, TCP and Unix. Not what becomes of the connections.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::port_holder::{self, Holder};
use crate::stream::Stream;

/// Length of the queue of connections that the kernel has accepted and we have not, unless something else is asked for.
pub const BACKLOG: u32 = 1024;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// TCP over IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A Unix domain socket: a path, or a name in the abstract namespace of Linux behind an `@`.
    Unix(String),
}

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Place {
        Place::Tcp(address)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(address) => address.fmt(f),
            Place::Unix(path) => f.write_str(path),
        }
    }
}

/// How to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub place: Place,
    /// An IPv6 socket takes IPv4 as well.
    pub ipv4_compat: bool,
    /// Permission bits of a Unix socket; 0: what the process gives to new files.
    pub mode: u16,
    /// The machine need not have the address.
    pub freebind: bool,
    /// Length of the kernel's queue of connections; `None`: [`BACKLOG`].
    pub backlog: Option<u32>,
}

impl From<Place> for Listen {
    fn from(place: Place) -> Listen {
        Listen { place, ipv4_compat: false, mode: 0, freebind: false, backlog: None }
    }
}

/// A listening socket could not be made.
#[derive(Debug, thiserror::Error)]
pub struct BindError {
    /// What was asked for.
    pub place: Place,
    /// What the kernel said.
    pub source: io::Error,
    /// Who is there already, where somebody is.
    pub holder: Option<Holder>,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.place, self.source)?;
        match &self.holder {
            Some(holder) => write!(f, ": it is held by {holder}"),
            None => Ok(()),
        }
    }
}

impl BindError {
    fn new(place: &Place, source: io::Error) -> BindError {
        let holder = match place {
            Place::Tcp(address) if source.kind() == io::ErrorKind::AddrInUse => {
                Some(port_holder::find(*address))
            }
            _ => None,
        };
        BindError { place: place.clone(), source, holder }
    }
}

/// A listening socket that belongs to no runtime yet.
#[derive(Debug)]
pub enum Bound {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// Unix.
    Unix(std::os::unix::net::UnixListener),
}

impl Bound {
    /// Where it really listens: the two differ where the port is 0.
    pub fn place(&self, asked: &Place) -> Place {
        match self {
            Bound::Tcp(socket) => socket.local_addr().map_or_else(|_| asked.clone(), Place::Tcp),
            Bound::Unix(_) => asked.clone(),
        }
    }
}

/// A listening socket of the current runtime.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix.
    Unix(UnixListener),
}

impl Listener {
    /// Gives the socket to the current runtime.
    pub fn new(bound: Bound) -> io::Result<Listener> {
        Ok(match bound {
            Bound::Tcp(socket) => Listener::Tcp(TcpListener::from_std(socket)?),
            Bound::Unix(socket) => Listener::Unix(UnixListener::from_std(socket)?),
        })
    }

    /// Where it really listens over TCP: the port may have been 0.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(socket) => socket.local_addr().ok(),
            Listener::Unix(_) => None,
        }
    }

    /// The next connection and, over TCP, where it comes from. May be cancelled.
    pub async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Listener::Tcp(socket) => {
                let (stream, remote) = socket.accept().await?;
                Ok((Stream::Tcp(stream), Some(canonical(remote))))
            }
            Listener::Unix(socket) => Ok((Stream::Unix(socket.accept().await?.0), None)),
        }
    }
}

/// IPv4 where IPv6 says IPv4: what a socket for both tells of its clients.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Makes `count` listening sockets on one address, for as many worker threads. Over TCP each has an accept queue of its
/// own (`SO_REUSEPORT`); the sockets of a Unix path share one.
///
/// `SO_REUSEPORT` alone would let a second process of the same user take half of the connections
/// without anybody noticing, so the address is first claimed without it. With port 0 all sockets get
/// the port that the first one was given.
///
/// # Errors
/// If the address is held, or is not one of this machine.
pub fn listen_shared(listen: &Listen, count: usize) -> Result<Vec<Bound>, BindError> {
    let error = |source| BindError::new(&listen.place, source);
    match &listen.place {
        Place::Tcp(address) => tcp(listen, *address, count).map_err(error),
        Place::Unix(path) => unix(listen, path, count).map_err(error),
    }
}

/// Makes one listening TCP socket that nobody else can share.
///
/// # Errors
/// If the address is held, or is not one of this machine.
pub fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    let place = Place::Tcp(address);
    let error = |source| BindError::new(&place, source);
    let socket = tcp_socket(&Listen::from(place.clone()), address, false).map_err(error)?;
    socket.listen(BACKLOG as i32).map_err(error)?;
    TcpListener::from_std(socket.into()).map_err(error)
}

/// Makes one listening socket of either kind that nobody else can share.
///
/// # Errors
/// If the address is held, or is not one of this machine.
pub fn listen_alone(listen: &Listen) -> Result<Listener, BindError> {
    let error = |source| BindError::new(&listen.place, source);
    let made = match &listen.place {
        Place::Tcp(address) => {
            let socket = tcp_socket(listen, *address, false).map_err(error)?;
            socket.listen(backlog(listen)).map_err(error)?;
            Some(Bound::Tcp(socket.into()))
        }
        Place::Unix(path) => unix(listen, path, 1).map_err(error)?.pop(),
    };
    let made = made.ok_or_else(|| error(io::ErrorKind::Other.into()))?;
    Listener::new(made).map_err(error)
}

fn backlog(listen: &Listen) -> i32 {
    i32::try_from(listen.backlog.unwrap_or(BACKLOG)).unwrap_or(i32::MAX)
}

fn tcp(listen: &Listen, address: SocketAddr, count: usize) -> io::Result<Vec<Bound>> {
    let claim = tcp_socket(listen, address, false)?;
    let address = claim.local_addr()?.as_socket().unwrap_or(address);
    drop(claim);
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = tcp_socket(listen, address, true)?;
        socket.listen(backlog(listen))?;
        sockets.push(Bound::Tcp(socket.into()));
    }
    Ok(sockets)
}

fn tcp_socket(listen: &Listen, address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Lets a restarted process listen while old connections linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(!listen.ipv4_compat)?;
    }
    if listen.freebind {
        match address.ip() {
            IpAddr::V4(_) => socket.set_freebind_v4(true)?,
            IpAddr::V6(_) => socket.set_freebind_v6(true)?,
        }
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn unix(listen: &Listen, path: &str, count: usize) -> io::Result<Vec<Bound>> {
    let address = unix_address(path)?;
    let file = !path.starts_with('@');
    if file {
        remove_stale(path, &address)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address)?;
    if file && listen.mode != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(listen.mode.into()))?;
    }
    socket.listen(backlog(listen))?;
    let socket: std::os::unix::net::UnixListener = socket.into();
    (0..count).map(|_| socket.try_clone().map(Bound::Unix)).collect()
}

/// The address of a path, or of a name in the abstract namespace behind an `@`.
pub(crate) fn unix_address(path: &str) -> io::Result<SockAddr> {
    match path.strip_prefix('@') {
        Some(name) => SockAddr::unix(format!("\0{name}")),
        None => SockAddr::unix(path),
    }
}

/// A socket file stays behind when its process ends, and would be in the way for ever. It is removed if nobody answers.
fn remove_stale(path: &str, address: &SockAddr) -> io::Result<()> {
    // What is no socket refuses connections too.
    if !std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        return Ok(());
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        // Nothing is there, or somebody is: binding tells which.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
