//! How a text is compared with a rule. Patterns are kept as text: `ripstop-policy` compiles them.

use crate::Name;

/// Envoy's `StringMatcher`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StringMatch {
    /// What to compare with.
    pub pattern: StringPattern,
    /// ASCII case is ignored. Has no effect on [`StringPattern::Regex`].
    pub ignore_case: bool,
}

impl StringMatch {
    /// Equal to `text`, case included.
    pub fn exact(text: impl Into<Name>) -> StringMatch {
        StringMatch { pattern: StringPattern::Exact(text.into()), ignore_case: false }
    }
}

/// The kinds of comparison.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StringPattern {
    /// The whole text.
    Exact(Name),
    /// Its beginning.
    Prefix(Name),
    /// Its end.
    Suffix(Name),
    /// Anywhere in it.
    Contains(Name),
    /// The whole text against an RE2 expression.
    Regex(Name),
}

/// One condition on a request header. All conditions of a route must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderMatch {
    /// Lower-case header name; pseudo-headers such as `:method` and `:authority` are allowed.
    pub name: Name,
    /// What its value must be.
    pub value: HeaderValueMatch,
    /// The condition holds when it would otherwise not.
    pub invert: bool,
    /// A missing header counts as an empty one.
    pub treat_missing_as_empty: bool,
}

/// What the value of a header must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HeaderValueMatch {
    /// There (`true`) or not there (`false`).
    Present(bool),
    /// Matches the text rule.
    String(StringMatch),
    /// A decimal integer in `start..end`.
    Range {
        /// First value inside.
        start: i64,
        /// First value outside.
        end: i64,
    },
}

/// One condition on a query parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueryMatch {
    /// Name of the parameter, compared exactly.
    pub name: Name,
    /// What it must be.
    pub value: QueryValueMatch,
}

/// What a query parameter must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueryValueMatch {
    /// There (`true`), with any value, or not there (`false`).
    Present(bool),
    /// There, with a value that matches the text rule.
    String(StringMatch),
}

/// One condition on a cookie.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CookieMatch {
    /// Name of the cookie, compared exactly.
    pub name: Name,
    /// What its value must be.
    pub value: StringMatch,
    /// The condition holds when it would otherwise not.
    pub invert: bool,
}
