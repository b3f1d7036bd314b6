//! Nested reading: what is known, unknown, missing, doubled or without effect.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::parse::parse;
use crate::problem::Severity;
use crate::source::Source;

fn with<T>(text: &str, read: impl Fn(Reader<'_>) -> T) -> (T, Vec<Problem>) {
    let source = Source::new("t", text);
    let documents = parse(&source).unwrap();
    let problems = Problems::new(&source);
    let value = read(Reader::new(&documents[0].root, "", &problems));
    (value, problems.into_vec())
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn nested_reading_collects_every_problem_with_its_path() {
    let text = "\
kind: VirtualService
spec:
  hosts: [a, b]
  http:
  - retries:
      attempts: three
      perTryTimout: 2s
    timeout: 5
  - 17
  mirrors:
    x: y
";
    let (attempts, problems) = with(text, |r| {
        assert_eq!(r.required_str("kind").as_deref(), Some("VirtualService"));
        let spec = r.map("spec").unwrap();
        assert_eq!(spec.strings("hosts"), ["a", "b"]);
        let mut attempts = Vec::new();
        for http in spec.maps("http") {
            if let Some(retries) = http.map("retries") {
                attempts.push(retries.u32("attempts"));
                assert_eq!(retries.duration("perTryTimeout"), None);
                retries.finish();
            }
            http.duration("timeout");
            http.finish();
        }
        spec.finish();
        r.finish();
        attempts
    });
    assert_eq!(attempts, [None]);
    assert_eq!(
        lines(&problems),
        [
            "t:6:17: spec.http[0].retries.attempts: expected a whole number, found `three`",
            "t:7:7: spec.http[0].retries.perTryTimout: unknown field (did you mean `perTryTimeout`?)",
            "t:8:14: spec.http[0].timeout: expected a duration such as `10s`, found `5` (add a unit: 5s or 5ms)",
            "t:9:5: spec.http[1]: expected a mapping, found `17`",
            "t:10:3: spec.mirrors: unknown field",
        ]
    );
}

#[test]
fn every_kind_of_field_is_read() {
    let text = "s: x\nu: 1\nU: 2\ni: -3\nf: 0.5\nb: true\nd: 1m\nw: B\nm: {k: v}\nl: [1, 2]\nn: [z]\n";
    let ((), problems) = with(text, |r| {
        assert_eq!(r.str("s").as_deref(), Some("x"));
        assert_eq!((r.u32("u"), r.u64("U"), r.i64("i"), r.f64("f")), (Some(1), Some(2), Some(-3), Some(0.5)));
        assert_eq!((r.bool("b"), r.duration("d")), (Some(true), Some(Duration::from_secs(60))));
        assert_eq!(r.one_of("w", &[("A", 1), ("B", 2)]), Some(2));
        assert_eq!(r.string_map("m")["k"], "v");
        assert_eq!(r.list("l").iter().filter_map(Field::u32).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(r.node("n").map(Node::kind), Some("a list"));
        assert!(r.has("s") && !r.has("absent"));
        r.finish();
    });
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn absent_and_empty_fields_read_as_nothing() {
    let ((), problems) = with("a:\nb: ~\nc: x\n", |r| {
        assert_eq!((r.str("a"), r.u32("b"), r.bool("zz")), (None, None, None));
        assert!(r.strings("a").is_empty() && r.string_map("b").is_empty() && r.map("zz").is_none());
        r.str("c");
        r.finish();
    });
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn required_fields_are_missed_at_the_mapping_or_their_empty_key() {
    let ((), problems) = with("a: 1\nname:\nempty: ''\n", |r| {
        r.u32("a");
        assert_eq!(r.required_str("name"), None);
        assert_eq!(r.required_str("host"), None);
        assert_eq!(r.required_str("empty"), None);
        r.finish();
    });
    assert_eq!(
        lines(&problems),
        [
            "t:1:1: host: the field is required",
            "t:2:1: name: the field is required",
            "t:3:8: empty: the text is empty",
        ]
    );
    assert_eq!(problems[0].code, Some(code::MISSING_FIELD));
}

#[test]
fn fields_written_twice_and_fields_without_effect_are_reported() {
    let ((), problems) = with("a: 1\nmirror: {x: 1}\na: 2\n", |r| {
        assert_eq!(r.u32("a"), Some(1));
        r.known_but_unsupported("mirror", "requests are not mirrored");
        r.known_but_unsupported("absent", "never said");
        r.finish();
    });
    assert_eq!(
        lines(&problems),
        [
            "t:2:1: mirror: understood, but not in force: requests are not mirrored",
            "t:3:1: a: the field is written twice (the first is in line 1)",
        ]
    );
    assert_eq!(problems[0].severity, Severity::Warning);
    assert_eq!(problems[1].severity, Severity::Error);
}

#[test]
fn readers_report_their_own_findings() {
    let ((), problems) = with("min: 5\nmax: 3\n", |r| {
        r.u32("min");
        r.u32("max");
        r.error("max", "is smaller than min");
        r.error_with_help("min", "is larger than max", "swap them");
        r.warn("absent", "would be better");
        r.error_here("no range");
        r.warn_here("odd");
        assert_eq!(r.path(), "");
        assert!(r.span_of("max").is_some() && r.span_of("absent").is_none());
        r.finish();
    });
    assert_eq!(
        lines(&problems),
        [
            "t:1:1: absent: would be better",
            "t:1:1: no range",
            "t:1:1: odd",
            "t:1:6: min: is larger than max (swap them)",
            "t:2:6: max: is smaller than min",
        ]
    );
}

#[test]
fn a_root_that_is_no_mapping_reads_as_empty() {
    let ((), problems) = with("- a\n", |r| {
        assert_eq!(r.str("a"), None);
        r.finish();
    });
    assert_eq!(lines(&problems), ["t:1:1: expected a mapping, found a list"]);
}
