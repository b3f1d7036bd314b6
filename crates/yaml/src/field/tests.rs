//! Every type, rightly and wrongly written.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::parse::parse;
use crate::source::Source;

/// Reads `text` with `read` and gives the result and all problems as lines.
fn read<T>(text: &str, read: impl Fn(Field<'_>) -> T) -> (T, Vec<String>) {
    let source = Source::new("t", format!("v: {text}\n"));
    let documents = parse(&source).unwrap();
    let problems = Problems::new(&source);
    let value = read(Field::new(documents[0].root.get("v").unwrap(), "v", &problems));
    (value, problems.into_vec().iter().map(ToString::to_string).collect())
}

fn good<T: std::fmt::Debug + PartialEq>(text: &str, want: T, by: impl Fn(Field<'_>) -> Option<T>) {
    assert_eq!(read(text, by), (Some(want), vec![]), "{text}");
}

fn bad<T: std::fmt::Debug + PartialEq>(text: &str, want: &str, by: impl Fn(Field<'_>) -> Option<T>) {
    let (value, problems) = read(text, by);
    assert_eq!((value, problems), (None, vec![format!("t:1:4: v: {want}")]), "{text}");
}

#[test]
fn texts() {
    for (text, want) in [
        ("word", "word"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("1.2.3", "1.2.3"),
        ("''", ""),
        ("10s", "10s"),
        ("y", "y"),
    ] {
        good(text, want.to_owned(), |v| v.str());
    }
    bad("12", "expected a text, found `12` (put it in quotes: \"12\")", |v| v.str());
    bad("1.10", "expected a text, found `1.10` (put it in quotes: \"1.10\")", |v| v.str());
    bad("on", "expected a text, found `on` (put it in quotes: \"on\")", |v| v.str());
    bad("true", "expected a text, found `true` (put it in quotes: \"true\")", |v| v.str());
    bad("[a]", "expected a text, found a list", |v| v.str());
    bad("{a: b}", "expected a text, found a mapping", |v| v.str());
}

#[test]
fn truth_values() {
    good("true", true, |v| v.bool());
    good("False", false, |v| v.bool());
    bad("yes", "expected `true` or `false`, found `yes` (write true)", |v| v.bool());
    bad("Off", "expected `true` or `false`, found `Off` (write false)", |v| v.bool());
    bad("'true'", "expected `true` or `false`, found the text `true` (write true)", |v| v.bool());
    bad("1", "expected `true` or `false`, found `1`", |v| v.bool());
    bad("[]", "expected `true` or `false`, found a list", |v| v.bool());
}

#[test]
fn whole_numbers() {
    for (text, want) in
        [("0", 0), ("8080", 8080), ("'8080'", 8080), ("0x1F90", 8080), ("0o17", 15), ("+5", 5)]
    {
        good(text, want, |v| v.u32());
    }
    good("-5", -5, |v| v.i64());
    good("9223372036854775807", i64::MAX, |v| v.i64());
    good("18446744073709551615", u64::MAX, |v| v.u64());
    bad("-1", "expected a whole number, found `-1` (the range is 0 to 4294967295)", |v| v.u32());
    bad("4294967296", "expected a whole number, found `4294967296` (the range is 0 to 4294967295)", |v| {
        v.u32()
    });
    bad(
        "010",
        "expected a whole number, found `010` (a leading zero is ambiguous: write 10, or 0o10 if it is octal)",
        |v| v.u64(),
    );
    bad("1.5", "expected a whole number, found `1.5`", |v| v.u32());
    bad("many", "expected a whole number, found `many`", |v| v.i64());
    bad("'ten'", "expected a whole number, found the text `ten`", |v| v.u32());
    bad("{}", "expected a whole number, found a mapping", |v| v.u64());
    bad("''", "expected a whole number, found the text ``", |v| v.u32());
    let huge = "9".repeat(100);
    assert_eq!(read(&huge, |v| v.u64()).0, None);
}

#[test]
fn numbers() {
    good("1.5", 1.5, |v| v.f64());
    good("-3", -3.0, |v| v.f64());
    good("'1e3'", 1000.0, |v| v.f64());
    bad("inf", "expected a number, found `inf`", |v| v.f64());
    bad("1e999", "expected a number, found `1e999`", |v| v.f64());
    bad("half", "expected a number, found `half`", |v| v.f64());
    bad("[1]", "expected a number, found a list", |v| v.f64());
}

#[test]
fn durations() {
    good("1h30m", Duration::from_secs(5_400), |v| v.duration());
    good("'250ms'", Duration::from_millis(250), |v| v.duration());
    bad("10", "expected a duration such as `10s`, found `10` (add a unit: 10s or 10ms)", |v| v.duration());
    bad(
        "10sec",
        "expected a duration such as `10s`, found `10sec` (units are ns, us, ms, s, m and h, as in 1m30s)",
        |v| v.duration(),
    );
    bad("-1s", "expected a duration such as `10s`, found `-1s` (a duration is zero or longer)", |v| {
        v.duration()
    });
    bad("[1s]", "expected a duration such as `10s`, found a list", |v| v.duration());
}

#[test]
fn words() {
    let words = [("ROUND_ROBIN", 1), ("LEAST_REQUEST", 2)];
    good("LEAST_REQUEST", 2, |v| v.one_of(&words));
    bad(
        "round_robbin",
        "expected one of ROUND_ROBIN, LEAST_REQUEST, found `round_robbin` (did you mean `ROUND_ROBIN`?)",
        |v| v.one_of(&words),
    );
    bad("x", "expected one of ROUND_ROBIN, LEAST_REQUEST, found `x`", |v| v.one_of(&words));
    bad("[a]", "expected one of ROUND_ROBIN, LEAST_REQUEST, found a list", |v| v.one_of(&words));
    bad("Pod", "expected `Service`, found `Pod`", |v| v.one_of(&[("Service", ())]));
}

#[test]
fn lists_and_mappings() {
    assert_eq!(read("[a, 'b']", |v| v.strings()), (vec!["a".to_owned(), "b".to_owned()], vec![]));
    let (texts, problems) = read("[a, 1, {x: y}, c]", |v| v.strings());
    assert_eq!(texts, ["a", "c"]);
    assert_eq!(
        problems,
        [
            "t:1:8: v[1]: expected a text, found `1` (put it in quotes: \"1\")",
            "t:1:11: v[2]: expected a text, found a mapping",
        ]
    );
    let (texts, problems) = read("a", |v| v.strings());
    assert!(texts.is_empty());
    assert_eq!(
        problems,
        ["t:1:4: v: expected a list, found `a` (begin each element with `- `, or write [a, b])"]
    );
    let (map, problems) = read("{a: x, b.c: 2, a: z}", |v| v.string_map());
    assert_eq!(map, BTreeMap::from([("a".to_owned(), "x".to_owned())]));
    assert_eq!(
        problems,
        [
            "t:1:16: v[\"b.c\"]: expected a text, found `2` (put it in quotes: \"2\")",
            "t:1:19: v.a: written twice",
        ]
    );
    assert_eq!(read("[a]", |v| v.string_map()).1, ["t:1:4: v: expected a mapping, found a list"]);
    bad("word", "expected a mapping, found `word`", |v| v.map().map(|_| ()));
}
