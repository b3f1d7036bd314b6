//! A text into its documents, each as it was written, comments included.

use ripstop_yaml::{Problem, Source, parse};

/// One document of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocumentText {
    /// Line of the text that it begins on, from 1.
    pub(crate) line: u32,
    /// What stands there; ends with a line feed.
    pub(crate) text: String,
}

/// The documents of a text that hold something.
///
/// # Errors
/// The text is no YAML.
pub(crate) fn split(source: &Source) -> Result<Vec<DocumentText>, Problem> {
    let documents = parse(source)?;
    let text = source.text();
    let mut found = Vec::with_capacity(documents.len());
    let mut begin = 0;
    for (index, document) in documents.iter().enumerate() {
        let root = &document.root;
        if index == 0 {
            // What stands before the first marker belongs to the text as a whole.
            let (marker, behind) = marker_before(text, 0, root.span.start as usize);
            begin = if behind > marker { behind } else { 0 };
        }
        let next = documents.get(index + 1).map(|next| next.root.span.start as usize);
        // Comments behind the last value and before the marker belong to this document.
        let end = next.map_or(text.len(), |next| marker_before(text, root.span.end as usize, next).0);
        let after = next.map_or(text.len(), |next| marker_before(text, root.span.end as usize, next).1);
        if !root.is_null() {
            found.push(document_text(text, begin, end));
        }
        begin = after;
    }
    Ok(found)
}

/// Where the last `---` between two values begins, and where it ends.
fn marker_before(text: &str, from: usize, to: usize) -> (usize, usize) {
    let from = text.floor_char_boundary(from.min(to));
    let to = text.floor_char_boundary(to);
    let between = text.get(from..to).unwrap_or_default();
    let mut at = from;
    let mut found = None;
    for line in between.split_inclusive('\n') {
        let starts_line = at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n');
        if starts_line && line.starts_with("---") {
            found = Some((at, at + 3));
        }
        at += line.len();
    }
    found.unwrap_or((to, to))
}

fn document_text(text: &str, begin: usize, end: usize) -> DocumentText {
    let mut begin = begin;
    let mut rest = text.get(begin..end).unwrap_or_default();
    // The marker of the first document, and empty lines.
    loop {
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        let skipped = match line.trim_end() {
            "" if !line.is_empty() => line.len(),
            marker if marker.starts_with("---") && begin_of_line(text, begin) => 3,
            _ => break,
        };
        begin += skipped;
        rest = &rest[skipped..];
    }
    let line = text.as_bytes()[..begin].iter().filter(|byte| **byte == b'\n').count() + 1;
    let rest = rest.trim_end();
    let rest = rest.strip_suffix("\n...").unwrap_or(rest);
    DocumentText { line: u32::try_from(line).unwrap_or(u32::MAX), text: format!("{rest}\n") }
}

fn begin_of_line(text: &str, at: usize) -> bool {
    at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n')
}
