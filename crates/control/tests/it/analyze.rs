//! Sets of documents and what is found in them: sets with one mistake each, and sound ones in which nothing may be found.
//!
//! A file of `tests/analysis` holds many sets. A set begins with `## NAME`; what it is built on follows `with`, and what is
//! to be found follows `finds`, each as `CODE KIND/NAME`. The bases are in `bases.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use ripstop_control::analyze::{CODES, Finding, analyze};
use ripstop_yaml::{Severity, Source};

use crate::support::repository;

struct Set {
    name: String,
    bases: Vec<String>,
    finds: BTreeSet<String>,
    text: String,
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/analysis")
}

/// The sets of a file.
fn sets(file: &str) -> Vec<Set> {
    let text = fs::read_to_string(directory().join(file)).unwrap();
    let mut sets: Vec<Set> = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("## ") {
            let (head, finds) = head.rsplit_once(" finds ").unwrap_or((head, ""));
            let (name, bases) = head.rsplit_once(" with ").unwrap_or((head, ""));
            let words = |text: &str| {
                text.split(", ").filter(|one| !one.is_empty()).map(str::to_owned).collect::<Vec<_>>()
            };
            let finds = words(finds).into_iter().collect();
            sets.push(Set { name: name.to_owned(), bases: words(bases), finds, text: String::new() });
        } else if let Some(set) = sets.last_mut() {
            set.text.push_str(line);
            set.text.push('\n');
        }
    }
    sets
}

/// The bases as a file of their own, so that a set can be read by itself.
fn sources(set: &Set, bases: &BTreeMap<String, String>) -> Vec<Source> {
    let base = |name: &String| {
        let text = bases.get(name).unwrap_or_else(|| panic!("{}: no base `{name}`", set.name));
        Source::new(format!("{name}.yaml"), text.as_str())
    };
    let own = Source::new("in.yaml", set.text.as_str());
    set.bases.iter().map(base).chain([own]).collect()
}

fn bases() -> BTreeMap<String, String> {
    sets("bases.yaml").into_iter().map(|set| (set.name, set.text)).collect()
}

fn short(finding: &Finding) -> String {
    match &finding.object {
        Some((kind, key)) if &*key.namespace == "default" => format!("{} {kind}/{}", finding.code, key.name),
        Some((kind, key)) => format!("{} {kind}/{}/{}", finding.code, key.namespace, key.name),
        None => finding.code.to_owned(),
    }
}

#[test]
fn every_mistake_is_found_and_nothing_else() {
    let (bases, sets) = (bases(), sets("faulty.yaml"));
    assert!(sets.len() >= 60, "only {} sets", sets.len());
    let mut wrong = Vec::new();
    for set in &sets {
        assert!(!set.finds.is_empty(), "{} finds nothing", set.name);
        let findings = analyze(&sources(set, &bases));
        let found: BTreeSet<String> = findings.iter().map(short).collect();
        if found != set.finds {
            let lines: Vec<String> = findings
                .iter()
                .map(|f| format!("    {} {}:{} {}", f.code, f.file, f.line, f.message))
                .collect();
            wrong.push(format!(
                "{}\n  expected {:?}\n  found {found:?}\n{}",
                set.name,
                set.finds,
                lines.join("\n")
            ));
        }
        for finding in &findings {
            assert!(!finding.remedy.is_empty() && finding.line > 0, "{}: {finding:?}", set.name);
        }
    }
    assert!(wrong.is_empty(), "{} of {} sets:\n{}", wrong.len(), sets.len(), wrong.join("\n"));
}

#[test]
fn nothing_is_found_in_what_is_sound() {
    let (bases, sets) = (bases(), sets("sound.yaml"));
    assert!(sets.len() >= 60, "only {} sets", sets.len());
    let mut wrong = Vec::new();
    for set in &sets {
        for finding in analyze(&sources(set, &bases)) {
            wrong.push(format!(
                "{}: {} {}:{} {}",
                set.name, finding.code, finding.file, finding.line, finding.message
            ));
        }
    }
    assert!(wrong.is_empty(), "false alarms:\n{}", wrong.join("\n"));
}

/// Codes that a set of documents can have at all.
#[test]
fn every_code_that_documents_can_have_is_shown_by_a_set() {
    let shown: BTreeSet<String> = sets("faulty.yaml")
        .into_iter()
        .flat_map(|set| set.finds)
        .map(|find| find.split(' ').next().unwrap().to_owned())
        .collect();
    let known: BTreeSet<String> = CODES.iter().map(|code| code.code.to_owned()).collect();
    let unknown: Vec<&String> = shown.difference(&known).collect();
    assert!(unknown.is_empty(), "not among the codes: {unknown:?}");
    // A text of more than 64 MiB, and a directory without documents, are tested where they are read.
    let elsewhere = ["limit", "empty"];
    let missing: Vec<&String> =
        known.difference(&shown).filter(|code| !elsewhere.contains(&code.as_str())).collect();
    assert!(missing.is_empty(), "no set shows {missing:?}");
}

#[test]
fn the_codes_are_those_of_the_documentation() {
    let text = fs::read_to_string(repository().join("docs/analysis.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = CODES
        .iter()
        .map(|code| format!("| `{}` | {} | {} |", code.code, code.meaning, code.remedy))
        .collect();
    assert_eq!(rows, expected, "the table of docs/analysis.md is not that of the codes");
    let mut sorted: Vec<&str> = CODES.iter().map(|code| code.code).collect();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), CODES.len());
}

#[test]
fn a_document_that_cannot_be_read_is_all_that_is_said() {
    let set = [
        Source::new(
            "a.yaml",
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {hosts: [gone], htp: []}\n",
        ),
        Source::new(
            "b.yaml",
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: b}\nspec: {host: gone}\n",
        ),
    ];
    let findings = analyze(&set);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].code, findings[0].severity), ("unknown-field", Severity::Error));
    assert_eq!(findings[0].remedy, "did you mean `http`?");
}
