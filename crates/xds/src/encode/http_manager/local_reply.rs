//! How answers of ours are changed → wire. In bytes, because of the order in JSON.

use prost::Message;
use ripstop_model::http_manager::local_reply::{LocalReplies, ReplyFormat, ReplyMapper};

use super::super::access_log::{filter, format_bytes};
use super::super::common::u32_value;
use super::super::format::put;
use super::super::route::header_addition;
use crate::pb;

/// `LocalReplyConfig.mappers`, `LocalReplyConfig.body_format`, `ResponseMapper.body_format_override` and
/// `SubstitutionFormatString.content_type`.
const MAPPERS: u32 = 1;
const BODY_FORMAT: u32 = 2;
const BODY_FORMAT_OVERRIDE: u32 = 4;
const CONTENT_TYPE: u32 = 4;

/// The bytes of a `LocalReplyConfig`.
pub(super) fn local_replies(replies: &LocalReplies) -> Vec<u8> {
    let mut out = Vec::new();
    for of in &replies.mappers {
        put(MAPPERS, &mapper(of), &mut out);
    }
    if let Some(format) = &replies.format {
        put(BODY_FORMAT, &reply_format(format), &mut out);
    }
    out
}

fn mapper(mapper: &ReplyMapper) -> Vec<u8> {
    let body = mapper.body.as_ref().map(|body| pb::DataSource {
        specifier: Some(pb::data_source::Specifier::InlineBytes(body.clone())),
        ..Default::default()
    });
    let wire = pb::ResponseMapper {
        filter: Some(filter::log_filter(&mapper.filter)),
        status_code: mapper.status.map(|status| u32_value(status.into())),
        body,
        body_format_override: None,
        headers_to_add: mapper.headers.iter().map(header_addition).collect(),
    };
    let mut out = wire.encode_to_vec();
    if let Some(format) = &mapper.format {
        put(BODY_FORMAT_OVERRIDE, &reply_format(format), &mut out);
    }
    out
}

fn reply_format(format: &ReplyFormat) -> Vec<u8> {
    let mut out = format_bytes(&format.body);
    if let Some(content_type) = &format.content_type {
        put(CONTENT_TYPE, content_type.as_bytes(), &mut out);
    }
    out
}
