//! How the binder tells mistakes: where, what was expected, what was found and what was probably meant.

use prost_reflect::MessageDescriptor;
use ripstop_yaml::{Entry, Node, Problem, Span, code, nearest};

use super::{Binder, Path};

impl Binder<'_> {
    pub(super) fn unknown_field(&self, entry: &Entry, descriptor: &MessageDescriptor, path: &Path<'_>) {
        let help = self.advice(|| {
            if entry.key == "<<" {
                return Some("Envoy does not merge mappings: use an alias for the whole value".to_owned());
            }
            let names: Vec<String> = descriptor.fields().map(|field| field.name().to_owned()).collect();
            nearest(&entry.key, names.iter().map(String::as_str))
                .map(|name| format!("did you mean `{name}`?"))
        });
        let message = format!("unknown field in {}", descriptor.full_name());
        self.failed.set(true);
        let path = path.key(&entry.key).text();
        let mut problem = Problem::error(self.problems.source(), path, Some(entry.key_span), message);
        problem.help = help.map(String::into_boxed_str);
        self.problems.push(problem.with_code(code::UNKNOWN_FIELD));
    }

    /// Help, unless nobody will see it: to look for what was meant costs more than to read the field.
    pub(super) fn advice(&self, help: impl FnOnce() -> Option<String>) -> Option<String> {
        if self.problems.is_full() { None } else { help() }
    }

    pub(super) fn refuse_as_text<T>(&self, node: &Node, path: &Path<'_>) -> Option<T> {
        let help = node.as_str().map(|text| format!("put it in quotes: \"{text}\""));
        self.error(node, path, format!("expected a text, found {}", found(node)), help);
        None
    }

    pub(super) fn refuse<T>(&self, node: &Node, path: &Path<'_>, expected: &str) -> Option<T> {
        self.error(node, path, format!("expected {expected}, found {}", found(node)), None);
        None
    }

    pub(super) fn error(&self, node: &Node, path: &Path<'_>, message: String, help: Option<String>) {
        self.error_at(node.span, path, message, help);
    }

    pub(super) fn error_at(&self, span: Span, path: &Path<'_>, message: String, help: Option<String>) {
        self.failed.set(true);
        let mut problem = Problem::error(self.problems.source(), path.text(), Some(span), message);
        problem.help = help.map(String::into_boxed_str);
        self.problems.push(problem.with_code(code::INVALID_VALUE));
    }
}

pub(super) fn found(node: &Node) -> String {
    match node.as_str() {
        Some(text) => quoted(text),
        None => node.kind().to_owned(),
    }
}

/// A value for a message, cut to 60 characters.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
