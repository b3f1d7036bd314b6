//! Text, header and query rules ← wire. A rule that cannot be read makes the resource unusable: to match
//! more, or less, than was asked for is never harmless.

use ripstop_model::matcher::{
    CookieMatch, HeaderMatch, HeaderValueMatch, QueryMatch, QueryValueMatch, StringMatch, StringPattern,
};
use ripstop_model::route::RegexSubstitution;

use super::common::Context;
use crate::pb;

pub(super) fn string(cx: &mut Context, wire: &pb::StringMatcher) -> Option<StringMatch> {
    use pb::string_matcher::MatchPattern;
    let pattern = match &wire.match_pattern {
        Some(MatchPattern::Exact(text)) => StringPattern::Exact(text.as_str().into()),
        Some(MatchPattern::Prefix(text)) => StringPattern::Prefix(text.as_str().into()),
        Some(MatchPattern::Suffix(text)) => StringPattern::Suffix(text.as_str().into()),
        Some(MatchPattern::Contains(text)) => StringPattern::Contains(text.as_str().into()),
        Some(MatchPattern::SafeRegex(_)) if wire.ignore_case => {
            return cx
                .at("ignore_case", |cx| cx.refuse("has no effect on safe_regex; write (?i) into the regex"));
        }
        Some(MatchPattern::SafeRegex(regex)) => StringPattern::Regex(regex.regex.as_str().into()),
        Some(MatchPattern::Custom(custom)) => {
            return cx.refuse(format!("custom matcher '{}' is not supported", custom.name));
        }
        None => return cx.refuse("needs one of exact, prefix, suffix, contains and safe_regex"),
    };
    Some(StringMatch { pattern, ignore_case: wire.ignore_case })
}

#[allow(deprecated, reason = "Envoy still accepts the old ways to match a header")]
pub(super) fn header(cx: &mut Context, wire: &pb::HeaderMatcher) -> Option<HeaderMatch> {
    use pb::header_matcher::HeaderMatchSpecifier;
    let text = |pattern| HeaderValueMatch::String(StringMatch { pattern, ignore_case: false });
    let value = match &wire.header_match_specifier {
        // Without a rule the header just has to be there.
        None => HeaderValueMatch::Present(true),
        Some(HeaderMatchSpecifier::PresentMatch(present)) => HeaderValueMatch::Present(*present),
        Some(HeaderMatchSpecifier::StringMatch(rule)) => {
            HeaderValueMatch::String(cx.at("string_match", |cx| string(cx, rule))?)
        }
        Some(HeaderMatchSpecifier::RangeMatch(range)) => {
            HeaderValueMatch::Range { start: range.start, end: range.end }
        }
        Some(HeaderMatchSpecifier::ExactMatch(value)) => text(StringPattern::Exact(value.as_str().into())),
        Some(HeaderMatchSpecifier::PrefixMatch(value)) => text(StringPattern::Prefix(value.as_str().into())),
        Some(HeaderMatchSpecifier::SuffixMatch(value)) => text(StringPattern::Suffix(value.as_str().into())),
        Some(HeaderMatchSpecifier::ContainsMatch(value)) => {
            text(StringPattern::Contains(value.as_str().into()))
        }
        Some(HeaderMatchSpecifier::SafeRegexMatch(regex)) => {
            text(StringPattern::Regex(regex.regex.as_str().into()))
        }
    };
    Some(HeaderMatch {
        name: wire.name.to_ascii_lowercase().into(),
        value,
        invert: wire.invert_match,
        treat_missing_as_empty: wire.treat_missing_header_as_empty,
    })
}

pub(super) fn query(cx: &mut Context, wire: &pb::QueryParameterMatcher) -> Option<QueryMatch> {
    use pb::query_parameter_matcher::QueryParameterMatchSpecifier;
    let value = match &wire.query_parameter_match_specifier {
        None => QueryValueMatch::Present(true),
        Some(QueryParameterMatchSpecifier::PresentMatch(present)) => QueryValueMatch::Present(*present),
        Some(QueryParameterMatchSpecifier::StringMatch(rule)) => {
            QueryValueMatch::String(cx.at("string_match", |cx| string(cx, rule))?)
        }
    };
    Some(QueryMatch { name: wire.name.as_str().into(), value })
}

pub(super) fn cookie(cx: &mut Context, wire: &pb::CookieMatcher) -> Option<CookieMatch> {
    let value = cx.at("string_match", |cx| match &wire.string_match {
        Some(rule) => string(cx, rule),
        None => cx.refuse("a rule for the value is needed"),
    });
    Some(CookieMatch { name: wire.name.as_str().into(), value: value?, invert: wire.invert_match })
}

/// What is replaced, and by what. As in Envoy, a substitution that is none replaces nothing.
pub(super) fn substitution(
    cx: &mut Context,
    wire: &pb::RegexMatchAndSubstitute,
) -> Option<RegexSubstitution> {
    let Some(pattern) = &wire.pattern else { return cx.at("pattern", |cx| cx.refuse("is needed")) };
    let mut letters = wire.substitution.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' && !letters.next().is_some_and(|next| next.is_ascii_digit() || next == '\\') {
            cx.at("substitution", |cx| {
                cx.warn("nothing is replaced: behind a backslash stands a digit or another backslash");
            });
        }
    }
    Some(RegexSubstitution {
        pattern: pattern.regex.as_str().into(),
        substitution: wire.substitution.as_str().into(),
    })
}
