//! Rules for texts and bytes: lengths, patterns, and what may stand in an HTTP header.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use regex::Regex;

use super::rules::{Bounds, list, truth};
use crate::message::{Fields, Value};

/// Compiled patterns. Bounded by the number of different patterns in Envoy's API, which is below ten.
static PATTERNS: LazyLock<RwLock<HashMap<String, Regex>>> = LazyLock::new(RwLock::default);

pub(super) struct TextRules {
    characters: Bounds<i128>,
    bytes: Bounds<i128>,
    prefix: Option<String>,
    suffix: Option<String>,
    only: Vec<String>,
    pattern: Option<Regex>,
    form: Option<Form>,
    ignore_empty: bool,
}

pub(super) struct BytesRules {
    length: Bounds<i128>,
}

/// The text is part of an HTTP header. Strict means as RFC 9110 has it; otherwise anything goes that ends no line.
#[derive(Clone, Copy)]
enum Form {
    HeaderName { strict: bool },
    HeaderValue { strict: bool },
}

impl TextRules {
    pub(super) fn read(rules: &Fields<'_>) -> Self {
        let text = |name| rules.named(name).and_then(Value::as_text);
        Self {
            characters: Bounds::between(rules, "min_len", "max_len"),
            bytes: Bounds::between(rules, "min_bytes", "max_bytes"),
            prefix: text("prefix").map(str::to_owned),
            suffix: text("suffix").map(str::to_owned),
            only: list(rules, "in").iter().filter_map(Value::as_text).map(str::to_owned).collect(),
            pattern: text("pattern").and_then(compiled),
            form: Form::read(rules),
            ignore_empty: truth(rules, "ignore_empty"),
        }
    }

    pub(super) fn violation(&self, text: &str) -> Option<String> {
        if self.ignore_empty && text.is_empty() {
            return None;
        }
        let affix = |affix: &Option<String>, holds: fn(&str, &str) -> bool, what: &str| {
            let broken = affix.as_deref().filter(|affix| !holds(text, affix));
            broken.map(|affix| format!("must {what} `{affix}`"))
        };
        let broken_pattern = self.pattern.as_ref().filter(|pattern| !pattern.is_match(text));
        self.characters
            .violation_of_length(text.chars().count(), "characters long")
            .or_else(|| self.bytes.violation_of_length(text.len(), "bytes long"))
            .or_else(|| affix(&self.prefix, |a, b| a.starts_with(b), "begin with"))
            .or_else(|| affix(&self.suffix, |a, b| a.ends_with(b), "end with"))
            .or_else(|| broken_pattern.map(|pattern| format!("must match {}", shown(pattern))))
            .or_else(|| {
                let wrong = !self.only.is_empty() && !self.only.iter().any(|one| one == text);
                wrong.then(|| format!("must be one of {}", self.only.join(", ")))
            })
            .or_else(|| {
                self.form.filter(|form| !form.fits(text)).map(|form| format!("must be {}", form.name()))
            })
    }
}

impl BytesRules {
    pub(super) fn read(rules: &Fields<'_>) -> Self {
        Self { length: Bounds::between(rules, "min_len", "max_len") }
    }

    pub(super) fn violation(&self, bytes: &[u8]) -> Option<String> {
        self.length.violation_of_length(bytes.len(), "bytes long")
    }
}

/// The pattern, compiled when it is first needed.
fn compiled(pattern: &str) -> Option<Regex> {
    let known = PATTERNS.read().unwrap_or_else(PoisonError::into_inner).get(pattern).cloned();
    known.or_else(|| {
        let compiled = full_match(pattern)?;
        let mut all = PATTERNS.write().unwrap_or_else(PoisonError::into_inner);
        Some(all.entry(pattern.to_owned()).or_insert(compiled).clone())
    })
}

/// Envoy matches the whole text.
fn full_match(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{pattern})$")).ok()
}

fn shown(pattern: &Regex) -> &str {
    let text = pattern.as_str();
    text.strip_prefix("^(?:").and_then(|text| text.strip_suffix(")$")).unwrap_or(text)
}

impl Form {
    fn read(rules: &Fields<'_>) -> Option<Self> {
        let strict = rules.named("strict").is_none() || truth(rules, "strict");
        match rules.named("well_known_regex").and_then(Value::as_int) {
            Some(1) => Some(Self::HeaderName { strict }),
            Some(2) => Some(Self::HeaderValue { strict }),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::HeaderName { .. } => "the name of an HTTP header",
            Self::HeaderValue { .. } => "the value of an HTTP header",
        }
    }

    fn fits(self, text: &str) -> bool {
        match self {
            Self::HeaderName { strict: true } => {
                let token = text.strip_prefix(':').unwrap_or(text);
                !token.is_empty() && token.bytes().all(is_token)
            }
            Self::HeaderValue { strict: true } => text.bytes().all(|b| b == b'\t' || !b.is_ascii_control()),
            Self::HeaderName { strict: false } | Self::HeaderValue { strict: false } => {
                !text.contains(['\0', '\n', '\r'])
            }
        }
    }
}

/// A character of a header name; the comma is allowed by Envoy's pattern, though not by RFC 9110.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+,-.^_|~`".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_fit_what_envoy_lets_through() {
        for (form, text, fits) in [
            (Form::HeaderName { strict: true }, ":path", true),
            (Form::HeaderName { strict: true }, "x-user", true),
            (Form::HeaderName { strict: true }, "x user", false),
            (Form::HeaderName { strict: true }, ":", false),
            (Form::HeaderName { strict: false }, "x user", true),
            (Form::HeaderName { strict: false }, "x\nuser", false),
            (Form::HeaderName { strict: false }, "", true),
            (Form::HeaderValue { strict: true }, "", true),
            (Form::HeaderValue { strict: true }, "a\tb é", true),
            (Form::HeaderValue { strict: true }, "a\u{1}", false),
            (Form::HeaderValue { strict: false }, "a\u{1}", true),
            (Form::HeaderValue { strict: false }, "a\r", false),
        ] {
            assert_eq!(form.fits(text), fits, "{} {text:?}", form.name());
        }
    }

    #[test]
    fn patterns_match_the_whole_text() {
        let pattern = full_match("[a-z]+").expect("a pattern");
        assert!(pattern.is_match("abc") && !pattern.is_match("abc1"));
        assert_eq!(shown(&pattern), "[a-z]+");
    }
}
