//! One level of an encoded message, read by its schema: what its fields hold, as protobuf has it. Values refer to the
//! bytes; messages in the message stay encoded until somebody looks into them.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::schema::{FieldSchema, Kind, MessageSchema, Shape};
use crate::wire::{self, MAX_DEPTH, Payload, Records, WireError, WireType};

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Bool(bool),
    /// Of any width, signed or not.
    Int(i128),
    /// Of either width.
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Enum(i32),
    /// Still encoded. Owned if it came in pieces.
    Message(MessageSchema, Cow<'a, [u8]>),
    List(Vec<Value<'a>>),
    /// In the order of the keys.
    Map(Vec<(Value<'a>, Value<'a>)>),
}

/// The fields of one message.
pub(crate) struct Fields<'a> {
    schema: MessageSchema,
    /// In the order of their numbers.
    set: Vec<(FieldSchema, Value<'a>)>,
    unknown: Vec<u32>,
}

/// Checks that `bytes` are a message of this schema, down to its leaves. An `Any` is a leaf.
///
/// # Errors
/// Whatever another reader of protobuf would refuse them for.
pub(crate) fn verify(schema: MessageSchema, bytes: &[u8]) -> Result<(), WireError> {
    verify_at(schema, bytes, 0)
}

fn verify_at(schema: MessageSchema, bytes: &[u8], depth: usize) -> Result<(), WireError> {
    if depth > MAX_DEPTH {
        return Err(WireError::Depth);
    }
    for record in Records::new(bytes) {
        let record = record?;
        let Some(field) = schema.field(record.number) else { continue };
        match (field.kind, record.payload) {
            (Kind::Message(inner), Payload::Bytes(bytes)) => verify_at(inner, bytes, depth + 1)?,
            (_, payload) => each(&field, payload, drop)?,
        }
    }
    Ok(())
}

impl<'a> Fields<'a> {
    /// Reads one level of a message.
    ///
    /// # Errors
    /// If this level is malformed; what is nested in it is not looked at.
    pub(crate) fn read(schema: MessageSchema, bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut fields = Self { schema, set: Vec::new(), unknown: Vec::new() };
        for record in Records::new(bytes) {
            let record = record?;
            match schema.field(record.number) {
                Some(field) => fields.add(field, record.payload)?,
                None => fields.unknown.push(record.number),
            }
        }
        fields.unknown.sort_unstable();
        for (_, value) in &mut fields.set {
            if let Value::Map(entries) = value {
                keep_last(entries);
            }
        }
        fields.set.retain(|(field, value)| field.has_presence() || !value.is_default());
        Ok(fields)
    }

    fn add(&mut self, field: FieldSchema, payload: Payload<'a>) -> Result<(), WireError> {
        if let Some(oneof) = field.oneof() {
            self.set.retain(|(other, _)| other.number == field.number || other.oneof() != Some(oneof));
        }
        let at = match self.find(field.number) {
            Ok(at) => at,
            Err(at) => {
                self.set.insert(at, (field, field.default()));
                at
            }
        };
        let Some((_, held)) = self.set.get_mut(at) else { return Ok(()) };
        let mut result = Ok(());
        each(&field, payload, |value| match (&mut *held, value) {
            (Value::List(list), value) => list.push(value),
            (Value::Map(entries), Value::Message(entry, Cow::Borrowed(bytes))) => {
                match map_entry(&field, entry, bytes) {
                    Ok(pair) => entries.extend(pair),
                    Err(error) => result = Err(error),
                }
            }
            // Protobuf merges messages that are written twice, which is what reading both at once comes to.
            (Value::Message(_, held), Value::Message(_, more)) if !held.is_empty() => {
                held.to_mut().extend_from_slice(&more);
            }
            (held, value) => *held = value,
        })?;
        result
    }

    fn find(&self, number: u32) -> Result<usize, usize> {
        self.set.binary_search_by_key(&number, |(field, _)| field.number)
    }

    /// The fields that are set, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&FieldSchema, &Value<'a>)> {
        self.set.iter().map(|(field, value)| (field, value))
    }

    /// The value of a field, if it is set.
    pub(crate) fn get(&self, number: u32) -> Option<&Value<'a>> {
        self.set.get(self.find(number).ok()?).map(|(_, value)| value)
    }

    /// The value of the field of this name, if it is set.
    pub(crate) fn named(&self, name: &str) -> Option<&Value<'a>> {
        self.iter().find(|(field, _)| field.name() == name).map(|(_, value)| value)
    }

    /// The value of the field of this name, or the default of its type. `None`: there is no such field.
    pub(crate) fn named_or_default(&self, name: &str) -> Option<Value<'a>> {
        self.named(name).cloned().or_else(|| Some(self.schema.field_named(name)?.default()))
    }

    /// Numbers of the fields that are not in the schema, once for each time that they are written, in order.
    pub(crate) fn unknown(&self) -> &[u32] {
        &self.unknown
    }
}

impl FieldSchema {
    /// What the field holds when it is not set.
    pub(crate) fn default<'a>(&self) -> Value<'a> {
        match (self.shape, self.kind) {
            (Shape::List, _) => Value::List(Vec::new()),
            (Shape::Map, _) => Value::Map(Vec::new()),
            (Shape::Single, Kind::Bool) => Value::Bool(false),
            (Shape::Single, Kind::Float | Kind::Double) => Value::Float(0.0),
            (Shape::Single, Kind::Text) => Value::Text(""),
            (Shape::Single, Kind::Bytes) => Value::Bytes(&[]),
            (Shape::Single, Kind::Enum(_)) => Value::Enum(0),
            (Shape::Single, Kind::Message(schema)) => Value::Message(schema, Cow::Borrowed(&[])),
            (Shape::Single, _) => Value::Int(0),
        }
    }
}

