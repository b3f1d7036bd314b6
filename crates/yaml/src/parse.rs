//! Text into trees: the parser's events, with aliases expanded and every limit kept. No types are guessed here.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, options};

use crate::node::{Document, Entry, Node, Scalar, Value};
use crate::problem::{Problem, code};
use crate::source::{Source, Span, saturate};

/// Largest text, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 << 20;
/// Most values in all documents of a text, those copied for anchors and aliases included.
pub const MAX_NODES: usize = 2_000_000;
/// Deepest nesting of lists and mappings, that of aliases included.
pub const MAX_DEPTH: usize = 128;
/// Most bytes of scalars that anchors and aliases may copy.
pub const MAX_ALIAS_BYTES: usize = 64 << 20;

/// Reads all documents of a YAML or JSON text; empty documents are dropped.
///
/// # Errors
/// One problem: the first error of syntax, or the limit that is exceeded. Text behind it is not read.
pub fn parse(source: &Source) -> Result<Vec<Document>, Problem> {
    let length = source.text().len();
    if length > MAX_TEXT_BYTES {
        let message = format!("the text has {length} bytes, more than the {MAX_TEXT_BYTES} allowed");
        return Err(Problem::error(source, "", None, message).with_code(code::LIMIT));
    }
    let mut options = options! { emit_anchor_events: false };
    options.set_emit_comments(false);
    let mut builder = Builder::new(source);
    for next in Parser::new_from_str_with_options(source.text(), options) {
        let (event, span) = next.map_err(|error| syntax_error(source, &error))?;
        builder.take(event, byte_span(source, span))?;
    }
    Ok(builder.documents)
}

fn syntax_error(source: &Source, error: &granit_parser::ScanError) -> Problem {
    let at = error.marker().byte_offset().map(saturate).unwrap_or_default();
    let span = Some(Span { start: at, end: at });
    Problem::error(source, "", span, format!("not valid YAML: {}", error.info())).with_code(code::SYNTAX)
}

fn byte_span(source: &Source, span: granit_parser::Span) -> Span {
    let start = span.start.byte_offset().unwrap_or_default();
    let end = span.end.byte_offset().unwrap_or_default().max(start);
    // The parser lets a block end at the next token; a value ends with its last visible character.
    let visible = source.text().get(start..end).map_or(0, |text| text.trim_end().len());
    Span { start: saturate(start), end: saturate(start + visible) }
}

/// A list or mapping that is still open.
struct Open {
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    /// The entries so far, and the key whose value comes next.
    Mapping(Vec<Entry>, Option<(String, Span)>),
}

