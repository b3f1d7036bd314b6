//! The rules of a message, read from its descriptor once and kept: bounds, patterns and lists of values.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};

use super::text::{BytesRules, TextRules};

/// All rules of one message.
#[derive(Default)]
pub(super) struct MessageRules {
    /// The message is not checked at all.
    pub disabled: bool,
    pub required_oneofs: Vec<String>,
    /// Fields that have rules, and fields whose messages may have some.
    pub fields: Vec<(FieldDescriptor, FieldRules)>,
}

/// The rules of a field, of the elements of a list, or of the keys or values of a map.
#[derive(Default)]
pub(super) struct FieldRules {
    pub required: bool,
    /// The message in the field is not checked.
    pub skip: bool,
    pub rule: Option<Rule>,
}

/// What a value must be like.
pub(super) enum Rule {
    Int(Bounds<i128>),
    Float(Bounds<f64>),
    Bool(bool),
    Text(Box<TextRules>),
    Bytes(BytesRules),
    Enum {
        defined: Option<Vec<i32>>,
        numbers: Bounds<i128>,
    },
    Repeated {
        items: Bounds<i128>,
        unique: bool,
        elements: Box<FieldRules>,
        ignore_empty: bool,
    },
    Map {
        pairs: Bounds<i128>,
        keys: Box<FieldRules>,
        values: Box<FieldRules>,
    },
    /// In nanoseconds.
    Duration(Bounds<i128>),
}

/// Limits of a number.
#[derive(Default)]
pub(super) struct Bounds<T> {
    exactly: Option<T>,
    below: Option<T>,
    at_most: Option<T>,
    above: Option<T>,
    at_least: Option<T>,
    only: Vec<T>,
    never: Vec<T>,
    /// Zero is not checked.
    ignore_empty: bool,
}

/// Rules by message name, whichever pool the descriptor is from: fields are looked up by number. Bounded by the number of messages in Envoy's API.
static RULES: LazyLock<RwLock<HashMap<String, Arc<MessageRules>>>> = LazyLock::new(RwLock::default);

/// Forgets the rules of all messages, and with them the descriptors they were read from.
pub(super) fn forget() {
    let rules = std::mem::take(&mut *RULES.write().unwrap_or_else(PoisonError::into_inner));
    // Freed after the lock.
    drop(rules);
}

pub(super) fn rules_of(descriptor: &MessageDescriptor) -> Arc<MessageRules> {
    let known = RULES.read().unwrap_or_else(PoisonError::into_inner).get(descriptor.full_name()).cloned();
    known.unwrap_or_else(|| {
        let rules = Arc::new(MessageRules::read(descriptor));
        let mut all = RULES.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(descriptor.full_name().to_owned(), Arc::clone(&rules));
        rules
    })
}

impl MessageRules {
    pub(super) fn read(descriptor: &MessageDescriptor) -> Self {
        let options = descriptor.options();
        let disabled = flag(&options, "validate.disabled") || flag(&options, "validate.ignored");
        let required_oneofs = descriptor
            .oneofs()
            .filter(|oneof| flag(&oneof.options(), "validate.required"))
            .map(|oneof| oneof.name().to_owned())
            .collect();
        let mut fields = Vec::new();
        for field in descriptor.fields() {
            let rules = FieldRules::of(&field);
            let may_nest = field.kind().as_message().is_some() && !rules.skip;
            if rules.required || rules.rule.is_some() || may_nest {
                fields.push((field, rules));
            }
        }
        Self { disabled, required_oneofs, fields }
    }
}

fn flag(options: &DynamicMessage, extension: &str) -> bool {
    option(options, extension).and_then(Value::as_bool) == Some(true)
}

/// An option that `validate.proto` adds to those of protobuf.
fn option<'o>(options: &'o DynamicMessage, extension: &str) -> Option<&'o Value> {
    options.extensions().find(|(known, _)| known.full_name() == extension).map(|(_, value)| value)
}

impl FieldRules {
    fn of(field: &FieldDescriptor) -> Self {
        let options = field.options();
        let rules = option(&options, "validate.rules").and_then(Value::as_message);
        rules.map(|rules| Self::read(rules, field)).unwrap_or_default()
    }

