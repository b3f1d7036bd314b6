//! What several kinds read alike: places, names, ports, hosts, expressions. Methods return `None` after reporting.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ripstop_model::cidr::CidrRange;
use ripstop_model::endpoint::Locality;
use ripstop_model::{Name, Percent};
use ripstop_policy::route::text::FullRegex;
use ripstop_yaml::{Field, Problems, Reader, Span, join_key};

use crate::resource::{ClientTls, Labels, Origin, TextMatch};

/// Longest DNS label and longest DNS name.
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 253;
/// Most that one endpoint may count among others.
const MAX_WEIGHT: u32 = 1_000_000;

/// What is shared by everything that decodes one document.
pub(super) struct Decoder<'a> {
    pub(super) problems: &'a Problems,
}

impl Decoder<'_> {
    /// Where the mapping of `reader` begins.
    pub(super) fn origin(&self, reader: &Reader<'_>) -> Origin {
        let node = reader.here();
        let first = node.entries().first().map(|entry| entry.key_span);
        self.at(reader.path(), first.filter(|span| span.start >= node.span.start).unwrap_or(node.span))
    }

    /// Where a value stands.
    pub(super) fn origin_of_field(&self, field: &Field<'_>) -> Origin {
        self.at(field.path(), field.node().span)
    }

    /// Where the field `key` of `reader` stands, or the mapping if it is absent.
    pub(super) fn origin_of(&self, reader: &Reader<'_>, key: &str) -> Origin {
        match reader.span_of(key) {
            Some(span) => self.at(&join_key(reader.path(), key), span),
            None => self.origin(reader),
        }
    }

    fn at(&self, path: &str, span: Span) -> Origin {
        let source = self.problems.source();
        let position = source.position(span);
        Origin {
            file: source.name().clone(),
            line: position.line,
            column: position.column,
            path: path.into(),
        }
    }
}

/// 1 to 65535.
pub(super) fn port_number(field: &Field<'_>) -> Option<u16> {
    let number = field.u32()?;
    match u16::try_from(number) {
        Ok(port) if port != 0 => Some(port),
        _ => {
            field.error(format!("{number} is not a port: the range is 1 to 65535"));
            None
        }
    }
}

/// [`port_number`] of a field that may be absent.
pub(super) fn port(reader: &Reader<'_>, key: &str) -> Option<u16> {
    port_number(&reader.field(key)?)
}

/// [`port_number`] of a field that must be there.
pub(super) fn required_port(reader: &Reader<'_>, key: &str) -> Option<u16> {
    port_number(&reader.required(key)?)
}

/// An IP address.
pub(super) fn ip_address(field: &Field<'_>) -> Option<IpAddr> {
    let text = field.str()?;
    match text.parse() {
        Ok(ip) => Some(ip),
        Err(_) => {
            field.error_with_help(format!("`{text}` is not an IP address"), "write it as 127.0.0.1 or ::1");
            None
        }
    }
}

/// One DNS label: lower-case letters, digits and `-`, beginning and ending with a letter or digit.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
    let bytes = text.as_bytes();
    bytes.len() <= MAX_LABEL && bytes.iter().all(|b| inner(*b)) && edge(bytes.first()) && edge(bytes.last())
}

/// DNS labels joined by dots.
pub(super) fn is_dns_name(text: &str) -> bool {
    text.len() <= MAX_NAME && text.split('.').all(is_label)
}

/// A text that is one DNS label.
pub(super) fn label(field: &Field<'_>) -> Option<Name> {
    let text = field.str()?;
    if is_label(&text) {
        return Some(text.into());
    }
    field.error_with_help(
        format!("`{}` is not a name", shorten(&text)),
        "use at most 63 lower-case letters, digits and `-`, with a letter or digit at both ends",
    );
    None
}

/// A text that is DNS labels joined by dots.
pub(super) fn dns_name(field: &Field<'_>) -> Option<Name> {
    let text = field.str()?;
    if is_dns_name(&text) {
        return Some(text.into());
    }
    field.error_with_help(
        format!("`{}` is not a name", shorten(&text)),
        "use lower-case letters, digits, `-` and `.`, with a letter or digit at both ends",
    );
    None
}

/// A host: a DNS name in any case, an address, `*` or `*.suffix` if `wildcard`. Lower-case afterwards.
pub(super) fn host(field: &Field<'_>, wildcard: bool) -> Option<Name> {
    let text = field.str()?.to_ascii_lowercase();
    let exact = match text.strip_prefix("*.") {
        Some(rest) if wildcard => rest,
        _ => &text,
    };
    if is_dns_name(exact) || text.parse::<IpAddr>().is_ok() || (wildcard && text == "*") {
        return Some(text.into());
    }
    let help = if wildcard { "write a name, `*.suffix` or `*`" } else { "write a short or full name" };
    field.error_with_help(format!("`{}` is not a host", shorten(&text)), help);
    None
}

