//! The body of a response on its way to the client. It carries everything that has to last until the last byte:
//! the time limits, the permits, the upstream connection, and the [`ActiveStream`] that writes the log.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use ripstop_policy::grpc;

use super::attempt::UpstreamRequest;
use super::deadline::Clock;
use super::post_tunnel::RawAnswer;
use super::slowed::UpstreamBody;
use super::stream::ActiveStream;
use super::under_way::LookedAfter;
use crate::error::ProxyError;
use crate::upstream::error::broken_off;
use crate::worker::Worker;

/// What the client connection reads the body of a response from.
pub struct ResponseBody {
    passing: Rc<RefCell<Passing>>,
    _looked_after: Option<LookedAfter>,
}

/// A body on its way.
pub struct Passing {
    source: Source,
    stream: Option<ActiveStream>,
}

enum Source {
    /// Ours.
    Local(Option<Bytes>),
    /// The upstream's.
    Upstream(Box<Upstream>),
    /// That of an endpoint that does not speak HTTP.
    Raw(Box<(RawAnswer, Clock)>),
    /// It was broken off; nobody has asked since.
    Broken(ResponseBodyError),
    /// Everything was read.
    End,
}

struct Upstream {
    body: UpstreamBody,
    trailers: bool,
    request: UpstreamRequest,
    clock: Clock,
}

impl Upstream {
    /// Nothing that matters follows: hyper does not ask again once it has as many bytes as were announced.
    fn is_whole(&self) -> bool {
        self.body.is_end_stream() || self.body.size_hint().exact() == Some(0)
    }
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
    /// The client has left.
    #[error("the client has left")]
    ClientGone,
    /// Nothing moved for too long.
    #[error("nothing was sent or read for too long")]
    Idle,
}

impl ResponseBody {
    /// A body of ours.
    pub fn local(body: Bytes, stream: ActiveStream) -> ResponseBody {
        let source = Source::Local(Some(body));
        let passing = Passing { source, stream: Some(stream) };
        ResponseBody { passing: Rc::new(RefCell::new(passing)), _looked_after: None }
    }

    /// Bytes without HTTP, which have to keep to `clock`.
    pub fn raw(worker: &Worker, answer: RawAnswer, clock: Clock, stream: ActiveStream) -> ResponseBody {
        let source = Source::Raw(Box::new((answer, clock)));
        let passing = Rc::new(RefCell::new(Passing { source, stream: Some(stream) }));
        let looked_after = worker.under_way.add(&passing);
        ResponseBody { passing, _looked_after: Some(looked_after) }
    }

    /// All of a body of ours, which is given to the client by other ways; its request is over.
    pub fn into_local(self) -> Bytes {
        let mut passing = self.passing.borrow_mut();
        let Source::Local(body) = &mut passing.source else { return Bytes::new() };
        let body = body.take().unwrap_or_default();
        if let Some(stream) = &mut passing.stream {
            stream.facts.bytes_sent += body.len() as u64;
        }
        passing.end();
        body
    }

    /// No body, and nobody who waits for its end.
    pub fn empty() -> ResponseBody {
        let passing = Passing { source: Source::End, stream: None };
        ResponseBody { passing: Rc::new(RefCell::new(passing)), _looked_after: None }
    }

    /// A body of the upstream's, which `request` gets, and which has to keep to `clock`.
    pub fn upstream(
        worker: &Worker,
        body: Incoming,
        request: UpstreamRequest,
        clock: Clock,
        stream: ActiveStream,
    ) -> ResponseBody {
        let trailers = stream.passes_trailers() && request.passes_trailers();
        let body = UpstreamBody::new(body, stream.was_filtered().and_then(|filtered| filtered.rate_kib));
        let source = Source::Upstream(Box::new(Upstream { body, trailers, request, clock }));
        let passing = Rc::new(RefCell::new(Passing { source, stream: Some(stream) }));
        let looked_after = worker.under_way.add(&passing);
        ResponseBody { passing, _looked_after: Some(looked_after) }
    }
}

impl Passing {
    /// Everything was read: counts, logs, and gives the connection back.
    fn end(&mut self) {
        if let Source::Upstream(upstream) = std::mem::replace(&mut self.source, Source::End) {
            let now = Instant::now();
            upstream.request.complete(now);
            if let Some(stream) = &mut self.stream {
                stream.facts.times.response_end = Some(now);
            }
        }
        if let Some(mut stream) = self.stream.take() {
            stream.finish();
        }
    }

    /// The body stops here although it is not whole.
    fn fail(&mut self, error: ProxyError) {
        if let Source::Upstream(upstream) = std::mem::replace(&mut self.source, Source::End) {
            upstream.request.fail(error);
        }
        if let Some(mut stream) = self.stream.take() {
            stream.break_off(error);
        }
    }

