//! Reads `RequestAuthentication`. No token is looked at yet, which is said as loudly as a warning can.

use ripstop_model::Name;
use ripstop_yaml::{Field, Reader};

use crate::document::client_tls::names;
use crate::document::common::{Decoder, positive_duration};
use crate::document::selector;
use crate::resource::{Jwks, JwtRule, Metadata, RequestAuthentication};

pub(super) fn decode(decoder: &Decoder<'_>, spec: &Reader<'_>, meta: Metadata) -> RequestAuthentication {
    let selector = selector::of_policy(spec);
    let rules: Vec<JwtRule> = spec.list("jwtRules").iter().filter_map(|field| rule(decoder, field)).collect();
    spec.known_but_unsupported("jwtRules", "tokens are not looked at, good or bad");
    RequestAuthentication { meta, selector, rules }
}

fn rule(decoder: &Decoder<'_>, field: &Field<'_>) -> Option<JwtRule> {
    let reader = field.map()?;
    let issuer = reader.required_str("issuer").map(Name::from);
    let uri = reader.field("jwksUri").or_else(|| reader.field("jwks_uri")).and_then(|field| uri(&field));
    let inline = reader.field("jwks").and_then(|field| inline(&field));
    if uri.is_some() && inline.is_some() {
        reader.error_here("only one of `jwksUri` and `jwks` can hold");
    }
    let rule = JwtRule {
        issuer: issuer?,
        audiences: names(&reader, "audiences"),
        jwks: uri.map(Jwks::Uri).or(inline.map(Jwks::Inline)),
        from_headers: pairs(&reader, "fromHeaders", "name", "prefix", false),
        from_params: names(&reader, "fromParams"),
        from_cookies: names(&reader, "fromCookies"),
        output_payload_to_header: reader.str("outputPayloadToHeader").map(Name::from),
        forward_original_token: reader.bool("forwardOriginalToken").unwrap_or(false),
        output_claim_to_headers: pairs(&reader, "outputClaimToHeaders", "header", "claim", true),
        timeout: positive_duration(&reader, "timeout"),
        origin: decoder.origin(&reader),
    };
    reader.strings("spaceDelimitedClaims");
    reader.finish();
    Some(rule)
}

fn uri(field: &Field<'_>) -> Option<Name> {
    let text = field.str()?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if rest.is_none_or(|rest| rest.is_empty() || rest.contains(char::is_whitespace)) {
        field.error_with_help(format!("`{text}` is not a URL"), "begin with https:// or http://");
        return None;
    }
    Some(text.into())
}

fn inline(field: &Field<'_>) -> Option<Name> {
    let text = field.str()?;
    let document: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let keys = document.as_ref().and_then(|document| document.get("keys")?.as_array());
    if keys.is_none_or(|keys| keys.is_empty()) {
        field.error_with_help("this is no set of keys", "write JSON as of RFC 7517: {\"keys\": [...]}");
        return None;
    }
    Some(text.into())
}

fn pairs(reader: &Reader<'_>, key: &str, first: &str, second: &str, both: bool) -> Vec<(Name, Name)> {
    let pair = |one: Reader<'_>| {
        let name = one.required_str(first);
        let other = if both { one.required_str(second) } else { Some(one.str(second).unwrap_or_default()) };
        one.finish();
        Some((Name::from(name?), Name::from(other?)))
    };
    reader.maps(key).into_iter().filter_map(pair).collect()
}
