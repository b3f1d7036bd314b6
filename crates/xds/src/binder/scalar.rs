//! What Envoy takes an unquoted word for, and which words it takes for numbers. Established case by case with Envoy.
//!
//! Envoy turns YAML into JSON first and reads the JSON as protobuf then, so a value is judged twice: `8080` becomes a
//! number and `8080.0` a text, and either is read as a port later, but only the text as a name.

use ripstop_yaml::{Entry, Node, Scalar, Value};

/// A YAML value as the JSON that Envoy makes of it.
#[derive(Clone, Copy)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    /// At most 2^53 either way; longer numbers stay texts.
    Int(i64),
    /// Quoted texts, and everything that is neither a truth value nor a whole number.
    Text(&'a str),
    List(&'a [Node]),
    Object(&'a [Entry]),
}

const LARGEST_EXACT: i64 = 1 << 53;

pub(super) fn json(node: &Node) -> Json<'_> {
    match &node.value {
        Value::Null => Json::Null,
        Value::Sequence(nodes) => Json::List(nodes),
        Value::Mapping(entries) => Json::Object(entries),
        Value::Scalar(scalar) => plain(scalar),
    }
}

fn plain(scalar: &Scalar) -> Json<'_> {
    let text = scalar.text.as_str();
    if scalar.quoted {
        return Json::Text(text);
    }
    if let Some(truth) = yaml_bool(text) {
        return Json::Bool(truth);
    }
    match yaml_int(text) {
        Some(number) if (-LARGEST_EXACT..=LARGEST_EXACT).contains(&number) => Json::Int(number),
        _ => Json::Text(text),
    }
}

/// The truth values of YAML 1.1, in lower case, upper case or with a capital.
fn yaml_bool(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let truth = match lower.as_str() {
        "y" | "yes" | "true" | "on" => true,
        "n" | "no" | "false" | "off" => false,
        _ => return None,
    };
    let rest_is_lower = text.bytes().skip(1).all(|b| b.is_ascii_lowercase());
    let all_upper = text.bytes().all(|b| b.is_ascii_uppercase());
    (rest_is_lower || all_upper).then_some(truth)
}

/// Decimal, `0x` hexadecimal, or octal after a leading zero.
fn yaml_int(text: &str) -> Option<i64> {
    let (sign, digits) = split_sign(text);
    let (digits, radix) = match strip_hex(digits) {
        Some(hex) => (hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(sign * number).ok()
}

/// A truth value written as a text.
pub(super) fn bool_in_text(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number written as a text: decimal even after a leading zero, or any notation of a floating-point number
/// that has no fraction.
pub(super) fn int_in_text(text: &str) -> Option<i128> {
    let (sign, digits) = split_sign(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return digits.parse::<i128>().ok().map(|number| sign * number);
    }
    let number = float_in_text(text)?;
    (number.is_finite() && number.fract() == 0.0).then_some(number as i128)
}

/// A number written as a text, `inf` and `nan` in any case included.
pub(super) fn float_in_text(text: &str) -> Option<f64> {
    let (sign, digits) = split_sign(text);
    if let Some(hex) = strip_hex(digits) {
        let plain = !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        return plain
            .then(|| u128::from_str_radix(hex, 16).ok())
            .flatten()
            .map(|number| sign as f64 * number as f64);
    }
    text.parse().ok()
}

fn split_sign(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn strip_hex(digits: &str) -> Option<&str> {
    digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(text: &str) -> String {
        let scalar = Scalar { text: text.to_owned(), quoted: false, str_tag: false };
        match plain(&scalar) {
            Json::Bool(truth) => format!("bool {truth}"),
            Json::Int(number) => format!("int {number}"),
            Json::Text(text) => format!("text {text}"),
            _ => "other".to_owned(),
        }
    }

    #[test]
    fn unquoted_words_are_taken_as_envoy_takes_them() {
        for (text, want) in [
            ("on", "bool true"),
            ("On", "bool true"),
            ("ON", "bool true"),
            ("oN", "text oN"),
            ("n", "bool false"),
            ("tRue", "text tRue"),
            ("123", "int 123"),
            ("+5", "int 5"),
            ("-0x1", "int -1"),
            ("0X1F90", "int 8080"),
            ("010", "int 8"),
            ("089", "text 089"),
            ("00", "int 0"),
            ("1.5", "text 1.5"),
            ("1_000", "text 1_000"),
            ("0o17", "text 0o17"),
            ("9007199254740992", "int 9007199254740992"),
            ("9007199254740993", "text 9007199254740993"),
            ("99999999999999999999", "text 99999999999999999999"),
            ("0x", "text 0x"),
            ("-", "text -"),
            ("--1", "text --1"),
            ("word", "text word"),
        ] {
            assert_eq!(describe(text), want, "{text}");
        }
    }

    #[test]
    fn numbers_in_texts_are_taken_as_protobuf_takes_them() {
        for (text, want) in [
            ("8080", Some(8080)),
            ("0177777", Some(177_777)),
            ("8080.0", Some(8080)),
            ("8.08e3", Some(8080)),
            ("0x1F90", Some(8080)),
            ("80.", Some(80)),
            ("+80", Some(80)),
            ("-0", Some(0)),
            ("100e-1", Some(10)),
            ("18446744073709551615", Some(i128::from(u64::MAX))),
            ("8080.5", None),
            (" 80", None),
            ("", None),
            ("8_0", None),
            ("inf", None),
            ("nan", None),
            ("0x", None),
            ("1e", None),
            ("80a", None),
            ("--1", None),
        ] {
            assert_eq!(int_in_text(text), want, "{text}");
        }
        assert_eq!(float_in_text(".5"), Some(0.5));
        assert_eq!(float_in_text("Infinity"), Some(f64::INFINITY));
        assert!(float_in_text("NaN").is_some_and(f64::is_nan));
        assert_eq!(float_in_text(".inf"), None);
        assert_eq!(bool_in_text("tRUE"), Some(true));
        assert_eq!(bool_in_text("on"), None);
    }
}
