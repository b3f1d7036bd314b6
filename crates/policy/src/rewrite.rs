//! What the path of a forwarded request becomes. Never touches the query, and never normalises what it was given.

use ripstop_model::Name;
use ripstop_model::route::{PathMatch, PathRewrite, RewriteTemplate};

use crate::route::template::TemplateMatcher;
use crate::route::text::RegexError;
use crate::substitute::Substitution;

/// A compiled [`PathRewrite`].
#[derive(Clone, Debug)]
pub struct PathRewriter(Rule);

#[derive(Clone, Debug)]
enum Rule {
    /// The part that matched is replaced.
    Matched {
        bytes: Option<usize>,
        by: Name,
    },
    Regex(Substitution),
    Template(Box<(TemplateMatcher, RewriteTemplate)>),
}

impl PathRewriter {
    /// Compiles what becomes of the paths that `matched` takes.
    ///
    /// # Errors
    /// The regular expression cannot be compiled.
    pub fn compile(matched: &PathMatch, rewrite: &PathRewrite) -> Result<PathRewriter, RegexError> {
        let rule = match rewrite {
            PathRewrite::Prefix(by) => Rule::Matched { bytes: prefix_bytes(matched), by: by.clone() },
            PathRewrite::Regex(rule) => Rule::Regex(Substitution::compile(rule)?),
            PathRewrite::Template(rewrite) => match matched {
                PathMatch::Template(template) => {
                    Rule::Template(Box::new((TemplateMatcher::compile(template)?, rewrite.clone())))
                }
                // Could not have been decoded: there are no variables to fill in.
                _ => Rule::Matched { bytes: None, by: rewrite.as_str().into() },
            },
        };
        Ok(PathRewriter(rule))
    }

    /// The path and query to send upstream, for a request whose path and query are `path_and_query`. `None`: they stay.
    ///
    /// Envoy's `prefix_rewrite`: the matched part is replaced. That is the prefix for prefix matches, and the whole path
    /// for all others. Nothing else changes: with prefix `/api` rewritten to `/`, `/api/users` becomes `//users`, which
    /// Envoy's documentation warns of; the way out is a separate route for `/api/`. Where the result would not begin
    /// with `/`, which Envoy sends as it is although HTTP does not allow it, a `/` is put before it.
    pub fn rewrite(&self, path_and_query: &str) -> Option<String> {
        let end = path_and_query.find(['?', '#']).unwrap_or(path_and_query.len());
        let (path, query) = path_and_query.split_at(end);
        let mut rewritten = match &self.0 {
            Rule::Matched { bytes, by } => {
                // A path that did not match (a caller's slip) has no matched part to cut off; it is kept whole.
                let rest = bytes.map_or(Some(""), |bytes| path.get(bytes..)).unwrap_or(path);
                format!("{by}{rest}")
            }
            Rule::Regex(substitution) => substitution.replace_all(path).into_owned(),
            Rule::Template(template) => template.0.rewrite(&template.1, path)?,
        };
        if rewritten.is_empty() {
            return None;
        }
        if !rewritten.starts_with('/') {
            rewritten.insert(0, '/');
        }
        rewritten.push_str(query);
        Some(rewritten)
    }
}

/// How much of a path a condition is about; `None`: all.
fn prefix_bytes(matched: &PathMatch) -> Option<usize> {
    match matched {
        PathMatch::Prefix(prefix) | PathMatch::PathSeparatedPrefix(prefix) => Some(prefix.len()),
        PathMatch::Exact(_) | PathMatch::Regex(_) | PathMatch::Template(_) | PathMatch::Connect => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ripstop_model::route::{PathTemplate, RegexSubstitution};

    fn check(matched: &PathMatch, rewrite: &PathRewrite, path: &str, expected: Option<&str>) {
        let rewriter = PathRewriter::compile(matched, rewrite).unwrap();
        assert_eq!(rewriter.rewrite(path).as_deref(), expected, "{matched:?} -> {rewrite:?} on {path}");
    }

    #[test]
    fn the_matched_part_is_replaced_and_the_query_kept() {
        let check = |matched: PathMatch, replacement: &str, path: &str, expected: &str| {
            check(&matched, &PathRewrite::Prefix(replacement.into()), path, Some(expected));
        };
        let prefix = |p: &str| PathMatch::Prefix(p.into());
        let separated = |p: &str| PathMatch::PathSeparatedPrefix(p.into());
        let exact = |p: &str| PathMatch::Exact(p.into());
        let regex = |p: &str| PathMatch::Regex(p.into());
        check(prefix("/api/users"), "/users", "/api/users", "/users");
        check(prefix("/api/users"), "/users", "/api/users/7?a=/api/users", "/users/7?a=/api/users");
        check(prefix("/api/"), "/", "/api/users?x", "/users?x");
        check(prefix("/api"), "/", "/api/users", "//users");
        check(prefix("/api"), "/v1", "/apiary", "/v1ary");
        check(prefix("/q/"), "/x?y=1", "/q/a?z=2", "/x?y=1a?z=2");
        // Matched without case: the length counts, not the letters.
        check(prefix("/api"), "/v1", "/API/x", "/v1/x");
        check(separated("/api"), "/v1", "/api", "/v1");
        check(separated("/api"), "/v1", "/api/x?y=1", "/v1/x?y=1");
        check(separated("/api"), "/v1", "/api?y=1", "/v1?y=1");
        check(exact("/a/b"), "/c", "/a/b?q=1", "/c?q=1");
        check(regex("/a/.*"), "/c", "/a/b/d?q=1", "/c?q=1");
        check(exact("/a"), "/c", "/a#f?q", "/c#f?q");
        // HTTP wants a slash.
        check(prefix("/api/"), "users", "/api/7", "/users7");
    }

    #[test]
    fn expressions_and_patterns_rewrite_the_path() {
        let matched = PathMatch::Prefix("/".into());
        let regex = |pattern: &str, substitution: &str| {
            PathRewrite::Regex(RegexSubstitution {
                pattern: pattern.into(),
                substitution: substitution.into(),
            })
        };
        check(&matched, &regex("^/(.)", r"/n/\1"), "/ab?/ab", Some("/n/ab?/ab"));
        // What would leave nothing is not done.
        check(&matched, &regex(".*", ""), "/gone?q", None);
        let template = PathTemplate::parse("/u/{id}/{rest=**}").unwrap();
        let to = RewriteTemplate::parse("/v/{rest}/{id}", &template).unwrap();
        let (matched, rewrite) = (PathMatch::Template(template), PathRewrite::Template(to));
        check(&matched, &rewrite, "/u/7/a/b?q=1", Some("/v/a/b/7?q=1"));
        check(&matched, &rewrite, "/other", None);
    }
}
