//! Reads one rule of a VirtualService: Istio's `HTTPRoute`.

mod cors;
mod fault;
mod headers;
mod mirror;
mod redirect;
mod retries;

pub(super) use retries::decode as retries;

use ripstop_model::Name;
use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, check_regex, header_value};
use crate::document::destination::{check_weights, destination, weight};
use crate::document::{base64, http_match, virtual_service};
use crate::resource::{HttpAction, HttpRoute, Rewrite, RouteDestination, UriRewrite};
use ripstop_model::route::RegexSubstitution;

/// Longest body of an answer that the proxy makes, in bytes.
const MAX_BODY_BYTES: usize = 4096;

pub(super) fn decode(decoder: &Decoder<'_>, field: &Field<'_>, namespace: &str) -> Option<HttpRoute> {
    let reader = field.map()?;
    let name = reader.str("name").map(Name::from);
    let matches = reader.list("match");
    let matches = matches.iter().filter_map(|m| http_match::decode(decoder, m, namespace)).collect();
    let action = action(decoder, &reader, namespace);
    let rewrite = reader.map("rewrite").map(rewrite).unwrap_or_default();
    let headers = reader.map("headers").map(headers::changes).unwrap_or_default();
    let timeout = reader.duration("timeout");
    let retries = reader.map("retries").map(retries::decode);
    let mirrors = mirror::mirrors(decoder, &reader);
    let origin = decoder.origin(&reader);
    let fault = reader.map("fault").map(fault::decode);
    let cors = reader.map("corsPolicy").map(cors::decode);
    if let Some(HttpAction::Redirect(_) | HttpAction::Respond { .. }) = action {
        if reader.has("rewrite") {
            let help = "remove it, or forward with `route`";
            reader.error_with_help("rewrite", "such a rule forwards nothing, so nothing is rewritten", help);
        }
        for key in ["timeout", "retries", "mirror", "mirrors", "corsPolicy"]
            .into_iter()
            .filter(|key| reader.has(key))
        {
            reader.warn(key, "such a rule forwards nothing, so it has no effect");
        }
    }
    reader.finish();
    let action = action?;
    Some(HttpRoute {
        name,
        matches,
        action,
        rewrite,
        headers,
        timeout,
        retries,
        mirrors,
        fault: fault.map(Box::new),
        cors: cors.map(Box::new),
        origin,
    })
}

fn action(decoder: &Decoder<'_>, reader: &Reader<'_>, namespace: &str) -> Option<HttpAction> {
    let written: Vec<&'static str> = ["route", "redirect", "directResponse", "delegate"]
        .into_iter()
        .filter(|key| reader.has(key))
        .collect();
    match written.as_slice() {
        ["route"] => routes(decoder, reader).map(HttpAction::Route),
        ["redirect"] => redirect::decode(reader.map("redirect")?).map(HttpAction::Redirect),
        ["directResponse"] => direct_response(reader.map("directResponse")?),
        ["delegate"] => {
            virtual_service::delegate(reader.map("delegate")?, namespace).map(HttpAction::Delegate)
        }
        [] => {
            reader.error_here("the rule says nothing about what becomes of a request: write `route`");
            None
        }
        [_, second, ..] => {
            reader.error(second, format!("a rule has one of {}, not several", written.join(", ")));
            None
        }
        [_] => None,
    }
}

fn routes(decoder: &Decoder<'_>, reader: &Reader<'_>) -> Option<Vec<RouteDestination>> {
    let fields = reader.list("route");
    if fields.is_empty() {
        reader.error("route", "a route has at least one destination");
        return None;
    }
    let destinations: Option<Vec<RouteDestination>> =
        fields.iter().map(|field| route_destination(decoder, field, fields.len() == 1)).collect();
    let destinations = destinations?;
    check_weights(reader, destinations.iter().map(|one| one.weight));
    Some(destinations)
}

fn route_destination(decoder: &Decoder<'_>, field: &Field<'_>, alone: bool) -> Option<RouteDestination> {
    let reader = field.map()?;
    let destination = reader.required("destination").and_then(|field| destination(decoder, &field));
    let weight = weight(&reader, alone);
    let headers = reader.map("headers").map(headers::changes).unwrap_or_default();
    reader.finish();
    Some(RouteDestination { destination: destination?, weight, headers })
}

fn direct_response(reader: Reader<'_>) -> Option<HttpAction> {
    let status = reader.required("status").and_then(|field| fault::http_status(&field));
    let mut body = Vec::new();
    if let Some(written) = reader.map("body") {
        let string = written.field("string").map(|field| (field.str().map(String::into_bytes), field));
        let bytes = written.field("bytes").map(|field| (base64::field(&field), field));
        if string.is_some() && bytes.is_some() {
            written.error_here("only one of `string` and `bytes` can hold");
        }
        if let Some((Some(content), field)) = string.or(bytes) {
            if content.len() > MAX_BODY_BYTES {
                field.error(format!("a body has at most {MAX_BODY_BYTES} bytes"));
            }
            body = content;
        }
        written.finish();
    }
    reader.finish();
    Some(HttpAction::Respond { status: status?, body })
}

fn rewrite(reader: Reader<'_>) -> Rewrite {
    let prefix = reader.str("uri").map(Name::from).map(UriRewrite::Prefix);
    let regex = reader.map("uriRegexRewrite").and_then(regex_rewrite);
    if prefix.is_some() && reader.has("uriRegexRewrite") {
        reader.error_here("only one of `uri` and `uriRegexRewrite` can hold");
    }
    let authority = reader.field("authority").and_then(|field| authority(&field));
    reader.finish();
    Rewrite { uri: prefix.or(regex), authority }
}

fn regex_rewrite(reader: Reader<'_>) -> Option<UriRewrite> {
    let pattern = reader.required("match").and_then(|field| {
        let text = field.str()?;
        check_regex(&field, &text);
        Some(text)
    });
    // Nothing in its place is a rewrite too.
    let substitution = reader.field("rewrite").map_or(Some(String::new()), |field| field.str());
    reader.finish();
    let (pattern, substitution) = (Name::from(pattern?), Name::from(substitution?));
    Some(UriRewrite::Regex(RegexSubstitution { pattern, substitution }))
}

/// The host that a request gets.
fn authority(field: &Field<'_>) -> Option<Name> {
    let text = field.str()?;
    if text.is_empty() || text.contains(|c: char| !c.is_ascii_graphic()) || !header_value(&text) {
        field.error("this is not a host");
        return None;
    }
    Some(text.into())
}
