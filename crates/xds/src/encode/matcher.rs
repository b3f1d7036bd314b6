//! Text, header and query rules → wire.

use ripstop_model::matcher::{
    CookieMatch, HeaderMatch, HeaderValueMatch, QueryMatch, QueryValueMatch, StringMatch, StringPattern,
};
use ripstop_model::route::RegexSubstitution;

use crate::pb;

pub(super) fn regex(pattern: &str) -> pb::RegexMatcher {
    pb::RegexMatcher { regex: pattern.to_owned(), ..Default::default() }
}

/// Envoy refuses `ignore_case` where it has no effect, so it is not sent with a regex.
pub(super) fn string(rule: &StringMatch) -> pb::StringMatcher {
    use pb::string_matcher::MatchPattern;
    let pattern = match &rule.pattern {
        StringPattern::Exact(text) => MatchPattern::Exact(text.to_string()),
        StringPattern::Prefix(text) => MatchPattern::Prefix(text.to_string()),
        StringPattern::Suffix(text) => MatchPattern::Suffix(text.to_string()),
        StringPattern::Contains(text) => MatchPattern::Contains(text.to_string()),
        StringPattern::Regex(text) => MatchPattern::SafeRegex(regex(text)),
    };
    let regex = matches!(rule.pattern, StringPattern::Regex(_));
    pb::StringMatcher { match_pattern: Some(pattern), ignore_case: rule.ignore_case && !regex }
}

pub(super) fn header(rule: &HeaderMatch) -> pb::HeaderMatcher {
    use pb::header_matcher::HeaderMatchSpecifier;
    let specifier = match &rule.value {
        HeaderValueMatch::Present(present) => HeaderMatchSpecifier::PresentMatch(*present),
        HeaderValueMatch::String(rule) => HeaderMatchSpecifier::StringMatch(string(rule)),
        HeaderValueMatch::Range { start, end } => {
            HeaderMatchSpecifier::RangeMatch(pb::Int64Range { start: *start, end: *end })
        }
    };
    pb::HeaderMatcher {
        name: rule.name.to_string(),
        invert_match: rule.invert,
        treat_missing_header_as_empty: rule.treat_missing_as_empty,
        header_match_specifier: Some(specifier),
    }
}

pub(super) fn query(rule: &QueryMatch) -> pb::QueryParameterMatcher {
    use pb::query_parameter_matcher::QueryParameterMatchSpecifier;
    let specifier = match &rule.value {
        QueryValueMatch::Present(present) => QueryParameterMatchSpecifier::PresentMatch(*present),
        QueryValueMatch::String(rule) => QueryParameterMatchSpecifier::StringMatch(string(rule)),
    };
    pb::QueryParameterMatcher {
        name: rule.name.to_string(),
        query_parameter_match_specifier: Some(specifier),
    }
}

pub(super) fn cookie(rule: &CookieMatch) -> pb::CookieMatcher {
    pb::CookieMatcher {
        name: rule.name.to_string(),
        string_match: Some(string(&rule.value)),
        invert_match: rule.invert,
    }
}

pub(super) fn substitution(rule: &RegexSubstitution) -> pb::RegexMatchAndSubstitute {
    pb::RegexMatchAndSubstitute {
        pattern: Some(regex(&rule.pattern)),
        substitution: rule.substitution.to_string(),
    }
}
