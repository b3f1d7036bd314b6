//! The right to send one request over a connection.

use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};

use super::connect::OpenConnection;
use super::error::SendError;
use super::pool::Pools;
use super::purpose::Destination;
use crate::http::request_body::RequestBody;
use crate::stream_info::UpstreamInfo;

/// A connection that is ours for one request.
pub enum Lease {
    /// The whole connection.
    Http1(Http1Lease),
    /// One stream of it.
    Http2(Http2Lease),
}

/// An HTTP/1 connection out of the pool.
pub struct Http1Lease {
    pub(super) sender: http1::SendRequest<RequestBody>,
    pub(super) info: Rc<UpstreamInfo>,
    pub(super) to: Destination,
    pub(super) pools: Rc<Pools>,
    /// Requests sent over it so far.
    pub(super) requests: u32,
    /// Most requests that may be sent over it.
    pub(super) max_requests: Option<u32>,
    pub(super) open: Weak<OpenConnection>,
    /// When the connection is too old.
    pub(super) expires: Option<Instant>,
}

/// A stream of a shared HTTP/2 connection.
pub struct Http2Lease {
    pub(super) sender: http2::SendRequest<RequestBody>,
    pub(super) info: Rc<UpstreamInfo>,
    pub(super) pools: Rc<Pools>,
    pub(super) reused: bool,
    pub(super) _streams: StreamCount,
}

impl Drop for Http2Lease {
    fn drop(&mut self) {
        // Whoever is woken looks when the count below is lower.
        self.pools.stream_ended();
    }
}

/// Counts a stream of an HTTP/2 connection until it is dropped.
pub struct StreamCount(Rc<Cell<u32>>);

impl StreamCount {
    /// One more stream.
    pub(super) fn begin(count: &Rc<Cell<u32>>) -> StreamCount {
        count.set(count.get() + 1);
        StreamCount(count.clone())
    }
}

impl Drop for StreamCount {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Lease {
    /// Whether requests went over the connection before.
    pub fn is_reused(&self) -> bool {
        match self {
            Lease::Http1(lease) => lease.requests > 0,
            Lease::Http2(lease) => lease.reused,
        }
    }

    /// Keeps a connection among those that are open, although HTTP on it may end: for one that becomes a tunnel. A stream of
    /// HTTP/2 needs no such thing.
    pub fn hold(&self) -> Option<Rc<OpenConnection>> {
        match self {
            Lease::Http1(lease) => lease.open.upgrade(),
            Lease::Http2(_) => None,
        }
    }

    /// What logs tell of the connection.
    pub fn info(&self) -> &Rc<UpstreamInfo> {
        match self {
            Lease::Http1(lease) => &lease.info,
            Lease::Http2(lease) => &lease.info,
        }
    }

    /// Whether HTTP/2 is spoken.
    pub fn is_http2(&self) -> bool {
        matches!(self, Lease::Http2(_))
    }

    /// Sends a request and waits for the head of the answer. Dropping the future gives the request up; the upstream
    /// sees a reset stream or a closed connection.
    pub async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, SendError> {
        let sent = match self {
            Lease::Http1(lease) => {
                if let Err(error) = lease.sender.ready().await {
                    return Err(SendError::new(error, Some(request)));
                }
                lease.requests += 1;
                lease.sender.try_send_request(request).await
            }
            Lease::Http2(lease) => {
                if let Err(error) = lease.sender.ready().await {
                    return Err(SendError::new(error, Some(request)));
                }
                lease.sender.try_send_request(request).await
            }
        };
        sent.map_err(|mut error| {
            let unsent = error.take_message();
            SendError::new(error.into_error(), unsent)
        })
    }

    /// The answer was read to its end now: the connection can be used again.
    pub fn give_back(self, now: Instant) {
        match self {
            Lease::Http1(lease) => {
                let pools = lease.pools.clone();
                pools.give_back(lease, now);
            }
            Lease::Http2(lease) => drop(lease),
        }
    }
}
