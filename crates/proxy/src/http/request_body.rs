//! The body of a request on its way upstream: passed through, and where a retry may follow, kept as far as a limit
//! allows.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, DuplexStream, ReadBuf, ReadHalf};

use super::deadline::Progress;
use super::expect::Gate;
use super::leash::Leash;
use super::tee::{CutOff, Tee, TeeEnd};

/// Most bytes of a body that are kept for a retry, unless the route says otherwise. A longer body is sent once.
pub const REPLAY_LIMIT_BYTES: u64 = 64 * 1024;

/// What the upstream connection reads the body of a request from.
pub struct RequestBody {
    source: Source,
    leash: Option<Rc<Leash>>,
    gate: Option<Gate>,
    /// Its trailers are not for this reader.
    without_trailers: bool,
}

enum Source {
    /// There is none.
    Empty,
    /// Read once.
    Once(Counted),
    /// One reading of several.
    Replay(Reading),
    /// What others read.
    Copied(TeeEnd),
    /// The bytes of a tunnel.
    Tunnel(ReadHalf<DuplexStream>),
}

impl RequestBody {
    fn reading(source: Source) -> RequestBody {
        RequestBody { source, leash: None, gate: None, without_trailers: false }
    }

    /// No body.
    pub fn empty() -> RequestBody {
        RequestBody::reading(Source::Empty)
    }

    /// A body that is read once.
    pub fn once(body: Counted) -> RequestBody {
        RequestBody::reading(Source::Once(body))
    }

    /// A copy of what others read.
    pub fn copied(end: TeeEnd) -> RequestBody {
        RequestBody::reading(Source::Copied(end))
    }

    /// Ends before its trailers.
    pub fn leave_out_trailers(&mut self) {
        self.without_trailers = true;
    }

    /// The bytes of a tunnel that is opened by this request.
    pub fn tunnel(bytes: ReadHalf<DuplexStream>) -> RequestBody {
        RequestBody::reading(Source::Tunnel(bytes))
    }

    /// Nothing is read before `gate` opens.
    pub fn hold_back(&mut self, gate: Gate) {
        self.gate = Some(gate);
    }

    /// Whoever holds the other end of `leash` can stop the reading.
    pub fn attach(&mut self, leash: Rc<Leash>) {
        self.leash = Some(leash);
    }
}

/// Bytes of a tunnel that go in one frame.
const TUNNEL_FRAME_BYTES: usize = 16 * 1024;

fn read_tunnel(
    bytes: &mut ReadHalf<DuplexStream>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
    let mut space = [0; TUNNEL_FRAME_BYTES];
    let mut buffer = ReadBuf::new(&mut space);
    // The other end is in this process: it can end, and cannot fail.
    Poll::Ready(match ready!(Pin::new(bytes).poll_read(cx, &mut buffer)) {
        Ok(()) if !buffer.filled().is_empty() => {
            Some(Ok(Frame::data(Bytes::copy_from_slice(buffer.filled()))))
        }
        Ok(()) | Err(_) => None,
    })
}

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The client stopped sending.
    #[error("the client stopped sending its request body: {0}")]
    Client(hyper::Error),
    /// Nobody wants an answer to it any more.
    #[error("this try of the request was given up, or is answered already")]
    GivenUp,
    /// A copy lags too far behind, or what it is a copy of was broken off.
    #[error("a copy of a request cannot be completed")]
    CutOff,
}

/// A body that is read once, with its bytes counted.
pub struct Counted {
    body: Incoming,
    progress: Rc<Progress>,
    trailers: bool,
    tee: Option<Tee>,
}

impl Counted {
    /// Tells `progress` what is read, and `tee` too. Trailers are left out unless `trailers` is set.
    pub fn new(body: Incoming, progress: Rc<Progress>, trailers: bool, tee: Option<Tee>) -> Counted {
        Counted { body, progress, trailers, tee }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let unwanted = |frame: &Frame<Bytes>| frame.is_trailers() && !self.trailers;
        let frame = frame.filter(|frame| !frame.as_ref().is_ok_and(unwanted));
        if let Some(Ok(frame)) = &frame {
            self.progress.received_body(frame.data_ref().map_or(&[][..], |data| data));
            if let Some(tee) = &self.tee {
                tee.pass(frame);
            }
        }
        // Whoever sends a body of known length does not ask again once it has all of it, nor after trailers.
        let trailers = frame.as_ref().is_some_and(|frame| frame.as_ref().is_ok_and(Frame::is_trailers));
        if frame.is_none()
            || trailers
            || self.body.is_end_stream()
            || self.body.size_hint().exact() == Some(0)
        {
            self.progress.end();
            if let Some(tee) = &self.tee {
                tee.end();
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(RequestBodyError::Client)))
    }
}

/// A body that can be read again as long as not too much of it was read.
#[derive(Clone)]
pub struct Replayable {
    shared: Rc<RefCell<Kept>>,
}