impl Value<'_> {
    /// Whether a field without presence counts as not set.
    fn is_default(&self) -> bool {
        match self {
            Self::Bool(truth) => !truth,
            Self::Int(number) => *number == 0,
            Self::Float(number) => *number == 0.0,
            Self::Text(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Enum(number) => *number == 0,
            Self::Message(..) => false,
            Self::List(list) => list.is_empty(),
            Self::Map(entries) => entries.is_empty(),
        }
    }

    /// The fields of a message that is well-formed.
    pub(crate) fn fields(&self) -> Option<Fields<'_>> {
        match self {
            Self::Message(schema, bytes) => Fields::read(*schema, bytes).ok(),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// A whole number, or that of a value of an enum.
    pub(crate) fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Enum(number) => Some(i128::from(*number)),
            _ => None,
        }
    }

    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The key of a map as it is shown in paths.
    pub(crate) fn key_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bool(truth) => Cow::Owned(truth.to_string()),
            other => Cow::Owned(other.as_int().unwrap_or_default().to_string()),
        }
    }
}

/// Hands out every value that is written in a payload: one, or any number if they are packed.
fn each<'a>(
    field: &FieldSchema,
    payload: Payload<'a>,
    mut take: impl FnMut(Value<'a>),
) -> Result<(), WireError> {
    match (field.shape, payload, wire_type(field.kind)) {
        (Shape::List, Payload::Bytes(bytes), Some(wire_type)) => {
            for number in wire::packed(wire_type, bytes) {
                take(value(field, number?)?);
            }
        }
        _ => take(value(field, payload)?),
    }
    Ok(())
}

/// How a number is written; other kinds have a length and are never packed.
fn wire_type(kind: Kind) -> Option<WireType> {
    Some(match kind {
        Kind::Text | Kind::Bytes | Kind::Message(_) => return None,
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::Fixed64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::Fixed32,
        _ => WireType::Varint,
    })
}

/// Numbers that are too wide for their type are cut, as protobuf has it.
#[allow(clippy::cast_possible_truncation, reason = "so says protobuf")]
fn value<'a>(field: &FieldSchema, payload: Payload<'a>) -> Result<Value<'a>, WireError> {
    Ok(match (field.kind, payload) {
        (Kind::Bool, Payload::Varint(number)) => Value::Bool(number != 0),
        (Kind::Int32, Payload::Varint(number)) => Value::Int(i128::from(number as i32)),
        (Kind::Int64, Payload::Varint(number)) => Value::Int(i128::from(number.cast_signed())),
        (Kind::Uint32, Payload::Varint(number)) => Value::Int(i128::from(number as u32)),
        (Kind::Uint64, Payload::Varint(number)) => Value::Int(i128::from(number)),
        (Kind::Sint32, Payload::Varint(number)) => Value::Int(zigzag(u64::from(number as u32))),
        (Kind::Sint64, Payload::Varint(number)) => Value::Int(zigzag(number)),
        (Kind::Enum(_), Payload::Varint(number)) => Value::Enum(number as i32),
        (Kind::Fixed32, Payload::Fixed32(number)) => Value::Int(i128::from(number)),
        (Kind::Sfixed32, Payload::Fixed32(number)) => Value::Int(i128::from(number.cast_signed())),
        (Kind::Float, Payload::Fixed32(bits)) => Value::Float(f64::from(f32::from_bits(bits))),
        (Kind::Fixed64, Payload::Fixed64(number)) => Value::Int(i128::from(number)),
        (Kind::Sfixed64, Payload::Fixed64(number)) => Value::Int(i128::from(number.cast_signed())),
        (Kind::Double, Payload::Fixed64(bits)) => Value::Float(f64::from_bits(bits)),
        (Kind::Text, Payload::Bytes(bytes)) => {
            Value::Text(std::str::from_utf8(bytes).map_err(|_| WireError::Text(field.number))?)
        }
        (Kind::Bytes, Payload::Bytes(bytes)) => Value::Bytes(bytes),
        (Kind::Message(schema), Payload::Bytes(bytes)) => Value::Message(schema, Cow::Borrowed(bytes)),
        _ => return Err(WireError::Type(field.number)),
    })
}

/// Small numbers of either sign.
fn zigzag(number: u64) -> i128 {
    let half = i128::from(number >> 1);
    if number & 1 == 0 { half } else { -half - 1 }
}

/// A key and a value; either may be left out.
fn map_entry<'a>(
    field: &FieldSchema,
    entry: MessageSchema,
    bytes: &'a [u8],
) -> Result<Option<(Value<'a>, Value<'a>)>, WireError> {
    let Some((key, value)) = field.map_entry() else { return Ok(None) };
    let mut fields = Fields::read(entry, bytes)?;
    let mut take = |field: FieldSchema| match fields.find(field.number) {
        Ok(at) => fields.set.remove(at).1,
        Err(_) => field.default(),
    };
    let value = take(value);
    Ok(Some((take(key), value)))
}

/// Sorts the entries by key, and keeps the last of each.
fn keep_last(entries: &mut Vec<(Value<'_>, Value<'_>)>) {
    entries.reverse();
    entries.sort_by(|(a, _), (b, _)| compare_keys(a, b));
    entries.dedup_by(|(a, _), (b, _)| compare_keys(a, b) == Ordering::Equal);
}

fn compare_keys(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (a, b) => a.as_int().cmp(&b.as_int()),
    }
}

#[cfg(test)]
mod tests;
