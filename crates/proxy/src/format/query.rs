//! Query parameters by name, percent-decoded.

use std::borrow::Cow;

/// Value of the first parameter of that name; empty where it has none.
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, [u8]>> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find_map(|(key, value)| (decoded(key).as_ref() == name.as_bytes()).then(|| decoded(value)))
}

/// Replaces `%C3` by its byte; what is no such thing stays.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = |offset: usize| bytes.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
        match (*byte, hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let check = |query: &str, name: &str, expected: Option<&str>| {
            let found = parameter(query, name);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{query} {name}");
        };
        check("a=b%20c&b=%C3%A9&a=2", "a", Some("b c"));
        check("a=b%20c&b=%C3%A9", "b", Some("\u{e9}"));
        check("a&%62=%4", "b", Some("%4"));
        check("a", "a", Some(""));
        check("a", "c", None);
    }
}
