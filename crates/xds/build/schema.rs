//! The index of all messages by name, with what is needed to read them and to check them. `src/schema/table.rs` reads
//! what is written here and says how it is laid out.

use std::collections::HashMap;

use crate::protobuf::{Field, fields};
use crate::{FILE_MESSAGE, FILE_PACKAGE, FILE_SYNTAX, SET_FILE};

/// `FileDescriptorProto.enum_type`
const FILE_ENUM: u64 = 5;
/// `DescriptorProto.name`
pub const MESSAGE_NAME: u64 = 1;
/// `DescriptorProto.field`
pub const MESSAGE_FIELD: u64 = 2;
/// `DescriptorProto.nested_type`
const MESSAGE_NESTED: u64 = 3;
/// `DescriptorProto.enum_type`
const MESSAGE_ENUM: u64 = 4;
/// `DescriptorProto.options`
const MESSAGE_OPTIONS: u64 = 7;
/// `DescriptorProto.oneof_decl`
const MESSAGE_ONEOF: u64 = 8;
/// `MessageOptions.map_entry`
const OPTION_MAP_ENTRY: u64 = 7;
/// `validate.disabled` of a message, `validate.required` of a oneof and `validate.rules` of a field
const OPTION_VALIDATE: u64 = 1071;
/// `validate.ignored` of a message
const OPTION_VALIDATE_IGNORED: u64 = 1072;
/// `FieldDescriptorProto.name`
pub const FIELD_NAME: u64 = 1;
/// `FieldDescriptorProto.number`
pub const FIELD_NUMBER: u64 = 3;
/// `FieldDescriptorProto.label`
pub const FIELD_LABEL: u64 = 4;
/// `FieldDescriptorProto.type`
pub const FIELD_TYPE: u64 = 5;
/// `FieldDescriptorProto.type_name`
pub const FIELD_TYPE_NAME: u64 = 6;
/// `FieldDescriptorProto.options`
const FIELD_OPTIONS: u64 = 8;
/// `FieldDescriptorProto.oneof_index`
const FIELD_ONEOF: u64 = 9;
/// `OneofDescriptorProto.options`
const ONEOF_OPTIONS: u64 = 2;
/// `FieldRules.message`
const RULES_MESSAGE: u64 = 17;
/// `FieldRules.any`, `duration` and `timestamp`
const RULES_VALUES: std::ops::RangeInclusive<u64> = 20..=22;
/// `MessageRules.required`
const MESSAGE_REQUIRED: u64 = 2;
/// `AnyRules.required`, and that of durations and timestamps
const VALUE_REQUIRED: u64 = 1;
/// `EnumDescriptorProto.name`
const ENUM_NAME: u64 = 1;
/// `EnumDescriptorProto.value`
const ENUM_VALUE: u64 = 2;
/// `EnumValueDescriptorProto.number`
const VALUE_NUMBER: u64 = 2;

/// `FieldDescriptorProto.Label`
pub const LABEL_OPTIONAL: u64 = 1;
const LABEL_REPEATED: u64 = 3;
/// `FieldDescriptorProto.Type`
pub const TYPE_STRING: u64 = 9;
const TYPE_GROUP: u64 = 10;
pub const TYPE_MESSAGE: u64 = 11;
const TYPE_ENUM: u64 = 14;

/// Flags of a message.
const UNCHECKED: u8 = 1;
const ANY: u8 = 2;
/// Flags of a field.
const REPEATED: u8 = 1;
const MAP: u8 = 2;
const PRESENCE: u8 = 4;
const REQUIRED: u8 = 8;
/// The oneof of a field that is in none.
const NO_ONEOF: u8 = 0xff;

struct Message<'a> {
    name: String,
    flags: u8,
    is_map_entry: bool,
    /// One bit for each oneof.
    required_oneofs: u32,
    fields: Vec<MessageField<'a>>,
}

struct MessageField<'a> {
    name: &'a [u8],
    /// The encoded `validate.FieldRules`.
    rules: &'a [u8],
    number: u32,
    kind: u8,
    flags: u8,
    oneof: u8,
    /// Full name of the message or enum.
    type_name: String,
    /// Place among the fields as they were declared.
    position: u16,
}

#[derive(Default)]
struct Types<'a> {
    messages: Vec<Message<'a>>,
    enums: Vec<(String, Vec<i32>)>,
}

