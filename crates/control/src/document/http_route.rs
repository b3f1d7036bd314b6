//! Reads one rule of a VirtualService: Istio's `HTTPRoute`.

use std::time::Duration;

use ripstop_model::Name;
use ripstop_model::route::RetryOn;
use ripstop_yaml::{Field, Reader, nearest};

use crate::document::common::{Decoder, host, label, required_port};
use crate::document::http_match;
use crate::resource::{Destination, HttpAction, HttpRoute, Retries, Rewrite, RouteDestination};

/// Longest body of an answer that the proxy makes, in bytes.
const MAX_BODY_BYTES: usize = 4096;
/// Most retries that a rule may ask for.
const MAX_ATTEMPTS: u32 = 1000;

/// Words that Envoy knows in `retryOn` and our proxies do not.
const RETRY_WORDS_NOT_IN_FORCE: [&str; 3] =
    ["envoy-ratelimited", "retriable-headers", "http3-post-connect-failure"];

pub(super) fn decode(decoder: &Decoder<'_>, field: &Field<'_>, namespace: &str) -> Option<HttpRoute> {
    let reader = field.map()?;
    let name = reader.str("name").map(Name::from);
    let matches = reader.list("match");
    let matches = matches.iter().filter_map(|m| http_match::decode(decoder, m, namespace)).collect();
    let action = action(decoder, &reader);
    let rewrite = reader.map("rewrite").map(rewrite).unwrap_or_default();
    let timeout = reader.duration("timeout");
    let retries = reader.map("retries").map(retries);
    let origin = decoder.origin(&reader);
    reader.known_but_unsupported("fault", "no faults are injected");
    for key in ["mirror", "mirrors", "mirrorPercent", "mirror_percent", "mirrorPercentage"] {
        reader.known_but_unsupported(key, "requests are not mirrored");
    }
    reader.known_but_unsupported("corsPolicy", "no CORS headers are sent");
    reader.known_but_unsupported("headers", "headers stay as they are");
    reader.finish();
    Some(HttpRoute { name, matches, action: action?, rewrite, timeout, retries, origin })
}

