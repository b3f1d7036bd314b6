//! A first glance at the paths of routes: a few bytes of each, one after the other in memory, so that looking through many
//! routes touches little of it. Whoever passes the glance is looked at as a whole; nobody else can match.

use ripstop_model::route::{PathMatch, RouteMatch};

/// Bytes that are looked at.
const WIDTH: usize = 8;

/// What a path must have to be worth a second look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance {
    /// The last bytes of what the path begins with, up to [`WIDTH`] of them; 0 behind a shorter one.
    tail: u64,
    /// How long that is.
    length: u32,
    /// The path has to be as long.
    whole: bool,
}

impl Glance {
    /// Nothing can be told.
    const ANYTHING: Glance = Glance { tail: 0, length: 0, whole: false };

    /// What the condition on the path comes to.
    pub(super) fn of(matches: &RouteMatch) -> Glance {
        let (text, whole) = match &matches.path {
            PathMatch::Prefix(text) | PathMatch::PathSeparatedPrefix(text) => (text, false),
            PathMatch::Exact(text) => (text, true),
            PathMatch::Regex(_) | PathMatch::Template(_) | PathMatch::Connect => return Glance::ANYTHING,
        };
        match u32::try_from(text.len()) {
            Ok(length) if matches.case_sensitive => {
                Glance { tail: tail(text.as_bytes(), text.len()), length, whole }
            }
            _ => Glance::ANYTHING,
        }
    }

    /// Whether a path may match.
    pub(super) fn admits(&self, path: &[u8]) -> bool {
        let length = self.length as usize;
        if path.len() < length || self.whole && path.len() != length {
            return false;
        }
        tail(path, length) == self.tail
    }
}

/// The bytes of `text` before `end`, up to [`WIDTH`] of them.
fn tail(text: &[u8], end: usize) -> u64 {
    let mut bytes = [0; WIDTH];
    let from = end.saturating_sub(WIDTH);
    match text.get(from..end) {
        Some(part) => bytes[..part.len()].copy_from_slice(part),
        None => return 0,
    }
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_never_turns_away_what_matches() {
        let check = |path: PathMatch, wanted: &str, yes: bool| {
            let admitted = Glance::of(&RouteMatch::path(path.clone())).admits(wanted.as_bytes());
            assert_eq!(admitted, yes, "{path:?} {wanted}");
        };
        let prefix = |text: &str| PathMatch::Prefix(text.into());
        check(prefix("/"), "/", true);
        check(prefix(""), "", true);
        check(prefix("/api/v1/users"), "/api/v1/users/7", true);
        check(prefix("/api/v1/users"), "/api/v1/items/7", false);
        check(prefix("/api/v1/users"), "/api/v1", false);
        check(prefix("/a"), "/b", false);
        check(PathMatch::Exact("/api/v1/users".into()), "/api/v1/users", true);
        check(PathMatch::Exact("/api/v1/users".into()), "/api/v1/users/7", false);
        check(PathMatch::PathSeparatedPrefix("/api".into()), "/api", true);
        check(PathMatch::Regex("/x".into()), "/y", true);
        check(PathMatch::Connect, "", true);
        let folded = RouteMatch { case_sensitive: false, ..RouteMatch::prefix("/API") };
        assert!(Glance::of(&folded).admits(b"/api"));
    }
}
