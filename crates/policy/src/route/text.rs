//! Comparison of a text with a compiled rule. Texts are bytes: header values need not be UTF-8.

use regex::bytes::{Regex, RegexBuilder};
use ripstop_model::Name;
use ripstop_model::matcher::{StringMatch, StringPattern};

/// Largest compiled expression in bytes. Bounds what a configuration can make us hold and build.
pub(crate) const MAX_COMPILED_BYTES: usize = 1 << 20;

/// A compiled [`StringMatch`].
#[derive(Clone, Debug)]
pub struct TextMatcher {
    rule: Rule,
    ignore_case: bool,
}

#[derive(Clone, Debug)]
enum Rule {
    Exact(Name),
    Prefix(Name),
    Suffix(Name),
    Contains(Name),
    Regex(FullRegex),
}

impl TextMatcher {
    /// Compiles a rule.
    ///
    /// # Errors
    /// The regular expression cannot be compiled.
    pub fn compile(rule: &StringMatch) -> Result<TextMatcher, RegexError> {
        let compiled = match &rule.pattern {
            StringPattern::Exact(text) => Rule::Exact(text.clone()),
            StringPattern::Prefix(text) => Rule::Prefix(text.clone()),
            StringPattern::Suffix(text) => Rule::Suffix(text.clone()),
            StringPattern::Contains(text) => Rule::Contains(text.clone()),
            StringPattern::Regex(pattern) => Rule::Regex(FullRegex::compile(pattern)?),
        };
        Ok(TextMatcher { rule: compiled, ignore_case: rule.ignore_case })
    }

    /// Whether `text` fulfils the rule.
    pub fn matches(&self, text: &[u8]) -> bool {
        let equal = |a: &[u8], b: &Name| equal(a, b.as_bytes(), !self.ignore_case);
        match &self.rule {
            Rule::Exact(rule) => equal(text, rule),
            Rule::Prefix(rule) => text.get(..rule.len()).is_some_and(|start| equal(start, rule)),
            Rule::Suffix(rule) => {
                text.len().checked_sub(rule.len()).is_some_and(|from| equal(&text[from..], rule))
            }
            Rule::Contains(rule) => {
                rule.is_empty() || text.windows(rule.len()).any(|window| equal(window, rule))
            }
            Rule::Regex(regex) => regex.matches(text),
        }
    }
}

/// Equality with or without ASCII case.
pub(super) fn equal(a: &[u8], b: &[u8], case_sensitive: bool) -> bool {
    if case_sensitive { a == b } else { a.eq_ignore_ascii_case(b) }
}

/// An RE2 expression that has to match a whole text.
///
/// The dialect is that of the `regex` crate, which shares RE2's syntax and its linear time. It differs where RE2 has
/// `\C` and `\Q…\E` (refused here) and where `\d`, `\s` and `\w` meet letters beyond ASCII (matched here).
#[derive(Clone, Debug)]
pub struct FullRegex(Regex);

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no usable regular expression: {why}")]
pub struct RegexError {
    /// The expression.
    pub pattern: Name,
    /// What is wrong with it, on one line.
    pub why: String,
}

impl FullRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is malformed, or too large when compiled.
    pub fn compile(pattern: &Name) -> Result<FullRegex, RegexError> {
        let build = |text: &str| {
            let built = RegexBuilder::new(text).size_limit(MAX_COMPILED_BYTES).build();
            built.map_err(|error| {
                let why = match error {
                    regex::Error::Syntax(text) => last_line(&text),
                    regex::Error::CompiledTooBig(limit) => {
                        format!("it needs more than {limit} bytes when compiled")
                    }
                    other => other.to_string(),
                };
                RegexError { pattern: pattern.clone(), why }
            })
        };
        // By itself first: what only parses inside the group below (`a)|(b`) is refused. The line break ends a comment
        // that `(?x)` may have left open, and means nothing to it otherwise; without `(?x)` there is none.
        build(pattern)?;
        let whole = build(&format!(r"\A(?:{pattern})\z"));
        whole.or_else(|_| build(&format!("\\A(?:{pattern}\n)\\z"))).map(FullRegex)
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

/// The parser draws the expression with a caret below it; its last line says what is wrong.
fn last_line(drawn: &str) -> String {
    let last = drawn.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(drawn).trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(pattern: StringPattern, ignore_case: bool, yes: &[&str], no: &[&str]) {
        let rule = StringMatch { pattern, ignore_case };
        let matcher = TextMatcher::compile(&rule).unwrap();
        for text in yes {
            assert!(matcher.matches(text.as_bytes()), "{rule:?} takes {text:?}");
        }
        for text in no {
            assert!(!matcher.matches(text.as_bytes()), "{rule:?} does not take {text:?}");
        }
    }

    #[test]
    fn texts_are_compared_by_rule() {
        check(StringPattern::Exact("Ab".into()), false, &["Ab"], &["ab", "Abc", ""]);
        check(StringPattern::Exact("Ab".into()), true, &["Ab", "aB"], &["abc"]);
        check(StringPattern::Prefix("Ab".into()), true, &["abc", "AB"], &["a", "", "xab"]);
        check(StringPattern::Suffix("Ab".into()), false, &["xAb", "Ab"], &["b", "", "Abx"]);
        check(StringPattern::Contains("b".into()), true, &["aBc", "b"], &["", "ac"]);
        check(StringPattern::Contains("".into()), false, &["", "x"], &[]);
        check(StringPattern::Regex("a|b".into()), true, &["a", "b"], &["ab", "A", "xa", "b\n"]);
        check(StringPattern::Regex("(?x) a b # why".into()), false, &["ab"], &["a b", "abc"]);
    }

    #[test]
    fn bad_expressions_say_what_is_wrong() {
        let why = |pattern: &str| FullRegex::compile(&pattern.into()).unwrap_err().why;
        assert_eq!(why("a("), "unclosed group");
        assert_eq!(why("a)|(b"), "unopened group");
        assert!(why(r"(?=a)").contains("look-around"));
        assert!(why("(a{1000}){1000}").contains("bytes when compiled"));
        assert!(!FullRegex::compile(&"\\w+".into()).unwrap().matches(b"\xff"));
    }
}
