//! Rules that come from another virtual service: those of a delegate under the conditions of whoever delegates, as Istio
//! merges them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ripstop_model::Name;

use crate::resource::{HttpAction, HttpMatch, HttpRoute, Labels, ObjectKey, TextMatch, VirtualService};
use crate::world::World;

/// A rule for requests, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRule<'a> {
    /// The document that it is written in. Short names of destinations are completed with its namespace.
    pub document: &'a VirtualService,
    /// Its place in `http` of that document.
    pub index: usize,
    /// The document that delegates to it, and the place of the rule that does.
    pub through: Option<(&'a VirtualService, usize)>,
    /// What it says.
    pub rule: Cow<'a, HttpRoute>,
}

impl World {
    /// The rules of `vs` for requests in order; where one delegates, those of the delegate stand in its place. A delegate
    /// that is not there has none.
    pub fn http_rules<'a>(&'a self, vs: &'a VirtualService) -> Vec<HttpRule<'a>> {
        let mut rules = Vec::with_capacity(vs.http.len());
        for (index, rule) in vs.http.iter().enumerate() {
            let HttpAction::Delegate(key) = &rule.action else {
                let rule = Cow::Borrowed(rule);
                rules.push(HttpRule { document: vs, index, through: None, rule });
                continue;
            };
            let Some(delegate) = self.delegate(key, vs.meta.namespace()) else { continue };
            let merged = delegate.http.iter().enumerate().filter_map(|(place, leaf)| {
                let merged = merge(rule, leaf)?;
                let (through, rule) = (Some((vs, index)), Cow::Owned(merged));
                Some(HttpRule { document: delegate, index: place, through, rule })
            });
            rules.extend(merged);
        }
        rules
    }

    /// The virtual service that others may delegate to under this name, seen from `namespace`.
    pub fn delegate(&self, key: &ObjectKey, namespace: &str) -> Option<&VirtualService> {
        let found = self.virtual_services.iter().find(|vs| vs.meta.key == *key)?;
        (found.is_delegate() && found.export_to.includes(namespace)).then_some(&**found)
    }
}

/// `leaf` under the conditions of `root`; what `leaf` leaves open is as `root` has it. `None`: no request can fulfil both.
fn merge(root: &HttpRoute, leaf: &HttpRoute) -> Option<HttpRoute> {
    let matches = match (root.matches.as_slice(), leaf.matches.as_slice()) {
        ([], own) => own.to_vec(),
        (outer, []) => outer.to_vec(),
        (outer, own) => {
            let pairs = own.iter().flat_map(|own| outer.iter().map(move |outer| (outer, own)));
            let merged: Vec<HttpMatch> =
                pairs.filter_map(|(outer, own)| merge_conditions(outer, own)).collect();
            if merged.is_empty() {
                return None;
            }
            merged
        }
    };
    let mut merged = leaf.clone();
    merged.matches = matches;
    merged.name = match (&root.name, &leaf.name) {
        (Some(root), Some(leaf)) => Some(format!("{root}-{leaf}").into()),
        (root, leaf) => leaf.clone().or_else(|| root.clone()),
    };
    if merged.rewrite == Default::default() {
        merged.rewrite = root.rewrite.clone();
    }
    if merged.headers == Default::default() {
        merged.headers = root.headers.clone();
    }
    merged.timeout = leaf.timeout.or(root.timeout);
    merged.retries = leaf.retries.clone().or_else(|| root.retries.clone());
    if merged.mirrors.is_empty() {
        merged.mirrors.clone_from(&root.mirrors);
    }
    Some(merged)
}

/// Both conditions at once. The path of `own` must lie within that of `outer`: as in Istio, anything else is a conflict.
fn merge_conditions(outer: &HttpMatch, own: &HttpMatch) -> Option<HttpMatch> {
    let uri = within(outer.uri.as_ref(), own.uri.as_ref())?;
    Some(HttpMatch {
        // Compared without case only where both say so, or the one that has a path does.
        ignore_uri_case: match (&outer.uri, &own.uri) {
            (Some(_), Some(_)) => outer.ignore_uri_case && own.ignore_uri_case,
            (Some(_), None) => outer.ignore_uri_case,
            (None, _) => own.ignore_uri_case,
        },
        uri,
        scheme: within(outer.scheme.as_ref(), own.scheme.as_ref())?,
        method: within(outer.method.as_ref(), own.method.as_ref())?,
        authority: within(outer.authority.as_ref(), own.authority.as_ref())?,
        headers: union(&outer.headers, &own.headers)?,
        without_headers: union(&outer.without_headers, &own.without_headers)?,
        query: union(&outer.query, &own.query)?,
        port: agree(outer.port, own.port)?,
        source_labels: labels(&outer.source_labels, &own.source_labels)?,
        source_namespace: agree(outer.source_namespace.clone(), own.source_namespace.clone())?,
        gateways: match (outer.gateways.as_slice(), own.gateways.as_slice()) {
            ([], gateways) | (gateways, []) => gateways.to_vec(),
            (outer, own) => {
                let both: Vec<_> = own.iter().filter(|gateway| outer.contains(gateway)).cloned().collect();
                (!both.is_empty()).then_some(both)?
            }
        },
        origin: own.origin.clone(),
    })
}

/// The narrower of two conditions on one text; `None` if neither is within the other.
fn within(outer: Option<&TextMatch>, own: Option<&TextMatch>) -> Option<Option<TextMatch>> {
    let (outer, own) = match (outer, own) {
        (None, either) | (either, None) => return Some(either.cloned()),
        (Some(outer), Some(own)) => (outer, own),
    };
    let fits = match (outer, own) {
        (TextMatch::Prefix(prefix), TextMatch::Prefix(text) | TextMatch::Exact(text)) => {
            text.starts_with(&**prefix)
        }
        _ => outer == own,
    };
    fits.then(|| Some(own.clone()))
}

/// All conditions of both; `None` if they say different things of one name.
fn union(
    outer: &BTreeMap<Name, Option<TextMatch>>,
    own: &BTreeMap<Name, Option<TextMatch>>,
) -> Option<BTreeMap<Name, Option<TextMatch>>> {
    let mut all = outer.clone();
    for (name, condition) in own {
        let both = match outer.get(name) {
            Some(earlier) => within(earlier.as_ref(), condition.as_ref())?,
            None => condition.clone(),
        };
        all.insert(name.clone(), both);
    }
    Some(all)
}

fn labels(outer: &Labels, own: &Labels) -> Option<Labels> {
    let mut all = outer.clone();
    for (key, value) in own {
        if all.insert(key.clone(), value.clone()).is_some_and(|earlier| earlier != *value) {
            return None;
        }
    }
    Some(all)
}

fn agree<T: PartialEq>(outer: Option<T>, own: Option<T>) -> Option<Option<T>> {
    match (outer, own) {
        (Some(outer), Some(own)) => (outer == own).then_some(Some(own)),
        (outer, own) => Some(own.or(outer)),
    }
}
