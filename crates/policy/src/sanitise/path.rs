//! The path of a request in one form, so that routes and upstreams read the same. The steps and their order are Envoy's,
//! whose normalisation follows RFC 3986 §6.2.2 where it is safe. The query is never touched.

use ripstop_model::http_manager::paths::EscapedSlashes;

/// What is done to paths; the defaults of [`ripstop_model::http_manager::paths::PathRules`] are resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathSteps {
    /// What is done with `%2F` and `%5C`; [`EscapedSlashes::Default`] keeps them.
    pub escaped_slashes: EscapedSlashes,
    /// Dot segments are resolved, and escapes of characters that need none.
    pub normalize: bool,
    /// Several slashes in a row count as one.
    pub merge_slashes: bool,
}

/// What becomes of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathDecision {
    /// It stays as it is.
    Same,
    /// The request goes on with this one.
    Changed(String),
    /// The client is sent to this one.
    Redirect(String),
    /// The request is refused; this is the path as far as it was changed before.
    Reject(String),
}

impl PathSteps {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == PathSteps::default()
    }

    /// What becomes of a path, given with its query.
    pub fn decide(&self, path_and_query: &str) -> PathDecision {
        if self.is_empty() {
            return PathDecision::Same;
        }
        let end = path_and_query.find('?').unwrap_or(path_and_query.len());
        let (original, query) = path_and_query.split_at(end);
        let mut path = original.to_owned();
        let mut redirect = false;
        match self.escaped_slashes {
            EscapedSlashes::Default | EscapedSlashes::Keep => {}
            action => {
                if let Some(unescaped) = unescape_slashes(&path) {
                    match action {
                        EscapedSlashes::Reject => return PathDecision::Reject(unescaped + query),
                        EscapedSlashes::Redirect => redirect = true,
                        _ => {}
                    }
                    path = unescaped;
                }
            }
        }
        if self.normalize {
            match normalize(&path) {
                Some(normal) => path = normal,
                None => return PathDecision::Reject(path + query),
            }
        }
        if self.merge_slashes && path.contains("//") {
            path = merge_slashes(&path);
        }
        if path == original {
            return PathDecision::Same;
        }
        path.push_str(query);
        if redirect { PathDecision::Redirect(path) } else { PathDecision::Changed(path) }
    }
}

/// The path with `%2F` and `%5C` as the characters they stand for, if it has any.
fn unescape_slashes(path: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let slash = match rest.get(at..at + 3) {
            Some(escape) if escape.eq_ignore_ascii_case("%2f") => "/",
            Some(escape) if escape.eq_ignore_ascii_case("%5c") => "\\",
            _ => {
                out.push_str(&rest[..=at]);
                rest = &rest[at + 1..];
                continue;
            }
        };
        out.push_str(&rest[..at]);
        out.push_str(slash);
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    (out.len() != path.len()).then_some(out)
}

/// Backslashes become slashes, escapes of unreserved characters are resolved, what should be escaped is, and dot segments
/// go. `None` where the path holds an escaped NUL.
fn normalize(path: &str) -> Option<String> {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'\\' => plain.push('/'),
            b'%' => match escaped(rest.as_slice()) {
                Some(0) => return None,
                Some(value) if is_unreserved(value) => {
                    plain.push(char::from(value));
                    rest.nth(1);
                }
                _ => plain.push('%'),
            },
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0..=b' ' | 127.. => {
                plain.push_str(&format!("%{byte:02X}"));
            }
            _ => plain.push(char::from(byte)),
        }
    }
    Some(without_dot_segments(&plain))
}

