//! JSON with operators in its texts. A text that is one operator becomes a number where the operator shows one, and `null`
//! where nothing is known; objects are written in the order of their names, as Envoy writes them.

use std::io::Write;

use ripstop_model::format::json::JsonFormat;

use super::context::Context;
use super::{CompiledFormat, Shown, Wanted};

/// A [`JsonFormat`] ready to be filled in.
#[derive(Clone, Debug)]
pub struct CompiledJson {
    root: Node,
    /// What is not known is left out, instead of being `null` or a dash.
    omit_empty: bool,
}

#[derive(Clone, Debug)]
enum Node {
    /// Finished JSON.
    Constant(Box<[u8]>),
    Null,
    Text(CompiledFormat),
    List(Box<[Node]>),
    /// Names are finished JSON.
    Object(Box<[(Box<[u8]>, Node)]>),
}

impl CompiledJson {
    /// Makes a format ready.
    pub fn compile(format: &JsonFormat, omit_empty: bool) -> CompiledJson {
        CompiledJson { root: Node::compile(format), omit_empty }
    }

    /// Appends the JSON on one line, without its end.
    pub fn write(&self, context: &Context<'_>, out: &mut Vec<u8>) {
        if !self.root.write(context, self.omit_empty, out) {
            out.extend_from_slice(b"{}");
        }
    }

    /// What of a request has to be kept until the text is made.
    pub fn wants(&self, wanted: &mut Wanted) {
        self.root.wants(wanted);
    }
}

impl Node {
    fn compile(format: &JsonFormat) -> Node {
        match format {
            JsonFormat::Null => Node::Null,
            JsonFormat::Bool(value) => Node::Constant(value.to_string().into_bytes().into()),
            JsonFormat::Number(value) => Node::Constant(number(value.get()).into_bytes().into()),
            JsonFormat::Text(text) => {
                let format = CompiledFormat::compile(text);
                match format.as_constant() {
                    Some(text) => Node::Constant(quoted(text).into()),
                    None => Node::Text(format),
                }
            }
            JsonFormat::List(list) => Node::List(list.iter().map(Node::compile).collect()),
            JsonFormat::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by(|(a, _), (b, _)| a.cmp(b));
                let fields = fields.into_iter();
                Node::Object(
                    fields
                        .map(|(name, value)| (quoted(name.as_bytes()).into(), Node::compile(value)))
                        .collect(),
                )
            }
        }
    }

    /// Appends the value; false: nothing was appended, because there is nothing to show.
    fn write(&self, context: &Context<'_>, omit_empty: bool, out: &mut Vec<u8>) -> bool {
        match self {
            Node::Constant(json) => out.extend_from_slice(json),
            Node::Null if omit_empty => return false,
            Node::Null => out.extend_from_slice(b"null"),
            Node::Text(format) => return write_text(format, context, omit_empty, out),
            Node::List(list) => {
                let start = out.len();
                out.push(b'[');
                let open = out.len();
                for node in list {
                    separated(out, open, |out| node.write(context, omit_empty, out));
                }
                if omit_empty && out.len() == open {
                    out.truncate(start);
                    return false;
                }
                out.push(b']');
            }
            Node::Object(fields) => {
                let start = out.len();
                out.push(b'{');
                let open = out.len();
                for (name, node) in fields {
                    separated(out, open, |out| {
                        out.extend_from_slice(name);
                        out.push(b':');
                        node.write(context, omit_empty, out)
                    });
                }
                if omit_empty && out.len() == open {
                    out.truncate(start);
                    return false;
                }
                out.push(b'}');
            }
        }
        true
    }

    fn wants(&self, wanted: &mut Wanted) {
        match self {
            Node::Constant(_) | Node::Null => {}
            Node::Text(format) => format.wants(wanted),
            Node::List(list) => list.iter().for_each(|node| node.wants(wanted)),
            Node::Object(fields) => fields.iter().for_each(|(_, node)| node.wants(wanted)),
        }
    }
}

/// Appends one element with the comma before it, or nothing.
fn separated(out: &mut Vec<u8>, open: usize, write: impl FnOnce(&mut Vec<u8>) -> bool) {
    let before = out.len();
    if before > open {
        out.push(b',');
    }
    if !write(out) {
        out.truncate(before);
    }
}

fn write_text(format: &CompiledFormat, context: &Context<'_>, omit_empty: bool, out: &mut Vec<u8>) -> bool {
    let mut text = Vec::new();
    match format.write_single(context, &mut text) {
        Some(Shown::Absent) if omit_empty => return false,
        Some(Shown::Absent) => out.extend_from_slice(b"null"),
        Some(Shown::Number | Shown::Json) => out.extend_from_slice(&text),
        Some(Shown::Text) => quote(&text, out),
        None => {
            format.write(context, if omit_empty { "" } else { "-" }, &mut text);
            quote(&text, out);
        }
    }
    true
}

/// Whole numbers are written without a fraction.
pub(super) fn number(value: f64) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        format!("{}", value as i64)
    } else {
        format!("{value}")
    }
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote(text, &mut out);
    out
}

/// Appends a JSON string. Of bytes that are not UTF-8 each becomes the character of its number, as with Envoy.
pub(super) fn quote(text: &[u8], out: &mut Vec<u8>) {
    let utf8 = std::str::from_utf8(text).is_ok();
    out.push(b'"');
    for byte in text {
        // Writing to a vector cannot fail.
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            byte if byte.is_ascii_control() || (!utf8 && !byte.is_ascii()) => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            byte => out.push(*byte),
        }
    }
    out.push(b'"');
}
