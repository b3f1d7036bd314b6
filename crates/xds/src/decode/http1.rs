//! How HTTP/1 is spoken ← wire.

use ripstop_model::http1::{HeaderNames, Http1Options};

use super::common::{Context, type_name};
use crate::pb;

/// Reads the options, without trailers.
pub(super) fn http1_options(cx: &mut Context, wire: &pb::Http1ProtocolOptions) -> Http1Options {
    let names = cx.at("header_key_format", |cx| {
        wire.header_key_format.as_ref().map(|format| header_names(cx, format)).unwrap_or_default()
    });
    let host = Some(wire.default_host_for_http_10.as_str()).filter(|host| !host.is_empty());
    Http1Options {
        accept_http_10: wire.accept_http_10,
        default_host_for_http_10: host.map(Into::into),
        allow_absolute_url: wire.allow_absolute_url.as_ref().is_none_or(|allow| allow.value),
        allow_chunked_length: wire.allow_chunked_length,
        names,
    }
}

fn header_names(cx: &mut Context, wire: &pb::http1_protocol_options::HeaderKeyFormat) -> HeaderNames {
    use pb::http1_protocol_options::header_key_format::HeaderFormat;
    const PRESERVE_CASE: &str =
        "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig";
    match &wire.header_format {
        None => HeaderNames::Lower,
        Some(HeaderFormat::ProperCaseWords(_)) => HeaderNames::ProperCase,
        Some(HeaderFormat::StatefulFormatter(formatter)) => {
            let name = formatter.typed_config.as_ref().map_or("", type_name);
            if name != PRESERVE_CASE {
                cx.at("stateful_formatter", |cx| cx.warn(format!("the formatter {name} has no effect")));
                return HeaderNames::Lower;
            }
            HeaderNames::Preserve
        }
    }
}
