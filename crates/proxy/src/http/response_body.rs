//! The body of a response on its way to the client. It carries everything that has to last until the last byte:
//! the deadline, the permits, the upstream connection, and the [`ActiveStream`] that writes the log.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use ripstop_policy::flags::ResponseFlag;

use super::attempt::UpstreamRequest;
use super::deadline::Deadline;
use super::stream::ActiveStream;
use crate::error::ProxyError;

/// What the client connection reads the body of a response from.
pub struct ResponseBody {
    source: Source,
    stream: Option<Box<ActiveStream>>,
}

enum Source {
    /// Ours.
    Local(Option<Bytes>),
    /// The upstream's.
    Upstream(Box<Upstream>),
    /// Everything was read.
    End,
}

struct Upstream {
    body: Incoming,
    request: UpstreamRequest,
    deadline: Deadline,
}

/// Why a body ended early. The client sees a reset stream or a closed connection, never a short body that looks whole.
#[derive(Debug, thiserror::Error)]
pub enum ResponseBodyError {
    /// The upstream stopped sending.
    #[error("the upstream stopped sending its response body: {0}")]
    Upstream(hyper::Error),
    /// The time for the request is up.
    #[error("the response took longer than the route allows")]
    Deadline,
}

impl ResponseBody {
    /// A body of ours.
    pub fn local(body: Bytes, stream: ActiveStream) -> ResponseBody {
        ResponseBody { source: Source::Local(Some(body)), stream: Some(Box::new(stream)) }
    }

    /// A body of the upstream's, which `request` gets, and which has to be over at `deadline`.
    pub fn upstream(
        body: Incoming,
        request: UpstreamRequest,
        deadline: Deadline,
        stream: ActiveStream,
    ) -> ResponseBody {
        let source = Source::Upstream(Box::new(Upstream { body, request, deadline }));
        ResponseBody { source, stream: Some(Box::new(stream)) }
    }

    /// Everything was read: counts, logs, and gives the connection back.
    fn end(&mut self) {
        if let Source::Upstream(upstream) = std::mem::replace(&mut self.source, Source::End) {
            upstream.request.complete();
        }
        if let Some(mut stream) = self.stream.take() {
            stream.finish();
        }
    }

    /// The body stops here although it is not whole.
    fn fail(&mut self, flag: ResponseFlag) {
        if let Source::Upstream(upstream) = std::mem::replace(&mut self.source, Source::End) {
            upstream.request.fail(match flag {
                ResponseFlag::UpstreamRequestTimeout => ProxyError::RequestTimeout,
                _ => ProxyError::UpstreamClosed,
            });
        }
        if let Some(mut stream) = self.stream.take() {
            stream.facts.flag = Some(flag);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let this = self.get_mut();
        let upstream = match &mut this.source {
            Source::End => return Poll::Ready(None),
            Source::Local(body) => {
                let data = body.take().filter(|data| !data.is_empty());
                let frame = data.map(|data| {
                    if let Some(stream) = &mut this.stream {
                        stream.bytes_sent += data.len() as u64;
                    }
                    Ok(Frame::data(data))
                });
                this.end();
                return Poll::Ready(frame);
            }
            Source::Upstream(upstream) => upstream,
        };
        match Pin::new(&mut upstream.body).poll_frame(cx) {
            Poll::Pending => {
                ready!(upstream.deadline.poll_over(cx));
                this.fail(ResponseFlag::UpstreamRequestTimeout);
                Poll::Ready(Some(Err(ResponseBodyError::Deadline)))
            }
            Poll::Ready(None) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.fail(ResponseFlag::UpstreamConnectionTermination);
                Poll::Ready(Some(Err(ResponseBodyError::Upstream(error))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(stream)) = (frame.data_ref(), &mut this.stream) {
                    stream.bytes_sent += data.len() as u64;
                }
                // hyper does not ask again once it knows that nothing follows.
                if upstream.body.is_end_stream() {
                    this.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::End => true,
            Source::Local(body) => body.as_ref().is_none_or(Bytes::is_empty),
            Source::Upstream(upstream) => upstream.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::End => SizeHint::with_exact(0),
            Source::Local(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Source::Upstream(upstream) => upstream.body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A body that was never asked for a frame because it is known to be empty (204, HEAD, content-length 0) is whole.
        if self.stream.is_some() && self.is_end_stream() {
            self.end();
        }
        if let Source::Upstream(upstream) = std::mem::replace(&mut self.source, Source::End) {
            upstream.request.fail(ProxyError::ClientGone);
        }
    }
}
