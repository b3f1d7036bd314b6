//! The index that the build script writes, and the descriptors that it points into: rows of fixed size, read in place.
//! Nothing here is ever copied or kept.
//!
//! All numbers are little-endian. The index begins with the number of messages, of fields, of enums and of values of
//! enums (`u32` each). Then follow the rows of each, and the names of the messages. Names and rules of fields are in
//! the descriptors, at places counted from the beginning of the core and on through the rest.

use crate::descriptor::{ENCODED_CORE, ENCODED_REST};

const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/schema.bin"));
static INDEX: &[u8] = BYTES;

const HEADER: usize = 16;
/// Name (place and, at 12, length), first field, required oneofs as bits, number of fields at 14, flags at 16.
const MESSAGE: usize = 17;
/// Number, name (place and, at 18, length), rules (place and length), type, position, kind, flags, oneof.
const FIELD: usize = 22;
/// First value and number of values.
const ENUM: usize = 6;
const VALUE: usize = 4;

const FIELDS_AT: usize = HEADER + count(0) * MESSAGE;
const ENUMS_AT: usize = FIELDS_AT + count(1) * FIELD;
const VALUES_AT: usize = ENUMS_AT + count(2) * ENUM;
const NAMES_AT: usize = VALUES_AT + count(3) * VALUE;

/// Flags of a message.
pub(super) const UNCHECKED: u8 = 1;
pub(super) const ANY: u8 = 2;
/// Flags of a field.
pub(super) const REPEATED: u8 = 1;
pub(super) const MAP: u8 = 2;
pub(super) const PRESENCE: u8 = 4;
pub(super) const REQUIRED: u8 = 8;
/// The oneof of a field that is in none.
pub(super) const NO_ONEOF: u8 = 0xff;

/// The row of a message.
#[derive(Clone, Copy)]
pub(super) struct MessageRow(usize);

/// The row of a field.
#[derive(Clone, Copy)]
pub(super) struct FieldRow(usize);

pub(super) fn message_count() -> usize {
    count(0)
}

/// One of the numbers that the index begins with.
const fn count(index: usize) -> usize {
    let at = index * 4;
    u32::from_le_bytes([BYTES[at], BYTES[at + 1], BYTES[at + 2], BYTES[at + 3]]) as usize
}

impl MessageRow {
    pub(super) fn new(index: u16) -> Self {
        Self(HEADER + usize::from(index) * MESSAGE)
    }

    pub(super) fn name(self) -> &'static [u8] {
        let start = NAMES_AT + u32_at(self.0) as usize;
        INDEX.get(start..start + usize::from(u16_at(self.0 + 12))).unwrap_or_default()
    }

    pub(super) fn field_count(self) -> usize {
        usize::from(u16_at(self.0 + 14))
    }

    /// In the order of their numbers.
    pub(super) fn field(self, index: usize) -> FieldRow {
        FieldRow(FIELDS_AT + (u32_at(self.0 + 4) as usize + index) * FIELD)
    }

    pub(super) fn required_oneofs(self) -> u32 {
        u32_at(self.0 + 8)
    }

    pub(super) fn flags(self) -> u8 {
        u8_at(self.0 + 16)
    }
}

impl FieldRow {
    pub(super) fn number(self) -> u32 {
        u32_at(self.0)
    }

    pub(super) fn name(self) -> &'static [u8] {
        descriptors(u32_at(self.0 + 4), usize::from(u8_at(self.0 + 18)))
    }

    pub(super) fn rules(self) -> &'static [u8] {
        descriptors(u32_at(self.0 + 8), usize::from(u16_at(self.0 + 12)))
    }

    /// Index of the message or enum.
    pub(super) fn type_index(self) -> u16 {
        u16_at(self.0 + 14)
    }

    pub(super) fn position(self) -> u16 {
        u16_at(self.0 + 16)
    }

    pub(super) fn kind(self) -> u8 {
        u8_at(self.0 + 19)
    }

    pub(super) fn flags(self) -> u8 {
        u8_at(self.0 + 20)
    }

    pub(super) fn oneof(self) -> u8 {
        u8_at(self.0 + 21)
    }
}

/// The numbers of the values of an enum.
pub(super) fn enum_numbers(index: u16) -> impl Iterator<Item = i32> {
    let row = ENUMS_AT + usize::from(index) * ENUM;
    let first = VALUES_AT + u32_at(row) as usize * VALUE;
    (0..usize::from(u16_at(row + 4))).map(move |value| u32_at(first + value * VALUE).cast_signed())
}

/// A part of the descriptors.
fn descriptors(start: u32, length: usize) -> &'static [u8] {
    let start = start as usize;
    let part = match start.checked_sub(ENCODED_CORE.len()) {
        None => ENCODED_CORE.get(start..start + length),
        Some(start) => ENCODED_REST.get(start..start + length),
    };
    part.unwrap_or_default()
}

/// A row that is not there reads as zeros; the build script writes none.
fn bytes_at<const N: usize>(at: usize) -> [u8; N] {
    INDEX.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

fn u8_at(at: usize) -> u8 {
    u8::from_le_bytes(bytes_at(at))
}

fn u16_at(at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(at))
}

fn u32_at(at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(at))
}
