//! A condition on a query parameter. Names and values are compared as they were sent, percent-encoding included.

use ripstop_model::Name;
use ripstop_model::matcher::{QueryMatch, QueryValueMatch};

use super::text::{RegexError, TextMatcher};

/// A compiled [`QueryMatch`].
#[derive(Clone, Debug)]
pub struct QueryMatcher {
    name: Name,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Present(bool),
    Text(TextMatcher),
}

impl QueryMatcher {
    /// Compiles a condition.
    ///
    /// # Errors
    /// The regular expression cannot be compiled.
    pub fn compile(query: &QueryMatch) -> Result<QueryMatcher, RegexError> {
        let rule = match &query.value {
            QueryValueMatch::Present(present) => Rule::Present(*present),
            QueryValueMatch::String(text) => Rule::Text(TextMatcher::compile(text)?),
        };
        Ok(QueryMatcher { name: query.name.clone(), rule })
    }

    /// Whether a query fulfils the condition. Of a parameter that is there several times the first counts, as in
    /// Envoy; one without `=` has an empty value.
    pub fn matches(&self, query: Option<&str>) -> bool {
        let parameters = query.into_iter().flat_map(|query| query.split('&'));
        let mut pairs = parameters.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let found = pairs.find(|(name, _)| **name == *self.name);
        match (&self.rule, found) {
            (Rule::Present(wanted), found) => found.is_some() == *wanted,
            (Rule::Text(rule), Some((_, value))) => rule.matches(value.as_bytes()),
            (Rule::Text(_), None) => false,
        }
    }
}
