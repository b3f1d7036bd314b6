//! Where the body of each try comes from.

use hyper::body::{Body, Incoming};

use crate::http::request_body::{Counted, Replayable, RequestBody};
use crate::http::stream::ActiveStream;
use crate::http::tee::Tee;

/// Where the body of each try comes from.
pub(super) enum BodySource {
    /// There is none.
    Empty,
    /// Not read yet, or handed back unread.
    Once(Option<RequestBody>),
    /// Kept for another try.
    Replay(Replayable),
}

impl BodySource {
    /// The body of a request; `keep`: so many bytes of it for another try.
    pub(super) fn new(
        body: Incoming,
        stream: &ActiveStream,
        keep: Option<u64>,
        tee: Option<Tee>,
    ) -> BodySource {
        if body.is_end_stream() {
            stream.progress.end();
            return BodySource::Empty;
        }
        let counted = Counted::new(body, stream.progress.clone(), stream.passes_trailers(), tee);
        match keep {
            Some(limit) => BodySource::Replay(Replayable::new(counted, limit)),
            None => BodySource::Once(Some(RequestBody::once(counted))),
        }
    }

    /// The body for a try; `beside`: the tries before go on.
    pub(super) fn take(&mut self, beside: bool) -> RequestBody {
        match self {
            BodySource::Empty => RequestBody::empty(),
            BodySource::Once(body) => body.take().unwrap_or_else(RequestBody::empty),
            BodySource::Replay(replayable) if beside => replayable.read_beside(),
            BodySource::Replay(replayable) => replayable.read(),
        }
    }

    /// Takes back what was not read.
    pub(super) fn put_back(&mut self, unsent: Option<RequestBody>) {
        if let BodySource::Once(body) = self {
            *body = unsent;
        }
    }

    /// Whether there can be another try as far as the body goes.
    pub(super) fn is_replayable(&self) -> bool {
        match self {
            BodySource::Empty => true,
            BodySource::Once(body) => body.is_some(),
            BodySource::Replay(replayable) => replayable.is_whole(),
        }
    }

    /// Whether more of it came than is kept.
    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self, BodySource::Replay(replayable) if !replayable.is_whole())
    }
}
