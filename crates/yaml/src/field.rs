//! One value at a path, read as the type its reader wants. Every refusal is reported with path and place.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::duration::{DurationError, parse_duration};
use crate::nearest::nearest;
use crate::node::{Node, Scalar, Value};
use crate::path::{join_index, join_key};
use crate::problem::{Problem, code, quote};
use crate::problems::Problems;
use crate::reader::Reader;

/// A value, the path it has and the collector that its problems go to. Methods return `None` after reporting.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    node: &'a Node,
    path: String,
    problems: &'a Problems,
}

/// Words that are truth values in YAML 1.1 and texts in YAML 1.2; people mean either.
const OLD_BOOLS: [&str; 4] = ["yes", "no", "on", "off"];

impl<'a> Field<'a> {
    /// The value `node`, which stands at `path`.
    pub fn new(node: &'a Node, path: impl Into<String>, problems: &'a Problems) -> Self {
        Self { node, path: path.into(), problems }
    }

    /// The path of the value.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value itself.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// A text. An unquoted number or truth value is an error, since it would not survive another YAML reader.
    pub fn str(&self) -> Option<String> {
        let scalar = self.scalar("a text")?;
        if !scalar.is_text() && looks_typed(&scalar.text) {
            let help = format!("put it in quotes: \"{}\"", scalar.text);
            self.refuse(format!("expected a text, found {}", quote(&scalar.text)), Some(help));
            return None;
        }
        Some(scalar.text.clone())
    }

