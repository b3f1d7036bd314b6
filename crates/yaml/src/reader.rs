//! Reading a mapping whose fields are known by name. What nobody asks for is reported at the end.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::field::Field;
use crate::nearest::nearest;
use crate::node::{Entry, Node};
use crate::path::join_key;
use crate::problem::{Problem, code};
use crate::problems::Problems;
use crate::source::Span;

/// Reads the fields of one mapping. A field that is absent, or there with nothing in it, reads as `None` or empty.
///
/// Call [`Reader::finish`] when every field has been asked for: only then are unknown fields found.
#[must_use = "call `finish` to report unknown fields"]
#[derive(Debug)]
pub struct Reader<'a> {
    node: &'a Node,
    entries: &'a [Entry],
    path: String,
    problems: &'a Problems,
    asked: RefCell<Vec<String>>,
}

impl<'a> Reader<'a> {
    /// Reads `node`, which stands at `path` (empty for the root). Reports if it is no mapping, and keys written twice;
    /// a node that is no mapping reads as an empty one.
    pub fn new(node: &'a Node, path: impl Into<String>, problems: &'a Problems) -> Self {
        let reader =
            Self { node, entries: node.entries(), path: path.into(), problems, asked: RefCell::default() };
        if !matches!(node.value, crate::node::Value::Mapping(_)) {
            let message = format!("expected a mapping, found {}", node.kind());
            reader.push(reader.problem_here(message).with_code(code::INVALID_VALUE));
        }
        let mut first: HashMap<&str, Span> = HashMap::new();
        for entry in reader.entries {
            if let Some(earlier) = first.get(entry.key.as_str()) {
                let line = problems.source().position(*earlier).line;
                let problem = reader.at_key(entry, "the field is written twice");
                reader.push(
                    problem
                        .with_help(format!("the first is in line {line}"))
                        .with_code(code::DUPLICATE_FIELD),
                );
            } else {
                first.insert(&entry.key, entry.key_span);
            }
        }
        reader
    }

