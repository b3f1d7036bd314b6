//! Reads the conditions of a rule: Istio's `HTTPMatchRequest`.

use ripstop_yaml::Field;

use crate::document::common::{Decoder, label, labels, port, required_text_match, text_matches};
use crate::document::virtual_service::gateways;
use crate::resource::{HttpMatch, TextMatch};

pub(super) fn decode(decoder: &Decoder<'_>, field: &Field<'_>, namespace: &str) -> Option<HttpMatch> {
    let reader = field.map()?;
    let uri = required_text_match(&reader, "uri");
    if let Some(TextMatch::Exact(path) | TextMatch::Prefix(path)) = &uri
        && !path.starts_with('/')
    {
        reader.error_with_help("uri", format!("`{path}` is never the beginning of a path"), "begin with `/`");
    }
    let matched = HttpMatch {
        uri,
        ignore_uri_case: reader.bool("ignoreUriCase").unwrap_or(false),
        scheme: required_text_match(&reader, "scheme"),
        method: required_text_match(&reader, "method"),
        authority: required_text_match(&reader, "authority"),
        headers: text_matches(&reader, "headers", true),
        without_headers: text_matches(&reader, "withoutHeaders", true),
        query: text_matches(&reader, "queryParams", false),
        port: port(&reader, "port"),
        source_labels: labels(&reader, "sourceLabels"),
        source_namespace: reader.field("sourceNamespace").and_then(|field| label(&field)),
        gateways: gateways(&reader, namespace),
        origin: decoder.origin(&reader),
    };
    reader.str("name");
    reader.known_but_unsupported("statPrefix", "routes have no statistics of their own");
    reader.finish();
    Some(matched)
}