    /// `rules` is a `validate.FieldRules`.
    fn read(rules: &DynamicMessage, field: &FieldDescriptor) -> Self {
        let mut read = Self::default();
        for (kind, value) in rules.fields() {
            let Some(rule) = value.as_message() else { continue };
            if kind.name() == "message" {
                read.skip = truth(rule, "skip");
                read.required |= truth(rule, "required");
                continue;
            }
            read.required |=
                matches!(kind.name(), "any" | "duration" | "timestamp") && truth(rule, "required");
            read.rule = Rule::read(kind.name(), rule, field);
        }
        read
    }

    fn nested(rules: &DynamicMessage, name: &str, field: &FieldDescriptor) -> Box<Self> {
        let nested =
            get(rules, name).and_then(|value| value.as_message().map(|rules| Self::read(rules, field)));
        Box::new(nested.unwrap_or_default())
    }
}

impl Rule {
    fn read(kind: &str, rules: &DynamicMessage, field: &FieldDescriptor) -> Option<Self> {
        Some(match kind {
            "float" | "double" => Self::Float(Bounds::read(rules, as_f64)),
            "bool" => Self::Bool(get(rules, "const")?.as_bool()?),
            "string" => Self::Text(Box::new(TextRules::read(rules))),
            "bytes" => Self::Bytes(BytesRules::read(rules)),
            "enum" => {
                let enumeration = field.kind().as_enum().cloned();
                let numbers = enumeration.map(|all| all.values().map(|value| value.number()).collect());
                Self::Enum {
                    defined: numbers.filter(|_| truth(rules, "defined_only")),
                    numbers: Bounds::read(rules, as_int),
                }
            }
            "repeated" => Self::Repeated {
                items: Bounds::between(rules, "min_items", "max_items"),
                unique: truth(rules, "unique"),
                elements: FieldRules::nested(rules, "items", field),
                ignore_empty: truth(rules, "ignore_empty"),
            },
            "map" => {
                let pair = field.kind();
                let pair = pair.as_message()?;
                Self::Map {
                    pairs: Bounds::between(rules, "min_pairs", "max_pairs"),
                    keys: FieldRules::nested(rules, "keys", &pair.map_entry_key_field()),
                    values: FieldRules::nested(rules, "values", &pair.map_entry_value_field()),
                }
            }
            "duration" => Self::Duration(Bounds::read(rules, as_nanos)),
            // Of extensions and times only `required` is used, which is read with the field.
            "any" | "timestamp" => return None,
            _ => Self::Int(Bounds::read(rules, as_int)),
        })
    }

    /// What is wrong with a scalar.
    pub(super) fn violation(&self, value: &Value) -> Option<String> {
        match self {
            Self::Int(bounds) => bounds.violation(as_int(value)?, ""),
            Self::Float(bounds) => bounds.violation(as_f64(value)?, ""),
            Self::Bool(exactly) => (value.as_bool()? != *exactly).then(|| format!("must be {exactly}")),
            Self::Text(rules) => rules.violation(value.as_str()?),
            Self::Bytes(rules) => rules.violation(value.as_bytes()?),
            Self::Enum { defined, numbers } => {
                let number = value.as_enum_number()?;
                if defined.as_ref().is_some_and(|defined| !defined.contains(&number)) {
                    return Some(format!("{number} is none of the defined values"));
                }
                numbers.violation(i128::from(number), "")
            }
            Self::Repeated { .. } | Self::Map { .. } | Self::Duration(_) => None,
        }
    }

    /// What is wrong with a message that stands for a value: a wrapper or a duration.
    pub(super) fn violation_of_message(&self, message: &DynamicMessage) -> Option<String> {
        match self {
            Self::Duration(bounds) => {
                let nanos = nanos(message)?;
                bounds.violation_shown(nanos, "", |nanos| format!("{}s", *nanos as f64 / 1e9))
            }
            _ => {
                let value = message.get_field_by_name("value")?;
                self.violation(&value)
            }
        }
    }
}

