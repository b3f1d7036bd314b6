//! JSON values as YAML, for people: block style, quotes only where a reader would take a text for something else.

use serde_json::Value;

/// The value as a YAML document.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => block(&mut out, value, 0),
        Value::Array(list) if !list.is_empty() => block(&mut out, value, 0),
        other => {
            out.push_str(&scalar(other, 0));
            out.push('\n');
        }
    }
    out
}

fn block(out: &mut String, value: &Value, indent: usize) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                out.push_str(&format!("{margin}{}:", text(key)));
                child(out, value, indent);
            }
        }
        Value::Array(list) => {
            for value in list {
                out.push_str(&format!("{margin}-"));
                if is_block(value) {
                    let mut inner = String::new();
                    block(&mut inner, value, indent + 2);
                    out.push(' ');
                    out.push_str(inner.trim_start());
                } else {
                    out.push_str(&format!(" {}\n", scalar(value, indent + 2)));
                }
            }
        }
        _ => {}
    }
}

fn child(out: &mut String, value: &Value, indent: usize) {
    if is_block(value) {
        out.push('\n');
        block(out, value, indent + 2);
    } else {
        out.push_str(&format!(" {}\n", scalar(value, indent + 2)));
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

fn scalar(value: &Value, indent: usize) -> String {
    match value {
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        Value::String(string) if is_literal(string) => {
            let margin = " ".repeat(indent);
            let lines: Vec<String> = string
                .trim_end_matches('\n')
                .split('\n')
                .map(|line| if line.is_empty() { String::new() } else { format!("{margin}{line}") })
                .collect();
            let mark = if string.ends_with('\n') { "|" } else { "|-" };
            format!("{mark}\n{}", lines.join("\n"))
        }
        Value::String(string) => text(string),
        other => other.to_string(),
    }
}

/// Texts of several lines that a literal block gives back exactly.
fn is_literal(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n'])
        && !text.contains(|c: char| c.is_control() && c != '\n')
}

fn text(text: &str) -> String {
    let is_plain_char = |c: char| c.is_ascii_alphanumeric() || "-_./@+*|~ %()=".contains(c);
    let reads_as_other = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~", ""];
    let plain = text.chars().all(is_plain_char)
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !text.ends_with(' ')
        && !reads_as_other.contains(&text.to_ascii_lowercase().as_str());
    // JSON's quotes and escapes are YAML's, too.
    if plain { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ripstop_yaml::{Problems, Reader, Source, parse};
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_people_write_them() {
        let value = json!({
            "name": "shop", "port": 80, "on": true, "nothing": null, "empty": [], "none": {},
            "list": ["a", {"b": 1, "c": [1, [2]]}],
            "text": "one\ntwo\n", "odd": "yes", "colon": "a: b", "number": "12",
        });
        let expected = "\
colon: \"a: b\"
empty: []
list:
  - a
  - b: 1
    c:
      - 1
      - - 2
name: shop
none: {}
nothing: null
number: \"12\"
odd: \"yes\"
\"on\": true
port: 80
text: |
  one
  two
";
        assert_eq!(to_yaml(&value), expected);
        let source = Source::new("x", expected);
        let documents = parse(&source).unwrap();
        let problems = Problems::new(&source);
        let reader = Reader::new(&documents[0].root, "", &problems);
        assert_eq!(reader.str("text").as_deref(), Some("one\ntwo\n"));
        assert_eq!(reader.str("number").as_deref(), Some("12"));
    }
}
