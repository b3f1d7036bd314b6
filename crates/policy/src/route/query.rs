//! A condition on a query parameter. Names and values are compared as they were sent, percent-encoding included.

use ripstop_model::Name;
use ripstop_model::matcher::QueryMatch;

use super::text::{RegexError, TextMatcher};

/// A compiled [`QueryMatch`].
#[derive(Clone, Debug)]
pub struct QueryMatcher {
    name: Name,
    value: Option<TextMatcher>,
}

impl QueryMatcher {
    /// Compiles a condition.
    ///
    /// # Errors
    /// The regular expression cannot be compiled.
    pub fn compile(query: &QueryMatch) -> Result<QueryMatcher, RegexError> {
        let value = query.value.as_ref().map(TextMatcher::compile).transpose()?;
        Ok(QueryMatcher { name: query.name.clone(), value })
    }

    /// Whether a query fulfils the condition. Of a parameter that is there several times the first counts, as in
    /// Envoy; one without `=` has an empty value.
    pub fn matches(&self, query: Option<&str>) -> bool {
        let parameters = query.into_iter().flat_map(|query| query.split('&'));
        let mut pairs = parameters.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        match (pairs.find(|(name, _)| **name == *self.name), &self.value) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some((_, value)), Some(rule)) => rule.matches(value.as_bytes()),
        }
    }
}
