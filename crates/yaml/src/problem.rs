//! One thing that is wrong with a text, with all an operator needs to find it.

use std::fmt;
use std::sync::Arc;

use crate::source::{Source, Span};

/// Whether a problem forbids the use of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The document cannot be used.
    Error,
    /// The document can be used, but not all of it does what its author may expect.
    Warning,
}

/// Values of [`Problem::code`]: what kind of problem it is, for programs that read problems.
pub mod code {
    /// The text is not YAML.
    pub const SYNTAX: &str = "syntax";
    /// The text is larger, deeper or more repetitive than allowed.
    pub const LIMIT: &str = "limit";
    /// A field that does not exist.
    pub const UNKNOWN_FIELD: &str = "unknown-field";
    /// A field written twice.
    pub const DUPLICATE_FIELD: &str = "duplicate-field";
    /// A field that must be there is not.
    pub const MISSING_FIELD: &str = "missing-field";
    /// A value of the wrong type or out of range.
    pub const INVALID_VALUE: &str = "invalid-value";
    /// A field that is understood, but has no effect.
    pub const NOT_IN_FORCE: &str = "not-in-force";
}

/// One thing that is wrong with a text. [`fmt::Display`] gives one line: `file:line:col: path: message (help)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Name of the [`Source`].
    pub source: Arc<str>,
    /// Path of the field, such as `spec.http[0].retries.attempts`; empty for the document as a whole.
    pub path: String,
    /// Where in the text; `None` if it concerns no certain place.
    pub span: Option<Span>,
    /// Line, from 1; 0 if there is no place.
    pub line: u32,
    /// Column in characters, from 1; 0 if there is no place.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What the operator can do.
    pub help: Option<Box<str>>,
    /// What kind of problem it is: one of [`code`], or a word of whoever reports.
    pub code: Option<&'static str>,
}

impl Problem {
    /// An error at `span` of `source`.
    pub fn error(
        source: &Source,
        path: impl Into<String>,
        span: Option<Span>,
        message: impl Into<String>,
    ) -> Self {
        let position = span.map(|span| source.position(span));
        Self {
            severity: Severity::Error,
            source: Arc::clone(source.name()),
            path: path.into(),
            span,
            line: position.map_or(0, |p| p.line),
            column: position.map_or(0, |p| p.column),
            message: message.into(),
            help: None,
            code: None,
        }
    }

    /// The same as a warning.
    pub fn warning(
        source: &Source,
        path: impl Into<String>,
        span: Option<Span>,
        message: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(source, path, span, message) }
    }

    /// Adds what the operator can do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into().into());
        self
    }

    /// Adds the kind of problem.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", one_line(&self.source))?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", one_line(&self.path))?;
        }
        write!(f, " {}", one_line(&self.message))?;
        if let Some(help) = &self.help {
            write!(f, " ({})", one_line(help))?;
        }
        Ok(())
    }
}

/// `text` with control characters escaped, so that nobody's YAML writes to a terminal or adds a line to a log.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// `text` in backticks for a message, cut to 60 characters.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_whatever_it_quotes() {
        let source = Source::new("a.yaml", "x: 1\ny: 2\n");
        let problem = Problem::error(&source, "y", Some(Span { start: 5, end: 6 }), "bad\nvalue \u{1b}[31m")
            .with_help("write 3");
        assert_eq!(problem.to_string(), "a.yaml:2:1: y: bad\\nvalue \\u{1b}[31m (write 3)");
        let nowhere = Problem::warning(&source, "", None, "empty");
        assert_eq!(nowhere.to_string(), "a.yaml: empty");
        assert_eq!((nowhere.line, nowhere.column, nowhere.severity), (0, 0, Severity::Warning));
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        assert_eq!(quote("short"), "`short`");
        assert_eq!(quote(&"é".repeat(70)), format!("`{}…`", "é".repeat(60)));
    }
}