impl<T: PartialOrd + Copy + Display + Default> Bounds<T> {
    fn read(rules: &DynamicMessage, convert: impl Fn(&Value) -> Option<T>) -> Self {
        let one = |name| get(rules, name).and_then(|value| convert(&value));
        let all = |name| -> Vec<T> {
            let list = get(rules, name);
            list.as_ref().and_then(Value::as_list).unwrap_or_default().iter().filter_map(&convert).collect()
        };
        Self {
            exactly: one("const"),
            below: one("lt"),
            at_most: one("lte"),
            above: one("gt"),
            at_least: one("gte"),
            only: all("in"),
            never: all("not_in"),
            ignore_empty: truth(rules, "ignore_empty"),
        }
    }

    /// What is wrong with `value`; `unit` names what is counted.
    pub(super) fn violation(&self, value: T, unit: &str) -> Option<String> {
        self.violation_shown(value, unit, ToString::to_string)
    }

    fn violation_shown(&self, value: T, unit: &str, show: impl Fn(&T) -> String) -> Option<String> {
        if self.ignore_empty && value == T::default() {
            return None;
        }
        let must =
            |what: &str, bound: &T| format!("must be {what} {} {unit}", show(bound)).trim_end().to_owned();
        // Written so that NaN, which compares to nothing, breaks every bound.
        let breaks = |bound: &Option<T>, holds: fn(&T, &T) -> bool, what: &str| {
            bound.as_ref().filter(|bound| !holds(&value, bound)).map(|bound| must(what, bound))
        };
        breaks(&self.exactly, |a, b| a == b, "exactly")
            .or_else(|| breaks(&self.below, |a, b| a < b, "less than"))
            .or_else(|| breaks(&self.at_most, |a, b| a <= b, "at most"))
            .or_else(|| breaks(&self.above, |a, b| a > b, "greater than"))
            .or_else(|| breaks(&self.at_least, |a, b| a >= b, "at least"))
            .or_else(|| {
                let list = || self.only.iter().map(&show).collect::<Vec<_>>().join(", ");
                (!self.only.is_empty() && !self.only.contains(&value))
                    .then(|| format!("must be one of {}", list()))
            })
            .or_else(|| self.never.contains(&value).then(|| format!("must not be {}", show(&value))))
    }
}

impl Bounds<i128> {
    /// Bounds of a length or count.
    pub(super) fn between(rules: &DynamicMessage, min: &str, max: &str) -> Self {
        let one = |name| get(rules, name).as_ref().and_then(as_int);
        Self { at_least: one(min), at_most: one(max), ..Self::default() }
    }

    /// What is wrong with a length or count.
    pub(super) fn violation_of_length(&self, length: usize, unit: &str) -> Option<String> {
        if length == 0 && self.at_least == Some(1) {
            return Some("must not be empty".to_owned());
        }
        self.violation(length as i128, unit)
    }
}

/// The value of a rule, if it is written.
pub(super) fn get(rules: &DynamicMessage, name: &str) -> Option<Value> {
    rules
        .has_field_by_name(name)
        .then(|| rules.get_field_by_name(name))
        .flatten()
        .map(std::borrow::Cow::into_owned)
}

pub(super) fn truth(rules: &DynamicMessage, name: &str) -> bool {
    get(rules, name).and_then(|value| value.as_bool()).unwrap_or_default()
}

pub(super) fn texts(rules: &DynamicMessage, name: &str) -> Vec<String> {
    let list = get(rules, name);
    let list = list.as_ref().and_then(Value::as_list).unwrap_or_default();
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

pub(super) fn as_int(value: &Value) -> Option<i128> {
    match value {
        Value::I32(number) | Value::EnumNumber(number) => Some(i128::from(*number)),
        Value::I64(number) => Some(i128::from(*number)),
        Value::U32(number) => Some(i128::from(*number)),
        Value::U64(number) => Some(i128::from(*number)),
        _ => None,
    }
}

fn as_f64(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_f32().map(f64::from))
}

fn as_nanos(value: &Value) -> Option<i128> {
    nanos(value.as_message()?)
}

fn nanos(duration: &DynamicMessage) -> Option<i128> {
    let seconds = duration.get_field_by_name("seconds")?.as_i64()?;
    let nanos = duration.get_field_by_name("nanos")?.as_i32()?;
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
}
