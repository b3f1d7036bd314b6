//! A tree back into YAML text that reads as the same tree. Not a pretty-printer of what somebody wrote: comments and
//! notation are gone.

use crate::node::{Document, Entry, Node, Scalar, Value};

/// Spaces of a level.
const INDENT: usize = 2;

/// Documents as one text, separated by `---`.
pub fn write(documents: &[Document]) -> String {
    let mut out = String::new();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            out.push_str("---\n");
        }
        block(&mut out, &document.root, 0);
    }
    out
}

fn block(out: &mut String, node: &Node, depth: usize) {
    match &node.value {
        Value::Mapping(entries) if !entries.is_empty() => mapping(out, entries, depth),
        Value::Sequence(elements) if !elements.is_empty() => sequence(out, elements, depth),
        _ => {
            inline(out, node);
            out.push('\n');
        }
    }
}

fn mapping(out: &mut String, entries: &[Entry], depth: usize) {
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            indent(out, depth);
        }
        one_entry(out, entry, depth);
    }
}

fn one_entry(out: &mut String, entry: &Entry, depth: usize) {
    out.push_str(&plain_or_quoted(&entry.key, false));
    out.push(':');
    match &entry.value.value {
        Value::Mapping(inner) if !inner.is_empty() => {
            out.push('\n');
            indent(out, depth + INDENT);
            mapping(out, inner, depth + INDENT);
        }
        Value::Sequence(inner) if !inner.is_empty() => {
            out.push('\n');
            indent(out, depth + INDENT);
            sequence(out, inner, depth + INDENT);
        }
        _ => {
            out.push(' ');
            inline(out, &entry.value);
            out.push('\n');
        }
    }
}

fn sequence(out: &mut String, elements: &[Node], depth: usize) {
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            indent(out, depth);
        }
        out.push_str("- ");
        block(out, element, depth + INDENT);
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n(' ', depth));
}

fn inline(out: &mut String, node: &Node) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Scalar(Scalar { text, quoted, str_tag }) => {
            out.push_str(&plain_or_quoted(text, *quoted || *str_tag));
        }
        // Only empty ones come here.
        Value::Sequence(_) => out.push_str("[]"),
        Value::Mapping(_) => out.push_str("{}"),
    }
}

/// A text that must stay one is put in quotes where it would read as something else; so is one that YAML would not read
/// as it stands.
fn plain_or_quoted(text: &str, is_text: bool) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./%+<>=~".contains(c);
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "./_<".contains(c))
        || (!is_text && text.parse::<f64>().is_ok());
    let inner = |c: char| safe(c) || c == ' ' || c == ':';
    let colon = text.contains(": ") || text.ends_with(':');
    let plain = starts_plain && !colon && !text.ends_with(' ') && text.chars().all(inner);
    if plain && !(is_text && could_be_typed(text)) {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether some reader of YAML, new or old, would take the text for a number, a truth value or nothing.
fn could_be_typed(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "~", ".inf", ".nan"];
    words.contains(&lower.as_str()) || text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::parse::parse;
    use crate::source::{Source, Span};

    /// Without places, which differ.
    fn bare(node: &Node) -> Node {
        let value = match &node.value {
            Value::Mapping(entries) => Value::Mapping(
                entries
                    .iter()
                    .map(|entry| Entry {
                        key: entry.key.clone(),
                        key_span: Span::default(),
                        value: bare(&entry.value),
                    })
                    .collect(),
            ),
            Value::Sequence(nodes) => Value::Sequence(nodes.iter().map(bare).collect()),
            Value::Scalar(scalar) => {
                let text = scalar.is_text() && could_be_typed(&scalar.text);
                Value::Scalar(Scalar { text: scalar.text.clone(), quoted: text, str_tag: false })
            }
            Value::Null => Value::Null,
        };
        Node { span: Span::default(), value }
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        let texts = [
            "a: 1\nb: {c: [x, {y: z, w: [1, 2]}, []], d: {}}\n",
            "- - a\n  - b\n- {c: '1', d: \"yes\", e: null, f: 'a: b', g: ' x ', h: \"tab\\tq\\\"\\\\\"}\n",
            "'*': ['*', '&a', '#c', '', '-', 'http://x:1/', '%PREFIX%', 10s, 0.5, -1]\n---\nx\n---\n[]\n",
        ];
        for text in texts {
            let first = parse(&Source::new("a", text)).unwrap();
            let written = write(&first);
            let again =
                parse(&Source::new("b", written.as_str())).unwrap_or_else(|e| panic!("{e}\n{written}"));
            let (first, again): (Vec<_>, Vec<_>) = (
                first.iter().map(|d| bare(&d.root)).collect(),
                again.iter().map(|d| bare(&d.root)).collect(),
            );
            assert_eq!(first, again, "{written}");
        }
    }

    #[test]
    fn nested_lists_and_mappings_are_laid_out_as_people_do() {
        let text = "kind: X\nspec:\n  hosts:\n    - a\n    - \"*\"\n  http:\n    - route:\n        - weight: 1\n      timeout: 30s\n";
        let documents = parse(&Source::new("a", text)).unwrap();
        assert_eq!(write(&documents), text);
    }
}
