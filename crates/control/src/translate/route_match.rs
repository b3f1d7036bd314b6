//! Conditions on requests, in the words of the proxies.

use ripstop_model::Name;
use ripstop_model::matcher::{HeaderMatch, HeaderValueMatch, QueryMatch, QueryValueMatch};
use ripstop_model::route::{PathMatch, RouteMatch};

use crate::resource::{HttpMatch, TextMatch};

pub(super) fn route_match(matched: &HttpMatch) -> RouteMatch {
    let path = match &matched.uri {
        None => PathMatch::Prefix("/".into()),
        Some(TextMatch::Prefix(prefix)) => PathMatch::Prefix(prefix.clone()),
        Some(TextMatch::Exact(path)) => PathMatch::Exact(path.clone()),
        Some(TextMatch::Regex(regex)) => PathMatch::Regex(regex.clone()),
    };
    let pseudo =
        [(":scheme", &matched.scheme), (":method", &matched.method), (":authority", &matched.authority)];
    let pseudo = pseudo.into_iter().filter_map(|(name, text)| Some(with_value(name.into(), text.as_ref()?)));
    let headers = matched.headers.iter().map(|(name, text)| with(name.clone(), text.as_ref()));
    let without = matched.without_headers.iter().map(|(name, text)| without(name.clone(), text.as_ref()));
    let query = matched.query.iter().map(|(name, text)| QueryMatch {
        name: name.clone(),
        value: match text {
            Some(text) => QueryValueMatch::String(text.to_model()),
            None => QueryValueMatch::Present(true),
        },
    });
    RouteMatch {
        case_sensitive: !matched.ignore_uri_case,
        headers: pseudo.chain(headers).chain(without).collect(),
        query: query.collect(),
        ..RouteMatch::path(path)
    }
}

fn header(name: Name, value: HeaderValueMatch) -> HeaderMatch {
    HeaderMatch { name, value, invert: false, treat_missing_as_empty: false }
}

fn with_value(name: Name, text: &TextMatch) -> HeaderMatch {
    header(name, HeaderValueMatch::String(text.to_model()))
}

fn with(name: Name, text: Option<&TextMatch>) -> HeaderMatch {
    match text {
        Some(text) => with_value(name, text),
        None => header(name, HeaderValueMatch::Present(true)),
    }
}

/// A header that is not there does not have the value either.
fn without(name: Name, text: Option<&TextMatch>) -> HeaderMatch {
    match text {
        Some(text) => HeaderMatch { invert: true, treat_missing_as_empty: true, ..with_value(name, text) },
        None => header(name, HeaderValueMatch::Present(false)),
    }
}
