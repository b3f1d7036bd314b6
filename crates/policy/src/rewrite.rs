//! What the path of a forwarded request becomes. Never touches the query, and never normalises what it was given.

use ripstop_model::route::{PathMatch, PathRewrite};

/// The path and query to send upstream, for a request that `matched` and whose path and query (and fragment, should a
/// client send one) are `path_and_query`.
///
/// Envoy's `prefix_rewrite`: the matched part is replaced. That is the prefix for prefix matches, and the whole path
/// for exact and regular-expression matches. Nothing else changes: with prefix `/api` rewritten to `/`, `/api/users`
/// becomes `//users`, which Envoy's documentation warns of; the way out is a separate route for `/api/`.
pub fn rewrite_path(matched: &PathMatch, rewrite: &PathRewrite, path_and_query: &str) -> String {
    let path = &path_and_query[..path_and_query.find(['?', '#']).unwrap_or(path_and_query.len())];
    let matched_bytes = match matched {
        PathMatch::Prefix(prefix) | PathMatch::PathSeparatedPrefix(prefix) => prefix.len(),
        PathMatch::Exact(_) | PathMatch::Regex(_) => path.len(),
    };
    let PathRewrite::Prefix(replacement) = rewrite;
    // A path that did not match (a caller's slip) has no matched part to cut off; it is kept whole.
    let rest = path_and_query.get(matched_bytes..).unwrap_or(path_and_query);
    let mut rewritten = String::with_capacity(replacement.len() + rest.len());
    rewritten.push_str(replacement);
    rewritten.push_str(rest);
    rewritten
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(matched: PathMatch, replacement: &str, path: &str, expected: &str) {
        let rewrite = PathRewrite::Prefix(replacement.into());
        assert_eq!(rewrite_path(&matched, &rewrite, path), expected, "{matched:?} -> {replacement}");
    }

    #[test]
    fn the_matched_part_is_replaced_and_the_query_kept() {
        let prefix = |p: &str| PathMatch::Prefix(p.into());
        let separated = |p: &str| PathMatch::PathSeparatedPrefix(p.into());
        let exact = |p: &str| PathMatch::Exact(p.into());
        let regex = |p: &str| PathMatch::Regex(p.into());
        check(prefix("/api/users"), "/users", "/api/users", "/users");
        check(prefix("/api/users"), "/users", "/api/users/7?a=/api/users", "/users/7?a=/api/users");
        check(prefix("/api/"), "/", "/api/users?x", "/users?x");
        check(prefix("/api"), "/", "/api/users", "//users");
        check(prefix("/api"), "/v1", "/apiary", "/v1ary");
        // Matched without case: the length counts, not the letters.
        check(prefix("/api"), "/v1", "/API/x", "/v1/x");
        check(separated("/api"), "/v1", "/api", "/v1");
        check(separated("/api"), "/v1", "/api/x?y=1", "/v1/x?y=1");
        check(separated("/api"), "/v1", "/api?y=1", "/v1?y=1");
        check(exact("/a/b"), "/c", "/a/b?q=1", "/c?q=1");
        check(regex("/a/.*"), "/c", "/a/b/d?q=1", "/c?q=1");
        check(exact("/a"), "/c", "/a#f?q", "/c#f?q");
    }
}