    /// `true` or `false`, unquoted.
    pub fn bool(&self) -> Option<bool> {
        let scalar = self.scalar("`true` or `false`")?;
        match scalar.text.as_str() {
            "true" | "True" | "TRUE" if !scalar.is_text() => return Some(true),
            "false" | "False" | "FALSE" if !scalar.is_text() => return Some(false),
            _ => {}
        }
        let help = match scalar.text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some("write true"),
            "no" | "off" | "n" | "false" => Some("write false"),
            _ => None,
        };
        self.refuse(format!("expected `true` or `false`, found {}", found(scalar)), help.map(str::to_owned));
        None
    }

    /// A whole number of 0 to 4294967295.
    pub fn u32(&self) -> Option<u32> {
        self.whole(0, i128::from(u32::MAX)).and_then(|n| u32::try_from(n).ok())
    }

    /// A whole number of 0 to 2^64 - 1.
    pub fn u64(&self) -> Option<u64> {
        self.whole(0, i128::from(u64::MAX)).and_then(|n| u64::try_from(n).ok())
    }

    /// A whole number of -2^63 to 2^63 - 1.
    pub fn i64(&self) -> Option<i64> {
        self.whole(i128::from(i64::MIN), i128::from(i64::MAX)).and_then(|n| i64::try_from(n).ok())
    }

    /// A finite number.
    pub fn f64(&self) -> Option<f64> {
        let scalar = self.scalar("a number")?;
        let digits = scalar.text.bytes().any(|b| b.is_ascii_digit());
        match scalar.text.parse::<f64>() {
            Ok(number) if digits && number.is_finite() => Some(number),
            _ => {
                self.refuse(format!("expected a number, found {}", found(scalar)), None);
                None
            }
        }
    }

    /// A duration with units, such as `1h30m` or `250ms`.
    pub fn duration(&self) -> Option<Duration> {
        let scalar = self.scalar("a duration such as `10s`")?;
        let help = match parse_duration(&scalar.text) {
            Ok(duration) => return Some(duration),
            Err(DurationError::NoUnit) if scalar.text.bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
                format!("add a unit: {0}s or {0}ms", scalar.text)
            }
            Err(DurationError::TooLong) => "the longest is 292 years".to_owned(),
            Err(DurationError::Negative) => "a duration is zero or longer".to_owned(),
            Err(_) => "units are ns, us, ms, s, m and h, as in 1m30s".to_owned(),
        };
        self.refuse(format!("expected a duration such as `10s`, found {}", found(scalar)), Some(help));
        None
    }

    /// One of the given words, exactly as written here.
    pub fn one_of<T: Clone>(&self, words: &[(&str, T)]) -> Option<T> {
        let list = || words.iter().map(|(word, _)| *word);
        let expected = match words.len() {
            1 => format!("`{}`", words[0].0),
            _ => format!("one of {}", list().collect::<Vec<_>>().join(", ")),
        };
        let scalar = self.scalar(&expected)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == scalar.text) {
            return Some(value.clone());
        }
        let help = nearest(&scalar.text, list()).map(|word| format!("did you mean `{word}`?"));
        self.refuse(format!("expected {expected}, found {}", quote(&scalar.text)), help);
        None
    }

    /// A mapping, to be read field by field.
    pub fn map(&self) -> Option<Reader<'a>> {
        match &self.node.value {
            Value::Mapping(_) => Some(Reader::new(self.node, self.path.clone(), self.problems)),
            _ => {
                self.refuse(format!("expected a mapping, found {}", self.found()), None);
                None
            }
        }
    }

    /// The elements of a list; empty after reporting that it is none.
    pub fn list(&self) -> Vec<Field<'a>> {
        match &self.node.value {
            Value::Sequence(nodes) => {
                let element = |(index, node)| Field::new(node, join_index(&self.path, index), self.problems);
                nodes.iter().enumerate().map(element).collect()
            }
            _ => {
                let help = matches!(self.node.value, Value::Scalar(_) | Value::Mapping(_))
                    .then(|| "begin each element with `- `, or write [a, b]".to_owned());
                self.refuse(format!("expected a list, found {}", self.found()), help);
                Vec::new()
            }
        }
    }

    /// The texts of a list; elements that are none are reported and left out.
    pub fn strings(&self) -> Vec<String> {
        self.list().iter().filter_map(Field::str).collect()
    }

    /// A mapping of any keys to texts, such as labels.
    pub fn string_map(&self) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        for (key, value) in self.entries() {
            if let Some(text) = value.str() {
                map.insert(key.to_owned(), text);
            }
        }
        map
    }

    /// The entries of a mapping whose keys are names and not fields; keys written twice are reported and left out.
    pub fn entries(&self) -> Vec<(&'a str, Field<'a>)> {
        let Value::Mapping(entries) = &self.node.value else {
            self.refuse(format!("expected a mapping, found {}", self.found()), None);
            return Vec::new();
        };
        let mut seen = std::collections::HashSet::new();
        let mut fields = Vec::with_capacity(entries.len());
        for entry in entries {
            let path = join_key(&self.path, &entry.key);
            if seen.insert(entry.key.as_str()) {
                fields.push((entry.key.as_str(), Field::new(&entry.value, path, self.problems)));
            } else {
                let source = self.problems.source();
                let problem = Problem::error(source, path, Some(entry.key_span), "written twice");
                self.problems.push(problem.with_code(code::DUPLICATE_FIELD));
            }
        }
        fields
    }

    /// Reports an error at this value.
    pub fn error(&self, message: impl Into<String>) {
        self.refuse(message.into(), None);
    }

    /// Reports an error at this value and what the operator can do.
    pub fn error_with_help(&self, message: impl Into<String>, help: impl Into<String>) {
        self.refuse(message.into(), Some(help.into()));
    }

    /// Reports a warning at this value.
    pub fn warn(&self, message: impl Into<String>) {
        self.problems.warn(&self.path, Some(self.node.span), message);
    }

    fn scalar(&self, expected: &str) -> Option<&'a Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => {
                self.refuse(format!("expected {expected}, found {}", self.node.kind()), None);
                None
            }
        }
    }

    fn whole(&self, min: i128, max: i128) -> Option<i128> {
        let scalar = self.scalar("a whole number")?;
        let mut help = None;
        match whole_number(&scalar.text) {
            Some(number) if (min..=max).contains(&number) => return Some(number),
            Some(_) => help = Some(format!("the range is {min} to {max}")),
            None if looks_octal(&scalar.text) => {
                let decimal = scalar.text.trim_start_matches('0');
                help = Some(format!(
                    "a leading zero is ambiguous: write {decimal}, or 0o{decimal} if it is octal"
                ));
            }
            None => {}
        }
        self.refuse(format!("expected a whole number, found {}", found(scalar)), help);
        None
    }

    fn found(&self) -> String {
        match &self.node.value {
            Value::Scalar(scalar) => found(scalar),
            _ => self.node.kind().to_owned(),
        }
    }

    fn refuse(&self, message: String, help: Option<String>) {
        let mut problem =
            Problem::error(self.problems.source(), self.path.clone(), Some(self.node.span), message)
                .with_code(code::INVALID_VALUE);
        problem.help = help.map(String::into_boxed_str);
        self.problems.push(problem);
    }
}

/// A scalar for a message; quotes are shown where they matter.
fn found(scalar: &Scalar) -> String {
    if scalar.is_text() { format!("the text {}", quote(&scalar.text)) } else { quote(&scalar.text) }
}

/// Unquoted, this is a number or a truth value to one YAML reader or another.
fn looks_typed(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    lower == "true"
        || lower == "false"
        || OLD_BOOLS.contains(&lower.as_str())
        || whole_number(text).is_some()
        || (digits && text.parse::<f64>().is_ok())
}

/// Decimal, `0x` and `0o` digits with an optional sign; leading zeros are not read.
fn whole_number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match (digits.strip_prefix("0x"), digits.strip_prefix("0o")) {
        (Some(hex), _) => (hex, 16),
        (_, Some(octal)) => (octal, 8),
        _ => (digits, 10),
    };
    let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if !plain || (radix == 10 && looks_octal(digits)) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

fn looks_octal(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests;
