//! Making documents: nodes that stand where the file says what they say.

use ripstop_yaml::{Document, Entry, Node, Scalar, Span, Value};

/// Something that was read, and where it stood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// A text.
pub(super) fn text(text: impl Into<String>, span: Span) -> Node {
    scalar(text.into(), true, span)
}

/// A whole number.
pub(super) fn number(number: impl Into<u64>, span: Span) -> Node {
    scalar(number.into().to_string(), false, span)
}

/// `true`.
pub(super) fn yes(span: Span) -> Node {
    scalar("true".to_owned(), false, span)
}

/// A duration that was read in seconds.
pub(super) fn seconds(seconds: &At<f64>) -> Node {
    // Checked to be positive and less than a year when it was read.
    let millis = (seconds.value * 1000.0).round() as u64;
    let text = match millis % 1000 {
        0 => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    };
    scalar(text, false, seconds.span)
}

fn scalar(text: String, quoted: bool, span: Span) -> Node {
    Node { span, value: Value::Scalar(Scalar { text, quoted, str_tag: false }) }
}

/// A list.
pub(super) fn list(elements: Vec<Node>, span: Span) -> Node {
    Node { span, value: Value::Sequence(elements) }
}

/// A mapping; what is `None` is left out.
pub(super) fn map<const N: usize>(entries: [(&str, Option<Node>); N], span: Span) -> Node {
    let entry = |(key, value): (&str, Option<Node>)| {
        let value = value?;
        Some(Entry { key: key.to_owned(), key_span: value.span, value })
    };
    Node { span, value: Value::Mapping(entries.into_iter().filter_map(entry).collect()) }
}

/// A document of a kind.
pub(super) fn document(api_version: &str, kind: &str, name: &str, spec: Node, span: Span) -> Document {
    let metadata = map([("name", Some(text(name, span)))], span);
    let root = map(
        [
            ("apiVersion", Some(text(api_version, span))),
            ("kind", Some(text(kind, span))),
            ("metadata", Some(metadata)),
            ("spec", Some(spec)),
        ],
        span,
    );
    Document { root }
}
