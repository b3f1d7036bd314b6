//! The accepting side for gRPC servers: TLS handshakes on a listener, as a stream of connections that know their peer.
//! It opens no listener, and a proxy's data path does not go through here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::Connected;

use crate::peer::{ConnectedPeer, PeerIdentity};
use crate::socket::Socket;
use crate::verify::refusal;

/// Most handshakes in progress on one listener; further connections wait in the kernel's queue.
pub const MAX_HANDSHAKES: usize = 256;

/// A handshake must be done within this.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);

/// A TLS connection that says who its client is, as a request extension of type [`ConnectedPeer`].
#[derive(Debug)]
pub struct PeerStream {
    tls: TlsStream<Socket>,
    peer: ConnectedPeer,
}

impl PeerStream {
    /// Does the server side of a handshake on `socket`.
    ///
    /// # Errors
    /// If the handshake fails, takes longer than [`HANDSHAKE_TIMEOUT`], or the peer is gone.
    async fn accept(socket: Socket, acceptor: &TlsAcceptor) -> io::Result<Self> {
        let (address, unix_user) = socket.peer()?;
        let tls = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(socket))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "TLS handshake took too long"))??;
        let identity = PeerIdentity::from_chain(tls.get_ref().1.peer_certificates())
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        Ok(Self { tls, peer: ConnectedPeer { address, identity, unix_user } })
    }

    /// The client.
    pub fn peer(&self) -> &ConnectedPeer {
        &self.peer
    }
}

/// Accepts TLS connections on `listener` until the stream is dropped: for tonic's `serve_with_incoming`. Handshakes run
/// side by side, so a slow client does not delay others; failed ones are logged and left out.
pub fn incoming(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) -> impl Stream<Item = io::Result<PeerStream>> + Send + Unpin {
    let accepted = incoming_with_plaintext(listener, tls, false);
    accepted.filter_map(|accepted| match accepted {
        Accepted::Tls(stream) => Some(Ok(*stream)),
        Accepted::Plaintext(_) => None,
    })
}

/// What came in on a listener.
#[derive(Debug)]
pub enum Accepted {
    /// Its handshake is done.
    Tls(Box<PeerStream>),
    /// It does not begin as TLS does.
    Plaintext(TcpStream),
}

/// The same for a listener that may also take clients without TLS, told apart by the first byte that they send. Without
/// `plaintext` they fail as any broken handshake does.
pub fn incoming_with_plaintext(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    plaintext: bool,
) -> impl Stream<Item = Accepted> + Send + Unpin {
    start(Listener::Tcp(listener), tls, plaintext)
}

/// The same on a Unix socket, always with TLS; the kernel tells whose process the client is.
pub fn incoming_unix(
    listener: UnixListener,
    tls: Arc<ServerConfig>,
) -> impl Stream<Item = Accepted> + Send + Unpin {
    start(Listener::Unix(listener), tls, false)
}

fn start(listener: Listener, tls: Arc<ServerConfig>, plaintext: bool) -> ReceiverStream<Accepted> {
    let (done, accepted) = mpsc::channel(MAX_HANDSHAKES);
    tokio::spawn(accept_loop(listener, TlsAcceptor::from(tls), plaintext, done));
    ReceiverStream::new(accepted)
}

/// Content type of the record that begins every TLS connection (RFC 8446 section 5.1).
const HANDSHAKE_RECORD: u8 = 22;

async fn accept(socket: Socket, acceptor: &TlsAcceptor, plaintext: bool) -> io::Result<Accepted> {
    let socket = match socket {
        Socket::Tcp(tcp) if plaintext => {
            let mut first = [0; 1];
            let peeked = tokio::time::timeout(HANDSHAKE_TIMEOUT, tcp.peek(&mut first)).await;
            let count =
                peeked.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the client says nothing"))??;
            if count > 0 && first[0] != HANDSHAKE_RECORD {
                tcp.set_nodelay(true)?;
                return Ok(Accepted::Plaintext(tcp));
            }
            Socket::Tcp(tcp)
        }
        socket => socket,
    };
    PeerStream::accept(socket, acceptor).await.map(|stream| Accepted::Tls(Box::new(stream)))
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Socket, String)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Socket::Tcp(stream), address.to_string()))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), "a Unix socket".to_owned()))
            }
        }
    }
}

async fn accept_loop(
    listener: Listener,
    acceptor: TlsAcceptor,
    plaintext: bool,
    done: mpsc::Sender<Accepted>,
) {
    let slots = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = done.closed() => return,
            accepted = listener.accept() => accepted,
        };
        let (socket, address) = match accepted {
            Ok(connection) => connection,
            Err(error) => {
                // Out of file descriptors, mostly: trying again at once would spin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE_AFTER_ACCEPT_ERROR).await;
                continue;
            }
        };
        let (acceptor, done) = (acceptor.clone(), done.clone());
        tokio::spawn(async move {
            match accept(socket, &acceptor, plaintext).await {
                // If the receiver is gone the server is stopping.
                Ok(accepted) => drop(done.send(accepted).await),
                Err(error) => match refusal(&error) {
                    Some(reason) => tracing::warn!(%address, %reason, "TLS handshake refused"),
                    None => tracing::info!(%address, %error, "TLS handshake failed"),
                },
            }
            drop(slot);
        });
    }
}

impl Connected for PeerStream {
    type ConnectInfo = ConnectedPeer;

    fn connect_info(&self) -> ConnectedPeer {
        self.peer.clone()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tls).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tls).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tls).poll_shutdown(cx)
    }
}
