//! What routes match, at random.

use fastrand::Rng;
use ripstop_model::Name;
use ripstop_model::matcher::{CookieMatch, QueryMatch, QueryValueMatch};
use ripstop_model::route::{PathMatch, PathTemplate, RouteMatch, TlsMatch};
use ripstop_model::runtime::RuntimeFraction;

use super::{header_match, string_match};
use crate::arbitrary::{list, name, option, percent};

pub(super) fn route_match(rng: &mut Rng) -> RouteMatch {
    let path = Name::from(format!("/{}", name(rng)));
    let path = match rng.u8(0..6) {
        0 => PathMatch::Prefix(path),
        1 => PathMatch::Exact(path),
        2 => PathMatch::Regex(path),
        3 => PathMatch::Connect,
        4 => PathTemplate::parse(&format!("{path}/{{a=*/x}}/{{b}}/**"))
            .map_or(PathMatch::Exact(path), PathMatch::Template),
        _ => PathMatch::PathSeparatedPrefix(path),
    };
    let query = |rng: &mut Rng| QueryMatch {
        name: name(rng),
        value: match rng.bool() {
            true => QueryValueMatch::Present(rng.bool()),
            false => QueryValueMatch::String(string_match(rng)),
        },
    };
    let cookie =
        |rng: &mut Rng| CookieMatch { name: name(rng), value: string_match(rng), invert: rng.bool() };
    let share = |rng: &mut Rng| RuntimeFraction {
        key: if rng.bool() { name(rng) } else { "".into() },
        default: percent(rng),
    };
    RouteMatch {
        path,
        case_sensitive: rng.bool(),
        headers: list(rng, 2, header_match),
        query: list(rng, 2, query),
        cookies: list(rng, 1, cookie),
        grpc: rng.bool(),
        share: option(rng, share),
        tls: TlsMatch { presented: option(rng, Rng::bool), validated: option(rng, Rng::bool) },
    }
}