/// The byte that two hexadecimal digits at the beginning stand for.
fn escaped(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 §5.2.4; a parameter behind the dots does not hide them.
fn without_dot_segments(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment.split(';').next() {
            Some("." | "..") => {
                if segment.starts_with("..") {
                    out.truncate(out.rfind('/').unwrap_or(0));
                }
                if last {
                    out.push('/');
                }
            }
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    out
}

/// Envoy's way, in which a path of slashes alone keeps two.
fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    if path.starts_with('/') {
        out.push('/');
    }
    let mut first = true;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if !std::mem::take(&mut first) {
            out.push('/');
        }
        out.push_str(segment);
    }
    if path.ends_with('/') {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: PathSteps =
        PathSteps { escaped_slashes: EscapedSlashes::Forward, normalize: true, merge_slashes: true };
    const NORMALIZE: PathSteps =
        PathSteps { escaped_slashes: EscapedSlashes::Keep, normalize: true, merge_slashes: false };

    fn check(steps: PathSteps, path: &str, expected: &str) {
        let decided = match steps.decide(path) {
            PathDecision::Same => path.to_owned(),
            PathDecision::Changed(path) => path,
            PathDecision::Redirect(path) => format!("-> {path}"),
            PathDecision::Reject(_) => "400".to_owned(),
        };
        assert_eq!(decided, expected, "{path} {steps:?}");
    }

    #[test]
    fn paths_are_normalised_as_envoy_does() {
        for (path, normal) in [
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../a", "/a"),
            ("/a//b", "/a//b"),
            ("//a", "//a"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/..", "/"),
            ("/.", "/"),
            ("/", "/"),
            ("//../a", "/a"),
            ("///..", "//"),
            ("/a//../b", "/a/b"),
            ("/%2e%2e/a", "/a"),
            ("/a/.%2e/", "/"),
            ("/a/%2E%2E/b", "/b"),
            ("/a%2fb", "/a%2fb"),
            ("/a%5Cb", "/a%5Cb"),
            ("/a\\b", "/a/b"),
            ("/a%41b%7e", "/aAb~"),
            ("/a%zz", "/a%zz"),
            ("/a%2", "/a%2"),
            ("/a%", "/a%"),
            ("/a%00", "400"),
            ("/a/b?x=/../y//z%2f", "/a/b?x=/../y//z%2f"),
            ("/a/;p/../b", "/a/b"),
            ("/a/..;/b", "/b"),
            ("/a/b/...", "/a/b/..."),
            ("/%2F%2Fa/../..", "/"),
            ("/a%252fb", "/a%252fb"),
            ("/a|b\"<>^`{}", "/a%7Cb%22%3C%3E%5E%60%7B%7D"),
            ("/!$&'()*+,-./:;=@[]_~", "/!$&'()*+,-./:;=@[]_~"),
        ] {
            check(NORMALIZE, path, normal);
        }
    }

    #[test]
    fn slashes_are_merged_behind_everything_else() {
        let merge = PathSteps { merge_slashes: true, ..PathSteps::default() };
        check(merge, "/a//b///c//?x=//", "/a/b/c/?x=//");
        check(merge, "//a", "/a");
        check(merge, "///", "//");
        check(ALL, "/a%2F%5cb", "/a/b");
        check(ALL, "/%2F%2Fa/../..", "//");
        check(PathSteps::default(), "/a//../%2f", "/a//../%2f");
    }

    #[test]
    fn escaped_slashes_are_dealt_with_first() {
        let steps = |escaped_slashes| PathSteps { escaped_slashes, ..PathSteps::default() };
        check(steps(EscapedSlashes::Keep), "/a%2fb", "/a%2fb");
        check(steps(EscapedSlashes::Reject), "/a%2fb", "400");
        check(steps(EscapedSlashes::Reject), "/a%252fb?%2f", "/a%252fb?%2f");
        check(steps(EscapedSlashes::Redirect), "/a%5Cb?%2f", "-> /a\\b?%2f");
        check(steps(EscapedSlashes::Redirect), "/a%41b", "/a%41b");
        check(PathSteps { escaped_slashes: EscapedSlashes::Redirect, ..ALL }, "/a%5Cb", "-> /a/b");
        check(steps(EscapedSlashes::Forward), "/%2F%2Fa/../..", "///a/../..");
    }

    #[test]
    fn what_is_normal_stays_so() {
        let mut rng = fastrand::Rng::with_seed(7);
        let pieces = ["/", ".", "..", "%2e", "%2f", "%5C", "\\", "a", ";", "%", "%4", "?", "é", "//"];
        for _ in 0..20_000 {
            let rest: String = (0..rng.usize(0..8)).map(|_| pieces[rng.usize(0..pieces.len())]).collect();
            let path = format!("/{rest}");
            let PathDecision::Changed(once) = ALL.decide(&path) else { continue };
            // Unescaping can bring to light what only a second look resolves.
            if let PathDecision::Changed(twice) = NORMALIZE.decide(&once) {
                panic!("{path:?} became {once:?}, which became {twice:?}");
            }
            assert!(!once[..once.find('?').unwrap_or(once.len())].contains("/../"), "{path} {once}");
        }
    }
}
