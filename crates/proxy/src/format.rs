//! Texts with command operators, made ready and filled in: one place for access logs, header values and local replies.
//! The language itself is `ripstop-model`'s.

pub mod civil;
pub mod context;
pub mod grpc;
pub mod json;
pub mod query;
pub mod value;

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName};
use ripstop_model::Format;
use ripstop_model::format::operator::Field;
use ripstop_model::format::{Operator, Piece};

use context::Context;
use value::{Header, Value};

/// Longest value of one operator; the rest is cut off, so that what is made has a bounded length.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// A [`Format`] ready to be filled in.
#[derive(Clone, Debug, Default)]
pub struct CompiledFormat {
    parts: Box<[Part]>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Box<[u8]>),
    Value { value: Value, max_bytes: usize },
}

/// What came of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing is known.
    Absent,
    /// Text.
    Text,
    /// A number as JSON writes it.
    Number,
    /// Any other JSON.
    Json,
}

impl CompiledFormat {
    /// Makes a format ready. What does not change while the proxy runs is filled in at once.
    pub fn compile(format: &Format) -> CompiledFormat {
        let parts = format.pieces().iter().map(|piece| match piece {
            Piece::Text(text) => Part::Text(text.as_bytes().into()),
            Piece::Operator { operator, max_bytes } => Part::Value {
                value: compile_operator(operator),
                max_bytes: max_bytes.map_or(MAX_VALUE_BYTES, |max| max.min(MAX_VALUE_BYTES)),
            },
        });
        CompiledFormat { parts: parts.collect() }
    }

    /// The text without any operator, where there is none.
    pub fn as_constant(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the text; what is not known is `missing`.
    pub fn write(&self, context: &Context<'_>, missing: &str, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Value { value, max_bytes } => {
                    if write_value(value, *max_bytes, context, out) == Shown::Absent {
                        out.extend_from_slice(missing.as_bytes());
                    }
                }
            }
        }
    }

    /// Appends what the only operator shows, for a format that is one operator and nothing else.
    pub fn write_single(&self, context: &Context<'_>, out: &mut Vec<u8>) -> Option<Shown> {
        match &*self.parts {
            [Part::Value { value, max_bytes }] => Some(write_value(value, *max_bytes, context, out)),
            _ => None,
        }
    }

    /// What of a request has to be kept until the text is made.
    pub fn wants(&self, wanted: &mut Wanted) {
        for part in &self.parts {
            if let Part::Value { value, .. } = part {
                value.wants(wanted);
            }
        }
    }
}

/// The headers that have to be kept for texts that are made later.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of the request.
    pub request: Vec<HeaderName>,
    /// Of the response.
    pub response: Vec<HeaderName>,
    /// After the response.
    pub trailers: Vec<HeaderName>,
    /// Whether every try is to be remembered.
    pub attempts: bool,
}

impl Wanted {
    /// Adds a name to a list, once.
    pub fn add(list: &mut Vec<HeaderName>, name: &HeaderName) {
        if !list.contains(name) {
            list.push(name.clone());
        }
    }

    /// Copies what is wanted; what was copied before is forgotten.
    pub fn keep(list: &[HeaderName], from: &HeaderMap, kept: &mut HeaderMap) {
        kept.clear();
        for name in list {
            for value in from.get_all(name) {
                kept.append(name.clone(), value.clone());
            }
        }
    }
}

fn write_value(value: &Value, max_bytes: usize, context: &Context<'_>, out: &mut Vec<u8>) -> Shown {
    let start = out.len();
    let shown = value.write(context, out);
    if out.len() - start > max_bytes {
        out.truncate(start + max_bytes);
    }
    // Nobody may begin a line of his own in a log, or a header of his own in a message.
    for byte in &mut out[start..] {
        if byte.is_ascii_control() && *byte != b'\t' {
            *byte = b'?';
        }
    }
    shown
}

fn compile_operator(operator: &Operator) -> Value {
    match operator {
        Operator::RequestHeader(choice) => Value::Request(Header::compile(choice)),
        Operator::ResponseHeader(choice) => Value::Response(Header::compile(choice)),
        Operator::ResponseTrailer(choice) => Value::Trailer(Header::compile(choice)),
        // Envoy shows a variable that is not set as a dash everywhere.
        Operator::Environment(name) => {
            Value::Constant(std::env::var(&**name).unwrap_or_else(|_| "-".to_owned()).into())
        }
        Operator::Field(Field::Hostname) => Value::Constant(HOSTNAME.as_str().into()),
        other => Value::Operator(other.clone()),
    }
}

static HOSTNAME: LazyLock<String> = LazyLock::new(|| {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "-".to_owned(), |name| name.trim().to_owned())
});

#[cfg(test)]
mod tests;