/// Texts by name, such as labels.
pub(super) fn labels(reader: &Reader<'_>, key: &str) -> Labels {
    reader.string_map(key).into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

/// Istio's `StringMatch`; `Some(None)` for an empty mapping, which asks for presence.
pub(super) fn text_match(field: &Field<'_>) -> Option<Option<TextMatch>> {
    let reader = field.map()?;
    let texts = ["exact", "prefix", "regex"].map(|key| reader.field(key).and_then(|f| Some((f.str()?, f))));
    if texts.iter().flatten().count() > 1 {
        reader.error_here("only one of `exact`, `prefix` and `regex` can hold");
    }
    let [exact, prefix, regex] = texts;
    let matched = if let Some((text, _)) = exact {
        Some(TextMatch::Exact(text.into()))
    } else if let Some((text, _)) = prefix {
        Some(TextMatch::Prefix(text.into()))
    } else {
        regex.map(|(text, field)| {
            check_regex(&field, &text);
            TextMatch::Regex(text.into())
        })
    };
    reader.finish();
    Some(matched)
}

/// [`text_match`] that must ask for something.
pub(super) fn required_text_match(reader: &Reader<'_>, key: &str) -> Option<TextMatch> {
    let field = reader.field(key)?;
    let matched = text_match(&field)?;
    if matched.is_none() {
        field.error_with_help("the condition is empty", "write `exact`, `prefix` or `regex`");
    }
    matched
}

/// [`text_match`] by name, names in lower case if `fold`.
pub(super) fn text_matches(reader: &Reader<'_>, key: &str, fold: bool) -> BTreeMap<Name, Option<TextMatch>> {
    let entries = reader.field(key).map(|field| field.entries()).unwrap_or_default();
    let mut matches = BTreeMap::new();
    for (name, field) in entries {
        // A header without a condition is often written with nothing behind the colon.
        let matched = if field.node().is_null() { Some(None) } else { text_match(&field) };
        let name = if fold { name.to_ascii_lowercase() } else { name.to_owned() };
        if name.is_empty()
            || name.len() > MAX_NAME
            || name.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            field.error("the name is empty, too long or has a space in it");
        }
        if let Some(matched) = matched {
            matches.insert(name.into(), matched);
        }
    }
    matches
}

/// Reports a text that is no regular expression.
pub(super) fn check_regex(field: &Field<'_>, text: &str) {
    // What the proxies will do with it, so that they never refuse what is accepted here.
    if let Err(error) = FullRegex::compile(&text.into()) {
        let message = format!("`{}` is not a regular expression: {}", shorten(text), error.why);
        field.error_with_help(message, "RE2 syntax is expected: no look-arounds, no back-references");
    }
}

/// The path of a file; one that does not begin with `/` is taken from where the proxy was started.
pub(super) fn file_path(field: &Field<'_>) -> Option<Name> {
    let text = field.str()?;
    // Istio knows one path that is none: the roots of the system.
    let text = if text == "system" { ClientTls::SYSTEM_ROOTS.to_owned() } else { text };
    if text.is_empty() || text.contains(|c: char| c.is_control()) {
        field.error_with_help(format!("`{}` is not a file", shorten(&text)), "write its path");
        return None;
    }
    Some(text.into())
}

/// `region/zone/subzone`; the last parts may be missing.
pub(super) fn locality(field: &Field<'_>) -> Option<Locality> {
    let text = field.str()?;
    let parts: Vec<&str> = text.split('/').collect();
    if parts.len() > 3 || parts.iter().any(|part| part.is_empty()) {
        let message = format!("`{}` is not a locality", shorten(&text));
        field.error_with_help(message, "write region, region/zone or region/zone/subzone");
        return None;
    }
    let part = |at: usize| Name::from(parts.get(at).copied().unwrap_or_default());
    Some(Locality { region: part(0), zone: part(1), sub_zone: part(2) })
}

/// `weight` of an endpoint, 1 unless written.
pub(super) fn weight(reader: &Reader<'_>) -> u32 {
    let Some(weight) = reader.u32("weight") else { return 1 };
    if weight > MAX_WEIGHT {
        reader.error("weight", format!("a weight is at most {MAX_WEIGHT}"));
    }
    // Istio reads 0 as "not set".
    weight.max(1)
}

/// Whether a header can have this value.
pub(super) fn header_value(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f))
}

/// Istio's `Percent`: `value`, 0 to 100, with fractions. Nothing written is nothing, as in Istio.
pub(super) fn percentage(reader: Reader<'_>) -> Option<Percent> {
    let value = match reader.field("value") {
        Some(field) => field.f64().and_then(|number| {
            let percent = Percent::from_f64(number);
            if percent.is_none() {
                field.error("a percentage is 0 to 100");
            }
            percent
        }),
        None => Some(Percent::ZERO),
    };
    reader.finish();
    value
}

/// A duration of at least 1 ms.
pub(super) fn positive_duration(reader: &Reader<'_>, key: &str) -> Option<Duration> {
    let duration = reader.duration(key)?;
    if duration < Duration::from_millis(1) {
        reader.error(key, "at least 1ms is expected");
        return None;
    }
    Some(duration)
}

/// `10.0.0.0/8`, or one address.
pub(super) fn cidr(field: &Field<'_>) -> Option<CidrRange> {
    let text = field.str()?;
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, length.parse::<u32>().ok()),
        None => (text.as_str(), Some(128)),
    };
    let range = address.parse::<IpAddr>().ok().zip(length).filter(|(address, length)| {
        *length <= if address.is_ipv4() && text.contains('/') { 32 } else { 128 }
    });
    if range.is_none() {
        let message = format!("`{}` is not a range of addresses", shorten(&text));
        field.error_with_help(message, "write it as 10.0.0.0/8 or 10.1.2.3");
    }
    range.map(|(address, length)| CidrRange::new(address, length))
}

/// At most 60 characters of `text`, for messages.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_names_are_those_of_dns() {
        for good in ["a", "user-service", "v1", "1a"] {
            assert!(is_label(good) && is_dns_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a b", "ä", &"x".repeat(64)] {
            assert!(!is_label(bad), "{bad}");
        }
        assert!(is_dns_name("a.default.svc.cluster.local"));
        assert!(!is_dns_name("a..b") && !is_dns_name(".a") && !is_dns_name(&["a"; 200].join(".")));
    }
}
