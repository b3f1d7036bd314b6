//! What a text with operators can speak of.

use std::time::{Instant, SystemTime};

use http::HeaderMap;

use crate::listener::connection::ConnectionInfo;
use crate::stream_info::StreamInfo;

/// Everything that is known at the moment at which a text is made.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The client's connection.
    pub connection: &'a ConnectionInfo,
    /// The request.
    pub stream: &'a StreamInfo,
    /// Headers of the request, at least those that the text wants.
    pub request: Option<&'a HeaderMap>,
    /// Headers of the response, as far as the text wants them.
    pub response: Option<&'a HeaderMap>,
    /// Trailers of the response.
    pub trailers: Option<&'a HeaderMap>,
    /// Body of an answer of ours, where the text is part of one.
    pub local_reply_body: &'a [u8],
    /// `%ACCESS_LOG_TYPE%`.
    pub log_type: &'static str,
    /// Now, by the wall clock.
    pub now: SystemTime,
    /// The moment at which the last byte was sent; `None`: it was not yet.
    pub ended: Option<Instant>,
}

impl<'a> Context<'a> {
    /// A request under way, of which only these headers are known.
    pub fn of(connection: &'a ConnectionInfo, stream: &'a StreamInfo, request: &'a HeaderMap) -> Context<'a> {
        Context {
            connection,
            stream,
            request: Some(request),
            response: None,
            trailers: None,
            local_reply_body: b"",
            log_type: "NotSet",
            now: SystemTime::now(),
            ended: None,
        }
    }
}
