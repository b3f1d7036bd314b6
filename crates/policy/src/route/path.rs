//! The condition on the path of a request, without its query.

use ripstop_model::Name;
use ripstop_model::route::PathMatch;

use super::text::{FullRegex, RegexError, equal};

/// A compiled [`PathMatch`].
#[derive(Clone, Debug)]
pub struct PathMatcher {
    rule: Rule,
    case_sensitive: bool,
}

#[derive(Clone, Debug)]
enum Rule {
    Prefix(Name),
    Exact(Name),
    Regex(FullRegex),
    SeparatedPrefix(Name),
}

impl PathMatcher {
    /// Compiles a condition. Case always counts for regular expressions, as in Envoy.
    ///
    /// # Errors
    /// The regular expression cannot be compiled.
    pub fn compile(path: &PathMatch, case_sensitive: bool) -> Result<PathMatcher, RegexError> {
        let rule = match path {
            PathMatch::Prefix(prefix) => Rule::Prefix(prefix.clone()),
            PathMatch::Exact(path) => Rule::Exact(path.clone()),
            PathMatch::Regex(pattern) => Rule::Regex(FullRegex::compile(pattern)?),
            PathMatch::PathSeparatedPrefix(prefix) => Rule::SeparatedPrefix(prefix.clone()),
        };
        Ok(PathMatcher { rule, case_sensitive })
    }

    /// Whether `path` fulfils the condition.
    pub fn matches(&self, path: &str) -> bool {
        let path = path.as_bytes();
        let equal = |a: &[u8], b: &Name| equal(a, b.as_bytes(), self.case_sensitive);
        let begins = |prefix: &Name| path.get(..prefix.len()).is_some_and(|start| equal(start, prefix));
        match &self.rule {
            Rule::Prefix(prefix) => begins(prefix),
            Rule::Exact(exact) => equal(path, exact),
            Rule::Regex(regex) => regex.matches(path),
            Rule::SeparatedPrefix(prefix) => {
                begins(prefix) && matches!(path.get(prefix.len()), None | Some(b'/'))
            }
        }
    }
}
