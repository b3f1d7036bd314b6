//! JSON whose texts have operators.

use super::Format;
use crate::Name;

/// A value of JSON, or the text that becomes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JsonFormat {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(JsonNumber),
    /// A text with operators.
    Text(Format),
    /// A list.
    List(Vec<JsonFormat>),
    /// An object: names, each once, and values.
    Object(Vec<(Name, JsonFormat)>),
}

/// A number of JSON; two are equal when they are the same to the last bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JsonNumber(u64);

impl JsonNumber {
    /// A number; `None` for what JSON has no digits for.
    pub fn new(value: f64) -> Option<JsonNumber> {
        value.is_finite().then(|| JsonNumber(value.to_bits()))
    }

    /// Its value.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}
