//! What path and host of a forwarded request become.

use super::template::RewriteTemplate;
use crate::Name;

/// What the path of a forwarded request becomes. The query stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// The part that matched (prefix, or the whole exact path) is replaced.
    Prefix(Name),
    /// What an expression finds is replaced.
    Regex(RegexSubstitution),
    /// A pattern filled with what the variables of [`super::PathMatch::Template`] took.
    Template(RewriteTemplate),
}

/// What the host of a forwarded request becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRewrite {
    /// This one.
    Literal(Name),
    /// The host name of the endpoint that was picked, where it has one.
    Endpoint,
    /// The value of this request header (lower case), where it is there and not empty.
    Header(Name),
    /// The path (without the query) in which what an expression finds is replaced.
    PathRegex(RegexSubstitution),
}

/// Envoy's `RegexMatchAndSubstitute`: every place where the expression matches is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegexSubstitution {
    /// The expression (RE2). It matches parts of a text.
    pub pattern: Name,
    /// What stands in its place: `\0` to `\9` stand for the whole match and its groups, `\\` for a backslash.
    pub substitution: Name,
}
