//! How HTTP/1 is spoken → wire.

use ripstop_model::http1::{HeaderNames, Http1Options};

use super::common::bool_value;
use crate::pb;
use crate::pb::http1_protocol_options::HeaderKeyFormat;
use crate::pb::http1_protocol_options::header_key_format::{HeaderFormat, ProperCaseWords};

/// Writes the options, and whether trailers are passed on.
pub(super) fn http1_options(options: &Http1Options, trailers: bool) -> pb::Http1ProtocolOptions {
    let host = options.default_host_for_http_10.as_ref();
    pb::Http1ProtocolOptions {
        accept_http_10: options.accept_http_10,
        default_host_for_http_10: host.map(ToString::to_string).unwrap_or_default(),
        allow_absolute_url: (!options.allow_absolute_url).then(|| bool_value(false)),
        allow_chunked_length: options.allow_chunked_length,
        header_key_format: header_names(options.names),
        enable_trailers: trailers,
        ..Default::default()
    }
}

fn header_names(names: HeaderNames) -> Option<HeaderKeyFormat> {
    let format = match names {
        HeaderNames::Lower => return None,
        HeaderNames::ProperCase => HeaderFormat::ProperCaseWords(ProperCaseWords {}),
        HeaderNames::Preserve => HeaderFormat::StatefulFormatter(pb::TypedExtensionConfig {
            name: "preserve_case".to_owned(),
            typed_config: Some(super::common::any(&pb::PreserveCaseFormatterConfig::default())),
        }),
    };
    Some(HeaderKeyFormat { header_format: Some(format) })
}
