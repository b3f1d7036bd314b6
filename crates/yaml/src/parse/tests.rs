//! Trees, spans, and limits under hostile text.
#![allow(clippy::unwrap_used)]

use super::*;

fn roots(text: &str) -> Vec<Node> {
    parse(&Source::new("t.yaml", text)).unwrap().into_iter().map(|document| document.root).collect()
}

fn root(text: &str) -> Node {
    roots(text).remove(0)
}

fn refused(text: &str) -> Problem {
    parse(&Source::new("t.yaml", text)).unwrap_err()
}

fn slice(text: &str, span: Span) -> &str {
    &text[span.start as usize..span.end as usize]
}

#[test]
fn scalars_tell_how_they_were_written() {
    let node =
        root("a: 1\nb: '1'\nc: !!str 1\nd: |\n  one\n  two\ne: ~\nf:\ng: null\nh: 'null'\ni: \"\\u00e9\"\n");
    let scalar = |key: &str| match &node.get(key).unwrap().value {
        Value::Scalar(s) => (s.text.clone(), s.quoted, s.str_tag),
        other => panic!("{other:?}"),
    };
    assert_eq!(scalar("a"), ("1".into(), false, false));
    assert_eq!(scalar("b"), ("1".into(), true, false));
    assert_eq!(scalar("c"), ("1".into(), false, true));
    assert_eq!(scalar("d"), ("one\ntwo\n".into(), true, false));
    assert_eq!(scalar("h"), ("null".into(), true, false));
    assert_eq!(scalar("i").0, "é");
    for key in ["e", "f", "g"] {
        assert!(node.get(key).unwrap().is_null(), "{key}");
    }
}

#[test]
fn spans_cover_values_and_keys() {
    let text = "first: żółw\r\nsecond:\r\n  - {a: 'x y', b: [1, 2]}\r\n  - plain\r\n\r\nthird: 3\r\n";
    let node = root(text);
    assert_eq!(slice(text, node.get("first").unwrap().span), "żółw");
    let second = node.get("second").unwrap();
    assert_eq!(slice(text, second.span), "- {a: 'x y', b: [1, 2]}\r\n  - plain");
    let Value::Sequence(items) = &second.value else { panic!() };
    assert_eq!(slice(text, items[0].span), "{a: 'x y', b: [1, 2]}");
    assert_eq!(slice(text, items[0].get("a").unwrap().span), "'x y'");
    assert_eq!(slice(text, items[0].get("b").unwrap().span), "[1, 2]");
    assert_eq!(slice(text, node.entries()[2].key_span), "third");
    let source = Source::new("t.yaml", text);
    let position = source.position(node.get("third").unwrap().span);
    assert_eq!((position.line, position.column), (6, 8));
}

#[test]
fn many_documents_and_empty_ones() {
    assert_eq!(roots("").len(), 0);
    assert_eq!(roots("# only a comment\n").len(), 0);
    assert_eq!(roots("---\n---\na: 1\n---\n~\n---\n- b\n...\n").len(), 2);
    assert_eq!(roots("a: &x 1\n---\nb: 2\n").len(), 2);
    let problem = refused("a: &x 1\n---\nb: *x\n");
    assert_eq!((problem.line, problem.code), (3, Some(code::SYNTAX)), "anchors end with their document");
}

#[test]
fn json_is_read_as_yaml() {
    let long = "x".repeat(5_000);
    let text = format!(
        "{{\n\t\"a\": [1, true, null],\n\t\"long\": \"{long}\",\r\n\t\"e\": {{}}, \"u\":\"\\ud83d\\ude00\\/\"\n}}\n"
    );
    let node = root(&text);
    assert_eq!(node.get("long").unwrap().as_str(), Some(long.as_str()));
    assert_eq!(node.get("u").unwrap().as_str(), Some("😀/"));
    assert_eq!(node.get("e").unwrap().value, Value::Mapping(vec![]));
    let compact = root("{\"a\":{\"b\":[\"c\",{\"d\":1}]},\"e\":\"x\"}");
    assert_eq!(compact.get("a").unwrap().get("b").unwrap().kind(), "a list");
}

#[test]
fn duplicate_keys_stay_in_the_tree_and_merge_keys_are_plain_keys() {
    assert_eq!(root("a: 1\na: 2\n").entries().len(), 2);
    assert_eq!(root("x: &x {a: 1}\ny:\n  <<: *x\n").get("y").unwrap().entries()[0].key, "<<");
    assert_eq!(root("~: 1\n").entries()[0].key, "~");
    assert_eq!(root("1: x\ntrue: y\n").entries()[1].key, "true");
}

#[test]
fn aliases_are_expanded_where_they_stand() {
    let text = "base: &b\n  timeout: 5s\nuse: *b\n";
    let node = root(text);
    let used = node.get("use").unwrap();
    assert_eq!(slice(text, used.span), "*b");
    assert_eq!(used.get("timeout").unwrap().as_str(), Some("5s"));
    assert_eq!(slice(text, used.get("timeout").unwrap().span), "5s", "children stand at the anchor");
    assert_eq!(root("a: &k word\n*k : 1\n").entries()[1].key, "word");
}

#[test]
fn alias_bombs_end_in_an_error() {
    let mut nodes = String::from("a0: &a0 [x, x]\n");
    for n in 1..60 {
        nodes.push_str(&format!("a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1));
    }
    assert_eq!(refused(&nodes).code, Some(code::LIMIT));

    let mut bytes = format!("a0: &a0 {}\nall:\n", "x".repeat(1 << 20));
    bytes.push_str(&"- *a0\n".repeat(100));
    let problem = refused(&bytes);
    assert_eq!(problem.code, Some(code::LIMIT));
    assert!(problem.message.contains("bytes"), "{problem}");

    let mut deep = String::from("a0: &a0 [x]\n");
    for n in 1..200 {
        deep.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    assert!(refused(&deep).message.contains("nested"), "depth through aliases counts");

    assert_eq!(refused("a: &a [*a]\n").code, Some(code::SYNTAX));
}

#[test]
fn deep_nesting_ends_in_an_error() {
    assert_eq!(roots(&format!("{}{}", "[".repeat(128), "]".repeat(128))).len(), 1);
    assert_eq!(refused(&format!("{}{}", "[".repeat(129), "]".repeat(129))).code, Some(code::LIMIT));
    for text in ["[".repeat(200_000), "{a: ".repeat(200_000), "- ".repeat(200_000)] {
        refused(&text);
    }
    let mut block = String::new();
    for n in 0..1_000 {
        block.push_str(&format!("{}k:\n", " ".repeat(n)));
    }
    refused(&block);
}

#[test]
fn too_much_text_is_refused() {
    assert_eq!(refused(&"#".repeat(MAX_TEXT_BYTES + 1)).code, Some(code::LIMIT));
}

#[test]
fn syntax_errors_have_a_place() {
    let problem = refused("a: 1\nb: [1, 2\nc: 3\n");
    assert_eq!(problem.code, Some(code::SYNTAX));
    assert!(problem.line >= 2, "{problem}");
    assert!(refused("a: \"open\n").to_string().starts_with("t.yaml:"));
    assert!(refused("a: *nobody\n").line == 1);
    assert_eq!(refused("{[a]: 1}\n").message, "a key is a list or a mapping, but keys are words");
    refused("a: 1\n\tb: 2\n");
    refused("a: \u{0}\n");
}