struct Kept {
    source: Counted,
    /// What was read so far, unless it is too much. Copied, so that small pieces do not keep large buffers.
    data: Vec<u8>,
    /// More is not kept.
    limit_bytes: u64,
    too_much: bool,
    trailers: Option<http::HeaderMap>,
    ended: bool,
    /// The first reading that may go on; earlier ones may not.
    first_reading: u32,
    /// The latest reading.
    reading: u32,
}

impl Replayable {
    /// Keeps what is read of `source`, as long as it is no more than `limit_bytes`.
    pub fn new(source: Counted, limit_bytes: u64) -> Replayable {
        let kept = Kept {
            source,
            data: Vec::new(),
            limit_bytes,
            too_much: false,
            trailers: None,
            ended: false,
            first_reading: 0,
            reading: 0,
        };
        Replayable { shared: Rc::new(RefCell::new(kept)) }
    }

    /// Whether everything that was read is kept.
    pub fn is_whole(&self) -> bool {
        !self.shared.borrow().too_much
    }

    /// Reads it from the beginning. The reading before, if any, is over.
    pub fn read(&self) -> RequestBody {
        let mut kept = self.shared.borrow_mut();
        kept.first_reading = kept.reading + 1;
        drop(kept);
        self.read_beside()
    }

    /// Reads it from the beginning, while the readings before go on. For bodies that have been read to their end: what they
    /// read is all there.
    pub fn read_beside(&self) -> RequestBody {
        let mut kept = self.shared.borrow_mut();
        kept.reading += 1;
        let reading = Reading { shared: self.shared.clone(), reading: kept.reading, next: 0 };
        RequestBody::reading(Source::Replay(reading))
    }
}

/// One reading of a [`Replayable`].
pub struct Reading {
    shared: Rc<RefCell<Kept>>,
    reading: u32,
    /// Where in what is kept it goes on.
    next: usize,
}

impl Reading {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let mut kept = self.shared.borrow_mut();
        let kept = &mut *kept;
        if self.reading < kept.first_reading {
            return Poll::Ready(Some(Err(RequestBodyError::GivenUp)));
        }
        if let Some(ahead) = kept.data.get(self.next..).filter(|ahead| !ahead.is_empty()) {
            let data = Bytes::copy_from_slice(ahead);
            self.next = kept.data.len();
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if kept.ended {
            return Poll::Ready(kept.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let frame = match ready!(kept.source.poll_frame(cx)) {
            None => {
                kept.ended = true;
                return Poll::Ready(None);
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(frame)) => frame,
        };
        if let Some(data) = frame.data_ref() {
            kept.keep(data);
            self.next = kept.data.len();
        } else if let Some(trailers) = frame.trailers_ref() {
            kept.trailers = Some(trailers.clone());
            kept.ended = true;
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Kept {
    fn keep(&mut self, data: &[u8]) {
        if self.data.len() as u64 + data.len() as u64 > self.limit_bytes {
            self.too_much = true;
            self.data = Vec::new();
        }
        if !self.too_much {
            self.data.extend_from_slice(data);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = self.get_mut();
        if this.leash.as_ref().is_some_and(|leash| leash.is_cut()) {
            return Poll::Ready(Some(Err(RequestBodyError::GivenUp)));
        }
        if let Some(gate) = &mut this.gate {
            if gate.poll_open(cx).is_pending() {
                if let Some(leash) = &this.leash {
                    leash.wait(cx);
                }
                return Poll::Pending;
            }
            this.gate = None;
        }
        let frame = match &mut this.source {
            Source::Empty => Poll::Ready(None),
            Source::Copied(end) => end.poll_frame(cx).map_err(|CutOff| RequestBodyError::CutOff),
            Source::Once(body) => body.poll_frame(cx),
            Source::Replay(reading) => reading.poll_frame(cx),
            Source::Tunnel(bytes) => read_tunnel(bytes, cx),
        };
        if let (Poll::Pending, Some(leash)) = (&frame, &this.leash) {
            leash.wait(cx);
        }
        let left_out = |frame: &Frame<Bytes>| this.without_trailers && frame.is_trailers();
        frame.map(|frame| frame.filter(|frame| !frame.as_ref().is_ok_and(left_out)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Copied(_) | Source::Tunnel(_) => false,
            Source::Once(body) => body.body.is_end_stream(),
            Source::Replay(reading) => {
                let kept = reading.shared.borrow();
                let all_read = kept.ended || kept.source.body.is_end_stream();
                all_read && kept.trailers.is_none() && reading.next >= kept.data.len()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Copied(end) => end.length().map_or_else(SizeHint::default, SizeHint::with_exact),
            Source::Tunnel(_) => SizeHint::default(),
            Source::Once(body) => body.body.size_hint(),
            Source::Replay(reading) => {
                let kept = reading.shared.borrow();
                let ahead = kept.data.len().saturating_sub(reading.next);
                match kept.source.body.size_hint().exact() {
                    Some(rest) => SizeHint::with_exact(rest + ahead as u64),
                    None => SizeHint::default(),
                }
            }
        }
    }
}
