//! A first glance at the paths of routes: what most of them come to, one after the other in memory, so that looking through
//! very many routes touches little of it. A route that wants a path and nothing else is decided here; whatever wants more
//! is looked at as a whole, unless its path already says no.

use std::ops::Range;

use ripstop_model::route::{PathMatch, RouteMatch};

/// Bytes that are looked at first.
const WIDTH: usize = 8;

/// The paths of all routes of a table, in their order.
#[derive(Debug, Default)]
pub(super) struct Glances {
    each: Vec<Glance>,
    /// The texts of those that want a path and nothing else, one behind the other.
    texts: Vec<u8>,
}

/// What a path must have to be worth a second look.
#[derive(Clone, Copy, Debug)]
struct Glance {
    /// The last bytes of what the path begins with, up to [`WIDTH`] of them; 0 behind a shorter one.
    tail: u64,
    /// Where its text is in [`Glances::texts`]; `None`: there is more to it than this text.
    text: Option<u32>,
    /// How long the text is.
    length: u32,
    /// The path has to be as long.
    whole: bool,
}

impl Glances {
    /// Adds what the condition on the path of the next route comes to.
    pub(super) fn push(&mut self, matches: &RouteMatch) {
        let mut glance = Glance::of(matches);
        let text = match &matches.path {
            PathMatch::Prefix(text) | PathMatch::Exact(text) => Some(text),
            _ => None,
        };
        let place = u32::try_from(self.texts.len()).ok();
        if let Some(text) = text.filter(|_| *matches == RouteMatch::path(matches.path.clone()))
            && glance.length as usize == text.len()
            && place.is_some()
        {
            glance.text = place;
            self.texts.extend_from_slice(text.as_bytes());
        }
        self.each.push(glance);
    }

    /// Gives back what was reserved for routes that did not come.
    pub(super) fn shrink_to_fit(&mut self) {
        self.each.shrink_to_fit();
        self.texts.shrink_to_fit();
    }

    /// Place within `routes` of the first that takes `path`; `ask` looks at one as a whole, by its position.
    pub(super) fn first(
        &self,
        routes: Range<usize>,
        path: &[u8],
        mut ask: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let first = routes.start;
        let mut glances = self.each[routes].iter().enumerate();
        glances.find_map(|(place, glance)| {
            let taken = glance.admits(path)
                && match glance.text {
                    Some(from) => self.begins(path, from as usize, glance.length as usize),
                    None => ask(first + place),
                };
            taken.then_some(place)
        })
    }

    /// Whether `path` begins with this text. Its last bytes are known to be alike.
    fn begins(&self, path: &[u8], from: usize, length: usize) -> bool {
        let rest = length.saturating_sub(WIDTH);
        path[..rest] == self.texts[from..from + rest]
    }
}

impl Glance {
    /// Nothing can be told.
    const ANYTHING: Glance = Glance { tail: 0, text: None, length: 0, whole: false };

    /// What the condition on the path comes to.
    fn of(matches: &RouteMatch) -> Glance {
        let (text, whole) = match &matches.path {
            PathMatch::Prefix(text) | PathMatch::PathSeparatedPrefix(text) => (text, false),
            PathMatch::Exact(text) => (text, true),
            PathMatch::Regex(_) | PathMatch::Template(_) | PathMatch::Connect => return Glance::ANYTHING,
        };
        match u32::try_from(text.len()) {
            Ok(length) if matches.case_sensitive => {
                Glance { tail: tail(text.as_bytes(), text.len()), length, whole, ..Glance::ANYTHING }
            }
            _ => Glance::ANYTHING,
        }
    }

    /// Whether a path may match.
    fn admits(&self, path: &[u8]) -> bool {
        let length = self.length as usize;
        if path.len() < length || self.whole && path.len() != length {
            return false;
        }
        tail(path, length) == self.tail
    }
}

/// The last bytes of `text[..end]`, up to [`WIDTH`] of them. They are only compared with those before the same `end`.
fn tail(text: &[u8], end: usize) -> u64 {
    let Some(text) = text.get(..end) else { return 0 };
    match text.last_chunk::<WIDTH>() {
        Some(last) => u64::from_le_bytes(*last),
        None => text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of `wanted` at a route: taken, refused, or `None` if the route has to be looked at as a whole.
    fn judged(matches: &RouteMatch, wanted: &str) -> Option<bool> {
        let mut glances = Glances::default();
        // Not the first, so that its text does not begin at 0.
        glances.push(&RouteMatch::prefix("/something/else/entirely"));
        glances.push(matches);
        let mut asked = false;
        let taken = glances.first(1..2, wanted.as_bytes(), |route| {
            assert_eq!(route, 1);
            asked = true;
            false
        });
        if asked { None } else { Some(taken == Some(0)) }
    }

    #[test]
    fn a_path_alone_is_decided_at_once() {
        let check = |path: PathMatch, wanted: &str, yes: bool| {
            assert_eq!(judged(&RouteMatch::path(path.clone()), wanted), Some(yes), "{path:?} {wanted}");
        };
        let prefix = |text: &str| PathMatch::Prefix(text.into());
        check(prefix("/"), "/", true);
        check(prefix(""), "/x", true);
        check(prefix("/api/v1/users"), "/api/v1/users/7", true);
        check(prefix("/api/v1/users"), "/apj/v1/users/7", false);
        check(prefix("/api/v1/users"), "/api/v1/items/7", false);
        check(prefix("/api/v1/users"), "/api/v1", false);
        check(prefix("/a"), "/b", false);
        check(PathMatch::Exact("/api/v1/users".into()), "/api/v1/users", true);
        check(PathMatch::Exact("/api/v1/users".into()), "/apj/v1/users", false);
        check(PathMatch::Exact("/api/v1/users".into()), "/api/v1/users/7", false);
    }

    #[test]
    fn what_wants_more_is_looked_at_as_a_whole_unless_its_path_says_no() {
        let separated = RouteMatch::path(PathMatch::PathSeparatedPrefix("/api".into()));
        assert_eq!(judged(&separated, "/api"), None);
        assert_eq!(judged(&separated, "/apx"), Some(false));
        let regex = RouteMatch::path(PathMatch::Regex("/x".into()));
        assert_eq!(judged(&regex, "/y"), None);
        let connect = RouteMatch::path(PathMatch::Connect);
        assert_eq!(judged(&connect, ""), None);
        let folded = RouteMatch { case_sensitive: false, ..RouteMatch::prefix("/API") };
        assert_eq!(judged(&folded, "/api"), None);
        let grpc = RouteMatch { grpc: true, ..RouteMatch::prefix("/api") };
        assert_eq!(judged(&grpc, "/api"), None);
        assert_eq!(judged(&grpc, "/b"), Some(false));
    }
}
