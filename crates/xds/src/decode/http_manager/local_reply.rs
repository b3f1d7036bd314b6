//! How answers of ours are changed ← wire.

use ripstop_model::http_manager::local_reply::{LocalReplies, ReplyFormat, ReplyMapper};

use crate::decode::access_log::{log_filter, substitution_format};
use crate::decode::common::{Context, data_source};
use crate::decode::route::header_addition;
use crate::pb;

/// Longest body that an answer is given.
const MAX_BODY_BYTES: u32 = 64 * 1024;

pub(super) fn local_replies(cx: &mut Context, wire: &pb::LocalReplyConfig) -> LocalReplies {
    let format = wire.body_format.as_ref();
    LocalReplies {
        mappers: cx.items("mappers", &wire.mappers, mapper),
        format: format.and_then(|format| cx.at("body_format", |cx| reply_format(cx, format))),
    }
}

fn mapper(cx: &mut Context, wire: &pb::ResponseMapper) -> Option<ReplyMapper> {
    let filter = match &wire.filter {
        Some(filter) => cx.at("filter", |cx| log_filter(cx, filter))?,
        None => return cx.at("filter", |cx| cx.refuse("is needed")),
    };
    let body = match &wire.body {
        Some(body) => Some(cx.at("body", |cx| data_source(cx, body, MAX_BODY_BYTES))?),
        None => None,
    };
    let format = match &wire.body_format_override {
        Some(format) => Some(cx.at("body_format_override", |cx| reply_format(cx, format))?),
        None => None,
    };
    // Between 200 and 599 by Envoy's rules, which were checked.
    let status = wire.status_code.as_ref().and_then(|status| u16::try_from(status.value).ok());
    let headers = cx.items("headers_to_add", &wire.headers_to_add, header_addition);
    Some(ReplyMapper { filter, status, body, format, headers })
}

fn reply_format(cx: &mut Context, wire: &pb::SubstitutionFormatString) -> Option<ReplyFormat> {
    let content_type = Some(wire.content_type.as_str()).filter(|text| !text.is_empty());
    Some(ReplyFormat { body: substitution_format(cx, wire)?, content_type: content_type.map(Into::into) })
}
