//! Texts in which what an expression finds is replaced: RE2's `GlobalReplace`, as Envoy uses it.

use std::borrow::Cow;

use regex::{Captures, Regex, RegexBuilder};
use ripstop_model::route::RegexSubstitution;

use crate::route::text::{MAX_COMPILED_BYTES, RegexError};

/// A compiled [`RegexSubstitution`].
#[derive(Clone, Debug)]
pub struct Substitution {
    regex: Regex,
    /// `None`: the substitution is none; nothing is replaced.
    parts: Option<Vec<Part>>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Group(usize),
}

impl Substitution {
    /// Compiles expression and substitution. As in Envoy, a substitution that is none, or that names a group which the
    /// expression does not have, replaces nothing.
    ///
    /// # Errors
    /// The expression cannot be compiled.
    pub fn compile(rule: &RegexSubstitution) -> Result<Substitution, RegexError> {
        let built = RegexBuilder::new(&rule.pattern).size_limit(MAX_COMPILED_BYTES).build();
        let regex =
            built.map_err(|error| RegexError { pattern: rule.pattern.clone(), why: error.to_string() })?;
        let groups = regex.captures_len();
        let exist = |parts: &Vec<Part>| {
            parts.iter().all(|part| !matches!(part, Part::Group(number) if *number >= groups))
        };
        Ok(Substitution { regex, parts: parts(&rule.substitution).filter(exist) })
    }

    /// `text` with every match replaced.
    pub fn replace_all<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(parts) = &self.parts else { return Cow::Borrowed(text) };
        self.regex.replace_all(text, |found: &Captures<'_>| {
            let mut replacement = String::new();
            for part in parts {
                match part {
                    Part::Text(text) => replacement.push_str(text),
                    // A group that took no part in the match is empty.
                    Part::Group(number) => {
                        replacement.push_str(found.get(*number).map_or("", |taken| taken.as_str()));
                    }
                }
            }
            replacement
        })
    }
}

/// RE2's syntax: `\0` to `\9`, and `\\`.
fn parts(substitution: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut letters = substitution.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        match letters.next()? {
            '\\' => text.push('\\'),
            digit => {
                let number = digit.to_digit(10)?;
                parts.push(Part::Text(std::mem::take(&mut text)));
                parts.push(Part::Group(number as usize));
            }
        }
    }
    parts.push(Part::Text(text));
    Some(parts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_match_is_replaced() {
        let check = |pattern: &str, substitution: &str, text: &str, expected: &str| {
            let rule = RegexSubstitution { pattern: pattern.into(), substitution: substitution.into() };
            let compiled = Substitution::compile(&rule).unwrap();
            assert_eq!(compiled.replace_all(text), expected, "{rule:?} on {text}");
        };
        // What Envoy answers.
        check("(r)(/x)?", r"<\2\1\0\\>", "/rr/x", r"/<rr\></xrr/x\>");
        check("x*", "-", "/empty/x/", "-/-e-m-p-t-y-/-/-");
        check("^/pre/([^/]+).*$", r"\1.host", "/pre/some/x", "some.host");
        check(".*", "", "/gone", "");
        check("zzz", "-", "/none", "/none");
        // Substitutions that are none.
        for bad in [r"\1", r"\x", "end\\"] {
            check("a", bad, "/a", "/a");
        }
    }
}