    /// The path of the mapping.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The mapping itself.
    pub fn here(&self) -> &'a Node {
        self.node
    }

    /// The value of a field; `None` if it is absent or nothing is in it.
    pub fn field(&self, key: &str) -> Option<Field<'a>> {
        let node = self.node(key)?;
        Some(Field::new(node, join_key(&self.path, key), self.problems))
    }

    /// Like [`Reader::field`], but its absence is an error.
    pub fn required(&self, key: &str) -> Option<Field<'a>> {
        let field = self.field(key);
        if field.is_none() {
            let path = join_key(&self.path, key);
            let span = self.span_of(key).unwrap_or_else(|| self.head());
            let problem = Problem::error(self.problems.source(), path, Some(span), "the field is required");
            self.push(problem.with_code(code::MISSING_FIELD));
        }
        field
    }

    /// The raw value of a field; `None` if it is absent or nothing is in it.
    pub fn node(&self, key: &str) -> Option<&'a Node> {
        self.entry(key).map(|entry| &entry.value).filter(|node| !node.is_null())
    }

    /// Whether the key is written, even with nothing in it.
    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// A text.
    pub fn str(&self, key: &str) -> Option<String> {
        self.field(key)?.str()
    }

    /// A text that must be there and not be empty.
    pub fn required_str(&self, key: &str) -> Option<String> {
        let field = self.required(key)?;
        let text = field.str()?;
        if text.is_empty() {
            field.error("the text is empty");
            return None;
        }
        Some(text)
    }

    /// A whole number of 0 to 4294967295.
    pub fn u32(&self, key: &str) -> Option<u32> {
        self.field(key)?.u32()
    }

    /// A whole number of 0 to 2^64 - 1.
    pub fn u64(&self, key: &str) -> Option<u64> {
        self.field(key)?.u64()
    }

    /// A whole number of -2^63 to 2^63 - 1.
    pub fn i64(&self, key: &str) -> Option<i64> {
        self.field(key)?.i64()
    }

    /// A finite number.
    pub fn f64(&self, key: &str) -> Option<f64> {
        self.field(key)?.f64()
    }

    /// `true` or `false`.
    pub fn bool(&self, key: &str) -> Option<bool> {
        self.field(key)?.bool()
    }

    /// A duration with units, such as `1h30m` or `250ms`.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        self.field(key)?.duration()
    }

    /// One of the given words.
    pub fn one_of<T: Clone>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        self.field(key)?.one_of(words)
    }

    /// A mapping.
    pub fn map(&self, key: &str) -> Option<Reader<'a>> {
        self.field(key)?.map()
    }

    /// The elements of a list.
    pub fn list(&self, key: &str) -> Vec<Field<'a>> {
        self.field(key).map(|field| field.list()).unwrap_or_default()
    }

    /// The elements of a list of mappings; others are reported and left out.
    pub fn maps(&self, key: &str) -> Vec<Reader<'a>> {
        self.list(key).iter().filter_map(Field::map).collect()
    }

    /// The texts of a list.
    pub fn strings(&self, key: &str) -> Vec<String> {
        self.field(key).map(|field| field.strings()).unwrap_or_default()
    }

    /// A mapping of any keys to texts, such as labels.
    pub fn string_map(&self, key: &str) -> BTreeMap<String, String> {
        self.field(key).map(|field| field.string_map()).unwrap_or_default()
    }

    /// Where the value of a field stands, or its key if nothing is in it; `None` if the field is absent. Does not count
    /// as asking for the field.
    pub fn span_of(&self, key: &str) -> Option<Span> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(if entry.value.is_null() { entry.key_span } else { entry.value.span })
    }

    /// Warns, if the field is there, that it is understood but has no effect, and `why`.
    pub fn known_but_unsupported(&self, key: &str, why: &str) {
        if let Some(entry) = self.entry(key) {
            let mut problem = self.at_key(entry, &format!("understood, but not in force: {why}"));
            problem.severity = crate::problem::Severity::Warning;
            self.push(problem.with_code(code::NOT_IN_FORCE));
        }
    }

    /// Reports an error at a field, or at the mapping if the field is absent.
    pub fn error(&self, key: &str, message: impl Into<String>) {
        self.push(self.problem(key, message).with_code(code::INVALID_VALUE));
    }

    /// Reports an error at a field and what the operator can do.
    pub fn error_with_help(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.push(self.problem(key, message).with_help(help).with_code(code::INVALID_VALUE));
    }

    /// Reports a warning at a field, or at the mapping if the field is absent.
    pub fn warn(&self, key: &str, message: impl Into<String>) {
        let mut problem = self.problem(key, message);
        problem.severity = crate::problem::Severity::Warning;
        self.push(problem);
    }

    /// Reports an error at the mapping as a whole.
    pub fn error_here(&self, message: impl Into<String>) {
        self.push(self.problem_here(message).with_code(code::INVALID_VALUE));
    }

    /// Reports a warning at the mapping as a whole.
    pub fn warn_here(&self, message: impl Into<String>) {
        let mut problem = self.problem_here(message);
        problem.severity = crate::problem::Severity::Warning;
        self.push(problem);
    }

    /// Reports every key that nobody asked for, with the nearest one that somebody did.
    pub fn finish(self) {
        let mut asked = self.asked.borrow_mut();
        asked.sort_unstable();
        asked.dedup();
        for entry in self.entries {
            if asked.binary_search(&entry.key).is_ok() {
                continue;
            }
            let mut problem = self.at_key(entry, "unknown field").with_code(code::UNKNOWN_FIELD);
            if !self.problems.is_full() {
                let meant = nearest(&entry.key, asked.iter().map(String::as_str));
                problem.help = meant.map(|word| format!("did you mean `{word}`?").into());
            }
            self.push(problem);
        }
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        let mut asked = self.asked.borrow_mut();
        if !asked.iter().any(|known| known == key) {
            asked.push(key.to_owned());
        }
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The first line of the mapping, rather than all of it, is what a problem of the whole points at.
    fn head(&self) -> Span {
        match self.entries.first() {
            Some(entry) if entry.key_span.start >= self.node.span.start => entry.key_span,
            _ => self.node.span,
        }
    }

    fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        let span = self.span_of(key).unwrap_or_else(|| self.head());
        Problem::error(self.problems.source(), join_key(&self.path, key), Some(span), message)
    }

    fn problem_here(&self, message: impl Into<String>) -> Problem {
        Problem::error(self.problems.source(), self.path.clone(), Some(self.head()), message)
    }

    fn at_key(&self, entry: &Entry, message: &str) -> Problem {
        let path = join_key(&self.path, &entry.key);
        Problem::error(self.problems.source(), path, Some(entry.key_span), message)
    }

    fn push(&self, problem: Problem) {
        self.problems.push(problem);
    }
}

#[cfg(test)]
mod tests;
