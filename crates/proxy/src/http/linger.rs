//! The end of a connection that we close: what the client still sends is read and thrown away until it closes too, or for
//! some time. Closing at once on bytes that nobody has read would take the last answer from the client (RFC 9112 §9.6).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

/// Readings in one go before others have their turn.
const TURN: usize = 64;

/// Reads what nobody wants.
pub struct Linger {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Linger {
    /// For so long at most; zero: not at all, but for what has come already.
    pub fn new(limit: Duration) -> Linger {
        Linger { limit, sleep: None }
    }

    /// Ready when the other side has closed, or the time is up. Our half has to be closed before.
    pub fn poll_gone<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut thrown = [0; 4096];
        for _ in 0..TURN {
            let mut buf = ReadBuf::new(&mut thrown);
            match Pin::new(&mut *io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                // It is gone, and how is of no interest.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending if self.limit.is_zero() => return Poll::Ready(Ok(())),
                Poll::Pending => return self.poll_late(cx),
            }
        }
        if self.limit.is_zero() || self.poll_late(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let limit = self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        sleep.as_mut().poll(cx).map(Ok)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    async fn gone(limit: Duration, mut io: tokio::io::DuplexStream) {
        let mut linger = Linger::new(limit);
        std::future::poll_fn(|cx| linger.poll_gone(&mut io, cx)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_waited_for_until_it_leaves_or_for_some_time() {
        let hour = Duration::from_secs(3600);
        let (mut client, server) = tokio::io::duplex(16);
        let leave = async {
            client.write_all(&[0; 1000]).await.unwrap();
            drop(client);
        };
        let begun = tokio::time::Instant::now();
        tokio::join!(gone(hour, server), leave);
        assert!(begun.elapsed() < hour);
        let (_client, server) = tokio::io::duplex(16);
        gone(hour, server).await;
        assert!(begun.elapsed() >= hour);
        let (_client, server) = tokio::io::duplex(16);
        let begun = tokio::time::Instant::now();
        gone(Duration::ZERO, server).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
