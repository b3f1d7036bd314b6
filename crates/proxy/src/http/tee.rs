//! Passes what is read of a request body on to its copies. Nobody waits for a copy: one that lags too far behind is cut off.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// Bytes that a copy may lag behind.
const MIRROR_LAG_BYTES: usize = 1024 * 1024;

/// The writing end, for all copies of one body.
pub struct Tee {
    ends: Vec<TeeEnd>,
}

/// The reading end, for one copy.
#[derive(Clone)]
pub struct TeeEnd(Rc<RefCell<Waiting>>);

struct Waiting {
    data: VecDeque<Bytes>,
    bytes: usize,
    trailers: Option<HeaderMap>,
    state: State,
    length: Option<u64>,
    reader: Option<Waker>,
}

#[derive(PartialEq)]
enum State {
    Open,
    Whole,
    /// It will never be whole.
    Cut,
}

impl Tee {
    /// For these copies.
    pub fn new(ends: Vec<TeeEnd>) -> Tee {
        Tee { ends }
    }

    /// Passes data or trailers on.
    pub fn pass(&self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.data(data);
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers(trailers);
        }
    }

    /// Passes a piece on.
    fn data(&self, data: &Bytes) {
        for end in &self.ends {
            end.change(|waiting| {
                if waiting.bytes + data.len() > MIRROR_LAG_BYTES {
                    waiting.state = State::Cut;
                    waiting.data.clear();
                } else if waiting.state == State::Open {
                    waiting.bytes += data.len();
                    waiting.data.push_back(data.clone());
                }
            });
        }
    }

    /// Passes trailers on.
    fn trailers(&self, trailers: &HeaderMap) {
        for end in &self.ends {
            end.change(|waiting| waiting.trailers = Some(trailers.clone()));
        }
    }

    /// The body is whole.
    pub fn end(&self) {
        self.close(|| State::Whole);
    }

    fn close(&self, becomes: fn() -> State) {
        for end in &self.ends {
            end.change(|waiting| {
                if waiting.state == State::Open {
                    waiting.state = becomes();
                }
            });
        }
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.close(|| State::Cut);
    }
}

impl TeeEnd {
    /// Of a body of this length, if it is known.
    pub fn new(length: Option<u64>) -> TeeEnd {
        let waiting = Waiting {
            data: VecDeque::new(),
            bytes: 0,
            trailers: None,
            state: State::Open,
            length,
            reader: None,
        };
        TeeEnd(Rc::new(RefCell::new(waiting)))
    }

    /// The length of the whole body, if it is known.
    pub fn length(&self) -> Option<u64> {
        self.0.borrow().length
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.0.borrow_mut();
        change(&mut waiting);
        if let Some(reader) = waiting.reader.take() {
            reader.wake();
        }
    }

    /// The next piece; an error where the body will never be whole.
    pub fn poll_frame(&self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let mut waiting = self.0.borrow_mut();
        if waiting.state == State::Cut {
            return Poll::Ready(Some(Err(CutOff)));
        }
        if let Some(data) = waiting.data.pop_front() {
            waiting.bytes -= data.len();
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if waiting.state == State::Whole {
            return Poll::Ready(waiting.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        waiting.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// The copy is not worth going on with.
pub struct CutOff;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn next(end: &TeeEnd) -> Poll<Option<Result<Bytes, ()>>> {
        let frame = end.poll_frame(&Context::from_waker(Waker::noop()));
        frame.map(|frame| frame.map(|frame| frame.map(|f| f.into_data().unwrap()).map_err(|CutOff| ())))
    }

    #[test]
    fn copies_get_what_is_read() {
        let end = TeeEnd::new(None);
        let tee = Tee::new(vec![end.clone()]);
        assert_eq!(next(&end), Poll::Pending);
        tee.data(&Bytes::from_static(b"a"));
        tee.end();
        drop(tee);
        assert_eq!(next(&end), Poll::Ready(Some(Ok(Bytes::from_static(b"a")))));
        assert_eq!(next(&end), Poll::Ready(None));
    }

    #[test]
    fn a_copy_that_lags_or_has_no_end_is_cut_off() {
        let end = TeeEnd::new(None);
        let tee = Tee::new(vec![end.clone()]);
        tee.data(&Bytes::from(vec![0; MIRROR_LAG_BYTES]));
        tee.data(&Bytes::from_static(b"a"));
        assert_eq!(next(&end), Poll::Ready(Some(Err(()))));
        let end = TeeEnd::new(None);
        drop(Tee::new(vec![end.clone()]));
        assert_eq!(next(&end), Poll::Ready(Some(Err(()))));
    }
}