/// The index of a descriptor set; `None` if the set is malformed.
pub fn index(set: &[u8]) -> Option<Vec<u8>> {
    let mut types = Types::default();
    for (_, file) in fields(set)?.into_iter().filter(|(number, _)| *number == SET_FILE) {
        let parts = fields(file.payload)?;
        let find = |wanted| parts.iter().find(|(number, _)| *number == wanted).map(|(_, part)| part);
        let package = find(FILE_PACKAGE).and_then(Field::text).unwrap_or_default();
        let is_proto3 = find(FILE_SYNTAX).is_some_and(|syntax| syntax.payload == b"proto3");
        for (number, part) in &parts {
            match *number {
                FILE_MESSAGE => types.add_message(part.payload, &package, is_proto3)?,
                FILE_ENUM => types.add_enum(part.payload, &package)?,
                _ => {}
            }
        }
    }
    types.messages.sort_by(|a, b| a.name.cmp(&b.name));
    types.write(set)
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

impl<'a> Types<'a> {
    fn add_message(&mut self, encoded: &'a [u8], scope: &str, is_proto3: bool) -> Option<()> {
        let parts = fields(encoded)?;
        let name = parts.iter().find(|(number, _)| *number == MESSAGE_NAME)?.1.text()?;
        let name = join(scope, &name);
        let mut message =
            Message { name, flags: 0, is_map_entry: false, required_oneofs: 0, fields: Vec::new() };
        let mut oneofs = 0;
        for (number, part) in parts {
            match number {
                MESSAGE_FIELD => {
                    let position = u16::try_from(message.fields.len()).ok()?;
                    message.fields.push(MessageField::read(part.payload, position, is_proto3)?);
                }
                MESSAGE_NESTED => self.add_message(part.payload, &message.name, is_proto3)?,
                MESSAGE_ENUM => self.add_enum(part.payload, &message.name)?,
                MESSAGE_ONEOF => {
                    if option(part.payload, ONEOF_OPTIONS, OPTION_VALIDATE)?.is_some_and(|o| o.value != 0) {
                        assert!(oneofs < u32::BITS, "{} has too many oneofs", message.name);
                        message.required_oneofs |= 1 << oneofs;
                    }
                    oneofs += 1;
                }
                MESSAGE_OPTIONS => {
                    for (number, option) in fields(part.payload)? {
                        match number {
                            OPTION_MAP_ENTRY => message.is_map_entry = option.value != 0,
                            OPTION_VALIDATE | OPTION_VALIDATE_IGNORED if option.value != 0 => {
                                message.flags |= UNCHECKED;
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        // The other messages of google.protobuf have no rules, and a Struct may be large.
        if message.name == "google.protobuf.Any" {
            message.flags |= ANY;
        } else if message.name.starts_with("google.protobuf.") {
            message.flags |= UNCHECKED;
        }
        message.fields.sort_by_key(|field| field.number);
        self.messages.push(message);
        Some(())
    }

    fn add_enum(&mut self, encoded: &[u8], scope: &str) -> Option<()> {
        let (mut name, mut numbers) = (String::new(), Vec::new());
        for (number, part) in fields(encoded)? {
            match number {
                ENUM_NAME => name = join(scope, &part.text()?),
                ENUM_VALUE => {
                    let value = fields(part.payload)?.into_iter().find(|(n, _)| *n == VALUE_NUMBER);
                    numbers.push(value.map_or(0, |(_, value)| value.value as i32));
                }
                _ => {}
            }
        }
        self.enums.push((name, numbers));
        Some(())
    }

    /// Lays the index out. `set` is what the names and rules of fields are in.
    fn write(&self, set: &[u8]) -> Option<Vec<u8>> {
        let messages: HashMap<&str, (usize, bool)> = self
            .messages
            .iter()
            .enumerate()
            .map(|(index, message)| (message.name.as_str(), (index, message.is_map_entry)))
            .collect();
        assert_eq!(messages.len(), self.messages.len(), "two messages have the same name");
        let enums: HashMap<&str, usize> =
            self.enums.iter().enumerate().map(|(index, (name, _))| (name.as_str(), index)).collect();
        let offset = |part: &[u8]| u32::try_from(part.as_ptr() as usize - set.as_ptr() as usize).ok();
        let (mut rows, mut field_rows, mut enum_rows) = (Vec::new(), Vec::new(), Vec::new());
        let (mut numbers, mut names) = (Vec::new(), Vec::new());
        let (mut fields, mut values) = (0_u32, 0_u32);
        for message in &self.messages {
            rows.extend(u32::try_from(names.len()).ok()?.to_le_bytes());
            rows.extend(fields.to_le_bytes());
            rows.extend(message.required_oneofs.to_le_bytes());
            rows.extend(u16::try_from(message.name.len()).ok()?.to_le_bytes());
            rows.extend(u16::try_from(message.fields.len()).ok()?.to_le_bytes());
            rows.push(message.flags);
            names.extend(message.name.as_bytes());
            fields += u32::try_from(message.fields.len()).ok()?;
            for field in &message.fields {
                let mut flags = field.flags;
                let of_type = match u64::from(field.kind) {
                    TYPE_MESSAGE => {
                        let (index, is_map_entry) = *messages.get(field.type_name.as_str())?;
                        flags |= if is_map_entry { MAP } else { 0 };
                        index
                    }
                    TYPE_ENUM => *enums.get(field.type_name.as_str())?,
                    _ => 0,
                };
                field_rows.extend(field.number.to_le_bytes());
                field_rows.extend(offset(field.name)?.to_le_bytes());
                let rules = if field.rules.is_empty() { 0 } else { offset(field.rules)? };
                field_rows.extend(rules.to_le_bytes());
                field_rows.extend(u16::try_from(field.rules.len()).ok()?.to_le_bytes());
                field_rows.extend(u16::try_from(of_type).ok()?.to_le_bytes());
                field_rows.extend(field.position.to_le_bytes());
                field_rows.extend([u8::try_from(field.name.len()).ok()?, field.kind, flags, field.oneof]);
            }
        }
        for (_, defined) in &self.enums {
            enum_rows.extend(values.to_le_bytes());
            enum_rows.extend(u16::try_from(defined.len()).ok()?.to_le_bytes());
            values += u32::try_from(defined.len()).ok()?;
            numbers.extend(defined.iter().flat_map(|number| number.to_le_bytes()));
        }
        let mut index = Vec::new();
        for count in [u32::try_from(self.messages.len()).ok()?, fields, u32::try_from(self.enums.len()).ok()?]
        {
            index.extend(count.to_le_bytes());
        }
        index.extend(values.to_le_bytes());
        for section in [rows, field_rows, enum_rows, numbers, names] {
            index.extend(section);
        }
        Some(index)
    }
}

impl<'a> MessageField<'a> {
    fn read(encoded: &'a [u8], position: u16, is_proto3: bool) -> Option<Self> {
        let mut field = Self {
            name: &[],
            rules: &[],
            number: 0,
            kind: 0,
            flags: 0,
            oneof: NO_ONEOF,
            type_name: String::new(),
            position,
        };
        for (number, part) in fields(encoded)? {
            match number {
                FIELD_NAME => field.name = part.payload,
                FIELD_NUMBER => field.number = u32::try_from(part.value).ok()?,
                FIELD_LABEL if part.value == LABEL_REPEATED => field.flags |= REPEATED,
                FIELD_TYPE => field.kind = u8::try_from(part.value).ok()?,
                FIELD_TYPE_NAME => field.type_name = part.text()?.trim_start_matches('.').to_owned(),
                FIELD_ONEOF => field.oneof = u8::try_from(part.value).ok()?,
                _ => {}
            }
        }
        field.rules = option(encoded, FIELD_OPTIONS, OPTION_VALIDATE)?.map_or(&[], |rules| rules.payload);
        assert_ne!(u64::from(field.kind), TYPE_GROUP, "groups are not understood");
        let has_presence = u64::from(field.kind) == TYPE_MESSAGE || field.oneof != NO_ONEOF || !is_proto3;
        if has_presence && field.flags & REPEATED == 0 {
            field.flags |= PRESENCE;
        }
        if is_required(field.rules)? {
            field.flags |= REQUIRED;
        }
        Some(field)
    }
}

/// Whether the rules say that the field must be set.
fn is_required(rules: &[u8]) -> Option<bool> {
    for (number, rule) in fields(rules)? {
        let flag = match number {
            RULES_MESSAGE => MESSAGE_REQUIRED,
            number if RULES_VALUES.contains(&number) => VALUE_REQUIRED,
            _ => continue,
        };
        if fields(rule.payload)?.iter().any(|(number, field)| *number == flag && field.value != 0) {
            return Some(true);
        }
    }
    Some(false)
}

/// The option `wanted` in the field `options` of a descriptor, if it is set; the outer `None` stands for malformed
/// bytes.
fn option(descriptor: &[u8], options: u64, wanted: u64) -> Option<Option<Field<'_>>> {
    let Some((_, options)) = fields(descriptor)?.into_iter().find(|(number, _)| *number == options) else {
        return Some(None);
    };
    let mut found: Vec<Field<'_>> = fields(options.payload)?
        .into_iter()
        .filter(|(number, _)| *number == wanted)
        .map(|(_, o)| o)
        .collect();
    assert!(found.len() <= 1, "an option is written twice");
    Some(found.pop())
}