    /// Breaks the body off if its time is up and nobody has asked for more of it.
    pub fn expire(&mut self, now: Instant) {
        let clock = match &self.source {
            Source::Upstream(upstream) => &upstream.clock,
            Source::Raw(raw) => &raw.1,
            Source::Local(_) | Source::Broken(_) | Source::End => return,
        };
        let Some(error) = clock.exceeded(now) else { return };
        if let Some(stream) = &self.stream {
            stream.stall();
        }
        self.fail(error);
        self.source = Source::Broken(late(error));
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        if let Some(stream) = &self.stream {
            stream.poll_ticks(cx);
        }
        let upstream = match &mut self.source {
            Source::End => return Poll::Ready(None),
            Source::Broken(_) => {
                let broken = std::mem::replace(&mut self.source, Source::End);
                let Source::Broken(error) = broken else { return Poll::Ready(None) };
                return Poll::Ready(Some(Err(error)));
            }
            Source::Local(body) => {
                let data = body.take().filter(|data| !data.is_empty());
                let frame = data.map(|data| {
                    if let Some(stream) = &mut self.stream {
                        stream.facts.bytes_sent += data.len() as u64;
                    }
                    Ok(Frame::data(data))
                });
                self.end();
                return Poll::Ready(frame);
            }
            Source::Raw(_) => return self.poll_raw(cx),
            Source::Upstream(upstream) => upstream,
        };
        match Pin::new(&mut upstream.body).poll_frame(cx) {
            Poll::Pending => {
                let error = ready!(upstream.clock.poll_over(cx));
                self.fail(error);
                Poll::Ready(Some(Err(late(error))))
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.fail(broken_off(&error));
                Poll::Ready(Some(Err(ResponseBodyError::Upstream(error))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    let status = grpc::status(trailers);
                    upstream.request.call_ended(status);
                    upstream.request.look_at_trailers(trailers);
                    if let Some(stream) = &mut self.stream {
                        stream.facts.grpc_status = status;
                    }
                    if !upstream.trailers {
                        self.end();
                        return Poll::Ready(None);
                    }
                }
                if let Some(stream) = &mut self.stream {
                    if let Some(data) = frame.data_ref() {
                        stream.facts.bytes_sent += data.len() as u64;
                        stream.count_answer(data);
                    }
                    stream.progress.touch();
                    if let Some(trailers) = frame.trailers_ref() {
                        stream.keep_trailers(trailers);
                    }
                }
                // Nobody asks for what comes after trailers.
                if frame.is_trailers() || upstream.body.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }
}

impl Passing {
    fn poll_raw(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let Source::Raw(raw) = &mut self.source else { return Poll::Ready(None) };
        let (answer, clock) = &mut **raw;
        match answer.poll_bytes(cx) {
            Poll::Pending => {
                let error = ready!(clock.poll_over(cx));
                self.fail(error);
                Poll::Ready(Some(Err(late(error))))
            }
            Poll::Ready(Ok(None)) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Ready(Err(error)) => {
                self.fail(error);
                Poll::Ready(Some(Err(ResponseBodyError::ClientGone)))
            }
            Poll::Ready(Ok(Some(bytes))) => {
                if let Some(stream) = &mut self.stream {
                    stream.facts.bytes_sent += bytes.len() as u64;
                    stream.progress.touch();
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
        }
    }
}

fn late(error: ProxyError) -> ResponseBodyError {
    match error {
        ProxyError::StreamIdle | ProxyError::AnswerIdle | ProxyError::PerTryIdle => ResponseBodyError::Idle,
        _ => ResponseBodyError::Deadline,
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        self.passing.borrow_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        match &self.passing.borrow().source {
            Source::End => true,
            Source::Broken(_) | Source::Raw(_) => false,
            Source::Local(body) => body.as_ref().is_none_or(Bytes::is_empty),
            Source::Upstream(upstream) => upstream.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.passing.borrow().source {
            Source::End => SizeHint::with_exact(0),
            Source::Broken(_) | Source::Raw(_) => SizeHint::default(),
            Source::Local(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Source::Upstream(upstream) => upstream.body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        let mut passing = self.passing.borrow_mut();
        // A body that was never asked for a frame because it is known to be empty (204, HEAD, content-length 0) is whole.
        let whole = match &passing.source {
            Source::Local(body) => body.as_ref().is_none_or(Bytes::is_empty),
            Source::Upstream(upstream) => upstream.is_whole(),
            Source::Broken(_) | Source::Raw(_) | Source::End => false,
        };
        if whole {
            passing.end();
        }
        if let Source::Upstream(upstream) = std::mem::replace(&mut passing.source, Source::End) {
            upstream.request.fail(ProxyError::ClientGone);
        }
    }
}
