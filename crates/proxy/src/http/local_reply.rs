//! Changes answers of ours as the connection manager is configured to: the first mapper whose filter admits an answer may
//! change its status, body and headers; then its body is formatted. The order of things is Envoy's.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use ripstop_model::access_log::AccessLogFormat;
use ripstop_model::http_manager::local_reply::{LocalReplies, ReplyFormat, ReplyMapper};
use ripstop_policy::access_log::CompiledFilter;
use ripstop_policy::route::text::RegexError;
use ripstop_policy::runtime::Runtime;

use super::mutation::Additions;
use super::stream::ActiveStream;
use crate::access_log::{Line, admits, filter_wants};
use crate::format::Wanted;

/// Compiled [`LocalReplies`].
pub struct CompiledReplies {
    mappers: Box<[Mapper]>,
    format: Option<Body>,
}

struct Mapper {
    filter: CompiledFilter,
    status: Option<StatusCode>,
    body: Option<Bytes>,
    format: Option<Body>,
    headers: Additions,
}

struct Body {
    line: Line,
    content_type: HeaderValue,
}

/// An answer of ours before it is sent.
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

impl CompiledReplies {
    /// Compiles filters and formats.
    ///
    /// # Errors
    /// A regular expression in a filter cannot be compiled.
    pub fn compile(config: &LocalReplies, runtime: &Runtime) -> Result<CompiledReplies, RegexError> {
        let mapper = |config: &ReplyMapper| -> Result<Mapper, RegexError> {
            Ok(Mapper {
                filter: CompiledFilter::compile(&config.filter, runtime)?,
                status: config.status.and_then(|status| StatusCode::from_u16(status).ok()),
                body: config.body.as_ref().map(|body| Bytes::copy_from_slice(body)),
                format: config.format.as_ref().map(Body::compile),
                headers: Additions::compile(&config.headers),
            })
        };
        let mappers = config.mappers.iter().map(mapper).collect::<Result<Box<[_]>, _>>()?;
        Ok(CompiledReplies { mappers, format: config.format.as_ref().map(Body::compile) })
    }

    /// What of a request has to be kept for its answer.
    pub fn wants(&self, wanted: &mut Wanted) {
        for mapper in &self.mappers {
            filter_wants(&mapper.filter, wanted);
            mapper.headers.wants(wanted);
        }
        let formats = self.mappers.iter().filter_map(|mapper| mapper.format.as_ref()).chain(&self.format);
        formats.for_each(|format| format.line.wants(wanted));
    }

    /// Changes an answer, whose headers are all there but those that every answer gets.
    pub fn rewrite(&self, stream: &mut ActiveStream, headers: &mut HeaderMap, reply: &mut Reply) {
        stream.facts.status = reply.status.as_u16();
        let original = reply.body.clone();
        let typed = headers.get(CONTENT_TYPE).cloned();
        let mut format = self.format.as_ref();
        let mapper = self.mappers.iter().find(|mapper| admits(&mapper.filter, &stream.reply(headers, b"")));
        if let Some(mapper) = mapper {
            if let Some(body) = &mapper.body {
                reply.body = body.clone();
            }
            mapper.headers.apply_to_response(headers, &stream.reply(&HeaderMap::new(), b""));
            if let Some(status) = mapper.status {
                reply.status = status;
                stream.facts.status = status.as_u16();
            }
            format = mapper.format.as_ref().or(format);
        }
        let content_type = match format {
            Some(format) => {
                let mut text = Vec::new();
                format.line.write(&stream.reply(headers, &reply.body), &mut text);
                reply.body = text.into();
                format.content_type.clone()
            }
            None => HeaderValue::from_static("text/plain"),
        };
        // A type that a mapper gave stays; another one is no longer that of a body that was changed.
        let given = headers.get(CONTENT_TYPE) != typed.as_ref();
        if !reply.body.is_empty() && !given && (typed.is_none() || reply.body != original) {
            headers.insert(CONTENT_TYPE, content_type);
        }
    }
}

impl Body {
    fn compile(config: &ReplyFormat) -> Body {
        let default = match config.body {
            AccessLogFormat::Json { .. } => "application/json",
            AccessLogFormat::Default | AccessLogFormat::Text { .. } => "text/plain",
        };
        let given = config.content_type.as_ref().and_then(|text| HeaderValue::from_str(text).ok());
        let content_type = given.unwrap_or(HeaderValue::from_static(default));
        Body { line: Line::compile(&config.body), content_type }
    }
}
