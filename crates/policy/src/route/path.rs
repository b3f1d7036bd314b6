//! The condition on the path of a request, without its query.

use ripstop_model::Name;
use ripstop_model::route::PathMatch;

use super::RequestHead;
use super::template::TemplateMatcher;
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
    Template(TemplateMatcher),
    Connect,
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
            PathMatch::Template(template) => Rule::Template(TemplateMatcher::compile(template)?),
            PathMatch::Connect => Rule::Connect,
        };
        Ok(PathMatcher { rule, case_sensitive })
    }

    /// Whether a request fulfils the condition, whose path is `path`. CONNECT requests have no path; what takes them
    /// takes nothing else.
    pub fn matches(&self, request: &RequestHead<'_>, path: &str) -> bool {
        if request.method == "CONNECT" || matches!(self.rule, Rule::Connect) {
            return request.method == "CONNECT" && matches!(self.rule, Rule::Connect);
        }
        let bytes = path.as_bytes();
        let equal = |a: &[u8], b: &Name| equal(a, b.as_bytes(), self.case_sensitive);
        let begins = |prefix: &Name| bytes.get(..prefix.len()).is_some_and(|start| equal(start, prefix));
        match &self.rule {
            Rule::Prefix(prefix) => begins(prefix),
            Rule::Exact(exact) => equal(bytes, exact),
            Rule::Regex(regex) => regex.matches(bytes),
            Rule::SeparatedPrefix(prefix) => {
                begins(prefix) && matches!(bytes.get(prefix.len()), None | Some(b'/'))
            }
            Rule::Template(template) => template.matches(path),
            Rule::Connect => false,
        }
    }
}
