//! Conditions of routes in words.

use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch, QueryValueMatch, StringMatch, StringPattern};
use ripstop_model::route::{PathMatch, RouteMatch};
use ripstop_policy::route::{Mismatch, RequestHead};

/// Why a route with these conditions does not take a request.
pub(super) fn mismatch(matches: &RouteMatch, mismatch: Mismatch, request: &RequestHead<'_>) -> String {
    match mismatch {
        Mismatch::Path => format!("the path `{}` {}", request.path, no_path(matches)),
        Mismatch::Header(index) => match matches.headers.get(index) {
            Some(header) => no_header(header, request),
            None => "a header is another".to_owned(),
        },
        Mismatch::Query(index) => match matches.query.get(index) {
            Some(query) => {
                let wanted = match &query.value {
                    QueryValueMatch::Present(_) => "is there".to_owned(),
                    QueryValueMatch::String(text) => text_match(text),
                };
                format!("it wants a query parameter `{}` that {wanted}", query.name)
            }
            None => "a query parameter is another".to_owned(),
        },
        Mismatch::Cookie(index) => match matches.cookies.get(index) {
            Some(cookie) => {
                let not = if cookie.invert { "not " } else { "" };
                format!("it wants {not}a cookie `{}` that {}", cookie.name, text_match(&cookie.value))
            }
            None => "a cookie is another".to_owned(),
        },
        Mismatch::NotGrpc => "it takes gRPC calls only".to_owned(),
        Mismatch::Share => "it takes a share of the requests, and this is none of them".to_owned(),
        Mismatch::Tls => "it wants a connection with other TLS".to_owned(),
    }
}

fn no_path(matches: &RouteMatch) -> String {
    let case = if matches.case_sensitive { "" } else { ", in whatever case" };
    match &matches.path {
        PathMatch::Prefix(prefix) => format!("does not begin with `{prefix}`{case}"),
        PathMatch::PathSeparatedPrefix(prefix) => format!("is not `{prefix}` and not below it{case}"),
        PathMatch::Exact(path) => format!("is not `{path}`{case}"),
        PathMatch::Regex(regex) => format!("does not match the expression `{regex}`"),
        PathMatch::Template(_) => "does not fit the template".to_owned(),
        PathMatch::Connect => "is not that of CONNECT".to_owned(),
    }
}

fn no_header(header: &HeaderMatch, request: &RequestHead<'_>) -> String {
    let value = match &*header.name {
        ":method" => Some(request.method),
        ":scheme" => Some(request.scheme),
        ":authority" => Some(request.authority),
        ":path" => Some(request.path),
        name => request.headers.get(name).and_then(|value| value.to_str().ok()),
    };
    let found = match value {
        Some(value) => format!("is `{}`", shorten(value)),
        None => "is not there".to_owned(),
    };
    let not = if header.invert { "not " } else { "" };
    let wanted = match &header.value {
        HeaderValueMatch::Present(true) => "wanted is that it is there".to_owned(),
        HeaderValueMatch::Present(false) => "wanted is that it is not there".to_owned(),
        HeaderValueMatch::String(text) => format!("wanted is one that {not}{}", text_match(text)),
        HeaderValueMatch::Range { start, end } => {
            format!("wanted is {not}a number from {start} to {}", end.saturating_sub(1))
        }
    };
    format!("the header `{}` {found}; {wanted}", header.name)
}

fn text_match(text: &StringMatch) -> String {
    let case = if text.ignore_case { ", in whatever case" } else { "" };
    match &text.pattern {
        StringPattern::Exact(exact) => format!("is `{exact}`{case}"),
        StringPattern::Prefix(prefix) => format!("begins with `{prefix}`{case}"),
        StringPattern::Suffix(suffix) => format!("ends with `{suffix}`{case}"),
        StringPattern::Contains(part) => format!("contains `{part}`{case}"),
        StringPattern::Regex(regex) => format!("matches the expression `{regex}`"),
    }
}

fn shorten(text: &str) -> &str {
    &text[..text.floor_char_boundary(80)]
}
