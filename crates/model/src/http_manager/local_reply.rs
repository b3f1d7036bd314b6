//! How the answers are changed that a proxy gives itself: errors, redirects, direct responses. Changing them is
//! `ripstop-proxy`'s.

use crate::Name;
use crate::access_log::{AccessLogFormat, LogFilter};
use crate::route::HeaderAddition;

/// Envoy's `LocalReplyConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalReplies {
    /// The first whose filter admits an answer changes it.
    pub mappers: Vec<ReplyMapper>,
    /// What the bodies of all answers become; `None`: they stay, as `text/plain`.
    pub format: Option<ReplyFormat>,
}

/// Envoy's `ResponseMapper`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyMapper {
    /// Which answers it changes.
    pub filter: LogFilter,
    /// The status becomes this, 200 to 599.
    pub status: Option<u16>,
    /// The body becomes this; what it is formatted with comes after it. At most 64 KiB.
    pub body: Option<Vec<u8>>,
    /// In place of [`LocalReplies::format`].
    pub format: Option<ReplyFormat>,
    /// Added to the answer, before its status is changed. At most 1000.
    pub headers: Vec<HeaderAddition>,
}

/// What a body becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyFormat {
    /// The text; `%LOCAL_REPLY_BODY%` stands for the body before.
    pub body: AccessLogFormat,
    /// `content-type`; `None`: `application/json` or `text/plain`, by the kind of format.
    pub content_type: Option<Name>,
}
