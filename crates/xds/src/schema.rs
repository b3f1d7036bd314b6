//! What Envoy's messages consist of: fields, types and the bytes of their validation rules. Read in place from the
//! binary, so that it costs no memory and no time to load; the binder and the JSON writer, which need more, have
//! [`crate::descriptor`].

mod table;

#[cfg(test)]
mod tests;

use self::table::{FieldRow, MessageRow};

/// A message of Envoy's v3 API, or one of protobuf's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageSchema(u16);

/// An enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnumSchema(u16);

/// A field of a message.
#[derive(Clone, Copy)]
pub(crate) struct FieldSchema {
    row: FieldRow,
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
}

/// How many values a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Single,
    List,
    /// The kind is the message of an entry, with a key of number 1 and a value of number 2.
    Map,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int32,
    Sint32,
    Sfixed32,
    Int64,
    Sint64,
    Sfixed64,
    Uint32,
    Fixed32,
    Uint64,
    Fixed64,
    Float,
    Double,
    Text,
    Bytes,
    Enum(EnumSchema),
    Message(MessageSchema),
}

/// The message of this full name, such as `envoy.config.cluster.v3.Cluster`.
pub(crate) fn message(name: &str) -> Option<MessageSchema> {
    let (mut low, mut high) = (0, u16::try_from(table::message_count()).ok()?);
    while low < high {
        let middle = low + (high - low) / 2;
        match MessageRow::new(middle).name().cmp(name.as_bytes()) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Some(MessageSchema(middle)),
        }
    }
    None
}

impl MessageSchema {
    /// Full name.
    pub(crate) fn name(self) -> &'static str {
        text(self.row().name())
    }

    /// In the order of their numbers.
    pub(crate) fn fields(self) -> impl Iterator<Item = FieldSchema> {
        (0..self.row().field_count()).map(move |index| FieldSchema::new(self.row().field(index)))
    }

    /// The field of this number.
    pub(crate) fn field(self, number: u32) -> Option<FieldSchema> {
        let row = self.row();
        let (mut low, mut high) = (0, row.field_count());
        while low < high {
            let middle = low + (high - low) / 2;
            let field = row.field(middle);
            match field.number().cmp(&number) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(FieldSchema::new(field)),
            }
        }
        None
    }

    /// The field of this name.
    pub(crate) fn field_named(self, name: &str) -> Option<FieldSchema> {
        self.fields().find(|field| field.name() == name)
    }

    /// Whether this is `google.protobuf.Any`.
    pub(crate) fn is_any(self) -> bool {
        self.row().flags() & table::ANY != 0
    }

    /// Whether nothing in the message has rules: because it says so (`validate.disabled`, `validate.ignored`), or because
    /// it is one of protobuf's own, other than `Any`.
    pub(crate) fn is_unchecked(self) -> bool {
        self.row().flags() & table::UNCHECKED != 0
    }

    /// Indices of the oneofs of which one member must be set (`validate.required`).
    pub(crate) fn required_oneofs(self) -> impl Iterator<Item = u8> {
        let bits = self.row().required_oneofs();
        (0..32).filter(move |oneof| bits >> oneof & 1 != 0)
    }

    /// The members of a oneof, as they were declared.
    pub(crate) fn members(self, oneof: u8) -> Vec<FieldSchema> {
        let mut members: Vec<FieldSchema> =
            self.fields().filter(|field| field.oneof() == Some(oneof)).collect();
        members.sort_by_key(|field| field.row.position());
        members
    }

    fn row(self) -> MessageRow {
        MessageRow::new(self.0)
    }
}

impl FieldSchema {
    fn new(row: FieldRow) -> Self {
        let flags = row.flags();
        let shape = if flags & table::REPEATED == 0 {
            Shape::Single
        } else if flags & table::MAP != 0 {
            Shape::Map
        } else {
            Shape::List
        };
        Self { row, number: row.number(), kind: Kind::of(row), shape }
    }

    pub(crate) fn name(&self) -> &'static str {
        text(self.row.name())
    }

    /// The encoded `validate.FieldRules`, if it has any.
    pub(crate) fn rules(&self) -> Option<&'static [u8]> {
        Some(self.row.rules()).filter(|rules| !rules.is_empty())
    }

    /// Whether the default value differs from none at all.
    pub(crate) fn has_presence(&self) -> bool {
        self.row.flags() & table::PRESENCE != 0
    }

    /// Whether a rule says that it must be set.
    pub(crate) fn is_required(&self) -> bool {
        self.row.flags() & table::REQUIRED != 0
    }

    /// Index of the oneof that it is a member of.
    pub(crate) fn oneof(&self) -> Option<u8> {
        Some(self.row.oneof()).filter(|oneof| *oneof != table::NO_ONEOF)
    }

    /// The key and the value of a map.
    pub(crate) fn map_entry(&self) -> Option<(FieldSchema, FieldSchema)> {
        match (self.shape, self.kind) {
            (Shape::Map, Kind::Message(entry)) => Some((entry.field(1)?, entry.field(2)?)),
            _ => None,
        }
    }
}

impl Kind {
    /// By `FieldDescriptorProto.Type`.
    fn of(row: FieldRow) -> Self {
        match row.kind() {
            1 => Self::Double,
            2 => Self::Float,
            3 => Self::Int64,
            4 => Self::Uint64,
            5 => Self::Int32,
            6 => Self::Fixed64,
            7 => Self::Fixed32,
            8 => Self::Bool,
            9 => Self::Text,
            11 => Self::Message(MessageSchema(row.type_index())),
            13 => Self::Uint32,
            14 => Self::Enum(EnumSchema(row.type_index())),
            15 => Self::Sfixed32,
            16 => Self::Sfixed64,
            17 => Self::Sint32,
            18 => Self::Sint64,
            // Groups do not get past the build script.
            _ => Self::Bytes,
        }
    }
}

impl EnumSchema {
    /// Whether one of its values has this number.
    pub(crate) fn defines(self, number: i32) -> bool {
        table::enum_numbers(self.0).any(|defined| defined == number)
    }
}

/// Names in descriptors are ASCII.
fn text(bytes: &'static [u8]) -> &'static str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
