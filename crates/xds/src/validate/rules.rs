//! The rules of a field, read from the schema and kept for a while: bounds, patterns and lists of values. Whether it
//! must be set is not here, but in the schema itself.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::text::{BytesRules, TextRules};
use crate::message::{Fields, Value};
use crate::schema::{self, EnumSchema, FieldSchema, Kind, MessageSchema};

/// The message that rules are written in.
static FIELD_RULES: LazyLock<Option<MessageSchema>> =
    LazyLock::new(|| schema::message("validate.FieldRules"));

/// Fields whose rules are kept, some 300 bytes each. A proxy meets about a hundred.
const MAX_KEPT: usize = 400;

/// What was read, by the place of the bytes that it was read from. Never more than [`MAX_KEPT`].
static KEPT: LazyLock<RwLock<HashMap<usize, Arc<FieldRules>>>> = LazyLock::new(RwLock::default);

static NO_RULES: LazyLock<Arc<FieldRules>> = LazyLock::new(Arc::default);

/// The rules of a field, of the elements of a list, or of the keys or values of a map.
#[derive(Default)]
pub(super) struct FieldRules {
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
        /// Only values of this enum.
        defined: Option<EnumSchema>,
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

impl FieldRules {
    pub(super) fn of(field: &FieldSchema) -> Arc<Self> {
        let Some((encoded, schema)) = field.rules().zip(*FIELD_RULES) else { return Arc::clone(&NO_RULES) };
        let place = encoded.as_ptr().addr();
        if let Some(kept) = KEPT.read().unwrap_or_else(PoisonError::into_inner).get(&place) {
            return Arc::clone(kept);
        }
        let rules = Fields::read(schema, encoded).map(|rules| Self::read(&rules, field));
        let rules = Arc::new(rules.unwrap_or_default());
        let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_KEPT {
            kept.insert(place, Arc::clone(&rules));
        }
        rules
    }

    /// `rules` is a `validate.FieldRules`.
    fn read(rules: &Fields<'_>, field: &FieldSchema) -> Self {
        let mut read = Self::default();
        for (kind, value) in rules.iter() {
            let Some(rule) = value.fields() else { continue };
            let kind = kind.name();
            if kind == "message" {
                read.skip = truth(&rule, "skip");
                continue;
            }
            read.rule = Rule::read(kind, &rule, field);
        }
        read
    }

    fn nested(rules: &Fields<'_>, name: &str, field: &FieldSchema) -> Box<Self> {
        let nested = rules.named(name).and_then(Value::fields);
        Box::new(nested.map(|rules| Self::read(&rules, field)).unwrap_or_default())
    }
}

impl Rule {
    fn read(kind: &str, rules: &Fields<'_>, field: &FieldSchema) -> Option<Self> {
        Some(match kind {
            "float" | "double" => Self::Float(Bounds::read(rules, Value::as_float)),
            "bool" => Self::Bool(rules.named("const")?.as_bool()?),
            "string" => Self::Text(Box::new(TextRules::read(rules))),
            "bytes" => Self::Bytes(BytesRules::read(rules)),
            "enum" => {
                let defined = match field.kind {
                    Kind::Enum(schema) if truth(rules, "defined_only") => Some(schema),
                    _ => None,
                };
                Self::Enum { defined, numbers: Bounds::read(rules, Value::as_int) }
            }
            "repeated" => Self::Repeated {
                items: Bounds::between(rules, "min_items", "max_items"),
                unique: truth(rules, "unique"),
                elements: FieldRules::nested(rules, "items", field),
                ignore_empty: truth(rules, "ignore_empty"),
            },
            "map" => {
                let (key, value) = field.map_entry()?;
                Self::Map {
                    pairs: Bounds::between(rules, "min_pairs", "max_pairs"),
                    keys: FieldRules::nested(rules, "keys", &key),
                    values: FieldRules::nested(rules, "values", &value),
                }
            }
            "duration" => Self::Duration(Bounds::read(rules, as_nanos)),
            // Of extensions and times only `required` is used, which is read with the field.
            "any" | "timestamp" => return None,
            _ => Self::Int(Bounds::read(rules, Value::as_int)),
        })
    }

    /// What is wrong with a scalar.
    pub(super) fn violation(&self, value: &Value<'_>) -> Option<String> {
        match self {
            Self::Int(bounds) => bounds.violation(value.as_int()?, ""),
            Self::Float(bounds) => bounds.violation(value.as_float()?, ""),
            Self::Bool(exactly) => (value.as_bool()? != *exactly).then(|| format!("must be {exactly}")),
            Self::Text(rules) => rules.violation(value.as_text()?),
            Self::Bytes(rules) => rules.violation(value.as_bytes()?),
            Self::Enum { defined, numbers } => {
                let Value::Enum(number) = *value else { return None };
                if defined.is_some_and(|defined| !defined.defines(number)) {
                    return Some(format!("{number} is none of the defined values"));
                }
                numbers.violation(i128::from(number), "")
            }
            Self::Repeated { .. } | Self::Map { .. } | Self::Duration(_) => None,
        }
    }

    /// What is wrong with a message that stands for a value: a wrapper or a duration.
    pub(super) fn violation_of_message(&self, message: &Fields<'_>) -> Option<String> {
        match self {
            Self::Duration(bounds) => {
                let nanos = nanos(message)?;
                bounds.violation_shown(nanos, "", |nanos| format!("{}s", *nanos as f64 / 1e9))
            }
            _ => {
                let value = message.named_or_default("value")?;
                self.violation(&value)
            }
        }
    }
}

impl<T: PartialOrd + Copy + Display + Default> Bounds<T> {
    fn read<'a>(rules: &Fields<'a>, convert: impl Fn(&Value<'a>) -> Option<T>) -> Self {
        let one = |name| rules.named(name).and_then(&convert);
        let all = |name| list(rules, name).iter().filter_map(&convert).collect();
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
    pub(super) fn between(rules: &Fields<'_>, min: &str, max: &str) -> Self {
        let one = |name| rules.named(name).and_then(Value::as_int);
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

pub(super) fn truth(rules: &Fields<'_>, name: &str) -> bool {
    rules.named(name).and_then(Value::as_bool).unwrap_or_default()
}

pub(super) fn list<'r, 'a>(rules: &'r Fields<'a>, name: &str) -> &'r [Value<'a>] {
    match rules.named(name) {
        Some(Value::List(list)) => list,
        _ => &[],
    }
}

fn as_nanos(value: &Value<'_>) -> Option<i128> {
    nanos(&value.fields()?)
}

fn nanos(duration: &Fields<'_>) -> Option<i128> {
    let seconds = duration.named_or_default("seconds")?.as_int()?;
    let nanos = duration.named_or_default("nanos")?.as_int()?;
    Some(seconds * 1_000_000_000 + nanos)
}
