//! Istio's `StringMatch`.

use ripstop_model::Name;
use ripstop_model::matcher::{StringMatch, StringPattern};

/// How a text has to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// The whole text.
    Exact(Name),
    /// Its beginning.
    Prefix(Name),
    /// The whole text against an RE2 expression.
    Regex(Name),
}

impl TextMatch {
    /// The same in the words of the proxies, case included.
    pub fn to_model(&self) -> StringMatch {
        let pattern = match self {
            TextMatch::Exact(text) => StringPattern::Exact(text.clone()),
            TextMatch::Prefix(text) => StringPattern::Prefix(text.clone()),
            TextMatch::Regex(text) => StringPattern::Regex(text.clone()),
        };
        StringMatch { pattern, ignore_case: false }
    }
}