fn action(decoder: &Decoder<'_>, reader: &Reader<'_>) -> Option<HttpAction> {
    for key in ["redirect", "delegate"] {
        reader.known_but_unsupported(key, "such requests are answered with 501");
    }
    let written: Vec<&'static str> = ["route", "redirect", "directResponse", "delegate"]
        .into_iter()
        .filter(|key| reader.has(key))
        .collect();
    match written.as_slice() {
        ["route"] => routes(decoder, reader).map(HttpAction::Route),
        ["directResponse"] => direct_response(reader.map("directResponse")?),
        [key] => Some(HttpAction::NotInForce(key)),
        [] => {
            reader.error_here("the rule says nothing about what becomes of a request: write `route`");
            None
        }
        [_, second, ..] => {
            reader.error(second, format!("a rule has one of {}, not several", written.join(", ")));
            None
        }
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
    match destinations.iter().try_fold(0u32, |sum, one| sum.checked_add(one.weight)) {
        Some(0) => reader.error("route", "all weights are 0, so no destination is ever chosen"),
        Some(_) => {}
        None => reader.error("route", "the weights add up to more than 4294967295"),
    }
    Some(destinations)
}

fn route_destination(decoder: &Decoder<'_>, field: &Field<'_>, alone: bool) -> Option<RouteDestination> {
    let reader = field.map()?;
    let destination = reader.required("destination").and_then(|field| destination(decoder, &field));
    // A single destination takes everything whether it has a weight or not, as in Istio.
    let written = reader.u32("weight");
    let weight =
        if alone { written.filter(|weight| *weight > 0).unwrap_or(100) } else { written.unwrap_or(0) };
    reader.known_but_unsupported("headers", "headers stay as they are");
    reader.finish();
    Some(RouteDestination { destination: destination?, weight })
}

fn destination(decoder: &Decoder<'_>, field: &Field<'_>) -> Option<Destination> {
    let reader = field.map()?;
    let host = reader.required("host").and_then(|field| host(&field, false));
    let subset = reader.field("subset").map(|field| label(&field));
    let port = reader.map("port").map(|port| {
        let number = required_port(&port, "number");
        port.finish();
        number
    });
    let origin = decoder.origin_of(&reader, "host");
    reader.finish();
    let subset = subset.unwrap_or(None);
    Some(Destination { host: host?, subset, port: port.unwrap_or(None), origin })
}

fn direct_response(reader: Reader<'_>) -> Option<HttpAction> {
    let status = reader.required("status").and_then(|field| {
        let status = field.u32()?;
        match u16::try_from(status) {
            Ok(status) if (200..=599).contains(&status) => Some(status),
            _ => {
                field.error("a status is 200 to 599");
                None
            }
        }
    });
    let mut body = String::new();
    if let Some(written) = reader.map("body") {
        body = written.str("string").unwrap_or_default();
        written.known_but_unsupported("bytes", "the body stays empty; write `string`");
        if body.len() > MAX_BODY_BYTES {
            written.error("string", format!("a body has at most {MAX_BODY_BYTES} bytes"));
        }
        written.finish();
    }
    reader.finish();
    Some(HttpAction::Respond { status: status?, body: body.into() })
}

fn rewrite(reader: Reader<'_>) -> Rewrite {
    let uri = reader.str("uri").map(Name::from);
    let authority = reader.str("authority").map(Name::from);
    if authority
        .as_ref()
        .is_some_and(|text| text.is_empty() || text.contains(|c: char| !c.is_ascii_graphic()))
    {
        reader.error("authority", "this is not a host");
    }
    reader.known_but_unsupported("uriRegexRewrite", "paths are rewritten by prefix only");
    reader.finish();
    Rewrite { uri, authority }
}

fn retries(reader: Reader<'_>) -> Retries {
    let attempts = reader.u32("attempts").unwrap_or(0);
    if attempts > MAX_ATTEMPTS {
        reader.error("attempts", format!("at most {MAX_ATTEMPTS} attempts are made"));
    }
    let (on, statuses) = retry_on(&reader);
    let retries = Retries {
        attempts,
        per_try_timeout: reader.duration("perTryTimeout").filter(|timeout| !timeout.is_zero()),
        on,
        statuses,
        backoff: positive(&reader, "backoff"),
        ignore_previous_hosts: !reader.bool("retryIgnorePreviousHosts").unwrap_or(true),
    };
    reader.known_but_unsupported("retryRemoteLocalities", "retries go to every locality");
    reader.finish();
    retries
}

fn positive(reader: &Reader<'_>, key: &str) -> Option<Duration> {
    let duration = reader.duration(key)?;
    if duration < Duration::from_millis(1) {
        reader.error(key, "at least 1ms is expected");
        return None;
    }
    Some(duration)
}

/// Envoy's words and statuses, separated by commas.
fn retry_on(reader: &Reader<'_>) -> (Option<RetryOn>, Vec<u16>) {
    let Some(text) = reader.str("retryOn") else { return (None, Vec::new()) };
    let (mut on, mut statuses) = (RetryOn::default(), Vec::new());
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if let Some(condition) = RetryOn::from_word(word) {
            on = on.and(condition);
        } else if let Some(status) = word.parse().ok().filter(|status| (200..=599).contains(status)) {
            on = on.and(RetryOn::RETRIABLE_STATUS_CODES);
            statuses.push(status);
        } else if RETRY_WORDS_NOT_IN_FORCE.contains(&word) {
            reader.warn("retryOn", format!("understood, but not in force: nothing is retried on `{word}`"));
        } else {
            let help = match nearest(word, RetryOn::all_words()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write statuses or {}", RetryOn::all_words().collect::<Vec<_>>().join(", ")),
            };
            reader.error_with_help("retryOn", format!("`{word}` is not a condition"), help);
        }
    }
    statuses.sort_unstable();
    statuses.dedup();
    (Some(on).filter(|on| !on.is_empty()), statuses)
}
