//! Reads `HTTPRedirect`.

use ripstop_model::Name;
use ripstop_model::route::RedirectStatus;
use ripstop_yaml::{Field, Reader};

use super::authority;
use crate::document::common::port;
use crate::resource::{HttpRedirect, RedirectPort};

const STATUSES: [RedirectStatus; 5] = [
    RedirectStatus::MovedPermanently,
    RedirectStatus::Found,
    RedirectStatus::SeeOther,
    RedirectStatus::TemporaryRedirect,
    RedirectStatus::PermanentRedirect,
];

pub(super) fn decode(reader: Reader<'_>) -> Option<HttpRedirect> {
    let uri = reader.field("uri").and_then(|field| {
        let text = field.str()?;
        if !text.starts_with('/') || text.contains(|c: char| !c.is_ascii_graphic()) {
            field.error_with_help(format!("`{text}` is not a path"), "begin with `/`, without spaces");
        }
        Some(Name::from(text))
    });
    let number = port(&reader, "port").map(RedirectPort::Number);
    let words =
        [("FROM_PROTOCOL_DEFAULT", RedirectPort::OfProtocol), ("FROM_REQUEST_PORT", RedirectPort::OfRequest)];
    let derived = reader.one_of("derivePort", &words);
    if number.is_some() && derived.is_some() {
        reader.error_here("only one of `port` and `derivePort` can hold");
    }
    let redirect = HttpRedirect {
        uri,
        authority: reader.field("authority").and_then(|field| authority(&field)),
        port: number.or(derived).unwrap_or_default(),
        scheme: reader.field("scheme").and_then(|field| scheme(&field)),
        status: reader.field("redirectCode").and_then(|field| status(&field)).unwrap_or_default(),
    };
    let changes = ["uri", "authority", "port", "derivePort", "scheme", "redirectCode"];
    if !changes.iter().any(|key| reader.has(key)) {
        reader.error_here("the redirect changes nothing: write `uri`, `authority`, `port` or `scheme`");
    }
    reader.finish();
    Some(redirect)
}

fn scheme(field: &Field<'_>) -> Option<Name> {
    let text = field.str()?;
    if !["http", "https"].contains(&text.as_str()) {
        field.error_with_help(format!("`{text}` is not a scheme"), "write http or https");
        return None;
    }
    Some(text.into())
}

fn status(field: &Field<'_>) -> Option<RedirectStatus> {
    let code = field.u32()?;
    let status = STATUSES.into_iter().find(|status| u32::from(status.code()) == code);
    if status.is_none() {
        field.error_with_help(format!("{code} is not a redirect"), "write 301, 302, 303, 307 or 308");
    }
    status
}
