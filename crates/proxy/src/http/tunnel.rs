//! Passes the bytes of a tunnel both ways once it is open, until one side ends it. As with Envoy, an HTTP/1 client that
//! closes its half has left.

use std::cell::Cell;
use std::rc::Rc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use ripstop_policy::flags::ResponseFlag;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::attempt::UpstreamRequest;
use super::deadline::{Clock, Progress};
use super::stream::ActiveStream;
use super::terminate::RawConnection;
use crate::error::ProxyError;
use crate::upstream::connect::Transport;

/// Bytes under way in one direction.
pub const TUNNEL_BUFFER_BYTES: usize = 16 * 1024;

/// A tunnel whose granting answer is on its way to the client.
pub struct Tunnel {
    /// The client's end.
    pub client: OnUpgrade,
    /// Whether the client can end its half alone.
    pub half_close: bool,
    /// The upstream's end.
    pub upstream: Upstream,
    /// The request for log and counters.
    pub stream: ActiveStream,
    /// Its time limits.
    pub clock: Clock,
}

/// The upstream's end of a tunnel.
pub enum Upstream {
    /// What a connection or stream of HTTP has become.
    Upgraded(OnUpgrade, Box<UpstreamRequest>),
    /// A connection without any HTTP.
    Raw(Box<RawConnection>),
}

/// Who ended a tunnel.
enum Ended {
    Client,
    Upstream,
    TimedOut(ProxyError),
}

impl Tunnel {
    /// Lets the bytes pass from now on, in a task of its own. The connection of the client lasts at least as long.
    pub fn open(self) {
        let guard = self.stream.begin_tunnel();
        tokio::task::spawn_local(async move {
            self.run().await;
            drop(guard);
        });
    }

    async fn run(self) {
        let Tunnel { client, half_close, upstream, mut stream, mut clock } = self;
        let sent = Rc::new(Cell::new(0));
        let ends = Ends { half_close, progress: stream.progress.clone(), sent: sent.clone() };
        let passing = async {
            let Ok(client) = client.await else { return Ended::Client };
            let client = TokioIo::new(client);
            match upstream {
                Upstream::Raw(mut connection) => match connection.transport() {
                    Some(Transport::Plain(upstream)) => ends.pass(client, upstream).await,
                    Some(Transport::Tls(upstream)) => ends.pass(client, upstream).await,
                    None => Ended::Upstream,
                },
                Upstream::Upgraded(upstream, request) => {
                    let ended = match upstream.await {
                        Ok(upstream) => ends.pass(client, TokioIo::new(upstream)).await,
                        Err(_) => Ended::Upstream,
                    };
                    request.end_tunnel();
                    ended
                }
            }
        };
        let ended = tokio::select! {
            ended = passing => ended,
            error = clock.over() => Ended::TimedOut(error),
            never = stream.ticks() => match never {},
        };
        stream.facts.bytes_sent = sent.get();
        match ended {
            Ended::Client => stream.fail(ProxyError::ClientGone),
            Ended::Upstream => {
                stream.facts.flags.insert(ResponseFlag::UpstreamConnectionTermination);
                stream.facts.details = "upstream_reset_after_response_started{connection_termination}";
            }
            Ended::TimedOut(error) => stream.fail(error),
        }
    }
}

/// What both directions of a tunnel need.
struct Ends {
    half_close: bool,
    progress: Rc<Progress>,
    /// Bytes given to the client.
    sent: Rc<Cell<u64>>,
}

impl Ends {
    /// Passes bytes until the tunnel is over.
    async fn pass<C, U>(&self, client: C, upstream: U) -> Ended
    where
        C: AsyncRead + AsyncWrite,
        U: AsyncRead + AsyncWrite,
    {
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_upstream, mut to_upstream) = tokio::io::split(upstream);
        let up = async {
            let copied =
                copy(&mut from_client, &mut to_upstream, |bytes| self.progress.received(bytes)).await;
            if copied.is_ok() {
                let _ = to_upstream.shutdown().await;
            }
            match copied {
                Ok(()) if !self.half_close => Ended::Client,
                Err(Broken::Reading) => Ended::Client,
                // What the upstream still has to say may be under way.
                Ok(()) | Err(Broken::Writing) => std::future::pending().await,
            }
        };
        let down = async {
            let passed = |bytes| {
                self.sent.set(self.sent.get() + bytes as u64);
                self.progress.touch();
            };
            let copied = copy(&mut from_upstream, &mut to_client, passed).await;
            if matches!(copied, Err(Broken::Writing)) {
                return Ended::Client;
            }
            let _ = to_client.shutdown().await;
            Ended::Upstream
        };
        tokio::select! {
            ended = up => ended,
            ended = down => ended,
        }
    }
}

/// Which end of a direction failed.
enum Broken {
    Reading,
    Writing,
}

/// Copies until there is nothing more to read. What cannot be written is not read: the sender has to wait.
async fn copy<R, W>(from: &mut R, to: &mut W, passed: impl Fn(usize)) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; TUNNEL_BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await.map_err(|_| Broken::Reading)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await.map_err(|_| Broken::Writing)?;
        to.flush().await.map_err(|_| Broken::Writing)?;
        passed(read);
    }
}
