//! Rules that are never reached, because an earlier one takes all of their requests.

use std::collections::BTreeMap;

use ripstop_model::Name;
use ripstop_yaml::Problem;

use crate::resource::{HttpMatch, HttpRoute, TextMatch, VirtualService};

pub(super) fn check(vs: &VirtualService, problems: &mut Vec<Problem>) {
    for (index, route) in vs.http.iter().enumerate() {
        let earlier = vs.http[..index].iter().enumerate().find(|(_, earlier)| takes_all_of(earlier, route));
        if let Some((earlier_index, earlier)) = earlier {
            let name = earlier.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            let message = format!("never reached: http[{earlier_index}]{name} takes all of its requests");
            let help = format!("it is at {}; put the narrower rule first", earlier.origin.place());
            problems.push(route.origin.warning(message).with_help(help).with_code("shadowed"));
        }
    }
}

/// Certainly, that is; regular expressions are only compared as text.
fn takes_all_of(earlier: &HttpRoute, later: &HttpRoute) -> bool {
    let everything = HttpMatch::default();
    let later_matches = match later.matches.is_empty() {
        true => std::slice::from_ref(&everything),
        false => &later.matches[..],
    };
    earlier.matches.is_empty()
        || later_matches.iter().all(|later| earlier.matches.iter().any(|one| one.covers(later)))
}

impl HttpMatch {
    /// Whether every request that `other` takes certainly matches here too.
    fn covers(&self, other: &HttpMatch) -> bool {
        let uri = match &self.uri {
            None => true,
            Some(own) => other.uri.as_ref().is_some_and(|uri| uri_covers(own, uri, self, other)),
        };
        uri && text_covers(self.scheme.as_ref(), other.scheme.as_ref())
            && text_covers(self.method.as_ref(), other.method.as_ref())
            && text_covers(self.authority.as_ref(), other.authority.as_ref())
            && contains(&other.headers, &self.headers)
            && contains(&other.without_headers, &self.without_headers)
            && contains(&other.query, &self.query)
            && (self.port.is_none() || self.port == other.port)
            && self.source_labels.iter().all(|(key, value)| other.source_labels.get(key) == Some(value))
            && (self.source_namespace.is_none() || self.source_namespace == other.source_namespace)
            && (self.gateways.is_empty() || self.gateways == other.gateways)
    }
}

fn uri_covers(own: &TextMatch, other: &TextMatch, m: &HttpMatch, n: &HttpMatch) -> bool {
    if m.ignore_uri_case != n.ignore_uri_case {
        return matches!(own, TextMatch::Prefix(prefix) if &**prefix == "/");
    }
    match (own, other) {
        (TextMatch::Prefix(prefix), TextMatch::Prefix(text) | TextMatch::Exact(text)) => {
            text.starts_with(&**prefix)
        }
        (TextMatch::Prefix(prefix), TextMatch::Regex(_)) => &**prefix == "/",
        _ => own == other,
    }
}

fn text_covers(own: Option<&TextMatch>, other: Option<&TextMatch>) -> bool {
    own.is_none() || own == other
}

/// Whether all of `conditions` are among `others`.
fn contains(
    others: &BTreeMap<Name, Option<TextMatch>>,
    conditions: &BTreeMap<Name, Option<TextMatch>>,
) -> bool {
    conditions.iter().all(|(name, condition)| others.get(name) == Some(condition))
}
