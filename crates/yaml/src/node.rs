//! The tree: what stood in the text, before anybody gave it a type.

use crate::source::Span;

/// One document of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The topmost value.
    pub root: Node,
}

/// A value and where it stood. A value that came through an alias stands at the alias, its children at the anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where the value stood.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// The four shapes of YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`, unquoted.
    Null,
    /// A word, a number, a text.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the text; a key that is written twice is here twice.
    Mapping(Vec<Entry>),
}

/// A scalar as it was written; it becomes a number or a truth value only when somebody asks for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text with escapes resolved.
    pub text: String,
    /// Written in quotes or as a block (`|`, `>`), hence a text whatever it looks like.
    pub quoted: bool,
    /// Tagged `!!str`, hence a text whatever it looks like.
    pub str_tag: bool,
}

/// One `key: value` of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key as text; keys that are not scalars are refused by [`crate::parse`].
    pub key: String,
    /// Where the key stood.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value of the first entry named `key`, if this is a mapping that has one.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The entries of a mapping; empty for everything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The text of a scalar, quoted or not.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// True for a list without elements.
    pub fn is_empty_list(&self) -> bool {
        matches!(&self.value, Value::Sequence(elements) if elements.is_empty())
    }

    /// True for nothing, `~` and `null`.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// What this is, for messages: `a mapping`, `a list`, `a text`, `nothing`.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(scalar) if scalar.is_text() => "a text",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

impl Scalar {
    /// Text by its notation, whatever it looks like: quoted or tagged `!!str`.
    pub fn is_text(&self) -> bool {
        self.quoted || self.str_tag
    }
}