struct Builder<'a> {
    source: &'a Source,
    documents: Vec<Document>,
    open: Vec<Open>,
    anchored: HashMap<usize, Node>,
    nodes: usize,
    copied_bytes: usize,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source) -> Self {
        Self {
            source,
            documents: Vec::new(),
            open: Vec::new(),
            anchored: HashMap::new(),
            nodes: 0,
            copied_bytes: 0,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = style != ScalarStyle::Plain;
                let str_tag = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                let value = match &*text {
                    "" | "~" | "null" | "Null" | "NULL" if !quoted && !str_tag => Value::Null,
                    _ => Value::Scalar(Scalar { text: text.into_owned(), quoted, str_tag }),
                };
                self.count(span)?;
                self.close(Node { span, value }, anchor)
            }
            Event::Alias(anchor) => {
                let Some(target) = self.anchored.remove(&anchor) else {
                    return Err(self.syntax(span, "an alias stands inside the value that it refers to"));
                };
                let copy = self.copy(&target, self.open.len(), span);
                self.anchored.insert(anchor, target);
                self.close(Node { span, value: copy?.value }, 0)
            }
            Event::SequenceStart(_, anchor, _) => self.start(span, anchor, Content::Sequence(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.start(span, anchor, Content::Mapping(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::DocumentEnd => {
                self.anchored.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, span: Span, anchor: usize, content: Content) -> Result<(), Problem> {
        self.count(span)?;
        self.check_depth(self.open.len() + 1, span)?;
        self.open.push(Open { span, anchor, content });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else {
            return Err(self.syntax(span, "a list or mapping ends that never began"));
        };
        let (value, last) = match open.content {
            Content::Sequence(nodes) => {
                let last = nodes.last().map_or(0, |node| node.span.end);
                (Value::Sequence(nodes), last)
            }
            Content::Mapping(entries, _) => {
                let last = entries.last().map_or(0, |entry| entry.value.span.end.max(entry.key_span.end));
                (Value::Mapping(entries), last)
            }
        };
        // A flow collection ends with its bracket, a block with its last value.
        let flow = matches!(self.source.text().as_bytes().get(open.span.start as usize), Some(b'[' | b'{'));
        let end = if flow { span.end } else { last };
        let span = Span { start: open.span.start, end: end.max(open.span.start) };
        self.close(Node { span, value }, open.anchor)
    }

    /// Puts a finished value where it belongs: into the open list or mapping, or as the root of a document.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            let copy = self.copy(&node, 0, node.span)?;
            self.anchored.insert(anchor, copy);
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None if node.is_null() => {}
            None => self.documents.push(Document { root: node }),
            Some(Content::Sequence(nodes)) => nodes.push(node),
            Some(Content::Mapping(entries, key @ Some(_))) => {
                if let Some((key, key_span)) = key.take() {
                    entries.push(Entry { key, key_span, value: node });
                }
            }
            Some(Content::Mapping(_, key)) => match node.value {
                Value::Scalar(scalar) => *key = Some((scalar.text, node.span)),
                Value::Null => {
                    let written = self.source.text().get(node.span.start as usize..node.span.end as usize);
                    *key = Some((written.unwrap_or_default().to_owned(), node.span));
                }
                Value::Sequence(_) | Value::Mapping(_) => {
                    return Err(self.syntax(node.span, "a key is a list or a mapping, but keys are words"));
                }
            },
        }
        Ok(())
    }

    /// A deep copy for an anchor or an alias that stands `depth` collections deep; every value and byte is counted.
    fn copy(&mut self, node: &Node, depth: usize, at: Span) -> Result<Node, Problem> {
        self.count(at)?;
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Scalar(scalar) => {
                self.count_bytes(scalar.text.len(), at)?;
                Value::Scalar(scalar.clone())
            }
            Value::Sequence(nodes) => {
                self.check_depth(depth + 1, at)?;
                let copies: Result<_, _> = nodes.iter().map(|node| self.copy(node, depth + 1, at)).collect();
                Value::Sequence(copies?)
            }
            Value::Mapping(entries) => {
                self.check_depth(depth + 1, at)?;
                let mut copies = Vec::with_capacity(entries.len());
                for Entry { key, key_span, value } in entries {
                    self.count_bytes(key.len(), at)?;
                    let value = self.copy(value, depth + 1, at)?;
                    copies.push(Entry { key: key.clone(), key_span: *key_span, value });
                }
                Value::Mapping(copies)
            }
        };
        Ok(Node { span: node.span, value })
    }

    fn count(&mut self, at: Span) -> Result<(), Problem> {
        self.nodes += 1;
        self.within(self.nodes <= MAX_NODES, at, || {
            format!("there are more than {MAX_NODES} values, aliases expanded")
        })
    }

    fn count_bytes(&mut self, bytes: usize, at: Span) -> Result<(), Problem> {
        self.copied_bytes += bytes;
        self.within(self.copied_bytes <= MAX_ALIAS_BYTES, at, || {
            format!("anchors and aliases copy more than {MAX_ALIAS_BYTES} bytes")
        })
    }

    fn check_depth(&self, depth: usize, at: Span) -> Result<(), Problem> {
        self.within(depth <= MAX_DEPTH, at, || {
            format!("lists and mappings are nested more than {MAX_DEPTH} deep")
        })
    }

    fn within(&self, holds: bool, at: Span, message: impl FnOnce() -> String) -> Result<(), Problem> {
        if holds {
            return Ok(());
        }
        Err(Problem::error(self.source, "", Some(at), message()).with_code(code::LIMIT))
    }

    fn syntax(&self, span: Span, message: &str) -> Problem {
        Problem::error(self.source, "", Some(span), message).with_code(code::SYNTAX)
    }
}

#[cfg(test)]
mod tests;
