//! Watches the frames that an HTTP/2 client sends, and ends the connection of one that sends what costs us more than it
//! costs the client. What h2 itself watches is not here: CONTINUATION frames without end, heads that are too large, streams
//! that are reset before anybody has looked at them.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ripstop_model::http2::Http2Options;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{Frames, Header};

/// Streams whose beginning is remembered.
const REMEMBERED_STREAMS: usize = 1024;
/// A stream that its client resets this soon was not meant.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// So many resets of streams that were not meant are accepted before their share of all streams is looked at.
const PREMATURE_RESETS: u64 = 250;
/// WINDOW_UPDATE frames that are accepted whatever was sent, as Envoy has it.
const FREE_WINDOW_UPDATES: u64 = 5;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// How much of each is accepted.
struct Limits {
    empty_frames: u64,
    priority_frames: u64,
    window_updates: u64,
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    streams: u64,
    last_stream: u32,
    empty_in_a_row: u64,
    priority_frames: u64,
    window_updates: u64,
    data_frames_sent: u64,
    premature_resets: u64,
    begun: VecDeque<(u32, Instant)>,
}

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flood {
    /// Frames without payload.
    #[error("too many HTTP/2 frames without payload in a row")]
    EmptyFrames,
    /// PRIORITY frames.
    #[error("too many PRIORITY frames")]
    Priority,
    /// WINDOW_UPDATE frames.
    #[error("too many WINDOW_UPDATE frames")]
    WindowUpdates,
    /// Streams that were opened to be reset.
    #[error("too many streams were reset right after they began")]
    Resets,
}

/// The bytes of an HTTP/2 client, watched.
pub struct FrameGuard<T> {
    inner: T,
    limits: Limits,
    seen: Seen,
    received: Frames,
    sent: Frames,
}

impl<T> FrameGuard<T> {
    /// Watches a connection from its first byte.
    pub fn new(inner: T, options: &Http2Options) -> FrameGuard<T> {
        let or = |limit: Option<u32>, default: u32| u64::from(limit.unwrap_or(default));
        let limits = Limits {
            empty_frames: or(options.max_empty_frames, Http2Options::DEFAULT_MAX_EMPTY_FRAMES),
            priority_frames: or(
                options.max_priority_frames_per_stream,
                Http2Options::DEFAULT_MAX_PRIORITY_FRAMES_PER_STREAM,
            ),
            window_updates: or(
                options.max_window_updates_per_data_frame,
                Http2Options::DEFAULT_MAX_WINDOW_UPDATES_PER_DATA_FRAME,
            ),
        };
        FrameGuard {
            inner,
            limits,
            seen: Seen::default(),
            received: Frames::after_preface(),
            sent: Frames::default(),
        }
    }
}

impl Seen {
    /// Takes note of a frame from the client.
    fn received(&mut self, frame: Header, limits: &Limits, now: Instant) -> Result<(), Flood> {
        match frame.kind {
            DATA | HEADERS | CONTINUATION => {
                if frame.kind == HEADERS && frame.stream > self.last_stream {
                    self.begin(frame.stream, now);
                }
                if frame.length > 0 || frame.flags & END_STREAM != 0 {
                    self.empty_in_a_row = 0;
                } else {
                    self.empty_in_a_row += 1;
                    if self.empty_in_a_row > limits.empty_frames {
                        return Err(Flood::EmptyFrames);
                    }
                }
            }
            PRIORITY => {
                self.priority_frames += 1;
                if self.priority_frames > limits.priority_frames * (1 + self.streams) {
                    return Err(Flood::Priority);
                }
            }
            WINDOW_UPDATE => {
                self.window_updates += 1;
                let most =
                    FREE_WINDOW_UPDATES + 2 * (self.streams + limits.window_updates * self.data_frames_sent);
                if self.window_updates > most {
                    return Err(Flood::WindowUpdates);
                }
            }
            RST_STREAM => return self.reset(frame.stream, now),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, stream: u32, now: Instant) {
        self.last_stream = stream;
        self.streams += 1;
        if self.begun.len() == REMEMBERED_STREAMS {
            self.begun.pop_front();
        }
        self.begun.push_back((stream, now));
    }

    fn reset(&mut self, stream: u32, now: Instant) -> Result<(), Flood> {
        let place = self.begun.binary_search_by_key(&stream, |(stream, _)| *stream);
        let begun = place.ok().and_then(|place| self.begun.remove(place));
        if begun.is_some_and(|(_, begun)| now.duration_since(begun) < SHORT_LIFE) {
            self.premature_resets += 1;
        }
        let most = PREMATURE_RESETS.max(self.streams / 2);
        if self.premature_resets > most { Err(Flood::Resets) } else { Ok(()) }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FrameGuard<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        let (seen, limits) = (&mut this.seen, &this.limits);
        let mut now = None;
        let judged = this.received.feed(&buf.filled()[before..], |frame| {
            seen.received(frame, limits, *now.get_or_insert_with(Instant::now))
        });
        Poll::Ready(judged.map_err(|flood| io::Error::new(io::ErrorKind::InvalidData, flood)))
    }
}

impl<T: AsyncWrite + Unpin> FrameGuard<T> {
    fn note_sent(&mut self, bytes: &[u8]) {
        let seen = &mut self.seen;
        let _ = self.sent.feed(bytes, |frame| {
            seen.data_frames_sent += u64::from(frame.kind == DATA);
            Ok::<(), Flood>(())
        });
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FrameGuard<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
        this.note_sent(&buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for buf in bufs {
            let part = left.min(buf.len());
            this.note_sent(&buf[..part]);
            left -= part;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { empty_frames: 1, priority_frames: 100, window_updates: 10 }
    }

    fn frame(kind: u8, stream: u32, length: u32) -> Header {
        Header { length, kind, flags: 0, stream }
    }

    #[test]
    fn frames_without_payload_may_not_follow_each_other() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        assert_eq!(seen.received(frame(DATA, 1, 0), &limits(), now), Ok(()));
        assert_eq!(seen.received(frame(DATA, 1, 1), &limits(), now), Ok(()));
        assert_eq!(seen.received(frame(DATA, 1, 0), &limits(), now), Ok(()));
        assert_eq!(seen.received(frame(DATA, 1, 0), &limits(), now), Err(Flood::EmptyFrames));
    }

    #[test]
    fn streams_may_be_reset_but_not_all_of_them_at_once() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let mut turn = |stream: u32, wait: Duration| {
            assert_eq!(seen.received(frame(HEADERS, stream, 9), &limits(), now), Ok(()));
            seen.received(frame(RST_STREAM, stream, 4), &limits(), now + wait)
        };
        let streams = (0..).map(|n| 2 * n + 1);
        assert!(streams.clone().take(2000).all(|stream| turn(stream, SHORT_LIFE) == Ok(())));
        let refused = streams.skip(2000).take(4000).find(|stream| turn(*stream, Duration::ZERO).is_err());
        assert!(refused.is_some());
    }

    #[test]
    fn windows_may_be_updated_as_often_as_data_was_sent() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let mut accepted = 0;
        while seen.received(frame(WINDOW_UPDATE, 0, 4), &limits(), now).is_ok() {
            accepted += 1;
        }
        assert_eq!(accepted, FREE_WINDOW_UPDATES);
        seen.data_frames_sent += 1;
        assert_eq!(seen.received(frame(WINDOW_UPDATE, 0, 4), &limits(), now), Ok(()));
    }
}
