//! Paths that fit a pattern with variables, and what its variables took.

use std::fmt::Write as _;

use regex::Regex;
use ripstop_model::route::PathTemplate;
use ripstop_model::route::template::{RewritePart, RewriteTemplate, TemplateSegment};

use super::text::{MAX_COMPILED_BYTES, RegexError};

/// What a segment can hold: `pchar` of RFC 3986.
const SEGMENT: &str = r"[a-zA-Z0-9\-._~%!$&'()*+,;:@=]+";
/// The same, with slashes, and maybe nothing.
const REST: &str = r"[a-zA-Z0-9\-._~%!$&'()*+,;:@=/]*";

/// A compiled [`PathTemplate`].
#[derive(Clone, Debug)]
pub struct TemplateMatcher(Regex);

impl TemplateMatcher {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is too large.
    pub fn compile(template: &PathTemplate) -> Result<TemplateMatcher, RegexError> {
        let mut pattern = String::from("^");
        for segment in template.segments() {
            pattern.push('/');
            match segment {
                TemplateSegment::Variable { name, segments } => {
                    // Names are letters, digits and `_`.
                    let _ = write!(pattern, "(?P<{name}>");
                    for (index, inner) in segments.iter().enumerate() {
                        pattern.push_str(if index == 0 { "" } else { "/" });
                        push(&mut pattern, inner);
                    }
                    pattern.push(')');
                }
                plain => push(&mut pattern, plain),
            }
        }
        pattern.push('$');
        let built = regex::RegexBuilder::new(&pattern).size_limit(MAX_COMPILED_BYTES).build();
        built
            .map(TemplateMatcher)
            .map_err(|error| RegexError { pattern: template.as_str().into(), why: error.to_string() })
    }

    /// Whether `path` fits.
    pub fn matches(&self, path: &str) -> bool {
        self.0.is_match(path)
    }

    /// What `path` becomes; `None` if it does not fit.
    pub fn rewrite(&self, rewrite: &RewriteTemplate, path: &str) -> Option<String> {
        let found = self.0.captures(path)?;
        let mut rewritten = String::with_capacity(path.len());
        for part in rewrite.parts() {
            match part {
                RewritePart::Literal(text) => rewritten.push_str(text),
                RewritePart::Variable(name) => {
                    rewritten.push_str(found.name(name).map_or("", |taken| taken.as_str()));
                }
            }
        }
        Some(rewritten)
    }
}

fn push(pattern: &mut String, segment: &TemplateSegment) {
    match segment {
        TemplateSegment::Literal(text) => pattern.push_str(&regex::escape(text)),
        TemplateSegment::One => pattern.push_str(SEGMENT),
        // Variables are not within each other.
        TemplateSegment::Rest | TemplateSegment::Variable { .. } => pattern.push_str(REST),
    }
}
