//! The body of an upstream's answer, as it comes or slowed down to a rate. What is held back is one piece of it at most, so that
//! the upstream is slowed down as well.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use ripstop_policy::fault::rate::{AnswerRate, INTERVAL};
use tokio::time::Sleep;

/// A body of an upstream's.
pub enum UpstreamBody {
    /// As it comes.
    Plain(Incoming),
    /// At a rate.
    Slowed(Box<Slowed>),
}

/// A body that is given at a rate.
pub struct Slowed {
    body: Incoming,
    held: Bytes,
    rate: AnswerRate,
    wait: Option<Pin<Box<Sleep>>>,
}

impl UpstreamBody {
    /// At so many KiB a second; `None`: as it comes.
    pub fn new(body: Incoming, rate_kib: Option<u64>) -> UpstreamBody {
        match rate_kib {
            None => UpstreamBody::Plain(body),
            Some(kib) => UpstreamBody::Slowed(Box::new(Slowed {
                body,
                held: Bytes::new(),
                rate: AnswerRate::new(kib, Instant::now()),
                wait: None,
            })),
        }
    }
}

impl Slowed {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            if self.held.is_empty() {
                match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => self.held = data,
                        Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                    },
                    end => return Poll::Ready(end),
                }
                if self.held.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::new()))));
                }
            }
            if let Some(wait) = &mut self.wait {
                ready!(wait.as_mut().poll(cx));
                self.wait = None;
            }
            let given = self.rate.take(self.held.len(), Instant::now());
            if given < self.held.len() {
                self.wait = Some(Box::pin(tokio::time::sleep(INTERVAL)));
            }
            if given > 0 {
                return Poll::Ready(Some(Ok(Frame::data(self.held.split_to(given)))));
            }
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            UpstreamBody::Plain(body) => Pin::new(body).poll_frame(cx),
            UpstreamBody::Slowed(slowed) => slowed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            UpstreamBody::Plain(body) => body.is_end_stream(),
            UpstreamBody::Slowed(slowed) => slowed.held.is_empty() && slowed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            UpstreamBody::Plain(body) => body.size_hint(),
            UpstreamBody::Slowed(slowed) => match slowed.body.size_hint().exact() {
                Some(left) => SizeHint::with_exact(left + slowed.held.len() as u64),
                None => SizeHint::default(),
            },
        }
    }
}
